"""Generated videos: pure, independent of the class where they must be, readable, and split without leaks."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from zsar_jax.data import drawing, synthetic
from zsar_jax.data.actions import LOWER_ACTIONS, UPPER_ACTIONS
from zsar_jax.data.figure import bend
from zsar_jax.data.nuisance import draw_nuisance
from zsar_jax.data.synthetic_probe import colour_histogram, probe, ridge_accuracy
from zsar_jax.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CLASS = "waving while walking"


def test_class_names_are_every_pair_in_plain_words():
  assert len(synthetic.CLASS_NAMES) == 36
  assert list(synthetic.CLASS_NAMES) == sorted(set(synthetic.CLASS_NAMES))
  assert all(word.isalpha() and word.islower() for name in synthetic.CLASS_NAMES for word in name.split())
  assert all(len(name.split()) == 3 for name in synthetic.CLASS_NAMES)


@pytest.mark.parametrize("domain", drawing.DOMAINS)
def test_same_arguments_give_the_same_bytes_in_another_process(domain):
  clip = synthetic.render(CLASS, 3, 1, domain)
  assert (clip.shape, clip.dtype) == ((20, 56, 56, 3), np.uint8)
  np.testing.assert_array_equal(clip, synthetic.render(CLASS, 3, 1, domain))
  code = (
    "import hashlib; from zsar_jax.data.synthetic import render;"
    f"print(hashlib.sha256(render({CLASS!r}, 3, 1, {domain!r}).tobytes()).hexdigest())"
  )
  env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
  other = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
  assert other.stdout.strip() == hashlib.sha256(clip.tobytes()).hexdigest()


def test_every_argument_matters():
  clip = synthetic.render(CLASS, 0, 0, "studio")
  for other in (("waving while jumping", 0, 0, "studio"), (CLASS, 1, 0, "studio"), (CLASS, 0, 1, "studio")):
    assert (synthetic.render(*other) != clip).any()
  assert (synthetic.render(CLASS, 0, 0, "street") != clip).any()


def test_size_and_length_are_what_was_asked():
  assert synthetic.render(CLASS, 0, 0, "street", size=32, num_frames=5).shape == (5, 32, 32, 3)


def test_nuisances_are_drawn_without_the_class():
  # Streams of different classes have the same distribution: their means differ by no more than chance.
  def draws(name):
    rngs = [synthetic.clip_rng(name, i, 0, "studio") for i in range(200)]
    drawn = [draw_nuisance(rng, "studio") for rng in rngs]
    return np.array(
      [[n.scale, n.camera.yaw, n.camera.mirror, n.phases[0], n.speeds[1], *n.position] for n in drawn]
    )

  first, second = draws("waving while walking"), draws("juggling while sitting")
  assert (first != second).any(1).all()
  spread = np.sqrt((first.var(0) + second.var(0)) / len(first))
  assert (np.abs(first.mean(0) - second.mean(0)) < 4.5 * spread).all()


@pytest.mark.parametrize("domain", drawing.DOMAINS)
def test_person_stands_out_brighter_than_the_ground(domain):
  for i, name in enumerate(synthetic.CLASS_NAMES[::5]):
    clip = synthetic.render(name, i, 0, domain).astype(float).mean(-1)
    ground = synthetic.background(name, i, 0, domain).astype(float).mean(-1)
    person = clip - ground > 40
    assert 0.03 < person.mean() < 0.35
    assert clip[person].mean() > ground.mean() + 60
    assert person.any((1, 2)).all()


def test_background_is_the_clip_without_the_person():
  clip, ground = synthetic.render(CLASS, 0, 0, "studio"), synthetic.background(CLASS, 0, 0, "studio")
  np.testing.assert_array_equal(clip[:, :4, :4], ground[:, :4, :4])


def test_domains_differ_in_texture():
  def texture(domain):
    grounds = [synthetic.background(n, 0, 0, domain, num_frames=1)[0] for n in synthetic.CLASS_NAMES[:8]]
    return np.mean([np.abs(np.diff(g.astype(float), axis=1)).mean() / g.mean() for g in grounds])

  assert texture("street") > 1.5 * texture("studio")


@pytest.mark.parametrize("name", LOWER_ACTIONS)
def test_lower_action_repeats_after_a_cycle_and_moves(name):
  action, period = LOWER_ACTIONS[name]
  phase = np.linspace(0, 1, 9)
  course, again = action(phase), action(phase + 1)
  for path, other in zip(course, again, strict=True):
    np.testing.assert_allclose(path, other, atol=1e-9)
  assert max(np.ptp(path, axis=0).max() for path in course) > 0.2
  assert 8 <= period <= 16


@pytest.mark.parametrize("name", UPPER_ACTIONS)
def test_upper_action_repeats_after_a_cycle_and_moves(name):
  action, period = UPPER_ACTIONS[name]
  phase, across = np.linspace(0, 1, 9), np.array([0.8, 0, -0.6])
  course, again = action(phase, across), action(phase + 1, across)
  for path, other in zip(course[:2], again[:2], strict=True):
    np.testing.assert_allclose(path, other, atol=1e-9)
  assert max(np.ptp(path, axis=0).max() for path in course[:2]) > 0.04
  assert 8 <= period <= 16


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_limbs_keep_their_lengths(target):
  root, pole = np.zeros((1, 3)), np.array([0.1, 1.0, 0.2])
  assume(np.linalg.norm(np.cross(target, pole)) > 1e-3)
  joint, end = bend(root, np.array([target]), 0.25, 0.2, pole)
  assert np.linalg.norm(joint - root) == pytest.approx(0.25, abs=1e-6)
  assert np.linalg.norm(end - joint) == pytest.approx(0.2, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 30))
def test_split_shares_all_words_and_no_class(seed, num_unseen):
  seen, unseen = synthetic.split_classes(seed, num_unseen)
  assert len(unseen) == num_unseen
  assert sorted(seen + unseen) == list(synthetic.CLASS_NAMES)
  words = {word for name in seen for word in name.split()}
  assert all(word in words for name in unseen for word in name.split())
  counts = [sum(action in name.split() for name in unseen) for action in synthetic.UPPER + synthetic.LOWER]
  assert max(counts) - min(counts) <= 1
  if num_unseen == 12:
    assert set(counts) == {2}
  assert synthetic.split_classes(seed, num_unseen) == (seen, unseen)


def test_splits_differ_by_seed():
  assert len({synthetic.split_classes(seed)[1] for seed in range(10)}) > 5


@pytest.mark.parametrize("num_unseen", [0, 31])
def test_split_refuses_numbers_that_leave_an_action_unseen(num_unseen):
  with pytest.raises(InputError, match="1 to 30"):
    synthetic.split_classes(0, num_unseen)


@pytest.mark.parametrize("workers", [1, 2])
def test_videos_are_written_once_and_decode(tmp_path, workers):
  av = pytest.importorskip("av")
  names, seen = synthetic.CLASS_NAMES[:4], []
  count = synthetic.write_videos(
    tmp_path, names, 4, 0, "street", workers=workers, num_frames=9, progress=lambda *at: seen.append(at)
  )
  assert count == 16
  assert seen == [(i + 1, 16) for i in range(16)]
  files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
  assert files == [f"{n.replace(' ', '_')}/{i:05d}.mp4" for n in names for i in range(4)]
  with av.open(str(synthetic.video_path(tmp_path, names[1], 2))) as container:
    frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
  clip = synthetic.render(names[1], 2, 0, "street", num_frames=9)
  assert frames.shape == clip.shape
  assert np.abs(frames.astype(float).mean(-1) - clip.astype(float).mean(-1)).mean() < 6
  synthetic.video_path(tmp_path, names[0], 0).unlink()
  assert synthetic.write_videos(tmp_path, names, 4, 0, "street", num_frames=9) == 1


def test_wrong_arguments_are_listed_at_once(tmp_path):
  with pytest.raises(InputError) as raised:
    synthetic.write_videos(tmp_path, ["wavin while walking", CLASS], 1, 0, "beach", size=55)
  text = str(raised.value)
  for part in ("'wavin while walking'", "did you mean 'waving while walking'", "'beach'", "studio", "55"):
    assert part in text
  with pytest.raises(InputError, match="waving while walking"):
    synthetic.render("wavin while walking", 0, 0, "studio")
  with pytest.raises(InputError, match="beach"):
    synthetic.render(CLASS, 0, 0, "beach")


def test_ridge_probe_finds_what_is_there_and_nothing_else():
  rng = np.random.default_rng(0)
  label = np.tile(np.arange(4), 50)
  noise = rng.standard_normal((200, 6))
  told = noise + 5 * np.eye(4, 6)[label]
  assert ridge_accuracy(told, label, told, label) > 95
  fresh = rng.standard_normal((200, 6))
  assert ridge_accuracy(noise, label, fresh, label) < 40


def test_histogram_holds_shares_of_pixels():
  histogram = colour_histogram(np.full((2, 4, 4, 3), 255, np.uint8))
  assert histogram.sum() == pytest.approx(4)
  assert histogram[63] == 1


def test_probe_reports_both_domains():
  result = probe(0, num_train=2, num_test=1, num_classes=3)
  assert result["chance"] == pytest.approx(33.33)
  assert set(result["colour_histogram"]) == set(result["background"]) == set(drawing.DOMAINS)


def test_sheet_command_writes_a_picture(tmp_path):
  assert synthetic.main(["--sheet", str(tmp_path / "s.png"), "--domain", "studio"]) == 0
  with Image.open(tmp_path / "s.png") as sheet:
    assert sheet.size == (10 * 57 * 2, 36 * (16 + 56 * 2))
    assert np.asarray(sheet).std() > 10


def test_imports_without_the_heavy_packages():
  code = (
    "import json, sys; import zsar_jax.data.synthetic, zsar_jax.data.synthetic_probe;"
    "print(json.dumps([m for m in ('tensorflow', 'jax', 'av', 'PIL', 'matplotlib') if m in sys.modules]))"
  )
  env = {**os.environ, "PYTHONPATH": str(ROOT)}
  result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
  assert json.loads(result.stdout) == []
