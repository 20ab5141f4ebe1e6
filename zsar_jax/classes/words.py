"""Class names -> words, by the rules that the E2E authors released. Standard library only.

Three dialects: the E2E data sets (`E2E_SOURCES`; frozen tables in `word_tables`), SUN397 (scene paths), and
anything else, which is a folder of class folders named by its user.
"""

import re

from zsar_jax.classes import word_tables as tables

E2E_SOURCES = ("kinetics400", "kinetics600", "kinetics700", "ucf101", "hmdb51", "activitynet200")

_VOWELS = "aeiou"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Endings that are mostly unstressed, and so neither double nor hide an e: enter, open, listen.
_UNSTRESSED = ("er", "en", "on", "el", "or", "om", "it", "et", "in", "ip", "op", "al", "il")
_STRIP = ".,;:!?\"'()[]{}"


def label_words(name: str, source: str = "folder") -> tuple[str, ...]:
  """The words that stand for a class name, in order; empty where a name holds none.

  `source` names the data set whose rules apply: one of `E2E_SOURCES`, "sun397" (split on `/` and `_`, no
  lemmas), or anything else for a user's folder (split on spaces, `_`, `-` and CamelCase; stop words dropped;
  verbs as lemmas). Underscores and spaces in a name are the same to every source.
  """
  if source in E2E_SOURCES:
    return _e2e_words(name, source)
  if source == "sun397":
    parts = [part for part in re.split(r"[/_\s]+", name.lower()) if part]
    # The first part of `/a/abbey` is only the letter that the folder is filed under.
    return tuple(parts[1:] if name.startswith("/") and len(parts) > 1 else parts)
  return folder_words(name)


def folder_words(name: str) -> tuple[str, ...]:
  """Words of a user's own class name: `Walking_WhileReading-Book` -> walk, read, book."""
  return tuple(verb_lemma(word) for word in folder_tokens(name))


def folder_tokens(name: str) -> tuple[str, ...]:
  """The same words as the user wrote them, one for one: walking, reading, book."""
  tokens = [token.strip(_STRIP).lower() for token in re.split(r"[\s_\-/]+", _CAMEL.sub(" ", name))]
  tokens = [token for token in tokens if token]
  # A name of nothing but stop words ("On") keeps them: better a weak meaning than none.
  return tuple(token for token in tokens if token not in tables.STOP_WORDS) or tuple(tokens)


def verb_lemma(word: str) -> str:
  """The base form of a lower-case `-ing` verb by English spelling; any other word as it is."""
  if word in tables.ING_LEMMAS:
    return tables.ING_LEMMAS[word]
  stem = word[:-3]
  if not word.endswith("ing") or word in tables.ING_NOUNS or not re.search("[aeiouy]", stem):
    return word
  if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in "aeiouslzf":
    return stem[:-1]  # clapping, running
  return stem + "e" if _dropped_e(stem) else stem


def _dropped_e(stem: str) -> bool:
  """Whether a verb's `e` went when `-ing` came: a consonant after a single vowel would have doubled."""
  if len(stem) < 2 or stem[-1] in "aeioywxh":
    return False
  if stem.endswith(("nc", "rc", "rg", "dg", "rs", "ns", "ps")) or stem[-1] in "uvz":
    return not stem.endswith(("zz", "tz"))  # dance, pierce, judge, argue, wave, squeeze; but waltz
  before = stem[-2]
  if stem[-1] == "l" and before not in "aeiourlwy":
    return True  # juggle, tackle, bottle
  if before not in _VOWELS + "y":
    return False  # walk, lift, kiss
  pair = len(stem) > 2 and stem[-3] in _VOWELS and stem[-4:-2] != "qu"
  if pair:
    return stem[-1] in "sc"  # raise; but clean, shoot
  return len(re.findall("[aeiouy]+", stem)) < 2 or not stem.endswith(_UNSTRESSED)


def _e2e_words(name: str, source: str) -> tuple[str, ...]:
  spelt = " ".join(_CAMEL.sub(" ", name).replace("_", " ").split()).lower()
  whole = tables.E2E_NAMES_BY_SOURCE.get(source, {}).get(spelt) or tables.E2E_NAMES.get(spelt)
  if whole is not None:
    return tuple(whole.split())
  # "(not on bike)" says what a class is not; "(sport)" says which of two it is.
  plain = re.sub(r"\(not [^)]*\)", " ", spelt)
  tokens = [token.strip("()") for token in plain.split()]
  return tuple(_e2e_lemma(token) for token in tokens if token not in tables.E2E_STOP_WORDS)


def _e2e_lemma(word: str) -> str:
  if word in tables.E2E_LEMMAS:
    return tables.E2E_LEMMAS[word]
  if word in tables.E2E_AS_WRITTEN:
    return word
  if word.endswith("s") and word[:-1] in tables.E2E_PLURALS:
    return word[:-1]
  return verb_lemma(word)
