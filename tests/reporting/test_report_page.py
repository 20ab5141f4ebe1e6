"""The page: one file that needs nothing else, in order, with every number it should have."""

import csv
import io
import itertools
import re
import urllib.parse

import pytest
from page_reading import Page

from zsar_jax.reporting import class_tables, page
from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.run import read_run

SECTIONS = ["facts", "results", "papers", "generalized", "spaces", "figures", "classes", "recipes", "examples", "training",
            "config"]  # fmt: skip
FIGURE = Figure("a-figure", "A figure", "What it shows.", '<svg viewBox="0 0 9 9"><path d="M0 0"/></svg>', [["x"], [1]], "alt")  # fmt: skip


@pytest.fixture(scope="module")
def wide_run(wide_runs):
  return wide_runs[0]


@pytest.fixture(scope="module")
def whole(rest_page):
  return rest_page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(whole):
  return Page(whole)


@pytest.fixture(scope="module")
def both(rest_run, e2e_run):
  """The comparison of two runs, without figures but one."""
  runs = [read_run(rest_run), read_run(e2e_run)]
  return Page(page.render(runs, ["first", "second"], [FIGURE], ["One figure was left out: no reason."]))


def test_it_is_well_formed(parsed):
  assert not parsed.unclosed
  ids = [element[1]["id"] for element in parsed.elements if "id" in element[1]]
  assert len(ids) == len(set(ids))


def test_sections_stand_in_order_and_the_contents_link_to_them(parsed):
  assert [element[1]["id"] for element in parsed.all("section")] == SECTIONS
  links = [element[1]["href"] for element in parsed.all("a") if "nav" in element[3]]
  assert links == [f"#{name}" for name in SECTIONS]


@pytest.mark.parametrize("name", ["parsed", "both"])
def test_headings_descend_without_a_gap(name, request):
  levels = [int(element[0][1]) for element in request.getfixturevalue(name).all("h1", "h2", "h3", "h4")]
  assert levels[0] == 1
  assert levels.count(1) == 1
  assert all(low - high <= 1 for high, low in itertools.pairwise(levels))


def test_nothing_comes_from_elsewhere(parsed, whole):
  for tag, attributes, _, _ in parsed.elements:
    for key in ("src", "href", "xlink:href", "srcset", "action", "data"):
      assert re.match(r"#|data:|$", attributes.get(key) or ""), (tag, attributes)
    assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
  assert not re.search(r"@import|url\(\s*['\"]?(?!#|['\"]?#|data:)", whole)
  assert "eval(" not in whole


def test_every_figure_has_its_caption_its_svg_and_its_csv(parsed, rest_page):
  figures = [element for element in parsed.all("figure") if "plot" in element[1].get("class", "")]
  assert len(figures) > 10
  saved = {element[1].get("download"): element[1]["href"] for element in parsed.all("a")}
  for element in figures:
    stem = element[1]["id"].removeprefix("figure-")
    assert f"{stem}.svg" in saved
    text = urllib.parse.unquote(saved[f"{stem}.csv"].removeprefix("data:text/csv;charset=utf-8,"))
    assert len(list(csv.reader(io.StringIO(text)))) > 1
    assert (rest_page.parent / "figures" / f"{stem}.csv").read_text(encoding="utf-8") == text
    assert (rest_page.parent / "figures" / f"{stem}.svg").read_text(encoding="utf-8").startswith("<svg")
  drawings = [
    element for element in parsed.all("svg") if "viewer" not in element[3] and "dl" not in element[3]
  ]
  assert len(drawings) == len(figures)
  assert all(element[1]["role"] == "img" and element[1]["aria-label"] for element in drawings)


@pytest.mark.parametrize("name", ["parsed", "both"])
def test_every_table_has_headings_and_rows_as_wide(name, request):
  html = request.getfixturevalue(name)
  assert len(html.all("table")) > 5
  for kind in ("col", "row"):
    assert [element for element in html.all("th") if element[1].get("scope") == kind]
  assert all(element[1].get("scope") for element in html.all("th"))


def test_the_result_is_a_sentence(parsed, wide_run):
  row = wide_run.row("ucf101", "all")
  low, high = row["interval_videos"]
  sentence = next(
    text for text in parsed.texts("p") if text.startswith("Of the 136 videos of 34 unseen classes of UCF101")
  )
  assert (
    f"ResT 18 names {row['top1']:.1f} % right (95 % interval {low:.1f} – {high:.1f}); chance is 2.9 %."
    in sentence
  )


