"""How the report writes numbers, and how it calls data sets, protocols and spaces."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from zsar_jax.reporting.run import Run

DASH = "—"
SPACE = "\u00a0"  # that does not break: between a number and %
MINUS = "\u2212"
LEVELS = {
  "video": "averaged embeddings",
  "scores": "averaged scores",
  "single": "one clip",
  "clip": "every clip",
}
_TITLES = {"ucf101": "UCF101", "hmdb51": "HMDB51", "activitynet200": "ActivityNet", "sun397": "SUN397",
           "kinetics400": "Kinetics-400", "kinetics600": "Kinetics-600", "kinetics700": "Kinetics-700"}  # fmt: skip
_METHODS = {"rest": "ResT", "e2e": "E2E"}
_ENCODERS = {"resnet18": "18", "resnet34": "34", "resnet101": "101", "r2plus1d_18": "R(2+1)D", "r3d_18": "R3D", "c3d": "C3D",
             "vgg16": "VGG16", "mobilenet_v2": "MobileNetV2", "googlenet": "GoogLeNet"}  # fmt: skip


class Cell(NamedTuple):
  """What a table shows and what it sorts by."""

  text: str
  sort: float | str = ""
  tone: str = ""  # "strong", "better", "worse" or nothing


class Column(NamedTuple):
  title: str
  numeric: bool = True
  note: str = ""  # what the title means, where it does not say so itself
  wide: bool = False  # holds lists of names


class Table(NamedTuple):
  """A table of the page. `ours` holds the rows that stand out."""

  caption: str
  columns: list[Column]
  rows: list[list[Cell]]
  ours: frozenset[int] = frozenset()

  @property
  def notes(self) -> list[tuple[str, str]]:
    """(titles, what they mean), a line for columns that share a note."""
    titles: dict[str, list[str]] = {}
    for column in self.columns:
      if column.note:
        titles.setdefault(column.note, []).append(column.title)
    return [(", ".join(own), note) for note, own in titles.items()]


def text(value: Any) -> Cell:
  """A cell of words."""
  return Cell(DASH if value in (None, "") else str(value), str(value or "").lower())


def count(value: int | None) -> Cell:
  """A whole number, thousands apart."""
  return Cell(DASH, "") if value is None else Cell(f"{value:,}", float(value))


def decimal(value: float | None, digits: int = 1, tone: str = "") -> Cell:
  """A number with `digits` decimals; per cent have one."""
  return (
    Cell(DASH, "") if value is None else Cell(f"{value:.{digits}f}".replace("-", MINUS), float(value), tone)
  )


def spread(value: float | None, deviation: float | None, tone: str = "") -> Cell:
  """A number with its deviation, where there is one."""
  cell = decimal(value, tone=tone)
  return cell if deviation is None or value is None else cell._replace(text=f"{cell.text} ± {deviation:.1f}")


def interval(ends: Sequence[float] | None) -> Cell:
  """From – to."""
  return Cell(DASH, "") if not ends else Cell(f"{ends[0]:.1f} – {ends[1]:.1f}", float(ends[0]))


def change(new: float | None, old: float | None) -> Cell:
  """The difference with its sign."""
  if new is None or old is None:
    return Cell(DASH, "")
  gap = round(new - old, 1)
  sign = "+" if gap > 0 else MINUS if gap < 0 else "±"
  return Cell(f"{sign}{abs(gap):.1f}", gap, "better" if gap > 0 else "worse" if gap < 0 else "")


def data_set_title(name: str) -> str:
  """UCF101 for `ucf101`; any other name as it is."""
  return _TITLES.get(name, name)


def method_title(run: Run) -> str:
  """ResT 18, E2E R(2+1)D: the method with its encoder as the papers write it."""
  method = _METHODS.get(run.config["method"], run.config["method"])
  backbone = run.config["model"]["backbone"]
  return f"{method} {_ENCODERS.get(backbone, f'({backbone})')}"


def space_title(run: Run, space: str) -> str:
  """What a space is, in a few words."""
  if space == "visual":
    return "visual, prototypes transferred"
  if space == "words":
    return "semantic, word head"
  regressed = run.config["method"] == "e2e"
  return "semantic, regressed word vector" if regressed else "semantic, name of the nearest seen class"
