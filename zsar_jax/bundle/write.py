"""Writes a bundle: whole and checked, or not at all."""

import contextlib
import json
import os
import pathlib
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

from zsar_jax.bundle.card import card
from zsar_jax.bundle.class_arrays import KNOWN, SEEN, SEEN_VISUAL, class_arrays, word_arrays
from zsar_jax.bundle.contents import Bundle
from zsar_jax.bundle.facts import facts_text
from zsar_jax.config import to_dict
from zsar_jax.errors import InputError
from zsar_jax.models.weights_dir import save_arrays
from zsar_jax.saved.bundles import CARD, CLASSES, CONFIG, FACTS, PARAMETERS, WORDS, is_replaceable
from zsar_jax.saved.folders import clean_beside, swap_in, temporary_beside, write_sums
from zsar_jax.saved.manifest import sync_below


def _believe(folder: pathlib.Path) -> None:
  pass


def write_bundle(
  bundle: Bundle,
  to: pathlib.Path,
  programs: Mapping[str, bytes] | None = None,
  check: Callable[[pathlib.Path], None] = _believe,
) -> None:
  """Writes the folder `to` under a temporary name beside it, has it checked, then renames; a bundle that was there is replaced.

  Args:
    bundle: its `folder` is not looked at.
    programs: more files by name relative to the folder, such as those of `stablehlo.make_programs`.
    check: is given the finished folder under its temporary name. Where it raises, nothing is left and nothing replaced.

  Raises:
    InputError: `to` holds other things, or cannot be written.
    Exception: whatever `check` raises.
  """
  check_target(to)
  to = to.resolve()
  temporary = temporary_beside(to)
  try:
    with _told(to):
      clean_beside(to)
      temporary.mkdir(parents=True)
      _write_files(bundle, temporary, programs or {})
      write_sums(temporary)
      sync_below(temporary)
    check(temporary)
    with _told(to):
      swap_in(temporary, to)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def check_target(to: pathlib.Path) -> None:
  """Raises InputError where a bundle cannot be put: something else is there, or nothing can be."""
  with _told(to):
    try:
      mode = os.stat(to).st_mode
    except FileNotFoundError:
      return
    except ValueError as error:  # no name may hold a NUL
      raise _not_written(to, str(error)) from error
    if not stat.S_ISDIR(mode):
      raise InputError(f"{to} is a file, expected a folder for the exported model; give another with --to")
    if any(to.iterdir()) and not is_replaceable(to):
      raise InputError(
        f"{to} holds other things than an exported model; give a new or empty folder with --to"
      )


@contextlib.contextmanager
def _told(to: pathlib.Path) -> Iterator[None]:
  """Tells what a disk refuses."""
  try:
    yield
  except OSError as error:
    raise _not_written(to, error.strerror or str(error)) from error


def _not_written(place: pathlib.Path, reason: str) -> InputError:
  return InputError(f"{place} cannot be written: {reason}; give another place with --to")


def _write_files(bundle: Bundle, folder: pathlib.Path, programs: Mapping[str, bytes]) -> None:
  texts = {
    FACTS: facts_text(bundle.facts),
    CONFIG: json.dumps(to_dict(bundle.config), indent=1) + "\n",
    CARD: card(bundle, has_programs=bool(programs)),
  }
  for name, text in texts.items():
    (folder / name).write_text(text, encoding="utf-8")
  visual = {} if bundle.seen_visual is None else {SEEN_VISUAL: np.asarray(bundle.seen_visual, np.float32)}
  classes = class_arrays(bundle.seen, SEEN) | class_arrays(bundle.known, KNOWN) | visual
  np.savez(folder / CLASSES, allow_pickle=False, **classes)
  if bundle.word_vectors:
    np.savez(folder / WORDS, allow_pickle=False, **word_arrays(bundle.word_vectors))
  tree = {"params": bundle.params, "batch_stats": bundle.batch_stats}
  try:
    save_arrays(jax.tree.map(np.asarray, tree), folder / PARAMETERS)
  except Exception as error:  # Orbax tells a full disk in many ways
    raise _not_written(folder, f"{type(error).__name__}: {error}".splitlines()[0][:200]) from error
  for name, contents in programs.items():
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(contents)