def test_the_papers_rows_stand_below_ours(parsed):
  text = " ".join(parsed.by_id("papers-1")[2].split())
  assert text.index("this run") < text.index("48.0")
  assert "54.7 ± 2.3" in text
  assert "Not comparable" not in " ".join(parsed.texts("p"))


def test_levels_spaces_and_generalised_rows_are_there(parsed, wide_run):
  run = wide_run
  results, spaces = (" ".join(parsed.by_id(name)[2].split()) for name in ("results-1", "spaces-table"))
  for level in ("scores", "single", "clip"):
    assert f"{run.row('ucf101', 'all', level=level)['top1']:.1f}" in results
  for space in run.spaces:
    assert f"{run.row('ucf101', 'all', space=space)['top1']:.1f}" in spaces
  assert f"{run.row('ucf101', 'generalized')['ausuc']:.3f}" in parsed.by_id("generalized-table")[2]


def test_every_class_has_a_row_and_a_recipe(parsed, wide_run):
  listed = parsed.by_id("class-table")[2]
  for name in wide_run.row("ucf101", "all")["per_class"]:
    assert name in listed
  items = [element for element in parsed.elements if "data-item" in element[1]]
  assert len(items) == 34


def test_examples_hold_their_frames(parsed, wide_run):
  images = [element[1]["src"] for element in parsed.all("img")]
  assert len(images) == 4 * len(wide_run.examples)
  assert all(src.startswith("data:image/jpeg;base64,") for src in images)


def test_two_runs_stand_side_by_side(both, rest_run, e2e_run):
  runs = [read_run(rest_run), read_run(e2e_run)]
  old, new = (run.row("ucf101", "all")["top1"] for run in runs)
  text = " ".join(both.by_id("comparison")[2].split())
  assert "second − first" in text
  assert f"{old:.1f}" in text
  assert f"+{round(new - old, 1):.1f}" in text or f"−{abs(round(new - old, 1)):.1f}" in text
  config = both.by_id("config")[2]
  assert re.search(r"\d+ of them differ", config)
  assert "One figure was left out: no reason." in both.texts("li")


def test_classes_are_sorted_by_their_change(both):
  table = both.by_id("class-table")[2]
  changes = [
    float(x.replace("−", "-").replace("±", ""))
    for x in re.findall(r"^\s*([+−±]\d+\.\d)\s*$", table, re.MULTILINE)
  ]
  assert len(changes) == 14 + 8
  assert changes == sorted(changes, reverse=True)


def test_the_heading_of_the_seen_classes_is_that_of_the_cells(rest_run, e2e_run):
  made, named = read_run(rest_run), read_run(e2e_run)

  def heading(*runs):
    return class_tables.class_table(runs, ["first", "second"]).columns[-2].title

  def only(run, data_set):
    rows = [row for row in run.report["evaluations"] if row["dataset"] == data_set]
    return run._replace(report=run.report | {"evaluations": rows})

  assert heading(made, named) == "made of"
  assert heading(named, made) == "nearest training classes"
  assert heading(only(named, "hmdb51"), made) == "made of or nearest training classes"
  # The first run holds none of the data sets that are combined.
  assert heading(only(named, "hmdb51"), only(made, "ucf101")) == "made of or nearest training classes"


def test_what_a_reader_must_know_is_said(rest_run):
  run = read_run(rest_run)
  config = run.config | {"data": run.config["data"] | {"remove_overlap": False, "seen": "mine"}}
  leaking = run._replace(config=config)
  html = Page(page.render([leaking], ["run"], [], []))
  assert any("no zero-shot result" in text for text in html.texts("li"))
  assert any(text.startswith("Not comparable") for text in html.texts("p"))


def test_names_are_escaped_and_files_stay_inside(rest_run):
  run = read_run(rest_run)
  bad = run.examples[0] | {"class": "<script>alert(1)</script>", "frames": ["../../report.json", "gone.jpg"]}
  html = page.render([run._replace(examples=[bad])], ["<b>"], [], [])
  assert "<script>alert" not in html
  assert "&lt;script&gt;alert" in html
  assert not Page(html).all("img")


def test_the_same_files_give_the_same_page(rest_run):
  run = read_run(rest_run)
  assert page.render([run], ["a"], [FIGURE], []) == page.render([run], ["a"], [FIGURE], [])
