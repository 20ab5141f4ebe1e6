"""Every command of the guide runs: as it stands, with stand-ins, or at least through its own parser."""

import argparse
import importlib.util
import os
import pathlib
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading

import pytest
from commands import MAKE, PARSE, PIP, RUN, SERVED, TABLE
from docs_pages import PAGES, ROOT, shell_commands
from sandbox import make_sandbox, make_tfds, make_torch_weights

from zsar_jax import config as configs
from zsar_jax.commands import parse_overrides

# Where the function `main` of a command is, when not in its module.
HOMES = {"zsar_jax.data.pipeline": "zsar_jax.data.profile", "zsar_jax.classes": "zsar_jax.classes.__main__"}
MAKERS = {"r2plus1d_18.pth": make_torch_weights, "tensorflow_datasets": make_tfds}
FAST = [entry for entry in TABLE if not entry.slow]


def named(entries):
  return [pytest.param(entry, id=entry.command.removeprefix("python -m ")[:120]) for entry in entries]


class Guide:
  """A sandbox, and which commands were run in it."""

  def __init__(self, folder):
    self.folder = make_sandbox(folder)
    self.done: set[str] = set()

  def run(self, entry):
    """Runs an entry, and before it what it builds on."""
    if entry.command in self.done:
      return
    for start in entry.after:
      self.run(next(other for other in TABLE if other.command.startswith(start)))
    line = stand_in(entry)
    for name, make in MAKERS.items():
      if name in line and not (self.folder / name).exists():
        make(self.folder)
    assert call(line) == 0, line
    missing = [name for name in entry.leaves if not (self.folder / name).exists()]
    assert not missing, f"{line}\nleft no {missing}"
    self.done.add(entry.command)


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
  return Guide(tmp_path_factory.mktemp("guide"))


@pytest.fixture
def inside(guide, monkeypatch):
  monkeypatch.chdir(guide.folder)
  return guide


def stand_in(entry):
  """The command as it is run here."""
  line = entry.command
  for text, here in entry.swap:
    assert text in line, f"{entry.command!r} holds no {text!r}"
    line = line.replace(text, here)
  # What Apache Beam is given is the rest of the line.
  return f"{line} {entry.more}".strip()


def call(line):
  """The exit code of `python -m MODULE ...`, in this process."""
  python, option, module, *argv = shlex.split(line)
  assert (python, option) == ("python", "-m"), line
  return importlib.import_module(HOMES.get(module, module)).main(argv) or 0


def test_every_command_has_an_entry_and_every_entry_a_command():
  used = {command for page in PAGES for command in shell_commands(page)}
  listed = [entry.command for entry in TABLE]
  assert len(listed) == len(set(listed))
  new, unused = sorted(used - set(listed)), sorted(set(listed) - used)
  assert not new, "say in tests/docs/commands.py how these are run"
  assert not unused, "no page uses these"
  for entry in TABLE:
    assert (entry.how == PARSE) == bool(entry.why), entry.command
    for start in entry.after:
      assert any(other.command.startswith(start) for other in TABLE), start


@pytest.mark.parametrize("entry", named(e for e in FAST if e.how == RUN))
def test_command(entry, inside):
  inside.run(entry)


@pytest.mark.slow
@pytest.mark.filterwarnings(
  "ignore::UserWarning"
)  # tiny runs: classes that nothing is near, encoders not known
@pytest.mark.parametrize("entry", named(e for e in TABLE if e.slow and e.how in (RUN, MAKE)))
def test_long_command(entry, inside):
  inside.run(entry)


class Parsed(Exception):
  """Carries what a command's own parser made of its arguments."""

  def __init__(self, rest):
    self.rest = rest


@pytest.mark.parametrize("entry", named(e for e in TABLE if e.how == PARSE))
def test_command_is_parsed(entry, monkeypatch):
  rest = parsed(stand_in(entry), monkeypatch)
  monkeypatch.undo()
  config = re.search(r"--config (configs/(?!studies)\S+)", entry.command)
  if config:
    configs.load(str(ROOT / config[1]), parse_overrides(rest))
  else:
    assert not rest


def parsed(line, monkeypatch):
  """What is left when the parser of the command has read the line; nothing else is run."""
  real = argparse.ArgumentParser.parse_known_args

  def parse(self, args=None, namespace=None):
    raise Parsed(real(self, args, namespace)[1])

  monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)
  monkeypatch.chdir(ROOT)
  with pytest.raises(Parsed) as told:
    start(line, monkeypatch)
  return told.value.rest


def start(line, monkeypatch):
  """Begins a command or a benchmark in this process."""
  words = shlex.split(line)
  if words[1] == "-m":
    call(line)
    return
  monkeypatch.setattr(sys, "argv", words[1:])
  monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
  runpy.run_path(words[1], run_name="__main__")


@pytest.mark.parametrize("entry", named(e for e in TABLE if e.how == MAKE))
def test_make_has_the_target(entry):
  makefile = (ROOT / "Makefile").read_text()
  if entry.command.startswith("source"):
    assert "VENV ?= .venv" in makefile
    return
  words = shlex.split(entry.command)
  assert re.search(rf"^{words[1]}:", makefile, re.M)
  if entry.swap:  # what is run in its place is what it runs
    done = subprocess.run(
      ["make", "--no-print-directory", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    line = stand_in(entry._replace(more="")).removeprefix("python ")
    assert done.stdout.strip().endswith(line), done.stdout


@pytest.mark.parametrize("entry", named(e for e in TABLE if e.how == PIP))
def test_pip_installs_an_extra_that_there_is(entry):
  extra = re.search(r"\[(\w+)\]", entry.command)
  assert re.search(rf"^{extra[1]} =$", (ROOT / "setup.cfg").read_text(), re.M)
  for file in re.findall(r"-c (\S+)", entry.command):
    assert (ROOT / file).exists()


def asked_as(command, address, httpx):
  """What the server answers to a curl of the guide: a form with a video, or JSON."""
  words = shlex.split(command)
  url = address + words[-1].removeprefix("http://127.0.0.1:8000")
  if "-d" in words:
    header = dict([words[words.index("-H") + 1].split(": ")])
    answer = httpx.post(url, content=words[words.index("-d") + 1], headers=header, timeout=100)
  else:
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    with pathlib.Path(fields.pop("video").removeprefix("@")).open("rb") as file:
      answer = httpx.post(url, data=fields, files={"video": file}, timeout=100)
  assert answer.status_code == 200, answer.text
  return answer.json()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_served_commands(inside, tmp_path):
  """The server as the guide starts it, asked as the guide asks it."""
  import httpx

  serve, *asked = (entry for entry in TABLE if entry.how == SERVED)
  for start in serve.after:
    inside.run(next(entry for entry in TABLE if entry.command.startswith(start)))
  command = [sys.executable, *shlex.split(serve.command)[1:], "--port", "0"]
  env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
  with subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
  ) as server:
    stop = threading.Timer(120, server.kill)
    stop.start()
    try:
      address = next(found[0] for line in server.stdout if (found := re.search(r"http://[\d.]+:\d+", line)))
      classified, checked = (asked_as(entry.command, address, httpx) for entry in asked)
      assert classified["ranking"]
      assert checked["usable"]
      server.send_signal(signal.SIGTERM)
      assert server.wait(60) == 0
    finally:
      stop.cancel()
      server.kill()
