"""Still pictures of the generated world: pure, of seen combinations only, and readable as a data set."""

import numpy as np
import pytest

from zsar_jax.classes.words import folder_words
from zsar_jax.config import load
from zsar_jax.data.generated import STILLS, generated_path, make_generated
from zsar_jax.data.index import open_index
from zsar_jax.data.stills import POSTURES, STILL_NAMES, THINGS, render_still, write_stills
from zsar_jax.data.synthetic import CLASS_NAMES, LOWER, UPPER, split_classes
from zsar_jax.errors import InputError

SEEN, _ = split_classes(0)


def test_every_action_is_shown_by_one_name():
  assert sorted(action for action, _ in POSTURES.values()) == sorted(LOWER)
  assert sorted(THINGS.values()) == sorted(UPPER)


def test_no_name_shares_a_word_with_an_action():
  words = {word for name in CLASS_NAMES for word in folder_words(name)}
  assert not words & {word for name in STILL_NAMES for word in folder_words(name)}


def test_a_picture_is_a_function_of_its_arguments():
  picture = render_still("flag", 0, 0, "studio", SEEN)
  assert (picture.shape, picture.dtype) == ((84, 84, 3), np.uint8)
  np.testing.assert_array_equal(picture, render_still("flag", 0, 0, "studio", SEEN))
  for other in (
    ("wings", 0, 0, "studio"),
    ("flag", 1, 0, "studio"),
    ("flag", 0, 1, "studio"),
    ("flag", 0, 0, "street"),
  ):
    assert (render_still(*other, SEEN) != picture).any()


def test_only_seen_combinations_are_drawn():
  # With one class to draw from, pictures of its two halves come out; of anything else they cannot.
  seen = ["waving while walking"]
  render_still("flag", 0, 0, "studio", seen)
  render_still("small step", 0, 0, "studio", seen)
  with pytest.raises(InputError, match="no seen class shows 'barbell': none holds 'lifting'"):
    render_still("barbell", 0, 0, "studio", seen)


def test_wrong_arguments_are_told_together():
  with pytest.raises(
    InputError, match=r"called 'flagg'; there are airborne person[\s\S]*domain is called 'moon'"
  ):
    render_still("flagg", 0, 0, "moon", SEEN)


def test_finished_files_are_kept(tmp_path):
  assert write_stills(tmp_path, 1, 0, "studio", SEEN, size=32) == len(STILL_NAMES)
  assert write_stills(tmp_path, 2, 0, "studio", SEEN, size=32) == len(STILL_NAMES)
  with pytest.raises(InputError, match="at least 1"):
    write_stills(tmp_path, 0, 0, "studio", SEEN)


def test_they_are_a_data_set_of_images(tmp_path):
  config = load("configs/demo.py:e2e", {"data.dir": str(tmp_path), "generated.train_per_class": "2"})
  told = []
  make_generated(config, [STILLS], told.append)
  index = open_index(generated_path(config, STILLS), config.data.short_side)
  assert (index.kind, len(index), index.class_names) == ("image", 2 * len(STILL_NAMES), STILL_NAMES)
  assert told == ["making figures_stills: 12 classes x 2 pictures, domain studio"]
  make_generated(config, [STILLS], told.append)
  assert len(told) == 1
