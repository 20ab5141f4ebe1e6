"""An index is replaced as a whole, whoever else writes, reads or fails at the same time."""

import os
import shutil
import threading

import pytest

from zsar_jax.data import index_writer
from zsar_jax.data.index import open_index
from zsar_jax.data.index_writer import merge_index
from zsar_jax.data.schema import RecordOptions


@pytest.fixture
def copy(records, tmp_path):
  shutil.copytree(records, tmp_path / "copy")
  return tmp_path / "copy"


def write(folder, shards=(), made_by="test"):
  names = [f"class {i}" for i in range(3)]
  merge_index(folder, shards, class_names=names, options=RecordOptions(24), encoding="jpeg", made_by=made_by)


def contents(folder):
  return {file.name: file.read_bytes() for file in (folder / "index").iterdir()}


def test_an_index_replaces_another_and_leaves_nothing_else(copy):
  before = contents(copy)
  write(copy)
  assert contents(copy).keys() == before.keys()
  assert len(open_index(copy, verify="off")) == 0
  assert not list(copy.glob("index.*"))


def test_the_old_index_stays_until_the_new_one_is_there(copy, monkeypatch):
  before, rename = contents(copy), os.rename

  def refuse(source, target):
    if str(target).endswith("/index") and not (copy / "fail").exists():
      assert list(copy.glob("index.tmp-*/label.npy"))  # both are beside it, whole
      (copy / "fail").touch()
      raise OSError(28, "No space left on device")
    rename(source, target)

  monkeypatch.setattr(index_writer.os, "rename", refuse)
  with pytest.raises(OSError, match="No space left"):
    write(copy)
  assert contents(copy) == before
  assert not list(copy.glob("index.*"))


def test_shards_that_fail_leave_the_old_index(copy):
  def shards():
    raise ValueError("broken")
    yield

  before = contents(copy)
  with pytest.raises(ValueError, match="broken"):
    write(copy, shards())
  assert contents(copy) == before
  assert not list(copy.glob("index.*"))


def test_many_writers_at_once_leave_one_whole_index(copy):
  failures = []

  def work(name):
    try:
      for _ in range(10):
        write(copy, made_by=name)
    except BaseException as error:
      failures.append(error)

  threads = [threading.Thread(target=work, args=(f"writer{i}",)) for i in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not failures
  assert len(open_index(copy, verify="off")) == 0
  assert not list(copy.glob("index.*"))
