"""A study that really trains: killed in the middle, it goes on, and a second study shares its trainings."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from running import ROOT, TINY

from zsar_jax import study

FILE = """
from zsar_jax.studies.plan import Metric, Run, Study

STEPS = {"train.joint.steps": 2, "checkpoint.every_steps": 1}
E2E, REST = "configs/demo.py:e2e", "configs/demo.py"

def get_study(variant=""):
  runs = [Run("e2e", "plain", E2E, STEPS), Run("e2e", "one clip", E2E, STEPS, level="single"),
          Run("e2e", "frozen", E2E, STEPS | {"model.freeze_backbone": True}, init_from="stills, before")]
  rest = STEPS | {"train.warmup.steps": 1}
  if variant == "demo":
    runs = [runs[0], Run("ResT", "hash:300", REST, rest), Run("ResT", "hash:40", REST, rest, {"vectors": "hash:40"}),
            Run("ResT", "no transfer", REST, rest, space="semantic")]
  stills = Run("stills", "before", E2E, STEPS | {"data.seen": "figures_stills", "data.seen_test": ""})
  return Study("A study", "it works.", "variant", [Metric("all", "figures_test")], runs, pretraining=[stills][:variant != "demo"])
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
def test_a_killed_study_goes_on_and_studies_share_trainings(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(ROOT)
  (tmp_path / "mine.py").write_text(FILE)
  tiny = {key: value for key, value in TINY.items() if key != "train.joint.steps"} | {
    "data.dir": tmp_path / "data"
  }
  keys = [f"--config.{key}={value}" for key, value in tiny.items()]
  command = ["--config", str(tmp_path / "mine.py"), "--workdir", str(tmp_path / "runs"), *keys]
  process = subprocess.Popen([sys.executable, "-m", "zsar_jax.study", *command], start_new_session=True)
  trainings = tmp_path / "runs" / "runs"
  while len(list(trainings.glob("*/report.json"))) < 1:
    assert process.poll() is None
    time.sleep(0.2)
  os.killpg(
    process.pid, signal.SIGKILL
  )  # the run at hand lives on in its own session: the next call waits for it
  process.wait()
  assert study.main(command) == 0
  out = capsys.readouterr().out
  assert "stills, before: was there" in out
  assert "one clip: was there" in out
  content = json.loads((tmp_path / "runs/mine/mine.json").read_text())
  assert [point["num_missing"] for point in content["points"]] == [0] * 3
  assert len(list(trainings.iterdir())) == 3
  assert study.main([*command[:1], command[1] + ":demo", *command[2:]]) == 0
  out = capsys.readouterr().out
  assert "[1/4] e2e, plain: was there" in out
  assert "[3/4] ResT, hash:40: evaluated in" in out
  assert "[4/4] ResT, no transfer: was there" in out
  reports = [json.loads(file.read_text()) for file in trainings.glob("*/results/*/report.json")]
  assert [report["config"]["vectors"] for report in reports] == ["hash:40"]
