"""`manifest.json` of a saved step: every file with its size and SHA-256, and the facts beside the arrays.

It is written last. A folder without it is no saved step, whatever else it holds. Needs neither JAX nor Orbax.
"""

import hashlib
import json
import os
import pathlib
import re
import stat
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

FILE, ARRAYS = "manifest.json", "state"
FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 64 << 20  # bytes of a manifest that is worth reading


class Facts(NamedTuple):
  """What is saved beside the arrays. `totals` are float32 values, which JSON keeps exactly."""

  clips_read: int  # the data position: step x batch size
  validation: float | None  # seen-class accuracy of this very state (per cent), None: not measured
  best: float | None  # the best validation of the run so far (last phase), None: none yet
  totals: dict[str, float]  # metrics summed since the last line of metrics.jsonl


class Entry(NamedTuple):
  size: int  # bytes
  sha256: str  # hexadecimal


class Manifest(NamedTuple):
  step: int
  saved: str  # UTC, as 2025-01-31T12:00:00Z
  facts: Facts
  files: dict[str, Entry]  # by path relative to the step's folder, with "/"

  @property
  def size(self) -> int:
    """Bytes of all files together."""
    return sum(entry.size for entry in self.files.values())


class ManifestError(ValueError):
  """A step's manifest is missing or says nothing that can be relied on. The message is the reason, in one line."""


def write_manifest(folder: pathlib.Path, step: int, facts: Facts) -> None:
  """Hashes the arrays' files in `folder`, makes them durable, and writes the manifest beside them, likewise.

  Raises:
    OSError: a file cannot be read or the manifest not be written.
  """
  files = {}
  for name in _files_below(folder):
    with (folder / name).open("rb") as file:
      digest = hashlib.file_digest(file, "sha256").hexdigest()
      files[name] = {"size": os.fstat(file.fileno()).st_size, "sha256": digest}
  body = {"format": FORMAT, "step": step, "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
          "facts": facts._asdict(), "files": files}  # fmt: skip
  (folder / FILE).write_bytes(signed(body))
  sync_below(folder)


def amend_facts(folder: pathlib.Path, validation: float | None, best: float | None) -> None:
  """Changes `validation` and `best` of a step that was saved before they were known; the files stay as they are.

  Raises:
    ManifestError: as `read_manifest`.
    OSError: the manifest cannot be written.
  """
  manifest = read_manifest(folder)
  body = json.loads(_read(folder / FILE))
  body["facts"] = manifest.facts._replace(validation=validation, best=best)._asdict()
  beside = folder / f".{FILE}.new"
  beside.write_bytes(signed(body))
  sync(beside)
  os.replace(beside, folder / FILE)
  sync(folder)


def signed(body: dict[str, Any]) -> bytes:
  """The bytes of a manifest that says `body`, with the SHA-256 of all the rest in it."""
  rest = {key: value for key, value in body.items() if key != "sha256"}
  return _text(rest | {"sha256": hashlib.sha256(_text(rest)).hexdigest()})


def read_manifest(folder: pathlib.Path) -> Manifest:
  """What `write_manifest` wrote in the folder of a step (named by its number).

  Raises:
    ManifestError: it is missing, damaged, of another format or of another step.
  """
  try:
    text = _read(folder / FILE)
    body = json.loads(text)
    if not isinstance(body, dict) or signed(body) != text:
      raise ManifestError(f"{FILE} is damaged: it does not match its own SHA-256")
  except (ValueError, RecursionError) as error:
    if isinstance(error, ManifestError):
      raise
    raise ManifestError(f"{FILE} is damaged: it is no JSON") from error
  if body.get("format") != FORMAT:
    raise ManifestError(f"{FILE} is of format {_short(body.get('format'))}, expected {FORMAT}: another version wrote it")  # fmt: skip
  manifest = _parsed(body)
  if folder.name.isdecimal() and str(manifest.step) != folder.name:
    raise ManifestError(f"{FILE} is of step {_short(manifest.step)}: the folder was renamed")
  return manifest


def size_problems(folder: pathlib.Path) -> list[str]:
  """Why `folder` is no whole step, by names and sizes only; empty if it is one. One line a problem: file, what is wrong."""
  return _problems(folder, hashed=False)


def byte_problems(folder: pathlib.Path) -> list[str]:
  """As `size_problems`, with every byte read."""
  return _problems(folder, hashed=True)


def shortened(problems: list[str]) -> str:
  """The first problem, and how many more there are."""
  return problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")


