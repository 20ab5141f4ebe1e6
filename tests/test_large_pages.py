"""Commands ask for large pages: once, where that helps, and never against what the user said."""

import os
import subprocess
import sys

import pytest

from zsar_jax import large_pages

ON_REQUEST = "always [madvise] never"


@pytest.fixture
def system(tmp_path, monkeypatch):
  """Sets what Linux and the C library say."""

  def say(policy=ON_REQUEST, glibc="glibc 2.36"):
    path = tmp_path / "enabled"
    path.write_text(policy) if policy else path.unlink(missing_ok=True)
    monkeypatch.setattr(large_pages, "_POLICY", path)
    monkeypatch.setattr(os, "confstr", lambda name: glibc)

  say()
  return say


def test_is_added_to_what_the_variable_says(system):
  assert large_pages.with_large_pages({}) == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
  other = "glibc.malloc.arena_max=2"
  told = large_pages.with_large_pages({"GLIBC_TUNABLES": other, "A": "b"})
  assert told == {"GLIBC_TUNABLES": f"{other}:glibc.malloc.hugetlb=1"}


@pytest.mark.parametrize(
  "said", ["glibc.malloc.hugetlb=0", "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=2"]
)
def test_the_user_decides(system, said):
  assert large_pages.with_large_pages({"GLIBC_TUNABLES": said}) is None


@pytest.mark.parametrize("policy", ["[always] madvise never", "always madvise [never]", None])
def test_not_where_the_system_gives_them_unasked_or_never(system, policy):
  system(policy)
  assert large_pages.with_large_pages({}) is None


@pytest.mark.parametrize("glibc", ["glibc 2.34", "", None, "another 1.2"])
def test_not_where_the_library_does_not_know_them(system, glibc):
  system(glibc=glibc)
  assert large_pages.with_large_pages({}) is None


def test_not_where_nobody_tells_the_library(system, monkeypatch):
  def unknown(name):
    raise ValueError("unrecognized configuration name")

  monkeypatch.setattr(os, "confstr", unknown)
  assert large_pages.with_large_pages({}) is None


@pytest.fixture
def restarted(system, monkeypatch):
  """What the process would have become."""
  calls = []
  monkeypatch.setattr(os, "execve", lambda *args: calls.append(args))
  monkeypatch.delenv(large_pages.VARIABLE, raising=False)
  monkeypatch.setattr(
    sys, "orig_argv", ["python", "-W", "error", "-m", "zsar_jax.main", "--config", "a b.py"]
  )
  monkeypatch.setattr(sys, "argv", ["-m", "--config", "a b.py"])
  monkeypatch.setattr(sys, "_xoptions", {})
  return calls


def test_restarts_the_same_command(restarted):
  large_pages.restart()
  ((path, arguments, environment),) = restarted
  assert path == sys.executable
  assert arguments == [sys.executable, "-X", "large_pages", *sys.orig_argv[1:]]
  assert environment == {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def test_restarts_once_though_the_variable_was_lost(restarted, monkeypatch):
  monkeypatch.setattr(sys, "_xoptions", {"large_pages": True})
  large_pages.restart()
  assert not restarted


def test_another_program_is_left_alone(restarted, monkeypatch):
  monkeypatch.setattr(sys, "argv", ["benchmarks/operations.py"])
  large_pages.restart()
  assert not restarted


def test_goes_on_where_it_cannot_start_again(restarted, monkeypatch):
  def refused(*_):
    raise PermissionError("no")

  monkeypatch.setattr(os, "execve", refused)
  large_pages.restart()


@pytest.mark.parametrize("said", [None, "glibc.malloc.hugetlb=0"])
def test_a_command_starts_twice_at_most(tmp_path, said):
  """A real one: every start of the interpreter leaves a line with its process's number and the variable."""
  log = tmp_path / "starts"
  line = (
    f"print(os.getpid(), os.environ.get('GLIBC_TUNABLES'), sys.orig_argv[-1], file=open({str(log)!r}, 'a'))"
  )
  (tmp_path / "sitecustomize.py").write_text(f"import os, sys\n{line}\n")
  environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
  environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{os.getcwd()}"
  if said:
    environment["GLIBC_TUNABLES"] = said
  asked = large_pages.with_large_pages(environment)
  command = [sys.executable, "-m", "zsar_jax.describe", "--help"]
  done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
  assert done.stdout.startswith("usage: zsar_jax.describe")
  assert not done.stderr
  numbers, variables, last = zip(*(start.split() for start in log.read_text().splitlines()), strict=True)
  assert variables == ((str(said),) if asked is None else (str(said), asked["GLIBC_TUNABLES"]))
  assert len(set(numbers)) == 1
  assert set(last) == {"--help"}
