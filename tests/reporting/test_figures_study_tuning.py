"""The two figures that other commands draw alone, and the colours and SVG that all figures share."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from zsar_jax.reporting import palette
from zsar_jax.reporting.figures.study import study_figure
from zsar_jax.reporting.figures.tuning import tuning_figure
from zsar_jax.reporting.svg import tidy

GRID = {"num_neighbors": [1, 2, 5], "max_seen_per_unseen": [1, 5], "distinctiveness": [0.0, 0.5, 0.9, 1.0]}


def _tuning():
  scores = np.random.default_rng(0).random((3, 2, 4)) * 50
  i, j, k = np.unravel_index(scores.argmax(), scores.shape)
  own = {key: values[n] for (key, values), n in zip(GRID.items(), (i, j, k), strict=True)}
  best = own | {"score": float(scores.max()), "deviation": 1.5}
  default = {"num_neighbors": 5, "max_seen_per_unseen": 5, "distinctiveness": 0.5, "score": float(scores[2, 1, 1]),
             "deviation": 2.0}  # fmt: skip
  return {"checkpoint": "a", "step": 1, "num_folds": 5, "seed": 0, "chosen": best | {"gamma": 0.1}, "default": default,
          "grid": GRID, "scores": scores.tolist(), "deviations": np.ones_like(scores).tolist()}  # fmt: skip


def test_tuning_figure_holds_the_whole_grid():
  tuning = _tuning()
  figure = tuning_figure(tuning)
  assert figure.name == "tuning"
  assert len(figure.table) == 1 + 3 * 2 * 4
  assert max(row[3] for row in figure.table[1:]) == pytest.approx(tuning["chosen"]["score"], abs=1e-4)
  assert f"{tuning['chosen']['score']:.1f} ± 1.5" in figure.caption
  ET.fromstring(figure.svg)


def test_study_figure_of_numbers():
  points = {
    "e2e": [
      (2, 5.0, 1.0, 10, "draws"),
      (664, 35.0, 0.5, 10, "draws"),
      (50, float("nan"), float("nan"), 0, ""),
    ],
    "frozen": [(2, 4.0, 1.0, 10, "draws")],
  }
  figure = study_figure(
    "Number of classes", "classes", "top-1, %", points, 1.0, {"e2e": [(664, 35.1)]}, True, False
  )
  assert figure.name == "number-of-classes"
  assert [row[:3] for row in figure.table[1:]] == [
    ["e2e", 2, 5.0], ["e2e", 664, 35.0], ["frozen", 2, 4.0], ["printed: e2e", 664, 35.1]]  # fmt: skip
  assert "10 draws a point, error bars are one standard deviation over draws." in figure.caption
  assert {row[5] for row in figure.table[1:4]} == {"standard deviation over draws"}
  assert "Runs of 1 point" in figure.caption
  text = [element.text for element in ET.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}text")]
  assert text.index("e2e") < text.index("frozen") < text.index("e2e (paper)") < text.index("chance")


def test_study_figure_of_categories():
  points = {
    "0/50": [("e2e", 43.0, 1.0, 3, "draws"), ("multi", 48.0, None, 1, "")],
    "0/100": [("e2e", 35.0, None, 1, "")],
  }
  figure = study_figure("Ablation", "row", "top-1, %", points, None, {"0/50": [("e2e", 43.0)]}, False, True)
  assert {"e2e", "multi", "0/50 (paper)"} <= {
    e.text for e in ET.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}text")
  }
  assert "1 to 3 draws" in figure.caption


@pytest.mark.parametrize("categorical", [False, True])
def test_every_error_that_is_given_is_drawn_and_named(categorical):
  def drawn(*errors):
    points = [(x, 40.0, error, 1, error_of) for x, (error, error_of) in enumerate(errors, 1)]
    return study_figure("Errors", "x", "y", {"one": points}, None, None, False, categorical)

  def height(figure):
    """Of the error bars: strokes as thin as theirs are drawn by nothing else."""
    width = "stroke-width: 0.9"
    paths = [e.get("d") for e in ET.fromstring(figure.svg).iter() if width in (e.get("style") or "")]
    numbers = [[float(n) for n in re.findall(r"-?[\d.]+", path)] for path in paths if path]
    return [abs(line[1] - line[3]) for line in numbers if len(line) == 4]

  none, videos = drawn((None, ""), (None, "")), drawn((4.0, "videos"), (2.0, "videos"))
  mixed = drawn((4.0, "splits"), (None, ""), (2.0, "videos"))
  assert height(none) == []
  first, second = height(videos)
  assert first == pytest.approx(2 * second, rel=0.01)
  assert len(height(mixed)) == 2
  assert none.caption.endswith("1 draw a point.")
  assert videos.caption.endswith("1 draw a point, error bars are one standard error over test videos.")
  assert mixed.caption.endswith(
    "one standard deviation over half-class splits or one standard error over test videos."
  )
  assert mixed.table[0][3:] == ["error", "draws", "error of"]
  assert [row[3:] for row in mixed.table[1:]] == [
    [4.0, 1, "standard deviation over half-class splits"], [None, 1, ""], [2.0, 1, "standard error over test videos"]]  # fmt: skip


@pytest.mark.parametrize("categorical", [False, True])
def test_a_study_without_a_finished_run_is_drawn_empty(categorical):
  figure = study_figure(
    "Nothing", "x", "y", {"a": [(1, float("nan"), 0.0, 0, "")]}, None, None, False, categorical
  )
  assert len(figure.table) == 1
  ET.fromstring(figure.svg)


def test_colours_stand_out_from_both_pages():
  for color in {*palette.RUNS, *palette.CLASSES, palette.SEEN, palette.REMOVED, palette.UNSEEN}:
    for page in (palette.PAGE_LIGHT, palette.PAGE_DARK):
      assert palette.contrast(color, page) >= 3.0, (color, page)
  assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
  assert len(set(palette.CLASSES)) * len(palette.CLASS_MARKERS) >= 30


def test_sequential_colours_rise_from_nothing():
  rgba = palette.sequential(np.array([0.0, 0.1, 0.5, 1.0, np.nan]))
  assert rgba[:, 3].tolist() == [*sorted(rgba[:4, 3].tolist()), 0]
  assert (rgba[0, 3], rgba[3, 3]) == (0, 255)


def test_ids_that_nothing_refers_to_go():
  svg = (
    '<?xml version="1.0"?><svg viewBox="0 0 10 5"><g id="axes_1"><path id="m1" d="M 0.123456 1"/>'
    '<use xlink:href="#m1" clip-path="url(#p1)"/><clipPath id="p1"/></g></svg>'
  )
  made = tidy(svg, "one", 'a "b" & c')
  root = ET.fromstring(made)
  assert root.get("aria-label") == 'a "b" & c'
  assert 'id="axes_1"' not in made
  assert made.count("one-m1") == made.count("one-p1") == 2
  assert "0.123 " in made
