"""What a user can get wrong: one screen, exit code 2, no traceback, before anything is compiled."""

import json
import pathlib
import subprocess
import sys

import jax
import pytest
from running import TINY, arguments

from zsar_jax import evaluate, main, report, tune  # noqa: F401  (imported before jit is forbidden)
from zsar_jax.data import synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.files import json_digest

ROOT = pathlib.Path(__file__).parent.parent
DEMO = str(ROOT / "configs/demo.py:e2e")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  """A data folder with two data sets, `gym` and `street`, of generated video under ordinary class names."""
  folder = tmp_path_factory.mktemp("data")
  make_records(
    folder / "gym", ["waving while walking", "punching while sitting", "lifting while jumping"], "studio"
  )
  make_records(folder / "street", ["flapping while kicking", "juggling while walking"], "street")
  return folder


def make_records(path, names, domain, videos_per_class=2):
  videos = path.with_name(path.name + "_videos")
  synthetic.write_videos(videos, names, videos_per_class, 0, domain, num_frames=12)
  entries = [
    Entry(str(synthetic.video_path(videos, name, i)), label, f"{name}/{i}")
    for label, name in enumerate(names)
    for i in range(videos_per_class)
  ]
  build_records(entries, names, path, short_side=56)


@pytest.fixture
def refused(data_dir, tmp_path, capsys, monkeypatch):
  """Runs the command with these keys and returns what it says on being refused."""

  def run(workdir=None, **keys):
    def compiled(*_args, **_kwargs):
      raise AssertionError("something was compiled before the input was refused")

    monkeypatch.setattr(jax, "jit", compiled)
    base = TINY | {"data.dir": data_dir, "data.seen": "gym", "data.unseen": "street", "data.seen_test": ""}
    overrides = base | {key.replace("__", "."): value for key, value in keys.items()}
    code = main.main(arguments(DEMO, workdir or tmp_path / "run", overrides))
    err = capsys.readouterr().err
    assert code == 2, err
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 24
    return err

  return run


def test_misspelt_keys(refused):
  err = refused(train__bach_size=3, modle__width=4)
  assert "'train.bach_size'; did you mean 'train.batch_size'" in err
  assert "'modle.width'; did you mean 'model.width" in err


def test_absent_data_sets_are_all_named_with_the_command_that_makes_them(refused, data_dir):
  err = refused(data__seen="kinetics700", data__unseen="ucf101,hmdb51")
  for name, source in (
    ("kinetics700", "kinetics --annotations"),
    ("ucf101", "ucf101 --videos"),
    ("hmdb51", "hmdb51 --videos"),
  ):
    assert f"data_prep.build {source}" in err
    assert str(data_dir / name) in err
  assert "('data.dir') holds: gym, street" in err


def test_a_misspelt_data_set_and_missing_vectors_are_told_together_and_leave_no_workdir(refused, tmp_path):
  err = refused(workdir=tmp_path / "runs/new", data__seen="gim", vectors="none.bin")
  assert "did you mean 'gym'" in err
  assert "data_prep.build folder --videos VIDEOS" in err
  assert "word vectors 'none.bin': no such file" in err
  assert not (tmp_path / "runs").exists()
  (tmp_path / "kept").mkdir()
  refused(workdir=tmp_path / "kept", data__seen="gim")
  assert (tmp_path / "kept").exists()


def test_classes_joined_by_a_comma(refused):
  err = refused(data__seen="gym:!waving while walking,lifting while jumping", data__unseen="street")
  assert "joined by +: waving while walking+lifting while jumping" in err
  err = refused(data__seen="gym", data__unseen="street:flapping while kicking,juggling while walking")
  assert "a class of 'street', and classes of one data set are joined by +" in err


def test_a_class_unlike_all_others_is_told_once_with_those_that_there_are(refused):
  err = refused(data__seen="gym:!xyz", data__unseen="gym:xyz,street")
  assert err.count("no class 'xyz'") == 1
  assert "it has: waving while walking, punching while sitting, lifting while jumping" in err


def test_an_exported_model_is_no_workdir(refused, tmp_path):
  (tmp_path / "model").mkdir()
  (tmp_path / "model/model.json").write_text("{}")
  err = refused(workdir=tmp_path / "model")
  assert "is an exported model, not the workdir of a run" in err
  assert report.main([str(tmp_path / "model")]) == 2
  assert tune.main(["--workdir", str(tmp_path / "model")]) == 2


def test_unknown_options_come_first(capsys):
  assert main.main(["--workdi", "x", "--evaluateonly", "--config.train.batch_size", "--x"]) == 2
  err = capsys.readouterr().err
  assert "'--workdi'; did you mean '--workdir'" in err
  assert "'--evaluateonly'; did you mean '--evaluate_only'" in err
  assert "'--x'" not in err


