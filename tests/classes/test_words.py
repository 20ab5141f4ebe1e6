import json
import re
from pathlib import Path

import pytest

from zsar_jax.classes.words import folder_words, label_words, readable_name, verb_lemma

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "words.json").read_text())


@pytest.mark.parametrize("source", sorted(GOLDEN))
def test_e2e_words_match_the_release(source):
  wrong = {
    name: label_words(name, source)
    for name, own in GOLDEN[source].items()
    if label_words(name, source) != tuple(own)
  }
  assert wrong == {}


@pytest.mark.parametrize("source", sorted(GOLDEN))
def test_underscores_and_spaces_spell_the_same_class(source):
  for name, own in GOLDEN[source].items():
    assert label_words(name.replace(" ", "_"), source) == tuple(own)
    assert label_words(name.replace("_", " "), source) == tuple(own)


@pytest.mark.parametrize("source", ["kinetics400", "kinetics600"])
def test_smaller_kinetics_sets_follow_the_same_rules(source):
  shared = list(GOLDEN["kinetics700"])[:50]
  assert [list(label_words(name, source)) for name in shared] == [
    GOLDEN["kinetics700"][name] for name in shared
  ]
  assert label_words("skiing (not slalom or crosscountry)", source) == ("ski",)


@pytest.mark.parametrize(
  ("name", "words"),
  [
    ("/a/abbey", ("abbey",)),
    ("/a/airplane_cabin", ("airplane", "cabin")),
    ("/b/basketball_court/outdoor", ("basketball", "court", "outdoor")),
    ("skating_rink", ("skating", "rink")),
  ],
)
def test_sun397(name, words):
  assert label_words(name, "sun397") == words


@pytest.mark.parametrize(
  ("name", "words"),
  [
    ("Clapping", "clap"),
    ("Meet_and_Split", "meet split"),
    ("Standing_Still", "stand still"),
    ("Walking_While_Reading_Book", "walk read book"),
    ("Walking_While_Using_Phone", "walk use phone"),
    ("waving while walking", "wave walk"),
    ("ApplyEyeMakeup", "apply eye makeup"),
    ("HTMLParsing", "html parse"),
    ("blow-drying hair", "blow dry hair"),
    ("lying on the floor", "lie floor"),
    ("hanging a ring from the ceiling", "hang ring ceiling"),
    ("dancing (ballet)", "dance ballet"),
    ("On", "on"),
    ("Сидит_дома", "сидит дома"),
  ],
)
def test_folder_names(name, words):
  assert folder_words(name) == tuple(words.split())
  assert label_words(name, "my_videos") == tuple(words.split())


LEMMAS = """
walking>walk sitting>sit standing>stand punching>punch squatting>squat jumping>jump running>run riding>ride
making>make bouncing>bounce juggling>juggle carving>carve raising>raise squeezing>squeeze cleaning>clean
opening>open listening>listen mixing>mix rowing>row bowing>bow dying>die skiing>ski seeing>see arguing>argue
rolling>roll kissing>kiss waltzing>waltz changing>change hanging>hang circling>circle curling>curl
tasting>taste casting>cast dining>dine biking>bike doing>do going>go kneeling>kneel typing>type
bathing>bathe judging>judge quitting>quit requiring>require ring>ring spring>spring string>string king>king
wedding>wedding thing>thing swing>swing sing>sing ceiling>ceiling morning>morning evening>evening
something>something clothing>clothing dumpling>dumpling earring>earring viking>viking king>king sterling>sterling
skydiving>skydive paragliding>paraglide snowmobiling>snowmobile headbutting>headbutt mimicking>mimic
parkouring>parkour vlogging>vlog breakdancing>breakdance panicking>panic twerking>twerk lying>lie tying>tie
glasses>glasses dishes>dishes red>red jumped>jumped plays>plays ping>ping being>be
"""


@pytest.mark.parametrize("pair", LEMMAS.split())
def test_verb_lemma(pair):
  word, lemma = pair.split(">")
  assert verb_lemma(word) == lemma


def test_frozen_sets_know_no_other_words_than_their_own():
  assert label_words("riding zorbing", "kinetics700") == ("rid", "zorbing")
  assert label_words("riding zorbing", "folder") == ("ride", "zorb")


@pytest.mark.parametrize(
  ("name", "source", "read"),
  [
    ("ApplyEyeMakeup", "ucf101", "Apply Eye Makeup"),
    ("brush_hair", "hmdb51", "brush hair"),
    ("punching person (boxing)", "kinetics700", "punching person (boxing)"),
    ("/b/basketball_court/outdoor", "sun397", "basketball court outdoor"),
    (" Walking_WhileReading ", "folder", "Walking While Reading"),
  ],
)
def test_names_as_a_person_writes_them(name, source, read):
  assert readable_name(name, source) == read


@pytest.mark.parametrize("name", ["", "  ", "__", "-"])
def test_names_without_words_give_none(name):
  assert folder_words(name) == ()


def test_no_rule_leaves_anything_but_words():
  for source, names in GOLDEN.items():
    for name in names:
      assert all(re.fullmatch(r"[A-Za-z]+", word) for word in label_words(name, source)), (source, name)