def sync_below(folder: pathlib.Path) -> None:
  """Makes every file and folder in `folder` durable, and `folder` itself."""
  for parent, _, files in os.walk(folder, onerror=_raise):
    for name in files:
      sync(pathlib.Path(parent, name))
    sync(pathlib.Path(parent))


def sync(path: pathlib.Path) -> None:
  """Makes a file's bytes, or the names in a folder, durable."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def _problems(folder: pathlib.Path, hashed: bool) -> list[str]:
  try:
    manifest = read_manifest(folder)
    found = list(_files_below(folder))
  except (ManifestError, OSError) as error:
    return [_told(error)]
  problems = [f"{name} {wrong}" for name, entry in manifest.files.items()
              if (wrong := _wrong(folder / name, entry, hashed))]  # fmt: skip
  # Orbax looks for some files that need not be there, so a stranger may change what it reads.
  return problems + [
    f"{_short(name)} does not belong to the step" for name in found if name not in manifest.files
  ]


def _wrong(path: pathlib.Path, entry: Entry, hashed: bool) -> str:
  """What is wrong with a file, or nothing."""
  try:
    there = path.stat()
    if not stat.S_ISREG(there.st_mode):
      return "is no file"
    if there.st_size != entry.size:
      return f"has {there.st_size} bytes, expected {entry.size}"
    if hashed:
      with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
          return "was changed or is damaged (SHA-256)"
  except FileNotFoundError:
    return "is missing"
  except OSError as error:
    return f"cannot be read: {_told(error)}"
  return ""


def _files_below(folder: pathlib.Path) -> Iterator[str]:
  """Everything but folders in the arrays' folder, relative to `folder`, in order of names."""
  for parent, folders, files in os.walk(folder / ARRAYS, onerror=_raise):
    here = pathlib.Path(parent)
    links = [name for name in folders if (here / name).is_symlink()]
    for name in sorted(files + links):
      yield (here / name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
  raise error


def _read(path: pathlib.Path) -> bytes:
  try:
    there = path.stat()
    if not stat.S_ISREG(there.st_mode) or there.st_size > _LARGEST:
      raise ManifestError(f"{FILE} is no manifest")
    return path.read_bytes()
  except FileNotFoundError as error:
    raise ManifestError(f"{FILE} is missing: the save was cut off, or this is no saved step") from error
  except OSError as error:
    raise ManifestError(f"{FILE} cannot be read: {_told(error)}") from error


def _text(body: dict[str, Any]) -> bytes:
  """One text for one content, so that no byte of it can change unseen."""
  return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode("ascii")


def _parsed(body: dict[str, Any]) -> Manifest:
  values: list[Any] = [body.get(key) for key in ("step", "saved", "files", "facts")]
  step, saved, files, facts = values
  whole = _count(step) and isinstance(saved, str) and saved.isprintable()
  whole = whole and isinstance(files, dict) and all(_is_entry(name, entry) for name, entry in files.items())
  whole = whole and isinstance(facts, dict) and set(facts) == set(Facts._fields) and _are_facts(**facts)
  if not whole:
    raise ManifestError(f"{FILE} is not as a run writes it")
  entries = {name: Entry(entry["size"], entry["sha256"]) for name, entry in files.items()}
  return Manifest(step, saved, Facts(**facts), entries)


def _is_entry(name: str, entry: Any) -> bool:
  inside = name.isprintable() and name.startswith(f"{ARRAYS}/") and ".." not in name.split("/")
  return (inside and isinstance(entry, dict) and set(entry) == {"size", "sha256"} and _count(entry["size"])
          and isinstance(entry["sha256"], str) and bool(_DIGEST.fullmatch(entry["sha256"])))  # fmt: skip


def _are_facts(clips_read: Any, validation: Any, best: Any, totals: Any) -> bool:
  measured = all(value is None or _number(value) for value in (validation, best))
  return _count(clips_read) and measured and isinstance(totals, dict) and all(map(_number, totals.values()))


def _count(value: Any) -> bool:
  return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _number(value: Any) -> bool:
  return isinstance(value, float) or (
    isinstance(value, int) and _count(abs(value)) and not isinstance(value, bool)
  )


def _told(error: Exception) -> str:
  if not isinstance(error, OSError):
    return str(error)
  return (
    f"{pathlib.Path(error.filename).name}: {error.strerror}"
    if isinstance(error.filename, str)
    else str(error)
  )


def _short(value: Any) -> str:
  """`value` as it may stand in one line of ASCII."""
  text = ascii(value)
  return text if len(text) <= 80 else f"{text[:77]}..."
