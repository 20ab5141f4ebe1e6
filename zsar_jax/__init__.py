"""Zero-shot action recognition in video: train once, then name actions never seen.

`load` reads an exported model (`python -m zsar_jax.export`) and names videos with it.
"""

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from zsar_jax import large_pages

if TYPE_CHECKING:
  from zsar_jax.errors import InputError
  from zsar_jax.recognition.answers import Failure, Named, Prediction, Timeline
  from zsar_jax.recognition.candidates import Candidates, Leak
  from zsar_jax.recognition.limits import Limits
  from zsar_jax.recognition.recognizer import Recognizer, load

if sys.argv[:1] == ["-m"]:  # as `python -m zsar_jax.X` is looked up
  # What every command needs is missing where only the system's Python is at hand.
  if importlib.util.find_spec("ml_collections") is None:
    sys.exit("zsar_jax: the environment is not active; run: source .venv/bin/activate")
  large_pages.restart()

__version__ = "0.1.0"
__all__ = [
  "Candidates", "Failure", "InputError", "Leak", "Limits", "Named", "Prediction", "Recognizer", "Timeline", "__version__", "load",
]  # fmt: skip
_HOMES = {
  "Candidates": "zsar_jax.recognition.candidates",
  "Failure": "zsar_jax.recognition.answers",
  "InputError": "zsar_jax.errors",
  "Leak": "zsar_jax.recognition.candidates",
  "Limits": "zsar_jax.recognition.limits",
  "Named": "zsar_jax.recognition.answers",
  "Prediction": "zsar_jax.recognition.answers",
  "Recognizer": "zsar_jax.recognition.recognizer",
  "Timeline": "zsar_jax.recognition.answers",
  "load": "zsar_jax.recognition.recognizer",
}


def __getattr__(name: str) -> Any:
  # Imported when asked for: the package itself needs neither JAX nor numpy.
  if name not in _HOMES:
    raise AttributeError(f"module 'zsar_jax' has no attribute {name!r}")
  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
