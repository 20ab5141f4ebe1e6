"""A web page and an HTTP API around an exported model: `python -m zsar_jax.serve --model DIR`.

Drop a video, type names, see the ranked names, the scores along the video and what the prototypes are made of. The API is
described at /docs; /health and /metrics are for whoever keeps it running. Videos are decoded in processes that can be killed,
requests that come together are named together, and a video is removed once it is answered.

Listens on this machine alone unless --host says otherwise; it has no login and no encryption. Behind a proxy that has both, --name
tells what the proxy is called: pages of other names are refused. SIGTERM and Ctrl-C finish what was accepted. Needs the extra `serve`.

Exit codes: 0 ended as asked, 2 wrong input, 130 ended by a second signal.
"""

import argparse
import importlib.util
import math
import re
import sys
from typing import TYPE_CHECKING

from zsar_jax import commands
from zsar_jax.data.references import parse_reference
from zsar_jax.errors import InputError, raise_all
from zsar_jax.serving.settings import Settings

if TYPE_CHECKING:
  from zsar_jax.recognition.recognizer import Recognizer

_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "swagger_ui_bundle")


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  args = commands.parse(_parser(), argv)
  name = args.name.lower() if args.name else None
  settings = Settings(
    args.host, args.port, name, args.max_mb, args.max_seconds, max_waiting=args.max_waiting, vectors=args.vectors
  )  # fmt: skip
  raise_all([*_missing(), *_wrong(settings)])
  import zsar_jax
  from zsar_jax import compilation
  from zsar_jax.serving.server import serve

  compilation.use_cache()
  recognizer = zsar_jax.load(args.model)
  _check_model(recognizer, settings)
  serve(recognizer, settings)


def _check_model(recognizer: "Recognizer", settings: Settings) -> None:
  """Raises InputError now for what would refuse every request."""
  bundle = recognizer.bundle
  if bundle.config.model.backbone == "features":
    raise InputError(
      f"{bundle.folder}: this model reads precomputed features, no videos: it cannot be served"
    )
  if settings.vectors is not None or bundle.facts.vectors.startswith("sentence:"):
    rules = parse_reference(bundle.config.data.seen).name
    recognizer.candidates(bundle.seen.names[:2], settings.vectors, rules=rules)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(prog="zsar_jax.serve", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  least = Settings()
  parser.add_argument("--model", required=True, metavar="DIR", help="a folder that zsar_jax.export wrote")
  parser.add_argument("--host", default=least.host, help="address to listen on (default: %(default)s)")
  parser.add_argument(
    "--port", type=int, default=least.port, help="0 takes a free one (default: %(default)s)"
  )
  parser.add_argument("--name", metavar="HOST", help="what a proxy in front of it is called: example.org")
  parser.add_argument(
    "--max_mb", type=float, default=least.max_mb, help="largest video, MB (default: %(default)g)"
  )
  parser.add_argument(
    "--max_seconds", type=float, default=least.max_seconds, help="longest video (default: %(default)g)"
  )
  parser.add_argument(
    "--max_waiting", type=int, default=least.max_waiting,
    help="videos at work or waiting; beyond, clients are asked to come again (default: %(default)s)",
  )  # fmt: skip
  parser.add_argument(
    "--vectors", metavar="FILE",
    help="word vectors instead of those in the model's folder; read for every new list of names, so better a small .npz",
  )  # fmt: skip
  return parser


def _missing() -> list[str]:
  lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
  if not lacking:
    return []
  return [f'serving needs {", ".join(lacking)}, which is not installed: pip install "zsar-jax[serve]"']


def _wrong(settings: Settings) -> list[str]:
  problems = []
  for name in ("max_mb", "max_seconds", "max_waiting"):
    value = getattr(settings, name)
    if not (value > 0 and math.isfinite(value)):
      problems.append(f"--{name} {value:g}: expected a number above 0")
  if settings.name is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", settings.name):
    problems.append(
      f"--name {settings.name!r}: expected a host's name alone, such as example.org, without https:// and without a port"
    )
  if not 0 <= settings.port <= 65535:
    problems.append(f"--port {settings.port}: expected 0 (a free one) to 65535")
  return problems


if __name__ == "__main__":
  sys.exit(main())
