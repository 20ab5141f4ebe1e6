"""Class names to begin with, for whoever does not know what to type."""

from zsar_jax.bundle.contents import Bundle
from zsar_jax.classes.class_lists import read_class_list, shipped_lists
from zsar_jax.classes.words import label_words, readable_name
from zsar_jax.data.synthetic import split_classes

MOST = 8
_EVERYDAY = (
  "archery", "fencing", "juggling balls", "playing guitar", "swimming", "walking dog", "baking cookies", "climbing rope",
)  # fmt: skip


def examples(bundle: Bundle) -> list[str]:
  """Classes that the model was tested on, where we know them; else everyday actions. Only such as it has words for."""
  names = [name for name in [*_tested(bundle), *_EVERYDAY] if _has_words(bundle, name)]
  return list(dict.fromkeys(names))[:MOST]


def _tested(bundle: Bundle) -> list[str]:
  config = bundle.config
  for data_set in config.data.unseen:
    if data_set == "figures_test":
      return list(split_classes(config.seed, config.generated.num_unseen)[1])
    if data_set in shipped_lists():
      given = read_class_list(data_set)
      seen = set(bundle.known.names)
      names = [readable_name(name, given.source) for name in given.names if name not in seen]
      return names[:: max(1, len(names) // (2 * MOST))]
  return []


def _has_words(bundle: Bundle, name: str) -> bool:
  made = not bundle.word_vectors  # hash: and sentence: have something for every word
  return made or all(word in bundle.word_vectors for word in label_words(name))
