"""The loop on batches from memory: what it saves, logs and refuses."""

import itertools
import json
import pathlib
import shutil
import signal

import jax
import numpy as np
import pytest

from zsar_jax import config as configs
from zsar_jax.classes.embeddings import class_set
from zsar_jax.data.index import RecordError
from zsar_jax.errors import InputError
from zsar_jax.lock import exclusive
from zsar_jax.methods import make_method
from zsar_jax.saved.manifest import read_manifest
from zsar_jax.train.checkpoint import Checkpoints
from zsar_jax.train.loop import train
from zsar_jax.train.nonfinite import Diverged
from zsar_jax.train.sharding import make_mesh
from zsar_jax.train.signals import Stopped
from zsar_jax.train.state import make_network, make_stages
from zsar_jax.types import ClipBatch

ROOT = pathlib.Path(__file__).parent.parent.parent
SEEN = class_set(["waving while walking", "punching while sitting"], "folder", "hash:300")


class Pictures:
  """The batch of a step is a function of the step alone."""

  def stream(self, first_step):
    for step in itertools.count(first_step):
      rng = np.random.default_rng(step)
      label = rng.integers(0, 2, 8).astype(np.int32)
      yield ClipBatch(
        self.frames(step, rng),
        label,
        np.zeros((8, 1), np.int32),
        np.ones(8, bool),
        np.arange(8, dtype=np.int32),
      )

  def frames(self, step, rng):
    return rng.integers(0, 256, (8, 1, 4, 24, 24, 3)).astype(np.uint8)

  def rows(self, step):
    return 8 * step + np.arange(8)

  def video_ids(self, rows):
    return [f"video {row // 8}.{row % 8}" for row in rows]


class Features(Pictures):
  """Precomputed features, not numbers in some steps."""

  def __init__(self, *bad):
    self.bad = bad

  def frames(self, step, rng):
    frames = rng.normal(size=(8, 1, 4, 5)).astype(np.float32)
    if step in self.bad:
      frames[3, 0, 2, 1] = np.nan
    return frames


FEATURES = {"model__backbone": "features", "model__num_features": "5"}


def validation(stage, state, alive):
  alive()
  return 100.0 - int(state.step)


def run(workdir, batches=Pictures(), validate=validation, **keys):  # noqa: B008
  base = {"train.batch_size": "8", "train.joint.steps": "4", "logging.every_steps": "1", "checkpoint.every_steps": "2",
          "logging.validate_every_steps": "2", "logging.tensorboard": "false"}  # fmt: skip
  config = configs.load(
    str(ROOT / "configs/demo.py:e2e"), base | {k.replace("__", "."): v for k, v in keys.items()}
  )
  method = make_method(config, SEEN)
  network = make_network(method, 0)
  stages = make_stages(config, method, network.params, 8)
  return train(config, network, stages, make_mesh(), batches, validate, workdir)


def lines_of(workdir, kind="train"):
  lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
  return [line for line in lines if line["kind"] == kind]


def saved_steps(workdir):
  return Checkpoints(workdir, keep=2, read_only=True).steps()


def test_what_a_run_leaves_and_that_a_longer_one_goes_on_from_it(tmp_path):
  state = run(tmp_path)
  assert int(state.step) == 4
  assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3, 4]
  assert [(line["step"], line["top1"]) for line in lines_of(tmp_path, "validation")] == [(2, 98.0), (4, 96.0)]
  assert saved_steps(tmp_path) == [2, 4]
  assert int(run(tmp_path).step) == 4  # nothing left to do
  assert int(run(tmp_path, train__joint__steps="6").step) == 6
  assert max(line["step"] for line in lines_of(tmp_path)) == 6
  assert 2 in saved_steps(tmp_path)  # the best by validation


def test_a_loss_that_is_not_finite_ends_the_run_and_is_never_saved(tmp_path):
  with pytest.raises(Diverged, match="step"):
    run(tmp_path, Features(), model__normalize="false", train__joint__optimizer="sgd", train__joint__learning_rate="1e9",
        train__joint__ramp_epochs="0", train__joint__steps="9", logging__every_steps="100", checkpoint__every_steps="8",
        logging__validate_every_steps="100", **FEATURES)  # fmt: skip
  assert saved_steps(tmp_path) == []


def test_a_batch_that_is_not_a_number_ends_the_run_and_is_named(tmp_path):
  with pytest.raises(Diverged) as error:
    run(tmp_path, Features(3), checkpoint__every_steps="1", train__joint__steps="8", **FEATURES)
  assert "at step 4 the loss is nan" in str(error.value)
  assert "step 3 is the newest checkpoint" in str(error.value)
  told = json.loads((tmp_path / "nonfinite/step-00000004.json").read_text())
  assert told["videos"] == [f"video 3.{row}" for row in range(8)]
  assert (told["step"], told["loss"]) == (4, "nan")
  assert saved_steps(tmp_path) == [2, 3]
  assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3]


