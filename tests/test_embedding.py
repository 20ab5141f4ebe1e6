"""Embedding a data set: the same numbers as video by video, whatever is shared, sorted, padded or left on the device."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from running import TINY

from zsar_jax import config as configs
from zsar_jax import evaluate
from zsar_jax.data import synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.embedding import make_embedder
from zsar_jax.errors import InputError
from zsar_jax.methods.frames import normalize
from zsar_jax.models.encode import gather_clips
from zsar_jax.seen_embeddings import Origin, SeenStore
from zsar_jax.session import open_session
from zsar_jax.train.state import fingerprint, init_state

ROOT = pathlib.Path(__file__).parent.parent
CLASSES = synthetic.CLASS_NAMES[:6]
UNSEEN = "+".join(CLASSES[4:])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  """Videos of 6, 14 and 22 frames."""
  folder = tmp_path_factory.mktemp("data")
  entries = []
  for part, num_frames in enumerate((6, 22, 14)):
    synthetic.write_videos(folder / str(part), CLASSES, 1, part, "studio", size=40, num_frames=num_frames)
    entries += [
      Entry(str(synthetic.video_path(folder / str(part), name, 0)), label, f"{name}/{part}")
      for label, name in enumerate(CLASSES)
    ]
  build_records(entries, CLASSES, folder / "mine", short_side=40)
  return folder


def open_run(data_dir, workdir, variant="", **keys):
  overrides = TINY | {
    "vectors": "hash:20", "data.dir": str(data_dir), "data.seen": f"mine:!{UNSEEN}", "data.unseen": f"mine:{UNSEEN}",
    "data.seen_test": "", "data.short_side": 40, "data.crop": 32, "data.num_frames": 4, "eval.num_clips": 3,
    "transfer.distinctiveness": 0, "train.batch_size": 8,
  }  # fmt: skip
  keys = {key.replace("__", "."): value for key, value in keys.items()}
  config = configs.load(str(ROOT / f"configs/demo.py{variant}"), overrides | keys)
  session = open_session(config, workdir)
  return session, init_state(session.network, session.stages[0])


def one_by_one(session, state, data_set):
  """The embeddings [V, N, D] clip by clip, from frames that nothing shares."""
  model = nnx.merge(session.network.graphdef, state.params, state.batch_stats)
  vectors = []
  for batch in session.reader.evaluation(data_set, session.config.eval.num_clips):
    clips = gather_clips(jnp.asarray(batch.frames), jnp.asarray(batch.positions))
    vectors.append(np.asarray(session.method.embed(model, normalize(clips, session.config.data)))[batch.mask])
  return np.concatenate(vectors)


@pytest.mark.parametrize("variant", ["", ":e2e"])
def test_sharing_and_sorting_change_no_number(data_dir, tmp_path, variant):
  session, state = open_run(data_dir, tmp_path, variant)
  data_set = session.corpus.unseen[0]
  kept = make_embedder(session, state).data_set(data_set, "test").own
  clips = one_by_one(session, state, data_set)
  np.testing.assert_array_equal(kept.row, data_set.rows)
  np.testing.assert_array_equal(kept.label, data_set.labels)
  np.testing.assert_allclose(kept.mean, clips.mean(1), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(kept.single, clips[:, 1], rtol=1e-4, atol=1e-5)
  units = clips / np.linalg.norm(clips, axis=-1, keepdims=True)
  np.testing.assert_allclose(kept.mean_unit, units.mean(1), atol=1e-5)
  np.testing.assert_allclose(kept.clips, units, atol=1e-3)


def test_seen_prototypes_are_the_means_of_the_training_videos(data_dir, tmp_path):
  session, state = open_run(data_dir, tmp_path, eval__num_clips=1)
  store = SeenStore(tmp_path, evaluate.origin_of(session, state, fingerprint(state)), keeps_embeddings=True)
  prototypes = make_embedder(session, state).seen_prototypes(store)
  train = session.corpus.train
  clips = one_by_one(session, state, train)[:, 0]
  for label in range(4):
    np.testing.assert_allclose(prototypes[label], clips[train.labels == label].mean(0), rtol=1e-4, atol=1e-5)
  held = store.embeddings()
  np.testing.assert_allclose(np.concatenate(held.shards), clips, atol=2e-3)
  np.testing.assert_array_equal(held.label, train.labels)
  np.testing.assert_array_equal(store.prototypes(), prototypes)


def test_a_diverged_model_is_told_by_its_videos(data_dir, tmp_path):
  session, state = open_run(data_dir, tmp_path, ":e2e")
  broken = state._replace(params=jax.tree.map(lambda x: x * jnp.nan, state.params))
  with pytest.raises(
    InputError, match=f"mine: the embeddings of 6 of 6 videos are not finite: {CLASSES[4]}/"
  ):
    make_embedder(session, broken).data_set(session.corpus.unseen[0], "test")


def test_prototypes_of_another_checkpoint_stop_an_evaluation(data_dir, tmp_path):
  session, state = open_run(data_dir, tmp_path)
  SeenStore(tmp_path, Origin("other", int(state.step), session.corpus.seen.names, 8)).finish(
    np.zeros((4, 96), np.float32), np.full(4, 2)
  )
  with pytest.raises(InputError, match="prototypes of another checkpoint: its checkpoint is other"):
    evaluate.evaluate(session, state)
