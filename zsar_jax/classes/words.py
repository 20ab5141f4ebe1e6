"""Class names -> words, by the rules that the E2E authors released.

Three dialects: the E2E data sets (`E2E_SOURCES`; frozen tables in `word_tables`), SUN397 (scene paths), and
anything else, which is a folder of class folders named by its user (verbs by lemminflect).
"""

import re

from zsar_jax.classes import word_tables as tables

E2E_SOURCES = ("kinetics400", "kinetics600", "kinetics700", "ucf101", "hmdb51", "activitynet200")
SOURCES = (*E2E_SOURCES, "sun397")  # data sets with word rules of their own

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
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


def readable_name(name: str, source: str = "folder") -> str:
  """A class name as a person would write it, for models that read sentences: `ApplyEyeMakeup` -> Apply Eye Makeup."""
  if source == "sun397":
    return " ".join(label_words(name, source))
  return " ".join(_CAMEL.sub(" ", name).replace("_", " ").split())


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
  """The base form of a lower-case `-ing` verb by lemminflect's dictionary and rules; any other word as it is.

  Words in -s and -ed stay: in names of actions they are mostly things and qualities (glasses, dishes, red).
  """
  if not word.endswith("ing") or word in tables.ING_NOUNS:
    return word
  if word in tables.ING_LEMMAS:
    return tables.ING_LEMMAS[word]
  import lemminflect

  known = lemminflect.getAllLemmas(word)
  if known and "VERB" not in known:
    return word  # morning, ceiling: nouns only
  return lemminflect.getLemma(word, "VERB")[0]


def _e2e_words(name: str, source: str) -> tuple[str, ...]:
  spelt = " ".join(_CAMEL.sub(" ", name).replace("_", " ").split()).lower()
  whole = tables.E2E_NAMES_BY_SOURCE.get(source, {}).get(spelt) or tables.E2E_NAMES.get(spelt)
  if whole is not None:
    return tuple(whole.split())
  # "(not on bike)" says what a class is not; "(sport)" says which of two it is.
  plain = re.sub(r"\(not [^)]*\)", " ", spelt)
  tokens = [token.strip("()") for token in plain.split()]
  return tuple(tables.E2E_LEMMAS.get(token, token) for token in tokens if token not in tables.E2E_STOP_WORDS)