def test_some_bad_batches_are_passed_over_and_leave_no_trace(tmp_path, caplog):
  state = run(tmp_path / "bad", Features(1, 3), safety__skip_nonfinite="2", **FEATURES)
  assert (int(state.step), int(state.skipped)) == (4, 2)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((state.params, state.batch_stats)))
  assert caplog.text.count("the step is left out") == 2
  assert [line["loss"] is None for line in lines_of(tmp_path / "bad")] == [False, True, False, True]
  # One more than the budget, here of a run that goes on; a smaller budget than was used already does not stand in the way.
  with pytest.raises(Diverged, match="at step 6"):
    run(tmp_path / "bad", Features(5), safety__skip_nonfinite="2", train__joint__steps="7", **FEATURES)
  assert int(run(tmp_path / "bad", Features(), train__joint__steps="7", **FEATURES).step) == 7


def test_a_validation_that_is_not_a_number_is_never_best(tmp_path):
  scores = iter([50.0, float("nan"), 20.0])
  keys = {"train__joint__steps": "6", "checkpoint__keep": "1"} | FEATURES
  run(tmp_path, Features(), lambda *_: next(scores), **keys)
  assert saved_steps(tmp_path) == [2, 6]
  checkpoints = Checkpoints(tmp_path, keep=1, read_only=True)
  assert [line["top1"] for line in lines_of(tmp_path, "validation")] == [50.0, None, 20.0]
  checkpoints.close()


def test_a_new_best_is_saved_whenever_it_is_found(tmp_path):
  scores = iter([50.0, 40.0, 60.0, 10.0])
  keys = {"train__joint__steps": "8", "checkpoint__keep": "1", "checkpoint__every_steps": "0"} | FEATURES
  run(tmp_path, Features(), lambda *_: next(scores), **keys)
  assert saved_steps(tmp_path) == [6, 8]


def test_a_stop_before_validation_is_made_up_for_and_the_checkpoint_told(tmp_path):
  class SignalAt5(Features):
    def frames(self, step, rng):
      if step == 5:
        signal.raise_signal(signal.SIGTERM)
      return super().frames(step, rng)

  keys = {"train__joint__steps": "12", "checkpoint__keep": "1", "checkpoint__every_steps": "4", **FEATURES}
  keys |= {"logging__validate_every_steps": "1"}
  with pytest.raises(Stopped):
    run(tmp_path, SignalAt5(), lambda stage, state, alive: float(state.step), **keys)
  stopped = saved_steps(tmp_path)[-1]
  assert [line["step"] for line in lines_of(tmp_path, "validation")] == list(range(1, stopped))
  run(tmp_path, Features(), lambda stage, state, alive: 100.0 - float(state.step), **keys)
  assert [line["step"] for line in lines_of(tmp_path, "validation")] == list(range(1, 13))
  assert saved_steps(tmp_path) == [stopped, 12]  # the best, which nobody knew when it was saved
  facts = read_manifest(tmp_path / f"checkpoints/{stopped}").facts
  assert (facts.validation, facts.best) == (100.0 - stopped, 100.0 - stopped)


def test_metrics_are_means_over_the_steps_since_the_line_before_also_over_a_stop(tmp_path):
  keys = {"train__joint__steps": "6", "logging__validate_every_steps": "100"} | FEATURES
  run(tmp_path / "each", Features(), **keys)
  run(tmp_path / "three", Features(), logging__every_steps="3", **keys)
  each = [line["loss"] for line in lines_of(tmp_path / "each")]
  three = [line["loss"] for line in lines_of(tmp_path / "three")]
  np.testing.assert_allclose(three, [np.mean(each[:3]), np.mean(each[3:])], rtol=1e-6)
  shutil.rmtree(tmp_path / "three/checkpoints/6")  # as a kill after step 4 leaves it
  run(tmp_path / "three", Features(), logging__every_steps="3", **keys)
  assert [line["loss"] for line in lines_of(tmp_path / "three")] == three


def test_what_the_batches_raise_comes_out(tmp_path):
  class Broken(Features):
    def frames(self, step, rng):
      if step == 2:
        raise RecordError("videos.tfrecord: damaged")
      return super().frames(step, rng)

  with pytest.raises(RecordError, match="damaged"):
    run(tmp_path, Broken(), **FEATURES)
  assert saved_steps(tmp_path) == [2]


def test_two_runs_never_write_one_workdir(tmp_path):
  with exclusive(tmp_path / ".training", "taken"), pytest.raises(InputError, match="by another process"):
    run(tmp_path, Features(), **FEATURES)