def test_without_the_environment_one_line_says_so():
  for module in ("zsar_jax.main", "data_prep.build"):
    done = subprocess.run(
      [sys.executable, "-S", "-m", module], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "zsar_jax: the environment is not active; run: source .venv/bin/activate\n"


def test_classes_without_a_vector_are_listed_with_suggestions(refused, tmp_path):
  import numpy as np

  words = ["waves", "walk", "sit", "punch", "jump", "flap", "kick"]
  np.savez(tmp_path / "v.npz", words=np.array(words), vectors=np.eye(7, 9, dtype=np.float32))
  err = refused(vectors=tmp_path / "v.npz")
  assert "'waving while walking'" in err
  assert "waves" in err
  assert "'lifting while jumping'" in err
  assert "'juggling while walking'" in err
  assert "'punching while sitting'" not in err


def test_a_class_both_seen_and_unseen(refused):
  err = refused(data__unseen="gym:lifting while jumping,street")
  assert "must have one role" in err
  assert "'lifting while jumping'" in err


def test_an_unknown_class(refused):
  err = refused(data__seen="gym:lifting while jumpin+waving while walking")
  assert "did you mean 'lifting while jumping'" in err


def test_too_few_seen_classes(refused):
  assert "expected at least 2" in refused(data__seen="gym:lifting while jumping")


def test_repeated_class_names(refused, data_dir):
  path = data_dir / "twice"
  if not path.exists():
    make_records(path, ["waving while walking", "lifting while jumping"], "studio")
    description = path / "index" / "index.json"
    text = description.read_text()
    assert "lifting while jumping" in text
    held = json.loads(text.replace("lifting while jumping", "waving while walking"))
    description.write_text(json.dumps(held | {"sha256": json_digest(held)}))
  err = refused(data__seen="twice")
  assert "waving while walking" in err
  assert "repeated" in err


def test_an_unwritable_workdir(refused, tmp_path):
  (tmp_path / "file").write_text("")
  err = refused(workdir=tmp_path / "file" / "run")
  assert "cannot be written" in err
  assert "--workdir" in err


def test_an_empty_data_folder(refused, data_dir):
  (data_dir / "void").mkdir(exist_ok=True)
  assert "void" in refused(data__seen="void")


def test_a_missing_vector_file(refused):
  assert "no such file" in refused(vectors="absent.bin")


def test_an_unknown_backbone(refused):
  assert "expected one of" in refused(model__backbone="resnet19")


def test_a_backbone_of_images_in_e2e(refused):
  assert "needs a 3-D backbone" in refused(model__backbone="resnet_tiny")


def test_frames_smaller_than_the_crop(refused):
  err = refused(data__crop=112, data__short_side=128)
  assert "short side of 56" in err
  assert "--short_side 128" in err


def test_a_batch_that_does_not_divide_over_the_devices(refused):
  assert "use 8 or 16" in refused(train__batch_size=12)


def test_values_that_cannot_be(refused):
  err = refused(train__joint__steps=-1, model__bn_group_size=-4, data__std="1,0,1", data__mean="1,2",
                train__joint__learning_rate="nan", transfer__distinctiveness=-1, eval__clips="released",
                transfer__solver="closed_form", transfer__max_uses_per_seen=2)  # fmt: skip
  for key in ("train.joint.steps", "model.bn_group_size", "data.std", "data.mean", "train.joint.learning_rate",
              "transfer.distinctiveness", "eval.clips", "transfer.max_uses_per_seen"):  # fmt: skip
    assert f"'{key}'" in err


def test_a_crop_that_the_network_cannot_take(refused):
  assert "'data.crop' 46" in refused(data__crop=46)


def test_switches_of_the_model_that_do_not_go_together(refused):
  err = refused(method="rest", model__tasks="mlm", model__temporal="lstm", model__cross_modal="true",
                model__freeze_backbone="true", model__num_features=7)  # fmt: skip
  for text in (
    "transfer.space=semantic",
    "'model.cross_modal'",
    "'model.init_from'",
    "'model.num_features' is 7",
  ):
    assert text in err
  assert "expected cls, mlm or cls,mlm" in refused(model__tasks="cls,words")


def test_borrowed_weights_that_are_not_there(refused, tmp_path):
  assert "holds neither weights" in refused(model__init_from=tmp_path / "absent")


def test_precomputed_features_without_a_data_set_of_them(refused):
  assert "reads precomputed features" in refused(model__backbone="features", model__num_features=5)


def test_a_single_unseen_class(refused):
  err = refused(data__unseen="street:flapping while kicking")
  assert "has 1 classes (flapping while kicking), expected at least 2" in err


def test_training_videos_as_seen_test_videos(refused):
  assert "training videos" in refused(data__seen_test="gym")


def test_a_data_folder_that_is_a_file(refused, tmp_path):
  (tmp_path / "file").write_text("")
  err = refused(data__dir=tmp_path / "file", data__seen="figures_train", data__unseen="figures_test")
  assert "--config.data.dir" in err


def test_evaluate_only_without_a_checkpoint(tmp_path, capsys):
  assert main.main(["--config", DEMO, "--workdir", str(tmp_path), "--evaluate_only"]) == 2
  assert "no checkpoint" in capsys.readouterr().err


def test_an_unknown_argument(capsys):
  assert main.main(["--config", DEMO, "--workdri", "x"]) == 2
  assert "--workdri" in capsys.readouterr().err
