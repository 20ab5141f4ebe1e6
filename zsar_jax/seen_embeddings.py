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

from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json, write_text
from zsar_jax.saved.folders import file_hash

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
    file = self.folder / "prototypes.npz"
    try:
      # Opened here, since numpy leaves a broken archive open.
      with file.open("rb") as raw, zipfile.ZipFile(raw) as archive, archive.open("prototypes.npy") as array:
        found = np.lib.format.read_array(array)
        if array.read(1):
          raise ValueError("longer than its header says")
    except Exception as error:  # whatever a damaged zip or header makes zipfile, zlib and NumPy raise
      raise InputError(
        f"{file} cannot be read ({error}): remove {self.folder} to have it made anew"
      ) from error
    rows = len(self.origin.classes)
    if found.ndim != 2 or len(found) != rows or found.dtype != np.float32 or not np.isfinite(found).all():
      raise InputError(
        f"{file} holds {found.dtype} {list(found.shape)}, expected finite float32 [{rows}, D]: remove {self.folder} to have it made anew"
      )
    return found

  def embeddings(self) -> TrainingEmbeddings:
    """Every training embedding. Only after `prototypes` gave an answer or `finish` was called."""
    files = sorted(self.folder.glob("embeddings-*.npy"))
    try:
      shards = [np.load(file, mmap_mode="r") for file in files]
      label, row = (np.load(self.folder / f"{name}.npy") for name in ("labels", "rows"))
    except Exception as error:  # whatever a damaged header makes NumPy raise
      raise InputError(f"{self.folder} is damaged ({error}): remove it to have it made anew") from error
    if not sum(map(len, shards)) == len(label) == len(row) == self.origin.num_videos:
      raise InputError(
        f"{self.folder} holds {sum(map(len, shards))} embeddings, {len(label)} labels and {len(row)} rows, expected "
        f"{self.origin.num_videos} of each: remove it to have it made anew"
      )
    self._check_hashes()
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
    facts = self.origin._asdict() | {"embeddings": self.keeps_embeddings, "sha256": self._hashes()}
    write_text(self.folder / "origin.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    for other in self.folder.parent.iterdir():
      step = other.name.partition("-")[0]
      if other.is_dir() and step.isdigit() and int(step) != self.origin.step:
        shutil.rmtree(other)

  def _hashes(self) -> dict[str, str]:
    """Of every array of the search: nothing else would show a changed one."""
    return {file.name: file_hash(file) for file in sorted(self.folder.glob("*.npy"))}

  def _check_hashes(self) -> None:
    written = (self._read_origin() or {}).get("sha256")
    found = self._hashes()
    wrong = (
      [] if written is None else [f for f in {*written, *found} if written.get(f) != found.get(f)]
    )  # older ones: None
    raise_all(
      [
        f"{self.folder / name} is not what was written (SHA-256): remove {self.folder} to have it made anew"
        for name in sorted(wrong)
      ]
    )

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
      told = parse_json((self.folder / "origin.json").read_text(encoding="utf-8"))
      if not isinstance(told, dict) or not isinstance(told.get("embeddings"), bool):
        raise ValueError("not what a run writes")
      if not isinstance(told.get("sha256", {}), dict):
        raise ValueError("'sha256' is no object")
    except FileNotFoundError:
      return None
    except (OSError, ValueError) as error:
      if self._replace and not isinstance(error, OSError):
        return None
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
    return f"its {key} are others ({len(held) if isinstance(held, list) else 'none'}, here {len(wanted)})"
  return f"its {key} is {held!s:.200}, here {wanted}"
