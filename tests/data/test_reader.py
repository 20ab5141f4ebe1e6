import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.data import reader, storage
from zsar_jax.data.reader import RangeReader, RecordError
from zsar_jax.data.tensorflow_import import tensorflow

ROOT = pathlib.Path(__file__).parents[2]
CONTENTS = [np.random.default_rng(i).bytes(3000 + i) for i in range(4)]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
  folder = tmp_path_factory.mktemp("files")
  paths = [folder / f"file{i}" for i in range(len(CONTENTS))]
  for path, contents in zip(paths, CONTENTS, strict=True):
    path.write_bytes(contents)
  return [str(path) for path in paths]


@pytest.fixture(scope="module")
def remote(local):
  folder = f"ram://{uuid.uuid4().hex}"
  gfile = tensorflow().io.gfile
  gfile.makedirs(folder)
  paths = [f"{folder}/file{i}" for i in range(len(local))]
  for source, path in zip(local, paths, strict=True):
    gfile.copy(source, path)
  return paths


@pytest.fixture(params=["local", "remote"])
def paths(request):
  return request.getfixturevalue(request.param)


def ranges(*triples):
  return [np.array(column, np.int64) for column in zip(*triples, strict=True)]


@st.composite
def ascending(draw):
  """Ranges in order, none inside another: what a plan holds."""
  found = []
  for file in sorted(draw(st.sets(st.integers(0, 3)))):
    cuts = sorted(draw(st.sets(st.integers(0, 3000), min_size=2, max_size=12)))
    pairs = [(a, b) for a, b in itertools.pairwise(cuts) if draw(st.booleans())]
    found += [(file, a, b - a) for a, b in pairs]
  return found


@settings(max_examples=40, deadline=None)
@given(ascending(), st.booleans())
def test_every_range_is_its_bytes(local, remote, triples, here):
  files = RangeReader(local if here else remote)
  found = files.read(*ranges(*triples)) if triples else files.read(*ranges((0, 0, 0)))[:0]
  assert found == [CONTENTS[file][start : start + length] for file, start, length in triples]


def test_neighbours_are_read_in_one_go_and_counted(local):
  files = RangeReader(local)
  gap = reader._LOCAL_GAP
  files.read(*ranges((0, 10, 90), (0, 100 + gap, 50), (0, 400, 10), (1, 410, 10)))
  assert files.num_reads == 3
  assert files.bytes_read == 140 + gap + 10 + 10
  assert files.read(*np.zeros((3, 0), np.int64)) == []
  assert files.num_reads == 3


def test_far_away_larger_gaps_are_read_along(remote):
  files = RangeReader(remote)
  files.read(*ranges((0, 10, 90), (0, 2000, 50), (1, 410, 10)))
  assert (files.num_reads, files.bytes_read) == (2, 2050 - 10 + 10)


def test_a_file_that_was_cut_is_named_with_the_offset(paths):
  files = RangeReader(paths)
  with pytest.raises(
    RecordError, match=rf"{paths[2]}: 2 bytes at offset 3000, expected 50: the file was cut"
  ):
    files.read(*ranges((0, 10, 20), (2, 3000, 50)))
  with pytest.raises(RecordError, match=rf"{paths[2]}: 0 bytes at offset 9000"):
    files.read(*ranges((2, 9000, 50)))


def test_a_file_that_is_gone_is_named(paths):
  gone = [*paths[:1], paths[0] + ".gone"]
  with pytest.raises(RecordError, match=rf"{gone[1]} cannot be read.*data_prep\.build"):
    RangeReader(gone).read(*ranges((0, 10, 20), (1, 10, 20)))


def test_a_cut_of_an_open_file_is_noticed(local, tmp_path):
  path = tmp_path / "file"
  path.write_bytes(CONTENTS[0])
  files = RangeReader([str(path)])
  assert files.read(*ranges((0, 2000, 100)))
  os.truncate(path, 2050)
  with pytest.raises(RecordError, match=f"{path}: 50 bytes at offset 2000, expected 100"):
    files.read(*ranges((0, 2000, 100)))


def test_threads_share_it_though_few_files_stay_open(paths, monkeypatch):
  monkeypatch.setattr(reader, "_MAX_OPEN_FILES", 2)
  files = RangeReader(paths)
  failures = []

  def read(seed):
    random = np.random.default_rng(seed)
    try:
      for _ in range(30):
        triples = [(file, int(random.integers(2900)), 50) for file in range(4)]
        found = files.read(*ranges(*triples))
        assert found == [CONTENTS[file][start : start + 50] for file, start, _ in triples]
    except BaseException as error:
      failures.append(error)

  threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not failures
  assert files.num_reads == 6 * 30 * 4
  files.close()
  assert files.read(*ranges((0, 0, 5))) == [CONTENTS[0][:5]]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of this process's open files")
def test_descriptors_are_few_and_given_back(local, monkeypatch):
  monkeypatch.setattr(reader, "_MAX_OPEN_FILES", 2)
  before = len(os.listdir("/proc/self/fd"))
  files = RangeReader(local)
  for _ in range(3):
    files.read(*ranges(*((file, 0, 10) for file in range(4))))
  assert len(os.listdir("/proc/self/fd")) == before + 2
  files.close()
  assert len(os.listdir("/proc/self/fd")) == before


def test_storage_is_the_same_here_and_elsewhere(local, remote):
  for ours, theirs in zip(local, remote, strict=True):
    assert storage.file_size(ours) == storage.file_size(theirs)
    assert storage.read_bytes(ours) == storage.read_bytes(theirs)
    assert storage.sha256(ours) == storage.sha256(theirs)
  for path in (local[0], remote[0]):
    assert storage.file_size(path + ".gone") is None
    with pytest.raises(FileNotFoundError):
      storage.read_bytes(path + ".gone")
    assert storage.list_names(path.rpartition("/")[0]) == [f"file{i}" for i in range(4)]
  assert storage.join("gs://bucket/a", "index", "b.npy") == "gs://bucket/a/index/b.npy"


def test_the_benchmark_counts_what_a_clip_reads():
  command = [
    sys.executable,
    "benchmarks/reader.py",
    "--json",
    "--videos",
    "64",
    "--frame_bytes",
    "500",
    "--seconds",
    "0.05",
  ]
  environment = os.environ | {"PYTHONPATH": str(ROOT)}
  done = subprocess.run(
    command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
  )
  assert done.returncode == 0, done.stderr
  near, apart = json.loads(done.stdout)["rows"]
  assert near["reads_per_clip"] == 1
  assert apart["reads_per_clip"] == 16
  assert near["times_fewer_bytes"] > 15
