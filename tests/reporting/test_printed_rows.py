"""The papers' numbers: how many, which protocols, and against the papers' text where it lies beside the repository."""

import pathlib
import re

import pytest

from zsar_jax.reporting.printed import PRINTED, printed_rows

PAPERS = pathlib.Path(__file__).parents[2].parent / "shared" / "papers"


def _top1(dataset, protocol, paper, table, method, detail=""):
  found = [row for row in printed_rows(dataset, protocol)
           if (row.paper, row.table, row.method) == (paper, table, method) and detail in row.detail]  # fmt: skip
  assert len(found) == 1
  return found[0].top1


def test_headline_numbers():
  assert _top1("ucf101", "half", "E2E", "Table 1", "E2E R(2+1)D", "664") == 48.0
  assert _top1("hmdb51", "all", "E2E", "Table 2", "E2E R(2+1)D", "605") == 24.8
  assert _top1("activitynet200", "all", "ResT", "Table 2", "ResT 101") == 26.3
  assert _top1("hmdb51", "half", "ResT", "Table 1", "ResT 34") == 40.6
  assert _top1("ucf101", "all", "ResT", "Table 5", "ResT 18", "Sent2Vec, visual") == 42.8


def test_protocols_and_ranges():
  assert {row.protocol for row in PRINTED} == {"half", "all"}
  assert all(0 < row.top1 < (row.top5 or 100) for row in PRINTED)
  assert len({row[:7] for row in PRINTED}) == len(PRINTED)
  assert printed_rows("figures_test") == []
  tables = {(row.paper, row.table.rstrip("abc")) for row in PRINTED}
  assert tables == {("E2E", t) for t in ("Table 1", "Table 2", "Table 3", "Sup. Table 1")} | {
    ("ResT", f"Table {k}") for k in range(1, 7)
  }


@pytest.mark.parametrize(("paper", "file"), [("E2E", "e2e_2020.txt"), ("ResT", "rest_2022.txt")])
def test_every_number_stands_in_the_paper(paper, file):
  path = PAPERS / file
  if not path.exists():
    pytest.skip(f"the paper's text is not beside the repository ({file})")
  numbers = {float(x) for x in re.findall(r"\d+(?:\.\d+)?", path.read_text(encoding="utf-8"))}
  own = [x for row in PRINTED if row.paper == paper for x in (row.top1, row.top5, row.std) if x is not None]
  assert own
  assert set(own) <= numbers
