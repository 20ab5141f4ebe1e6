"""The figures of one run and of two, made of real files: what they show is checked by their tables and their SVG."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up_run import write_made_up_run

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import draw_figures
from zsar_jax.reporting.figures.confusion import counts, shares
from zsar_jax.reporting.figures.distance import distance_figures
from zsar_jax.reporting.figures.generalized import generalized_figures
from zsar_jax.reporting.figures.hubness import hubness_figures, occurrence
from zsar_jax.reporting.figures.per_class import per_class_figures
from zsar_jax.reporting.figures.training import training_figure
from zsar_jax.reporting.figures.tuning import tuning_figures
from zsar_jax.reporting.figures.words import overlap_figures
from zsar_jax.reporting.run import read_run
from zsar_jax.zeroshot.metrics import skewness

NAMES = ["ResT, one", "E2E & <two>"]


@pytest.fixture(scope="module")
def runs(wide_runs):
  return wide_runs


@pytest.fixture(scope="module")
def one(wide_drawn):
  return [*wide_drawn[0], *wide_drawn[1]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
  """A small ResT and a small E2E run on the same videos' classes."""
  folder = tmp_path_factory.mktemp("pair")
  small = {"num_seen": 12, "data_sets": {"ucf101": 12}, "videos_per_class": 3, "dim": 24}
  return [
    read_run(write_made_up_run(folder / m, seed=s, method=m, **small)) for m, s in (("rest", 0), ("e2e", 1))
  ]


@pytest.fixture(scope="module")
def two(pair):
  return list(draw_figures(pair, NAMES))


def _figures(drawn):
  return {each.name: each for each in drawn if isinstance(each, Figure)}


def test_one_run_has_every_figure_and_leaves_none_out(one):
  assert all(isinstance(each, Figure) for each in one), [each for each in one if isinstance(each, str)]
  assert [each.name for each in one] == [
    "intervals", "per-class-ucf101", "ends-ucf101", "confusion-ucf101", "confused-ucf101", "videos-ucf101", "words", "overlap",
    "nearest-names", "distance-ucf101", "relatedness-ucf101", "recipes-ucf101", "hubness-ucf101", "seen-unseen-ucf101",
    "tuning", "training",
  ]  # fmt: skip


def test_two_runs_are_compared(two):
  names = [each.name for each in two if isinstance(each, Figure)]
  assert len(names) == len(set(names))
  for name in ("change", "confusion-distance", "two-runs"):
    assert f"{name}-ucf101" in names
  left_out = [each for each in two if isinstance(each, str)]
  assert len(left_out) == 1
  assert all("made of no seen class" in each for each in left_out)


def test_svgs_stand_alone_and_side_by_side(one, two):
  for drawn in (one, two):
    figures = list(_figures(drawn).values())
    ids = [own for each in figures for own in re.findall(r'\bid="([^"]+)"', each.svg)]
    assert len(ids) == len(set(ids))
    for each in figures:
      root = ET.fromstring(each.svg)
      assert root.tag == "{http://www.w3.org/2000/svg}svg"
      assert root.get("aria-label") == each.alt
      assert root.get("viewBox")
      assert not root.get("height")
      assert "currentColor" in each.svg
      assert "<!DOCTYPE" not in each.svg
      assert "#010203" not in each.svg
      assert "metadata" not in each.svg
      used = re.findall(r'(?:href="#|url\(#)([^")]+)', each.svg)
      assert set(used) == set(re.findall(r'\bid="([^"]+)"', each.svg))
      assert not re.findall(r'href="(?!#|data:)', each.svg)


def test_every_figure_tells_what_it_shows(one, two):
  for each in [*_figures(one).values(), *_figures(two).values()]:
    assert len(each.table) > 1, each.name
    assert all(isinstance(cell, str) for cell in each.table[0])
    assert len(each.caption) > 40
    assert each.caption.endswith(".")
    assert len(each.alt) > 10
    kinds = {type(cell) for row in each.table for cell in row}
    assert kinds <= {str, int, float, type(None)}, (each.name, kinds)


def test_drawing_again_gives_the_same_bytes(runs, one):
  again = _figures(per_class_figures(runs[:1], NAMES[:1]) + hubness_figures(runs[:1], NAMES[:1]))
  for name, figure in again.items():
    assert figure == _figures(one)[name]


def test_confusion_agrees_with_the_accuracy_of_the_row(runs):
  for run in runs:
    number, row = counts(run, "ucf101"), run.row("ucf101", "all")
    assert number.sum() == row["num_videos"]
    assert 100 * np.trace(number) / number.sum() == pytest.approx(row["top1"])
    share = np.diag(shares(run, "ucf101"))
    names = [str(name) for name in run.arrays["unseen/ucf101/classes"]]
    assert {n: 100 * share[k] for k, n in enumerate(names)} == pytest.approx(row["per_class"])


