"""Reading a workdir: what is there, and one message for everything that is wrong."""

import json
import shutil

import numpy as np
import pytest

from zsar_jax.errors import InputError
from zsar_jax.reporting.run import read_run, read_runs


@pytest.fixture
def workdir(rest_run, tmp_path):
  return shutil.copytree(rest_run, tmp_path / "run")


def _change_report(workdir, change):
  path = workdir / "report.json"
  report = json.loads(path.read_text())
  change(report)
  path.write_text(json.dumps(report))


def _change_arrays(workdir, **changes):
  """Replaces arrays; None removes one. `__` stands for a slash."""
  with np.load(workdir / "embeddings.npz") as file:
    arrays = dict(file)
  for name, value in changes.items():
    name = name.replace("__", "/")
    arrays.pop(name, None)
    if value is not None:
      arrays[name] = value
  np.savez(workdir / "embeddings.npz", **arrays)


def _problems(*workdirs):
  with pytest.raises(InputError) as caught:
    read_runs(workdirs)
  return str(caught.value).splitlines()


def test_a_run_is_read(rest_run):
  run = read_run(rest_run)
  assert run.unseen == ["ucf101", "hmdb51"]
  assert run.spaces == ["visual", "semantic", "words"]
  assert run.row("hmdb51", "half")["top1_std"] > 0
  assert run.row("hmdb51", "all", level="clip")["num_videos"] == 4 * 8 * 5
  assert run.row("sun397", "all") is None
  assert len(run.arrays["prototypes/unseen/ucf101"]) == 14
  assert {line["kind"] for line in run.metrics} == {"train", "validation"}
  assert {one["right"] for one in run.examples} == {True, False}
  assert run.tuning["checkpoint"] == run.report["checkpoint"]


def test_an_e2e_run_has_one_space_and_no_tuning(e2e_run):
  run = read_run(e2e_run)
  assert run.spaces == ["semantic"]
  assert run.tuning is None
  assert "weights/unseen/ucf101" not in run.arrays


def test_arrays_are_read_once_and_only_when_asked_for(rest_run):
  arrays = read_run(rest_run).arrays
  assert "unseen/ucf101/mean" in arrays
  assert arrays["unseen/ucf101/mean"] is arrays["unseen/ucf101/mean"]
  with pytest.raises(KeyError):
    arrays["no such"]
  assert set(arrays) == {name for name in arrays}  # noqa: C416
  assert len(arrays) > 30


def test_what_is_optional_may_be_absent(workdir):
  for name in ("metrics.jsonl", "tuning.json"):
    (workdir / name).unlink()
  shutil.rmtree(workdir / "examples")
  run = read_run(workdir)
  assert (run.metrics, run.examples, run.tuning) == ([], [], None)


@pytest.mark.parametrize("name", ["report.json", "embeddings.npz"])
def test_a_missing_file_names_the_command_that_makes_it(workdir, name):
  (workdir / name).unlink()
  (problem,) = _problems(workdir)
  assert f"{workdir}/{name}: no such file" in problem
  assert "python -m zsar_jax.main" in problem
  assert "--evaluate_only" in problem


@pytest.mark.parametrize("name", ["report.json", "embeddings.npz"])
def test_a_broken_file_is_named(workdir, name):
  path = workdir / name
  path.write_bytes(path.read_bytes()[:100])
  (problem,) = _problems(workdir)
  assert f"{path}: cannot be read" in problem


def test_no_folder(tmp_path):
  assert "no such folder" in _problems(tmp_path / "nowhere")[0]


def test_an_older_report_names_every_key_it_lacks(workdir):
  _change_report(workdir, lambda report: [report.pop(key) for key in ("checkpoint", "words")])
  (problem,) = _problems(workdir)
  assert "no 'checkpoint', 'words'" in problem
  assert "evaluate again" in problem


@pytest.mark.parametrize("keys", [("mean_per_class",), ("interval_videos", "interval_classes")])
def test_rows_of_an_older_report(workdir, keys):
  def drop(report):
    for row in report["evaluations"]:
      if row["protocol"] == "half":
        for key in keys:
          row.pop(key)

  _change_report(workdir, drop)
  problems = _problems(workdir)
  assert len(problems) == 2  # a data set each
  for problem in problems:
    assert f"has no {', '.join(map(repr, keys))}; an older version wrote it; evaluate again" in problem


@pytest.mark.parametrize("value", [3, {"all": 1}, [1, 2], ["row"], None])
def test_evaluations_that_are_no_list_of_objects(workdir, value):
  _change_report(workdir, lambda report: report.update(evaluations=value))
  (problem,) = _problems(workdir)
  assert "'evaluations'" in problem
  assert "evaluate again" in problem


