"""Zero-shot action recognition in video: train once, then name actions never seen.

`load` reads an exported model (`python -m zsar_jax.export`) and names videos with it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from zsar_jax.recognition.answers import Failure, Prediction
  from zsar_jax.recognition.recognizer import Recognizer, load

__version__ = "0.1.0"
__all__ = ["Failure", "Prediction", "Recognizer", "__version__", "load"]
_HOMES = {
  "Failure": "zsar_jax.recognition.answers",
  "Prediction": "zsar_jax.recognition.answers",
  "Recognizer": "zsar_jax.recognition.recognizer",
  "load": "zsar_jax.recognition.recognizer",
}


def __getattr__(name: str) -> Any:
  # Imported when asked for: the package itself needs neither JAX nor numpy.
  if name not in _HOMES:
    raise AttributeError(f"module 'zsar_jax' has no attribute {name!r}")
  import importlib

  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