def test_confusion_distance_is_that_of_the_rows(pair, two):
  figure = _figures(two)["confusion-distance-ucf101"]
  a, b = (shares(run, "ucf101") for run in pair)
  assert f"{np.linalg.norm(a - b, axis=1).mean():.3f}" in figure.caption
  assert len(figure.table) - 1 == int((a != b).sum())


def test_hubs_are_counted_as_the_evaluation_counts_them(runs):
  run = runs[0]
  count = occurrence(run, "ucf101", 5)
  assert count.sum() == 5 * len(run.arrays["unseen/ucf101/label"])
  assert skewness(count) == pytest.approx(run.row("ucf101", "all")["hubness"]["5"], abs=0.05)


def test_distance_curve_begins_with_all_videos(runs):
  figure = distance_figures(runs[:1], NAMES[:1])[0]
  _, distance, accuracy, beyond = figure.table[1]
  assert (distance, beyond) == (0.0, 34)
  assert accuracy == pytest.approx(runs[0].row("ucf101", "all")["top1"], abs=1e-3)


def test_a_class_without_a_distance_is_no_point_of_the_curve(pair):
  run = pair[0]
  distances = dict(run.report["class_distances"]["ucf101"])
  first, second = list(distances)[:2]
  distances |= {first: float("inf"), second: None}
  report = run.report | {"class_distances": {"ucf101": distances}}
  assert distance_figures([run._replace(report=report)], NAMES[:1])[0].table[1][3] == 10


def test_two_runs_are_compared_by_what_their_weights_began_from_too(pair, two):
  before = _figures(two)["two-runs-ucf101"]
  assert "began from" not in before.caption
  far = pair[1].report["class_distances"]
  near = {"ucf101": {name: distance / 2 for name, distance in far["ucf101"].items()}}
  sun = pair[1]._replace(report=pair[1].report | {"class_distances_pretrained": near})
  drawn = _figures(distance_figures([pair[0], sun], NAMES))
  figure = drawn["two-runs-ucf101"]
  assert [row[2] for row in figure.table[1:]] == pytest.approx(
    [row[2] / 2 for row in before.table[1:]], abs=1e-4
  )
  assert [row[1] for row in figure.table] == [row[1] for row in before.table]
  assert f"The classes that {NAMES[1]} began from count as training classes too." in figure.caption
  assert drawn["distance-ucf101"].table == _figures(two)["distance-ucf101"].table


def test_overlap_finds_the_nearest_unseen_class(runs):
  histogram, names = overlap_figures(runs[:1], NAMES[:1])
  rows = names.table[1:]
  assert len(rows) == 70 + 3
  assert [row[3] for row in rows] == sorted(row[3] for row in rows)
  assert {row[1] for row in rows} == {"trained on", "removed"}
  assert histogram.table == names.table


def test_classes_without_vectors_are_left_out(runs):
  run = runs[0]
  arrays = dict(run.arrays) | {"semantic/removed": np.zeros((3, 48), np.float32)}
  names = overlap_figures([run._replace(arrays=arrays)], NAMES[:1])[1]
  assert {row[1] for row in names.table[1:]} == {"trained on"}


def test_a_run_without_what_a_figure_needs_says_so(runs):
  run = runs[0]
  report = run.report | {"class_distances": {}, "evaluations": [
    row for row in run.report["evaluations"] if row["protocol"] == "all" or row["protocol"] == "validation"]}  # fmt: skip
  bare = run._replace(report=report, metrics=[], tuning=None)
  own = [bare], NAMES[:1]
  drawn = [*distance_figures(*own), *generalized_figures(*own), *tuning_figures(*own), training_figure(*own)]
  told = " ".join(each for each in drawn if isinstance(each, str))
  for part in ("Accuracy against distance", "Seen-unseen curve", "Training curves", "zsar_jax.tune"):
    assert part in told


def test_figures_need_neither_jax_nor_tensorflow_and_say_when_matplotlib_is_absent(runs):
  code = f"""
import sys
class Block:
  def find_spec(self, name, path=None, target=None):
    if name.split(".")[0] in {{"jax", "flax", "tensorflow", "matplotlib", "sklearn"}}:
      raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from zsar_jax.reporting.run import read_run
from zsar_jax.reporting.figures import draw_figures
print(list(draw_figures([read_run({str(runs[0].workdir)!r})], ["one"])))
"""
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  assert "matplotlib is not installed" in done.stdout


def test_without_scikit_learn_the_planes_are_left_out(runs, monkeypatch):
  from zsar_jax.reporting.figures.embeddings import video_figures, word_figures

  monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
  for drawn in (video_figures(runs, NAMES), word_figures(runs, NAMES)):
    assert len(drawn) == 1
    assert "scikit-learn is not installed" in drawn[0]