def test_values_of_another_kind_are_named_all_at_once(workdir):
  def change(report):
    report["evaluations"][0]["top1"] = "44.3"
    report["config"]["data"].pop("stride")
    report["transfer"]["tuned"] = "yes"

  _change_report(workdir, change)
  problems = _problems(workdir)
  assert len(problems) == 3
  assert "'top1' '44.3'" in problems[0]
  assert "'tuned'" in problems[1]
  assert "config data has no 'stride'" in problems[2]


def test_frames_out_of_order_alone_are_told_as_that(workdir):
  (workdir / "report.json").rename(workdir / "report-single.json")
  (problem,) = _problems(workdir)
  assert f"{workdir}/report.json: no such file; report-single.json is of frames out of their order" in problem
  assert "--config.eval.frame_order=natural" in problem


def test_no_evaluation_at_all(workdir):
  _change_report(workdir, lambda report: report.update(evaluations=[]))
  assert "no primary row" in _problems(workdir)[0]


def test_vectors_of_other_models_are_told_by_their_width(workdir):
  arrays = read_run(workdir).arrays
  _change_arrays(
    workdir,
    unseen__ucf101__mean=arrays["unseen/ucf101/mean"][:, :-1],
    semantic__unseen__hmdb51=arrays["semantic/unseen/hmdb51"][:, :-2],
    unseen__hmdb51__placed=arrays["unseen/hmdb51/mean"][:, :-3],
  )
  problems = _problems(workdir)
  assert "unseen/ucf101/mean is 23 wide, but prototypes/seen 24" in problems[0]
  assert "semantic/unseen/hmdb51 is 46 wide, but semantic/seen 48" in problems[1]
  assert "unseen/hmdb51/placed is 21 wide, but prototypes/unseen/hmdb51 24" in problems[2]


def test_arrays_of_other_axes_and_rows_beyond_the_classes(workdir):
  arrays = read_run(workdir).arrays
  _change_arrays(workdir, unseen__ucf101__predicted=arrays["unseen/ucf101/predicted"] + 90)
  assert "unseen/ucf101/predicted is outside 0 … 13" in _problems(workdir)[0]
  _change_arrays(workdir, unseen__ucf101__predicted=arrays["unseen/ucf101/predicted"][:, 0])
  assert "unseen/ucf101/predicted has 1 axes, expected 2" in _problems(workdir)[0]


def test_a_damaged_array_is_named(workdir):
  path = workdir / "embeddings.npz"
  content = bytearray(path.read_bytes())
  content[content.index(b"semantic/seen.npy") + 400] ^= 255
  path.write_bytes(content)
  (problem,) = _problems(workdir)
  assert f"{path}: semantic/seen cannot be read" in problem
  assert "evaluate again" in problem


def test_missing_arrays(workdir):
  _change_arrays(workdir, unseen__ucf101__predicted=None, semantic__seen=None)
  (problem,) = _problems(workdir)
  assert "unseen/ucf101/predicted" in problem
  assert "semantic/seen" in problem


def test_embeddings_of_another_checkpoint(workdir):
  _change_arrays(workdir, checkpoint=np.array("feedbeef"))
  (problem,) = _problems(workdir)
  assert "made by checkpoint feedbeef" in problem


def test_videos_without_finite_embedding_are_named(workdir):
  mean = read_run(workdir).arrays["unseen/hmdb51/mean"].copy()
  ids = read_run(workdir).arrays["unseen/hmdb51/video_id"]
  mean[[3, 7]] = np.nan
  _change_arrays(workdir, unseen__hmdb51__mean=mean)
  (problem,) = _problems(workdir)
  assert f"2 of 40 videos ({ids[3]}, {ids[7]})" in problem


def test_classes_that_do_not_fit_are_told_all_at_once(workdir):
  arrays = read_run(workdir).arrays
  _change_arrays(
    workdir,
    prototypes__seen=arrays["prototypes/seen"][:-1],
    weights__unseen__ucf101=arrays["weights/unseen/ucf101"].T,
    unseen__hmdb51__label=arrays["unseen/hmdb51/label"] + 1,
    unseen__ucf101__score=arrays["unseen/ucf101/score"][:-2],
  )
  problems = _problems(workdir)
  assert len(problems) == 4
  assert all(f"{workdir}/embeddings.npz" in problem for problem in problems)


def test_the_problems_of_all_workdirs_come_together(workdir, tmp_path):
  _change_arrays(workdir, checkpoint=np.array("feedbeef"))
  problems = _problems(workdir, tmp_path / "nowhere")
  assert len(problems) == 2
