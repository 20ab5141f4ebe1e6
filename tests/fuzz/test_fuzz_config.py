"""Config files, keys on the command line and saved configs with anything in them: a config that is right, or a refusal."""

import json
import math
import pathlib

import pytest
from fuzzing import JSON, accepted, assert_refused, changed_json, damaged, examples, outcome
from hypothesis import example
from hypothesis import strategies as st

from zsar_jax import commands
from zsar_jax import config as configs
from zsar_jax.train.checkpoint import read_saved_config

ROOT = pathlib.Path(__file__).parents[2]
DEMO = (ROOT / "configs/demo.py").read_bytes()
PLAIN = configs.to_dict(configs.load(str(ROOT / "configs/demo.py")))
FLAT = configs.to_flat(configs.load(str(ROOT / "configs/demo.py")))
HEAD = "import ml_collections\n\n\ndef get_config(variant=''):\n  config = ml_collections.ConfigDict(GIVEN)\n"


def assert_right(config):
  """Whatever is accepted has the types that everything after it relies on, and is itself when saved and read again."""
  assert isinstance(config, configs.Config)
  saved = json.loads(json.dumps(configs.to_dict(config)))
  assert configs.from_dict(saved, "saved") == config
  assert configs.differences(saved, config) == []
  for value in configs.to_flat(config).values():
    assert type(value) in (int, float, bool, str, list)


@examples(fast=40, slow=3000, contents=damaged(DEMO))
@example(contents=b"import sys\nsys.exit(0)\n")
@example(contents=b"raise SystemExit\n")
@example(contents=b"def get_config(variant=''):\n  exit()\n")
@example(contents=b"x = (" * 1000)
@example(contents=b"x = " + b"-" * 100_000 + b"1")
@example(contents=b"\0")
@example(contents=b"# coding: klingon\n")
@example(contents="# é".encode("latin-1"))
@example(contents=b"get_config = 3\n")
@example(contents=b"def get_config(variant=''):\n  return get_config(variant)\n")
@example(contents=b"def get_config(variant=''):\n  raise MemoryError\n")
@example(contents=b"def get_config(variant=''):\n  return {'seed': 1}\n")
@example(contents=b"def get_config():\n  pass\n")
@example(contents=(HEAD.replace("GIVEN", "") + "  config.data = config\n  return config\n").encode())
@example(
  contents=(
    HEAD.replace("GIVEN", "{'seed': ml_collections.config_dict.required_placeholder(int)}")
    + "  return config\n"
  ).encode()
)
@example(contents=(HEAD.replace("GIVEN", "{1: 2}") + "  return config\n").encode())
def test_any_file_is_a_config_or_refused_by_name(tmp_path_factory, contents):
  path = tmp_path_factory.getbasetemp() / "fuzzed_config.py"
  path.write_bytes(contents)
  code, config, told = outcome(lambda: configs.load(str(path)))
  if code:
    return assert_refused(code, told, path)
  assert_right(config)


VALUES = st.one_of(
  JSON,
  st.sampled_from(
    (
      b"1",
      b"\xff",
      1j,
      (),
      (1, 2),
      {"a": {"b": 1}},
      frozenset({1}),
      range(3),
      "1,2",
      "true",
      "nan",
      "1e3",
      " 5 ",
    )
  ),
  st.text(max_size=6),
)


def written(given):
  """A config file of these values."""
  names = "nan, inf = float('nan'), float('inf')\n"
  return (names + HEAD.replace("GIVEN", repr(given)) + "  return config\n").encode(
    "utf-8", "backslashreplace"
  )


ANY_KEY = st.sampled_from([*sorted(FLAT), "data", "model.", "a.b", "", "trian.steps"])


@examples(fast=60, slow=4000, key=ANY_KEY, value=VALUES)
def test_a_file_with_any_value_for_a_key(tmp_path_factory, key, value):
  given = json.loads(json.dumps(PLAIN))
  *sections, name = key.split(".")
  node = given
  for section in sections:
    node = node.setdefault(section, {})
  node[name] = value
  path = tmp_path_factory.getbasetemp() / "fuzzed_value.py"
  path.write_bytes(written(given))
  code, config, told = outcome(lambda: configs.load(str(path)))
  if code:
    return assert_refused(code, told, path)
  assert_right(config)
  held = configs.to_flat(config).get(key)
  if held is None:
    assert key == "data"
    assert value == {}
  elif isinstance(value, tuple):
    assert held == list(value)
  else:
    assert held == value or isinstance(value, str)


