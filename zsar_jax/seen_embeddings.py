"""The seen classes' prototypes, and for the search of transfer coefficients every training embedding, beside their checkpoint.

In `WORKDIR/seen_embeddings/STEP/` (`STEP-single` and the like with frames out of order): `prototypes.npz` (prototypes [S, D], counts
[S]), `embeddings-00000.npy` … (float16 [n, D], training videos in order), `labels.npy`, `rows.npy`, and `origin.json`, which is
written last and says what they are of.
"""

import json
import pathlib
import shutil
import zipfile
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from zsar_jax.errors import InputError
from zsar_jax.files import write_text

ROWS_PER_FILE = 65_536


class Origin(NamedTuple):
  """What embeddings are of. Those of another origin mean nothing here."""

  checkpoint: str  # hash of the parameters
  step: int
  classes: tuple[str, ...]
  num_videos: int
  clips: str = ""  # hash of the videos, and of how their clips are cut
  frame_order: str = "natural"


class TrainingEmbeddings(NamedTuple):
  """All training videos' embeddings as they lie on disk."""

  shards: list[Float[np.ndarray, "n D"]]  # float16, memory-mapped
  label: Int[np.ndarray, " V"]
  row: Int[np.ndarray, " V"]  # of the data set's index


class SeenStore:
  """Writes and reads the folder of one checkpoint.

  With `replace`, what lies there of another origin is made anew (right after training); else it is refused.
  """

  def __init__(
    self, workdir: pathlib.Path, origin: Origin, *, keeps_embeddings: bool = False, replace: bool = False
  ):
    suffix = "" if origin.frame_order == "natural" else f"-{origin.frame_order}"
    self.folder = workdir / "seen_embeddings" / f"{origin.step}{suffix}"
    self.origin, self.keeps_embeddings, self._replace = origin, keeps_embeddings, replace
    self._waiting: list[np.ndarray] = []
    self._labels: list[np.ndarray] = []
    self._rows: list[np.ndarray] = []
    self._num_files = 0

  def prototypes(self) -> Float32[np.ndarray, "S D"] | None:
    """Those that lie there; None where none do, or where the embeddings that are wanted too do not.

    Raises:
      InputError: they are of another checkpoint, or of other classes or videos.
    """
    told = self._read_origin()
    if told is None or (self.keeps_embeddings and not told["embeddings"]):
      return None
    try:
      with np.load(self.folder / "prototypes.npz", allow_pickle=False) as held:
        return held["prototypes"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
      raise InputError(
        f"{self.folder}/prototypes.npz cannot be read ({error}): remove {self.folder} to have it made anew"
      ) from error

  def embeddings(self) -> TrainingEmbeddings:
    """Every training embedding. Only after `prototypes` gave an answer or `finish` was called."""
    files = sorted(self.folder.glob("embeddings-*.npy"))
    try:
      shards = [np.load(file, mmap_mode="r") for file in files]
      label, row = (np.load(self.folder / f"{name}.npy") for name in ("labels", "rows"))
    except (OSError, ValueError) as error:
      raise InputError(f"{self.folder} is damaged ({error}): remove it to have it made anew") from error
    if not sum(map(len, shards)) == len(label) == len(row) == self.origin.num_videos:
      raise InputError(
        f"{self.folder} holds {sum(map(len, shards))} embeddings, {len(label)} labels and {len(row)} rows, expected "
        f"{self.origin.num_videos} of each: remove it to have it made anew"
      )
    return TrainingEmbeddings(shards, label, row)

  def add(self, vectors: Float[np.ndarray, "B D"], label: np.ndarray, row: np.ndarray) -> None:
    """Appends a batch of training videos."""
    self._waiting.append(vectors.astype(np.float16))
    self._labels.append(label)
    self._rows.append(row)
    if sum(map(len, self._waiting)) >= ROWS_PER_FILE:
      self._flush()

  def finish(self, prototypes: Float32[np.ndarray, "S D"], counts: Int[np.ndarray, " S"]) -> None:
    """Writes what is left; only now the folder counts. Those of other steps are removed."""
    self._begin()
    if self.keeps_embeddings:
      self._flush()
      np.save(self.folder / "labels.npy", np.concatenate(self._labels))
      np.save(self.folder / "rows.npy", np.concatenate(self._rows))
    np.savez(self.folder / "prototypes.npz", allow_pickle=False, prototypes=prototypes, counts=counts)
    facts = self.origin._asdict() | {"embeddings": self.keeps_embeddings}
    write_text(self.folder / "origin.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    for other in self.folder.parent.iterdir():
      step = other.name.partition("-")[0]
      if other.is_dir() and step.isdigit() and int(step) != self.origin.step:
        shutil.rmtree(other)

  def _begin(self) -> None:
    if not self._num_files:
      shutil.rmtree(self.folder, ignore_errors=True)
      self.folder.mkdir(parents=True)

  def _flush(self) -> None:
    if self._waiting:
      self._begin()
      file = self.folder / f"embeddings-{self._num_files:05d}.npy"
      np.save(file, np.concatenate(self._waiting))
      self._waiting, self._num_files = [], self._num_files + 1

  def _read_origin(self) -> dict[str, Any] | None:
    try:
      told = json.loads((self.folder / "origin.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
      return None
    except (OSError, ValueError) as error:
      raise InputError(f"{self.folder}/origin.json cannot be read ({error}): remove {self.folder}") from error
    wanted = json.loads(json.dumps(self.origin._asdict()))
    differing = [key for key in wanted if told.get(key) != wanted[key]]
    if not differing:
      return told
    if self._replace:
      return None
    raise InputError(
      f"{self.folder} holds prototypes of another checkpoint: {', '.join(_told(k, told.get(k), wanted[k]) for k in differing)}; "
      f"remove the folder to have them made anew ({self.origin.num_videos} training videos are embedded), or put back the "
      "checkpoint they came from"
    )


def _told(key: str, held: Any, wanted: Any) -> str:
  if isinstance(wanted, list):
    return f"its {key} are others ({len(held or ())}, here {len(wanted)})"
  return f"its {key} is {held}, here {wanted}"
