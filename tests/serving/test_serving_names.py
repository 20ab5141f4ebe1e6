"""Names are looked up apart from videos, with few suggestions, and in bounded numbers."""

import asyncio
import threading

import pytest
from bundles import make_bundle, write_vectors

from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving.names import Names
from zsar_jax.serving.problems import Refused
from zsar_jax.serving.settings import MOST_CHECKS
from zsar_jax.serving.shapes import Unknown


@pytest.fixture(scope="module")
def wordy(tmp_path_factory):
  """A recognizer whose words are few, and come from a file."""
  folder = tmp_path_factory.mktemp("words")
  known = "wave clap walk punch squat bow jump throw dart darts juggle zorba " + " ".join(
    f"w{n}" for n in range(50)
  )
  bundle = make_bundle(vectors=str(write_vectors(folder / "few.npz", known)))
  return Recognizer(bundle)


def test_unknown_words_come_with_suggestions(wordy):
  names = Names(wordy, None)
  try:
    asked = ["wavve while zorb", "bowing", "o'brien", "bowing while jumping"]
    found = asyncio.run(names.check(asked))
    with pytest.raises(Refused) as refused:
      asyncio.run(names.candidates(asked))
    assert asyncio.run(names.check([*asked[3:], "juggling"])).usable
  finally:
    names.close()
  assert not found.usable
  assert [one.name for one in found.classes] == asked
  assert found.classes[0].unknown == [
    Unknown(word="wavve", suggestions=["wave"]), Unknown(word="zorb", suggestions=["zorba"]),
  ]  # fmt: skip
  assert [one.word for one in found.classes[2].unknown] == [*found.classes[2].words]
  assert found.classes[1].unknown == []
  assert [one.seen_as for one in found.classes] == [None, None, None, "bowing while jumping"]
  assert refused.value.problems == found.problems
  assert found.problems[0].startswith("class 'wavve while zorb': no vector for 'wavve' (nearest: wave), no")


def test_few_words_are_looked_for(wordy):
  names = Names(wordy, None)
  try:
    found = asyncio.run(names.check([f"wx{number} wave" for number in range(100)]))
  finally:
    names.close()
  assert sum(bool(one.unknown[0].suggestions) for one in found.classes) == 20
  assert len(found.problems) == 20


def test_lists_to_look_at_do_not_pile_up(wordy, monkeypatch):
  waits = threading.Event()
  monkeypatch.setattr(Names, "_check", lambda self, names: waits.wait(20))
  names = Names(wordy, None)

  async def ask():
    asked = [asyncio.ensure_future(names.check(["a"])) for _ in range(MOST_CHECKS)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
      await names.check(["a"])
    candidates = await names.candidates(["bow", "walk"])  # a video's names wait for none of them
    waits.set()
    await asyncio.gather(*asked)
    return caught.value.status, candidates.classes.names

  assert asyncio.run(ask()) == (429, ("bow", "walk"))
  names.close()
