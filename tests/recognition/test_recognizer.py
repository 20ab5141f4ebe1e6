"""Video files and class names in, ranked names out; from a model in memory and from a folder."""

import contextlib
import gc
import os
import pathlib
import signal
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest
from bundles import make_bundle, tiny_videos
from flax import nnx
from jax.sharding import AxisType, Mesh

import zsar_jax
from zsar_jax.bundle.model import abstract_graph, make_bundle_method
from zsar_jax.bundle.write import write_bundle
from zsar_jax.data.decode import Decoder
from zsar_jax.data.video_source import VideoError
from zsar_jax.errors import InputError
from zsar_jax.methods.frames import normalize
from zsar_jax.recognition import embedder
from zsar_jax.recognition.answers import Failure, Prediction
from zsar_jax.recognition.decoders import MOST_IDLE
from zsar_jax.recognition.limits import NO_LIMITS, Limits
from zsar_jax.recognition.recognizer import Recognizer

ROOT = pathlib.Path(__file__).parents[2]
NAMES = ("juggling balls", "archery", "playing the piano")
MODELS = [
  pytest.param("rest", {}, id="rest"),
  pytest.param("e2e", {}, id="e2e"),
  pytest.param("rest", {"model__backbone": "r2plus1d_tiny"}, id="rest of clips", marks=pytest.mark.slow),
  pytest.param("rest", {"model__cross_modal": True}, id="rest that reads words", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
  return tiny_videos(tmp_path_factory.mktemp("videos"), 5)


@pytest.fixture(scope="module")
def recognizer():
  return Recognizer(make_bundle())


@pytest.fixture(scope="module")
def candidates(recognizer):
  return recognizer.candidates(NAMES)


def one_device():
  return Mesh(np.array(jax.devices()[:1]), ("data",), axis_types=(AxisType.Auto,))


def of_evaluation(bundle, frames, positions):
  """What `Method.embed_clips` makes of the same clips, by the path that evaluation takes."""
  method = make_bundle_method(bundle)
  arrays = jax.tree.map(jax.numpy.asarray, (bundle.params, bundle.batch_stats))
  model = nnx.merge(abstract_graph(bundle), *arrays)
  embed = jax.jit(lambda f, p: method.embed_clips(model, normalize(f, bundle.config.data), p).own)
  return np.asarray(embed(frames, positions))


@pytest.mark.parametrize(("variant", "changes"), MODELS)
def test_embeddings_are_those_of_the_evaluation(variant, changes, recognizer, monkeypatch):
  plain = variant == "rest" and not changes
  bundle = recognizer.bundle if plain else make_bundle(variant, **changes)
  recognizers = [recognizer if plain else Recognizer(bundle)]  # on eight devices
  if plain:
    monkeypatch.setattr(embedder, "make_mesh", one_device)
    recognizers.append(Recognizer(bundle))
  rng = np.random.default_rng(0)
  frames = rng.integers(0, 256, (2, 9, 24, 24, 3), np.uint8)
  positions = rng.integers(0, 9, (2, 3, 4))
  expected = of_evaluation(bundle, frames, positions)
  clips = np.stack([one[where] for one, where in zip(frames, positions, strict=True)])
  for each in recognizers:
    np.testing.assert_allclose(each.embed(clips), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_videos_get_their_answers_in_order_and_bad_ones_a_reason(videos, recognizer, candidates, tmp_path):
  (tmp_path / "text.mp4").write_text("no video")
  (tmp_path / "empty.mp4").touch()
  asked = [
    videos[0],
    tmp_path / "text.mp4",
    str(videos[1]),
    tmp_path / "absent.mp4",
    *videos[2:],
    tmp_path / "empty.mp4",
  ]
  found = list(recognizer.recognize(asked, candidates, top=2, timeline=True))
  assert [one.video for one in found] == [str(video) for video in asked]
  assert [number for number, one in enumerate(found) if isinstance(one, Failure)] == [1, 3, 7]
  assert [found[number].reason for number in (3, 7)] == ["no such file", "unreadable: the file is empty"]
  for number, one in enumerate(one for one in found if isinstance(one, Prediction)):
    assert one.num_frames == 12 + 8 * number
    assert one.scores.shape == (3,)
    assert [named.score for named in one.ranking] == sorted(one.scores.tolist(), reverse=True)[:2]
    assert {named.name for named in one.nearest_seen} == set(recognizer.bundle.seen.names)
    windows = -(-one.num_frames // 7)  # of four frames, two apart
    assert one.timeline.scores.shape == (windows, 3)
    assert one.timeline.start[0] == 0
    assert one.timeline.end[-1] == pytest.approx(one.seconds, abs=1.5 / 12)
    assert one.seconds == pytest.approx(one.num_frames / 12, abs=0.01)


def test_the_halves_for_a_server_say_the_same(videos, recognizer, candidates):
  expected = recognizer.classify(videos, candidates, num_clips=3, timeline=True)
  with Decoder() as decoder:
    clips = [
      recognizer.read(decoder, video, num_clips=3, timeline=True, limits=NO_LIMITS, timeout=60)
      for video in videos
    ]
    with pytest.raises(VideoError, match="too long"):
      recognizer.read(decoder, videos[0], num_clips=3, timeline=False, limits=Limits(seconds=0.5), timeout=60)
  vectors = recognizer.embed_clips(clips)
  for video, one, each, answer in zip(videos, clips, vectors, expected, strict=True):
    found = recognizer.answer(str(video), one, each, candidates)
    assert found.ranking[0].name == answer.ranking[0].name
    np.testing.assert_allclose(found.scores, answer.scores, atol=1e-6)
    np.testing.assert_allclose(found.timeline.scores, answer.timeline.scores, atol=1e-6)
  assert recognizer.embed_clips([]) == []


def test_the_answer_is_the_mean_of_the_clips(videos, recognizer, candidates):
  (answer,) = recognizer.classify(videos[0], candidates)
  with Decoder() as decoder:
    clips = recognizer.read(decoder, videos[0], num_clips=2, timeline=False, limits=NO_LIMITS, timeout=60)
  mean = recognizer.embed(clips.frames[clips.positions][None])[0].mean(0)
  cosines = candidates.prototypes.vectors @ mean / np.linalg.norm(mean)
  cosines /= np.linalg.norm(candidates.prototypes.vectors, axis=1)
  np.testing.assert_allclose(answer.scores, cosines, atol=1e-6)


def test_many_threads_may_ask(videos, recognizer, candidates):
  with Decoder() as decoder:
    clips = recognizer.read(decoder, videos[0], num_clips=None, timeline=False, limits=NO_LIMITS, timeout=60)
  found = []
  threads = [threading.Thread(target=lambda: found.extend(recognizer.embed_clips([clips]))) for _ in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(found) == 8
  for each in found:
    np.testing.assert_array_equal(each, found[0])


def children_of_this_process():
  tasks = pathlib.Path(f"/proc/{os.getpid()}/task")
  if not (tasks / str(os.getpid()) / "children").exists():
    pytest.skip("the kernel does not tell a process's children")

  found = set()
  for task in tasks.iterdir():
    with contextlib.suppress(OSError):  # a thread that has ended
      found |= set((task / "children").read_text().split())
  return found


def test_decoding_processes_stay_until_they_are_closed(videos, recognizer, candidates):
  recognizer.close()
  before = children_of_this_process()
  with recognizer:
    answers = recognizer.recognize(videos * 20, candidates)
    next(answers)
    assert children_of_this_process() - before
    answers.close()
    assert len(children_of_this_process() - before) <= MOST_IDLE
    recognizer.classify(videos[0], candidates)
    kept = children_of_this_process() - before
    assert 1 <= len(kept) <= MOST_IDLE
    recognizer.classify(videos[0], candidates)
    assert children_of_this_process() - before == kept
    for process in kept:  # as a machine out of memory does
      os.kill(int(process), signal.SIGKILL)
    assert isinstance(recognizer.classify(videos[0], candidates)[0], Prediction)
  assert not children_of_this_process() - before


def test_a_forgotten_recognizer_leaves_no_process(videos, recognizer):
  before = children_of_this_process()
  other = Recognizer(recognizer.bundle)
  other._embedder = recognizer._embedder  # compiled already
  answers = other.recognize(videos * 20, other.candidates(NAMES))
  next(answers)
  assert children_of_this_process() - before
  cycle = [answers, other]
  cycle.append(cycle)
  del answers, other, cycle
  gc.collect()
  assert not children_of_this_process() - before


def test_numbers_that_are_not_finite_are_a_failure(videos):
  bundle = make_bundle()
  params = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), bundle.params)
  broken = Recognizer(bundle._replace(params=params))
  (found,) = broken.classify([videos[0]], NAMES)
  assert "not finite" in found.reason


def test_wrong_numbers_are_told_before_anything_is_decoded(recognizer, candidates):
  with pytest.raises(InputError, match="top is 0"):
    recognizer.recognize([], candidates, top=0)
  with pytest.raises(InputError, match="num_clips is 0"):
    recognizer.recognize([], candidates, num_clips=0)
  with pytest.raises(InputError, match=r"uint8 \[B, N, 4, 24, 24, 3\]"):
    recognizer.embed(np.zeros((1, 1, 4, 24, 24, 3), np.float32))
  with pytest.raises(InputError, match="expected a list of names"):
    recognizer.classify([], "archery, juggling")
  assert recognizer.classify([], candidates) == []


def test_candidates_of_another_model_are_refused(videos, recognizer, candidates):
  other = candidates._replace(checkpoint="f" * 16)
  for ask in (recognizer.recognize, recognizer.classify):
    with pytest.raises(InputError, match="another model"):
      ask(videos, other)
  with Decoder() as decoder:
    clips = recognizer.read(decoder, videos[0], num_clips=1, timeline=False, limits=NO_LIMITS, timeout=60)
  with pytest.raises(InputError, match="another model"):
    recognizer.answer("a", clips, np.ones((1, 32), np.float32), other)
  with pytest.raises(InputError, match="give it to `candidates`"):
    recognizer.classify(videos, candidates, vectors="hash:16")


def test_things_of_another_kind_are_told_in_words(recognizer, candidates):
  for given, told in (
    ((5, NAMES), "videos is the int 5"),
    ((b"a.mp4", NAMES), "videos is the bytes"),
    ((["a.mp4", None], NAMES), "videos: number 2 is the NoneType None"),
    (([], None), "classes is the NoneType None"),
    (([], ["archery", 3, b"x"]), "number 2 is the int 3"),
  ):
    with pytest.raises(InputError, match=told):
      recognizer.classify(*given)
  for keys, told in (
    ({"num_clips": 2.0}, "num_clips is 2.0"), ({"num_clips": 251}, "from 1 to 250"), ({"top": True}, "top is True"),
    ({"top": "3"}, "top is '3'"), ({"timeout": 0}, "timeout is 0"),
    ({"limits": 60}, "limits is 60"),
  ):  # fmt: skip
    with pytest.raises(InputError, match=told):
      recognizer.recognize([], candidates, **keys)
  with pytest.raises(InputError, match="candidates is the tuple"):
    recognizer.recognize([], NAMES)
  with pytest.raises(InputError, match="vectors is the int 300"):
    recognizer.candidates(NAMES, 300)
  with pytest.raises(InputError, match="number 1 is the int 1"):
    list(recognizer.recognize(iter([1]), candidates))
  with pytest.raises(InputError, match="is no path"):
    zsar_jax.load(None)


def test_a_model_of_features_embeds_features_alone():
  recognizer = Recognizer(make_bundle("e2e", model__backbone="features", model__num_features=6))
  assert recognizer.embed(np.ones((2, 3, 4, 6), np.float32)).shape == (2, 3, 64)
  with pytest.raises(InputError, match="precomputed features"):
    recognizer.classify(["a.mp4"], NAMES)


def test_a_folder_is_loaded_and_names_videos_without_the_optional_parts(
  videos, recognizer, candidates, tmp_path
):
  """In a process that has neither TensorFlow nor gensim, matplotlib or torch."""
  folder = tmp_path / "model"
  write_bundle(recognizer.bundle._replace(folder=folder), folder)
  expected = recognizer.classify(videos[:2], candidates)
  code = f"""
import importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
  def find_spec(self, name, path=None, target=None):
    if name.split('.')[0] in ('tensorflow', 'tensorflow_datasets', 'gensim', 'matplotlib', 'torch'):
      raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import zsar_jax
assert not {{'jax', 'numpy'}} & set(sys.modules)
model = zsar_jax.load({str(folder)!r})
for one in model.classify({[str(video) for video in videos[:2]]!r}, {NAMES!r}):
  assert isinstance(one, zsar_jax.Prediction)
  print(one.ranking[0].name, *one.scores, sep='|')
"""
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  for line, answer in zip(done.stdout.splitlines(), expected, strict=True):
    best, *scores = line.split("|")
    assert best == answer.ranking[0].name
    np.testing.assert_allclose([float(score) for score in scores], answer.scores, atol=1e-5)


def test_the_face_of_the_package():
  assert set(zsar_jax.__all__) <= set(dir(zsar_jax))
  assert zsar_jax.Recognizer is Recognizer
  assert all(getattr(zsar_jax, name) for name in zsar_jax.__all__)
  with pytest.raises(AttributeError, match="no attribute 'laod'"):
    _ = zsar_jax.laod
