"""`--timeline`: scores along a video as a CSV and a picture."""

import csv
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zsar_jax.errors import InputError
from zsar_jax.files import write_text
from zsar_jax.predicting.printing import shown
from zsar_jax.recognition.answers import Prediction
from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.palette import GREY, MARKERS, RUNS
from zsar_jax.reporting.svg import canvas, finish, style

MOST_DRAWN = 5  # classes with a line of their own
_MOST_BYTES = 200  # of a file's stem: file systems take 255
_HOSTILE = '\\/:*?"<>|'  # letters that some file systems refuse
_LABEL = 26  # letters of a name in the key
_NO_TIMELINE = "the video was read without a timeline"


def file_stems(videos: Sequence[str]) -> list[str]:
  """A stem of a file for each video: its own, with `-2`, `-3`, … where an earlier video has the same."""
  taken: set[str] = set()
  stems = []
  for video in videos:
    own = _stem(video)
    stem, number = own, 1
    while stem.casefold() in taken:  # some file systems do not tell A from a
      number += 1
      stem = f"{own}-{number}"
    taken.add(stem.casefold())
    stems.append(stem)
  return stems


class Written(NamedTuple):
  """The files of one video."""

  csv: str
  svg: str | None  # None without matplotlib


class TimelineFiles:
  """The files of a `--timeline` folder.

  Args:
    folder: exists.
    videos: all that will be asked about, those that cannot be read too, so that names do not depend on it.
    names: the candidates.
  """

  def __init__(self, folder: pathlib.Path, videos: Sequence[str], names: Sequence[str]) -> None:
    self._folder, self._names = folder, names
    self._stems = dict(zip(videos, file_stems(videos), strict=True))
    self._draws = True

  def write(self, one: Prediction) -> Written:
    """`STEM.csv` and `STEM.svg`; the latter is left out, and that is told once, where matplotlib is missing.

    Raises:
      InputError: the folder cannot be written any more.
    """
    table, picture = (self._folder / f"{self._stems[one.video]}.{kind}" for kind in ("csv", "svg"))
    try:
      write_text(table, csv_text(one, self._names))
      if self._draws:
        write_text(picture, draw(one, self._names).svg)
    except ImportError as error:
      self._draws = False
      print(f"timelines are written as CSV only: {error}; pip install matplotlib", file=sys.stderr)
    except OSError as error:
      raise InputError(
        f"--timeline {str(self._folder)!r} cannot be written: {error.strerror or error}"
      ) from error
    return Written(str(table), str(picture) if self._draws else None)


def csv_text(one: Prediction, names: Sequence[str]) -> str:
  """One row a window: its start and end in seconds, then every class's cosine, in the order of the candidates."""
  assert one.timeline is not None, _NO_TIMELINE
  buffer = io.StringIO()
  writer = csv.writer(buffer, lineterminator="\n")
  writer.writerow(["start", "end", *names])
  for start, end, scores in zip(*one.timeline, strict=True):
    writer.writerow([f"{start:.3f}", f"{end:.3f}", *(f"{score:.6f}" for score in scores)])
  return buffer.getvalue()


def draw(one: Prediction, names: Sequence[str]) -> Figure:
  """Lines of the video's best classes; the best of the others at each time is one grey line.

  Raises:
    ImportError: matplotlib is missing.
  """
  with style():
    return _draw(one, names)


def _draw(one: Prediction, names: Sequence[str]) -> Figure:
  assert one.timeline is not None, _NO_TIMELINE
  start, end, scores = (np.asarray(values, float) for values in one.timeline)
  best = [names.index(named.name) for named in one.ranking[:MOST_DRAWN]]
  rest = [k for k in range(len(names)) if k not in best]
  drawn = canvas(3.0)
  axes = drawn.add_subplot()
  for rank, k in enumerate(best):
    axes.plot(*_line(start, end, scores[:, k]), color=RUNS[rank], marker=MARKERS[rank], zorder=9 - rank, label=_label(names[k]),
              markevery=max(1, len(start) // 12), linewidth=1.9 if rank == 0 else 1.0)  # fmt: skip
  if rest:
    label = _label(names[rest[0]]) if len(rest) == 1 else f"best of {len(rest)} others"
    axes.plot(*_line(start, end, scores[:, rest].max(1)), linestyle=":", color=GREY, zorder=1, label=label)
  axes.set_title(_label(shown(pathlib.PurePath(one.video).name), 80))
  axes.set(xlabel="seconds", ylabel="cosine", xlim=(0, max(one.seconds, end[-1], 1e-3)))
  axes.grid(axis="y")
  drawn.legend(loc="outside upper left", ncols=3, handlelength=2.2, columnspacing=1.4)
  table = [["start", "end", *names], *zip(start, end, *scores.T, strict=True)]
  told = f"Scores along {shown(one.video)}, {one.seconds:.1f} seconds; best: {one.ranking[0].name}"
  return finish(drawn, "timeline", "Scores along the video", "", table, told)


def _line(start: np.ndarray, end: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """A point in the middle of every window; of one window a line along it."""
  if len(values) == 1:
    return np.array([start[0], end[0]]), np.repeat(values, 2)
  return (start + end) / 2, values


def _stem(video: str) -> str:
  """What any file system takes of a video's own stem."""
  stem = "".join(c if c.isprintable() and c not in _HOSTILE else "_" for c in pathlib.PurePath(video).stem)
  return stem.encode()[:_MOST_BYTES].decode(errors="ignore")


def _label(name: str, most: int = _LABEL) -> str:
  name = name.replace("_", " ").strip()  # matplotlib passes over a label that begins with _
  return name if len(name) <= most else f"{name[: most - 1]}…"
