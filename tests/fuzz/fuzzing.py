"""Damage for fuzz tests, and what a command makes of it: right, or refused with a message that names the file."""

import contextlib
import copy
import inspect
import io
import json
import math
import pathlib
import resource
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsar_jax import commands

MEMORY = (
  2 << 30
)  # bytes that one reader may take: what a file declares must not be reserved before it is there


def examples(fast: int, slow: int, **strategies: st.SearchStrategy):
  """Gives a test drawn arguments: `fast` times, and as a slow test `slow` times. `@example`s stand below it."""

  def decorate(test: Callable[..., None]) -> Callable[..., None]:
    def run(num_examples, **fixtures):
      chosen = settings(max_examples=num_examples, deadline=None, derandomize=True, database=None,
                        suppress_health_check=list(HealthCheck))  # fmt: skip
      chosen(given(**strategies)(test))(**fixtures)

    names = [name for name in inspect.signature(test).parameters if name not in strategies]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("num_examples", *names)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    counts = [pytest.param(fast, id="fast"), pytest.param(slow, id="slow", marks=pytest.mark.slow)]
    return pytest.mark.parametrize("num_examples", counts)(run)

  return decorate


class Outcome(NamedTuple):
  code: int  # exit code of the command
  value: Any  # what it gave; None where it was refused
  told: str  # what a user sees on stderr


def outcome(read: Callable[[], Any]) -> Outcome:
  """Runs a part of a command as `main` does. Anything but its own errors comes out of here, as a traceback would."""
  given: list[Any] = []
  told = io.StringIO()
  with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()), little_memory():
    code = commands.guarded(lambda: given.append(read()))
  return Outcome(code, given[0] if given else None, told.getvalue())


def accepted(
  read: Callable[[], Any], *names: object, codes: tuple[int, ...] = (commands.WRONG_INPUT,)
) -> bool:
  """Whether the command takes it; where not, it must end with one of `codes` and a message with one of `names`."""
  code, _, told = outcome(read)
  if code == 0:
    return True
  assert_refused(code, told, *names, codes=codes)
  return False


def assert_refused(
  code: int, told: str, *names: object, codes: tuple[int, ...] = (commands.WRONG_INPUT,)
) -> None:
  assert code in codes, (code, told)
  assert told.startswith("error: "), told
  assert any(str(name) in told for name in names), (names, told)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
  """At most MEMORY bytes of addresses more than now, where the system can say how many those are."""
  sizes = pathlib.Path("/proc/self/statm")
  before = resource.getrlimit(resource.RLIMIT_AS)
  if not sizes.is_file():
    yield
    return
  now = int(sizes.read_text().split()[0]) * resource.getpagesize()
  resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_AS, before)


INSERTED = (b"\0", b"\xef\xbb\xbf", b"\r\n", b"\n", b" ", b"\t", b"\xff\xfe", b"\x80", b"\xc3", b"9" * 5000, b"-1 ", b"nan",
            b"inf", b"1e999", b"\xe2\x80\xa8", b"\x1a", b'"', b"{", b"[", b"\\ud800")  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, contents: bytes, most: int = 3) -> bytes:
  """The contents after one to `most` raw changes; may come out as they were."""
  for _ in range(draw(st.integers(1, most))):
    contents = _change(draw, contents)
  return contents


def _change(draw: st.DrawFn, contents: bytes) -> bytes:
  size = len(contents)
  kind = draw(st.sampled_from(("flip", "replace", "cut", "insert", "delete", "repeat", "whole")))
  at = draw(st.integers(0, max(size - 1, 0)))
  end = min(size, at + draw(st.integers(1, 40)))
  if kind == "flip" and size:
    return contents[:at] + bytes([contents[at] ^ (1 << draw(st.integers(0, 7)))]) + contents[at + 1 :]
  if kind == "replace":
    return contents[:at] + draw(st.binary(max_size=8)) + contents[end:]
  if kind == "cut":
    return contents[:at]
  if kind == "insert":
    return contents[:at] + draw(st.sampled_from(INSERTED) | st.binary(max_size=8)) + contents[at:]
  if kind == "delete":
    return contents[:at] + contents[end:]
  if kind == "repeat":
    return contents[:end] + contents[at:]
  return _change_whole(draw, contents)


def _change_whole(draw: st.DrawFn, contents: bytes) -> bytes:
  text = contents.decode("utf-8", errors="replace")
  ways: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "twice": lambda: contents * 2,
    "bom": lambda: b"\xef\xbb\xbf" + contents,
    "crlf": lambda: contents.replace(b"\n", b"\r\n"),
    "cr": lambda: contents.replace(b"\n", b"\r"),
    "utf16": lambda: text.encode("utf-16"),
    "utf16-le": lambda: text.encode("utf-16-le"),
    "latin1": lambda: text.encode("latin-1", errors="replace"),
    "zeros": lambda: bytes(len(contents)),
    "deep": lambda: b"[" * 100_000,
    "long": lambda: contents.rstrip(b"\n") + b"x" * 100_000,
    "other": lambda: draw(st.binary(max_size=200)),
  }
  return ways[draw(st.sampled_from(tuple(ways)))]()


NUMBERS = st.sampled_from(
  (0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e-320, 1e308, math.nan, math.inf, -math.inf)
)
JSON = st.recursive(
  st.none() | st.booleans() | NUMBERS | st.integers(-3, 300) | st.text(max_size=5),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
  max_leaves=6,
)


@st.composite
def changed_json(draw: st.DrawFn, value: Any) -> bytes:
  """A JSON file that is nearly `value`: a part replaced, left out, or given twice; then, sometimes, raw damage."""
  value = copy.deepcopy(value)
  for _ in range(draw(st.integers(1, 2))):
    node, key = _place(draw, value)
    if key is None:
      value = draw(JSON)
    elif draw(st.booleans()):
      node[key] = draw(JSON)
    else:
      del node[key]
  contents = json.dumps(value, indent=1, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
  return draw(damaged(contents)) if draw(st.integers(0, 3)) == 0 else contents


def _place(draw: st.DrawFn, value: Any) -> tuple[Any, Any]:
  """(container, key) of a random part; (None, None): the whole."""
  node, key = None, None
  while isinstance(value, dict | list) and value:
    node = value
    key = draw(st.sampled_from(sorted(value)) if isinstance(value, dict) else st.integers(0, len(value) - 1))
    value = value[key]
    if draw(st.booleans()):
      break
  return node, key
