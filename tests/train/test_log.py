"""Metrics on disk."""

import json

from zsar_jax.train.log import MetricsLog


def test_a_resumed_run_drops_the_lines_of_steps_that_it_does_again(tmp_path):
  log = MetricsLog(tmp_path, 0, tensorboard=False)
  for step in (1, 2, 3):
    log.write(step, "train", {"loss": float(step), "phase": "joint"})
  log.write(4, "train", {"loss": float("nan")})
  log.close()
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 5, "ki')
  log = MetricsLog(tmp_path, 2, tensorboard=True)
  log.write(3, "train", {"loss": 30.0})
  log.close()
  lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
  assert [(line["step"], line["loss"]) for line in lines] == [(1, 1.0), (2, 2.0), (3, 30.0)]
  assert lines[0]["phase"] == "joint"
  assert list((tmp_path / "events").iterdir())


def test_a_number_that_is_not_finite_becomes_null(tmp_path):
  log = MetricsLog(tmp_path, 0, tensorboard=False)
  log.write(1, "train", {"loss": float("inf")})
  log.close()
  assert json.loads((tmp_path / "metrics.jsonl").read_text())["loss"] is None
