"""Borrowed weights: which of their classes mean the same as an unseen one."""

from zsar_jax.classes.embeddings import class_set
from zsar_jax.classes.pretraining import audit_pretraining

UNSEEN = class_set(["PlayingGuitar", "Archery", "WallPushups"], "ucf101", "hash:300")


def audit(*names, spec="hash:300", threshold=0.05):
  return audit_pretraining(names, UNSEEN, spec, threshold)


def test_the_same_words_in_any_order_or_form_leak():
  got = audit("archery", "guitar playing", "swimming", "push ups wall")
  assert [(name, other) for name, other, _ in got.leaks[:2]] == [
    ("archery", "Archery"),
    ("guitar playing", "PlayingGuitar"),
  ]
  assert all(distance < 1e-6 for _, _, distance in got.leaks)
  assert "swimming" not in [name for name, _, _ in got.leaks]
  assert got.without_vectors == ()


def test_near_meanings_leak_within_the_threshold():
  near = audit("playing old guitar", threshold=0.5).leaks
  assert [(name, other) for name, other, _ in near] == [("playing old guitar", "PlayingGuitar")]
  assert 0.05 < near[0][2] < 0.5
  assert audit("playing old guitar").leaks == ()


def test_classes_without_vectors_are_told_and_still_compared_by_words(tmp_path):
  import numpy as np

  file = tmp_path / "few.npz"
  vectors = np.eye(300, dtype=np.float32)[:5]
  np.savez(file, words=np.array(["play", "guitar", "archery", "wall", "swim"]), vectors=vectors)
  unseen = class_set(["Archery"], "ucf101", str(file))
  got = audit_pretraining(["archery", "zorbing", "swimming"], unseen, str(file), 0.05)
  assert [leak[:2] for leak in got.leaks] == [("archery", "Archery")]
  assert got.without_vectors == ("zorbing",)


def test_nothing_to_compare():
  assert audit().leaks == ()
