"""Stands where the interpreter stands: a run that trains nothing. Called as `stub -m zsar_jax.main ...`.

STUB_FAILS: it fails if this is in its command line; STUB_WAITS: so long it works, in seconds; SIGTERM ends it, saved.
"""

import json
import os
import pathlib
import signal
import sys
import time

from zsar_jax import commands
from zsar_jax import config as configs


def main(argv):
  assert argv[:2] == ["-m", "zsar_jax.main"]
  options = dict(zip(argv[2::2], argv[3::2], strict=False))
  keys = [part for part in argv if part.startswith("--config.")]
  workdir = pathlib.Path(options["--workdir"])
  evaluate_only = "--evaluate_only" in argv
  results = pathlib.Path(argv[argv.index("--results") + 1]) if "--results" in argv else workdir
  print("working on", options["--config"])
  if os.environ.get("STUB_FAILS", "nothing") in " ".join(argv):
    print("this went wrong")
    return 3

  def save(*_):
    (workdir / "saved").touch()
    os._exit(143)

  signal.signal(signal.SIGTERM, save)
  (workdir / "started").touch()
  time.sleep(float(os.environ.get("STUB_WAITS", "0")))
  if evaluate_only:
    assert (workdir / "report.json").is_file()
  results.mkdir(parents=True, exist_ok=True)
  config = configs.load(options["--config"], commands.parse_overrides(keys))
  row = {
    "dataset": "figures_test",
    "protocol": "all",
    "space": "semantic",
    "level": "video",
    "primary": True,
    "num_videos": 100,
  }
  row |= {"top1": 50.0, "top5": 90.0, "top1_std": None, "chance_top1": 8.3, "per_class": {}}
  (results / "report.json").write_text(json.dumps({"config": configs.to_dict(config), "evaluations": [row]}))
  with open(workdir.parent / "ran.txt", "a") as log:
    log.write(f"{workdir.name}\n")
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
