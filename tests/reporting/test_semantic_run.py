"""A ResT run whose main results are without transfer: its videos are compared in another space than its embeddings are in."""

import re

import numpy as np
import pytest
from page_reading import Page

from zsar_jax.reporting import results
from zsar_jax.reporting.figures.embeddings import video_figures
from zsar_jax.reporting.figures.hubness import hubness_figures, occurrence
from zsar_jax.reporting.run import read_run
from zsar_jax.zeroshot.metrics import skewness


@pytest.fixture(scope="module")
def run(semantic_run):
  return read_run(semantic_run)


@pytest.fixture(scope="module")
def parsed(semantic_page):
  return Page(semantic_page.read_text(encoding="utf-8"))


def test_it_is_what_it_should_be(run):
  assert run.space == "semantic"
  assert run.arrays["unseen/hmdb51/mean"].shape[1] != run.arrays["prototypes/unseen/hmdb51"].shape[1]


def test_the_page_has_every_figure_but_recipes(parsed):
  plots = [element[1] for element in parsed.all("figure") if "plot" in element[1].get("class", "")]
  stems = {attributes["id"].removeprefix("figure-") for attributes in plots}
  assert stems == {
    "intervals", "per-class-hmdb51", "confusion-hmdb51", "confused-hmdb51", "videos-hmdb51", "words", "overlap", "nearest-names",
    "distance-hmdb51", "relatedness-hmdb51", "hubness-hmdb51", "seen-unseen-hmdb51", "tuning", "training",
  }  # fmt: skip
  assert not parsed.unclosed
  text = " ".join(parsed.by_id("figures")[2].split())
  assert "made of no seen class" in text
  assert "lies at the words of its visually nearest seen class" in text


def test_hubs_are_counted_where_videos_are_compared(run):
  count = occurrence(run, "hmdb51", 5)
  assert count.sum() == 5 * len(run.arrays["unseen/hmdb51/label"])
  assert skewness(count) == pytest.approx(run.row("hmdb51", "all")["hubness"]["5"], abs=0.05)


def test_seen_classes_are_validated_in_the_methods_own_space(run):
  assert run.row("kinetics700", "validation")["space"] == "visual"
  row = next(row for row in results.results_table(run).rows if row[1].text == "seen classes")
  for place, level in ((8, "scores"), (9, "single"), (10, "clip")):
    assert row[place].text == f"{run.row('kinetics700', 'validation', level=level)['top1']:.1f}"


def test_seen_classes_stand_in_the_comparison(run, rest_run):
  rows = results.comparison_table([run, read_run(rest_run)], ["a", "b"]).rows
  (row,) = [row for row in rows if row[1].text == "seen classes"]
  assert all(re.match(r"\d", row[place].text) for place in (3, 4))


def test_a_file_that_does_not_keep_the_places_costs_a_sentence(run):
  arrays = {name: run.arrays[name] for name in run.arrays if not name.endswith("/placed")}
  older = run._replace(arrays=arrays)
  drawn = [*video_figures([older], ["a"]), *hubness_figures([older], ["a"])]
  assert len(drawn) == 2
  assert all("evaluate the run again" in each for each in drawn)
  arrays |= {
    "unseen/hmdb51/mean": np.zeros((40, 48), np.float32)
  }  # as wide: an older file without another space
  assert occurrence(run._replace(arrays=arrays), "hmdb51", 1) is not None
