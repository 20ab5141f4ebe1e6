"""A workdir that cannot be written any more: the run ends within one save, says why in one line, and nothing older is lost."""

import resource
import signal
import subprocess

import pytest
from faulting import digests, restored_step, wait_for_step
from running import arguments, ended, features_keys, run, start

from zsar_jax.checkpoints import main as checkpoints

CONFIG = "configs/demo.py"
KEYS = {"train__warmup__steps": 20, "train__joint__steps": 2000, "checkpoint__every_steps": 50,
        "logging__validate_every_steps": 1000}  # fmt: skip


def command(workdir, features_dir, **more):
  return arguments(CONFIG, workdir, features_keys(CONFIG, features_dir, **(KEYS | more)))


def assert_told(end, *texts):
  code, _, err = end
  assert code == 1, err
  assert "Traceback" not in err
  (line,) = [line for line in err.splitlines() if line.startswith("error:")]
  for text in texts:
    assert text in line


def test_the_workdir_is_removed_while_the_run_goes_on(features_dir, tmp_path):
  workdir = tmp_path / "run"
  process = start(command(workdir, features_dir))
  wait_for_step(workdir, 60, process)
  workdir.rename(tmp_path / "elsewhere")  # as good as removed, and no race with what the run writes
  assert_told(ended(process), str(workdir))
  assert not (workdir / "checkpoints").exists()


def test_events_cannot_be_written(features_dir, tmp_path):
  (tmp_path / "events").write_text("a file\n")
  assert_told(
    run(command(tmp_path, features_dir)), f"{tmp_path / 'events'} cannot be written (", "tensorboard=false"
  )


def stopped_run(argv, workdir):
  """A run that was stopped after some saves: {step: digest} of those that it keeps."""
  process = start(argv)
  wait_for_step(workdir, 110, process)
  process.send_signal(signal.SIGTERM)
  assert ended(process)[0] == 143
  before = digests(workdir)
  assert before
  return before


@pytest.mark.slow
def test_a_limit_of_file_sizes(features_dir, tmp_path):
  argv = command(tmp_path, features_dir)
  before = stopped_run(argv, tmp_path)
  process = start(argv)
  resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
  assert_told(ended(process), "File too large")
  assert digests(tmp_path) == before
  assert checkpoints(["verify", str(tmp_path)]) == 0
  more = {"train__joint__steps": 150}
  code, out, err = run([*command(tmp_path, features_dir, **more), "--force"])
  assert code == 0, err
  assert restored_step(out) == max(before)


@pytest.mark.slow
def test_a_full_disk(features_dir, tmp_path):
  workdir = tmp_path / "small"
  workdir.mkdir()
  mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(workdir)]
  if subprocess.run(mount, capture_output=True, check=False).returncode:
    pytest.skip("no file system can be mounted here")
  try:
    before = stopped_run(command(workdir, features_dir, checkpoint__keep=1), workdir)
    process = start(command(workdir, features_dir, checkpoint__keep=50, checkpoint__every_steps=20))
    assert_told(ended(process), "No space left on device")
    assert checkpoints(["verify", str(workdir)]) == 0
    after = digests(workdir)
    print(f"steps before: {list(before)}, after: {list(after)}")
    assert len(after) > len(before), "the disk was full before anything was saved"
    assert {step: after[step] for step in before} == before
  finally:
    subprocess.run(["umount", str(workdir)], check=True)
