"""Whether what `index.json` says has the form that everything after it relies on."""

from collections.abc import Callable
from typing import Any

from zsar_jax.data.index_format import COLUMNS, KEYS
from zsar_jax.data.schema import KINDS, RecordOptions

_ENCODINGS = ("jpeg", "png", "float32")


def description_problems(description: dict[str, Any]) -> list[str]:
  """What is wrong with the form of an index's description of the right schema: clauses, each naming its key.

  Nothing is opened; whether files and columns are as described is for `index_checks` to say.
  """
  problems = [f"it lacks {key}" for key in KEYS if key not in description]
  # A damaged name of a key would leave what the key says unread.
  problems += [
    f"it holds the unknown {key!a:.80}" for key in description if key not in (*KEYS, "schema", "sha256")
  ]
  checks: tuple[tuple[str, Callable[[Any], list[str]]], ...] = (
    ("class_names", lambda names: _unless(_is_list(names, _is_text), "class_names is no list of names")),
    ("options", _option_problems),
    ("encoding", lambda name: _unless(name in _ENCODINGS, f"encoding is none of {', '.join(_ENCODINGS)}")),
    ("made_by", lambda command: _unless(_is_text(command), "made_by is no text")),
    ("features", _feature_problems),
    ("columns", _column_problems),
    ("shards", _shard_problems),
    ("sha256", lambda digest: _unless(_is_text(digest), "sha256 is no text")),
  )
  for key, check in checks:
    if key in description:
      problems += check(description[key])
  return problems


def _option_problems(options: Any) -> list[str]:
  if not isinstance(options, dict):
    return ["options is no object"]
  problems = [f"options holds the unknown '{name}'" for name in options if name not in RecordOptions._fields]
  needed = [name for name in RecordOptions._fields if name not in RecordOptions._field_defaults]
  problems += [f"it lacks options.{name}" for name in needed if name not in options]
  problems += [
    f"options.{name} is no count"
    for name in ("short_side", "jpeg_quality")
    if name in options and not _is_count(options[name])
  ]
  fps = options.get("fps")
  problems += _unless(fps is None or type(fps) in (int, float), "options.fps is no number")
  return problems + _unless(
    options.get("kind", KINDS[0]) in KINDS, f"options.kind is none of {', '.join(KINDS)}"
  )


def _feature_problems(features: Any) -> list[str]:
  if not isinstance(features, dict):
    return ["features is no object"]
  return [f"features.{name} is no type and shape" for name, one in features.items() if not _is_feature(one)]


def _is_feature(one: Any) -> bool:
  return (
    isinstance(one, dict)
    and _is_text(one.get("dtype"))
    and _is_list(one.get("shape"), lambda size: size is None or _is_count(size))
    and ("num_classes" not in one or _is_count(one["num_classes"]))
  )


def _column_problems(columns: Any) -> list[str]:
  if not isinstance(columns, dict):
    return ["columns is no object"]
  problems = [f"it lacks columns.{name}" for name in COLUMNS if name not in columns]
  # Copies of columns are written under their names.
  problems += [f"columns holds the unknown '{name}'" for name in columns if name not in COLUMNS]
  return problems + [
    f"columns.{name} is no length and sha256"
    for name in COLUMNS
    if name in columns and not _is_column(columns[name])
  ]


def _is_column(one: Any) -> bool:
  return isinstance(one, dict) and _is_count(one.get("length")) and _is_text(one.get("sha256"))


def _shard_problems(shards: Any) -> list[str]:
  if not isinstance(shards, list):
    return ["shards is no list"]
  wrong = [number for number, shard in enumerate(shards) if not _is_shard(shard)]
  return [f"shards[{number}] is no file, size and sha256" for number in wrong[:3]]


def _is_shard(one: Any) -> bool:
  return (
    isinstance(one, dict)
    and _is_count(one.get("size"))
    and _is_text(one.get("file"))
    and _is_text(one.get("sha256"))
  )


def _unless(right: bool, problem: str) -> list[str]:
  return [] if right else [problem]


def _is_list(value: Any, check: Callable[[Any], bool]) -> bool:
  return isinstance(value, list) and all(map(check, value))


def _is_text(value: Any) -> bool:
  """Text that can be written and name a file: JSON can spell half letters."""
  return isinstance(value, str) and not any(
    letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value
  )


def _is_count(value: Any) -> bool:
  return type(value) is int and value >= 0
