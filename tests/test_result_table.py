"""What a run prints at its end, and what it says about memory before it begins."""

import dataclasses
import io
import pathlib

import numpy as np
import pytest
from rich.console import Console

from zsar_jax import config as configs
from zsar_jax import memory
from zsar_jax.result_table import print_table
from zsar_jax.types import ClassSet

ROOT = pathlib.Path(__file__).parent.parent
ROW = {
  "dataset": "activitynet200", "protocol": "half", "primary": True, "num_classes": 100, "num_videos": 10024, "chance_top1": 1.0,
  "top1": 44.12, "top5": 70.0, "top1_std": 1.04,
}  # fmt: skip
POINT = {"seen": 61.0, "unseen": 12.0, "harmonic": 20.1}


def printed(rows, width):
  out = io.StringIO()
  print_table(rows, Console(file=out, width=width))
  return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_primary_rows_fit_and_no_number_is_cut(width):
  rows = [
    ROW,
    ROW | {"protocol": "all", "num_classes": 5, "top1_std": None, "top5": 100.0},
    ROW | {"protocol": "generalized", **POINT, "calibrated": {"gamma": 0.1951, **POINT, "unseen": 33.0}},
    ROW | {"top1": 11.1, "primary": False},
  ]
  text = printed(rows, width)
  assert max(map(len, text.splitlines())) <= width
  for part in ("activitynet200", "10024", "44.1 ± 1.0", "70.0"):
    assert part in text
  assert "11.1" not in text
  assert "100.0" not in text  # among five classes all are among the five best
  assert "activitynet200, seen classes compete too: seen 61.0, unseen 12.0, harmonic 20.1" in text
  assert "with the tuned gamma 0.195: seen 61.0, unseen 33.0, harmonic 20.1" in text


def test_few_classes_have_no_column_for_the_five_best():
  text = printed([ROW | {"num_classes": 2}], 80)
  assert "top-1" in text
  assert "top-5" not in text


def test_a_step_that_may_not_fit_is_told_with_both_figures_and_what_to_change(monkeypatch):
  seen = ClassSet(("walk", "run"), (("walk",), ("run",)), np.eye(2, 300, dtype=np.float32))
  config = configs.load(str(ROOT / "configs/demo.py:e2e"))
  memory.warn_if_short(config, seen)  # a tiny encoder on a machine that runs tests
  monkeypatch.setattr(memory, "free_bytes", lambda: 1 << 26)
  with pytest.warns(UserWarning, match=r"may need up to 0.1 GiB, 0.1 GiB are free.*config.train.batch_size"):
    memory.warn_if_short(config, seen)
  fewer = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=1))
  memory.warn_if_short(fewer, seen)


def test_free_memory_is_read_where_the_system_tells_it(tmp_path):
  (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   7 kB\n")
  assert memory._available(tmp_path / "meminfo") == 7 * 1024
  assert memory._available(tmp_path / "none") is None
  assert memory._left_in_group(tmp_path) is None
  (tmp_path / "memory.max").write_text("900\n")
  (tmp_path / "memory.current").write_text("100\n")
  assert memory._left_in_group(tmp_path) == 800
  (tmp_path / "memory.max").write_text("max\n")
  assert memory._left_in_group(tmp_path) is None
