"""Naming real video with a model that was trained on real video for a moment; needs ../shared."""

import json
import pathlib
import shutil

import pytest
from running import run

from data_prep.build import main as build
from zsar_jax.export import main as export
from zsar_jax.predict import main

SHARED = pathlib.Path(__file__).parent.parent.parent / "shared" / "data"
ACTIONS, SINGLE, UCF = (SHARED / "video" / name for name in ("actions7", "single", "ucf101"))
VECTORS = SHARED / "wordvec" / "glove6B300_q8_9910_unit.npz"
KEYS = {
  "vectors": VECTORS, "data.seen": "actions7:!Clapping+Sitting", "data.unseen": "actions7:Clapping+Sitting",
  "model.backbone": "r2plus1d_tiny", "model.bn_group_size": 0, "train.batch_size": 8, "train.max_clips_per_epoch": 0,
  "train.joint.steps": 4, "train.joint.epochs": 0, "train.joint.schedule": "cosine", "train.joint.milestones": "",
  "eval.num_clips": 2, "eval.report": False,
}  # fmt: skip
NAMES = "arm wrestling, baseball, diving, bench press, apply eye makeup, walking"

pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(
    not all(path.exists() for path in (ACTIONS, SINGLE, UCF, VECTORS)),
    reason="there is no ../shared with videos and word vectors",
  ),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp("real")
  assert (
    build(["folder", "--videos", str(ACTIONS), "--out", str(folder / "actions7"), "--short_side", "128"]) == 0
  )
  keys = [f"--config.{key}={value}" for key, value in (KEYS | {"data.dir": folder}).items()]
  code, _, err = run(["--config", "configs/e2e_r2plus1d.py", "--workdir", str(folder / "run"), *keys])
  assert code == 0, err
  assert export(["--workdir", str(folder / "run"), "--to", str(folder / "model")]) == 0
  return folder / "model"


@pytest.fixture
def ten_videos(tmp_path):
  """Seven good ones, and a truncated, an empty and a text file among them."""
  good = [*sorted(SINGLE.glob("*.mp4")), *sorted(UCF.glob("*/*.avi"))[::3]]
  for path in good[:7]:
    shutil.copy(path, tmp_path / path.name)
  (tmp_path / "cut.mp4").write_bytes(good[0].read_bytes()[:60_000])
  (tmp_path / "empty.mp4").touch()
  (tmp_path / "text.mp4").write_text("no video\n")
  return tmp_path


def test_three_bad_files_of_ten_do_not_stop_the_rest(model, ten_videos, capsys):
  capsys.readouterr()
  assert main(["--model", str(model), "--classes", NAMES, "--json", str(ten_videos)]) == 1
  found = json.loads(capsys.readouterr().out)
  assert [pathlib.Path(one["video"]).name for one in found["failures"]] == [
    "cut.mp4",
    "empty.mp4",
    "text.mp4",
  ]
  assert len(found["videos"]) == 7
  assert {one["name"]: one["seen_as"] for one in found["classes"] if one["seen_as"]} == {"walking": "Walking"}
  assert all(-1 <= score <= 1 for one in found["videos"] for score in one["scores"].values())


def test_unknown_words_are_all_told_with_suggestions(model, ten_videos, capsys):
  assert main(["--model", str(model), "--classes", "arm wrestlng, divng, walking", str(ten_videos)]) == 2
  err = capsys.readouterr().err
  assert "'wrestlng' (nearest: wrestling" in err
  assert "'divng' (nearest: diving" in err