TEXTS = st.one_of(
  st.text(max_size=8),
  st.sampled_from(("", "1", "-1", "0", "1e400", "nan", "inf", "true", "True", "1,2,3", "0,0,0", ",", "1,", "٣", "1_0", "\ud800",
                   "9" * 5000, "x" * 100_000, "1e-400", "0x10", "None", "[1,2]", str(2**31), str(2**63), "1" + "0" * 400)),
)  # fmt: skip
KEYS = st.sampled_from(sorted(FLAT)) | st.text("datamodel.x=", max_size=8)


@examples(fast=80, slow=5000, key=KEYS, text=TEXTS)
@example(key="data", text="1")
@example(key="", text="")
@example(key="data.dir", text="\ud800")
def test_any_text_for_any_key(key, text):
  def read():
    return configs.load(str(ROOT / "configs/demo.py"), commands.parse_overrides([f"--config.{key}={text}"]))

  code, config, told = outcome(read)
  if code:
    assert_refused(code, told, "demo.py", key)
    return
  name, _, more = f"{key}={text}".partition("=")
  assert_right(config)
  changed = {k for k, v in configs.to_flat(config).items() if v != FLAT[k]}
  assert changed <= {name}
  held = configs.to_flat(config)[name]
  if isinstance(held, str):
    assert held == more
  elif isinstance(held, list):
    assert len(held) == len([part for part in more.split(",") if part])
  else:
    assert math.isfinite(held)
    assert math.isclose(held, float({"true": 1, "false": 0}.get(more.lower(), more)))


ARGUMENTS = (
  "--config.seed",
  "--config.seed=3",
  "3",
  "--seed=3",
  "--config.",
  "--config",
  "-c",
  "=",
  "--config.=",
  "--",
)


@examples(fast=40, slow=3000, arguments=st.lists(st.sampled_from(ARGUMENTS), max_size=4))
def test_any_arguments(arguments):
  code, overrides, told = outcome(lambda: commands.parse_overrides(arguments))
  if code:
    return assert_refused(code, told, *(argument.partition("=")[0] for argument in arguments))
  assert all(name in "".join(arguments) for name in overrides)


@pytest.mark.parametrize(
  "path", ["x" * 5000 + ".py", "a\0b.py", "", ":", ".", "/", "/dev/null/x.py", "\ud800.py"]
)
def test_a_path_that_no_file_can_have(path):
  code, _, told = outcome(lambda: configs.load(path))
  assert_refused(code, told, "no such config file")


def test_a_file_of_any_name_is_read(tmp_path):
  for name in ("config", "config.txt", "a b.py", ".hidden"):
    (tmp_path / name).write_bytes(written(PLAIN))
    assert configs.load(str(tmp_path / name)) == configs.from_dict(PLAIN, "demo")


def test_a_file_that_was_changed_at_once_is_read_anew(tmp_path):
  """Python keeps bytecode by a file's second and size."""
  for seed in (1, 2, 3):
    (tmp_path / "config.py").write_bytes(written(PLAIN | {"seed": seed}))
    assert configs.load(str(tmp_path / "config.py")).seed == seed
  assert [path.name for path in tmp_path.iterdir()] == ["config.py"]


@examples(fast=80, slow=5000, contents=changed_json(PLAIN))
@example(contents=b"[" * 100_000)
@example(contents=b'{"a":' * 100_000)
@example(contents=b"[]")
@example(contents=b"")
@example(contents=b"\xff")
def test_a_saved_config_is_refused_or_every_difference_is_found(tmp_path_factory, contents):
  """What `session` does with the config.json of a workdir: read it, and compare it with what is asked for."""
  folder = tmp_path_factory.getbasetemp()
  (folder / "config.json").write_bytes(contents)
  code, saved, told = outcome(lambda: read_saved_config(folder))
  if code:
    return assert_refused(code, told, folder / "config.json")
  config = configs.from_dict(PLAIN, "demo")
  found = outcome(lambda: configs.differences(saved, config))
  assert found.code == 0, found.told
  if not found.value:  # then every key that decides parameters is there, or has its default
    free = (*configs.FREE_ON_RESUME, "vectors")
    default = configs.to_flat(configs.Config())
    for key, value in FLAT.items():
      if not any(key == one or key.startswith(one + ".") for one in free):
        node = saved
        for part in key.split("."):
          node = node.get(part, default[key]) if isinstance(node, dict) else node
        assert node == value, key
  if accepted(lambda: configs.from_dict(saved, "config.json"), "config.json"):
    assert_right(configs.from_dict(saved, "config.json"))
