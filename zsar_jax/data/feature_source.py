"""Features that were computed elsewhere: arrays in `.npy` and `.npz` files. Runs in a worker process (see `decode.py`)."""

import functools
import zipfile

import numpy as np
from jaxtyping import Float32

from zsar_jax.data.video_source import VideoError

ARRAY = "features"  # of an .npz with more than one


def read_features(path: str, row: int = -1) -> Float32[np.ndarray, "T D"]:
  """The feature vectors of one video.

  Args:
    path: `.npy`, or `.npz` with one array, or with one named `features`: numbers [D] or [T,D].
    row: of an array [V,D] or [V,T,D] that holds many videos; -1: the whole array is one video.

  Raises:
    VideoError: no such file, not an array of numbers, another shape, values that are not finite.
  """
  array = _load(path)
  if row >= 0:
    if array.ndim not in (2, 3) or row >= len(array):
      raise VideoError(
        f"unreadable: expected features [V,D] or [V,T,D] with a row {row}, found {array.shape}"
      )
    array = array[row]
  if array.ndim == 1:
    array = array[None]
  if array.ndim != 2 or not array.size:
    raise VideoError(f"unreadable: expected features [D] or [T,D], found {array.shape}")
  vectors = np.ascontiguousarray(array, "<f4")
  if not np.isfinite(vectors).all():
    raise VideoError("unreadable: its features are not all finite float32 numbers")
  return vectors


@functools.lru_cache(maxsize=1)  # one file may hold thousands of videos
def _load(path: str) -> np.ndarray:
  try:
    # Opened here, because numpy leaves a file open that turns out not to be an archive.
    with open(path, "rb") as file:
      loaded = np.load(file, allow_pickle=False)
      array = _only(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
  except FileNotFoundError:
    raise VideoError("unreadable: no such file") from None
  except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
    raise VideoError(f"unreadable: not an array of numbers ({error})") from error
  if array.dtype.kind not in "fiu":
    raise VideoError(f"unreadable: expected numbers, found {array.dtype}")
  return array


def _only(arrays: np.lib.npyio.NpzFile) -> np.ndarray:
  names = arrays.files
  if ARRAY not in names and len(names) != 1:
    raise ValueError(f"expected one array, or one named {ARRAY!r}; found {', '.join(names) or 'none'}")
  return arrays[ARRAY if ARRAY in names else names[0]]
