"""Which runs share a training, and which are still to be run."""

import json

import pytest
from making_studies import e2e, finish, make_study, number_keys, plan, rest, row

from zsar_jax.errors import InputError
from zsar_jax.studies.checks import check_inputs, select
from zsar_jax.studies.jobs import command, commands_left, find_report, is_trained


def workdirs(tmp_path, *runs, **fields):
  return [job.workdir.name for job in plan(make_study(*runs, **fields), tmp_path)]


def test_the_same_training_has_the_same_folder_in_every_study(tmp_path):
  one, other = (
    workdirs(tmp_path, e2e(2, {"data.max_classes": 2})),
    workdirs(tmp_path, e2e(7, {"data.max_classes": 2})),
  )
  assert one == other
  assert one[0].startswith("demo-e2e-")


def test_a_key_at_its_default_changes_nothing_and_another_value_does(tmp_path):
  same, other, draw = workdirs(
    tmp_path, e2e(0, {"data.max_classes": 0}), e2e(3, {"data.max_classes": 3}), e2e(0, {"seed": 1}, draw=1)
  )
  assert same == workdirs(tmp_path, e2e(0))[0]
  assert len({same, other, draw}) == 3


def test_evaluation_logging_and_data_folders_change_no_training(tmp_path):
  more = {"logging.every_steps": 7, "data.dir": "elsewhere", "checkpoint.keep": 1}
  first, second, third = workdirs(tmp_path, e2e(1), e2e(2, more), e2e(3, evaluate={"eval.num_clips": 1}))
  assert first == second == third


def test_levels_and_spaces_are_read_from_one_evaluation(tmp_path):
  one, other = plan(make_study(e2e(1, level="single"), e2e(3)), tmp_path)
  assert (one.workdir, one.results) == (other.workdir, other.results)


def test_what_a_run_starts_from_is_known_by_content(tmp_path):
  def started(folder, steps):
    pretraining = [e2e(0, {"train.joint.steps": steps}, series="before")]
    study = make_study(e2e(1, init_from="before, 0"), pretraining=pretraining)
    return plan(study, folder)[1]

  job, moved, other = started(tmp_path, 5), started(tmp_path / "elsewhere", 5), started(tmp_path, 6)
  assert job.workdir.name == moved.workdir.name != other.workdir.name
  assert job.trained.model.init_from == str(job.source.workdir)
  assert f"--config.model.init_from={job.source.workdir}" in command(job, evaluate_only=False)


def test_commands_carry_every_key_as_text(tmp_path):
  train = {"data.scales": (1.0, 0.75), "model.freeze_bn": False, "train.joint.learning_rate": 1e-05}
  (job,) = plan(make_study(e2e(1, train, evaluate={"eval.num_clips": 2})), tmp_path, data__workers="3")
  argv = command(job, evaluate_only=True, results=job.results)
  for part in ("--evaluate_only", "--results", str(job.results), "--config.data.scales=1.0,0.75", "--config.data.workers=3",
               "--config.model.freeze_bn=False", "--config.train.joint.learning_rate=1e-05", "--config.eval.num_clips=2",
               "--config.eval.report=false"):  # fmt: skip
    assert part in argv
  assert job.evaluated.data.scales == (1.0, 0.75)
  assert not job.evaluated.model.freeze_bn


def test_a_job_is_done_when_its_own_report_is_there(tmp_path):
  plain, other = plan(make_study(e2e(1), e2e(2, evaluate={"eval.num_clips": 1})), tmp_path)
  assert [what for what, _ in commands_left(plain)] == ["trained"]
  finish(plain, row(50.0))
  assert find_report(plain) == plain.workdir / "report.json"
  assert commands_left(plain) == []
  ((what, argv),) = commands_left(other)  # the training is there, another evaluation is not
  assert what == "evaluated"
  assert "--evaluate_only" in argv
  finish(other, row(40.0), folder=other.results)
  assert commands_left(other) == []
  assert find_report(other) == other.results / "report.json"


@pytest.mark.parametrize("text", ["{", "{}", '{"config": {"nonsense": 1}}', '{"config": 3}'])
def test_a_damaged_or_foreign_report_does_not_count(tmp_path, text):
  (job,) = plan(make_study(e2e(1)), tmp_path)
  job.workdir.mkdir(parents=True)
  (job.workdir / "report.json").write_text(text)
  assert not is_trained(job)


def test_a_report_of_an_older_version_without_a_new_key_counts(tmp_path):
  (job,) = plan(make_study(e2e(1)), tmp_path)
  finish(job, row(50.0))
  file = job.workdir / "report.json"
  report = json.loads(file.read_text())
  del report["config"]["data"]["remove_overlap"]
  file.write_text(json.dumps(report))
  assert commands_left(job) == []


def test_other_vectors_of_rest_are_evaluated_on_the_same_training(tmp_path):
  plain, other = plan(make_study(rest(1), rest(2, evaluate={"vectors": "hash:50"})), tmp_path)
  assert plain.workdir == other.workdir
  assert [what for what, _ in commands_left(other)] == ["trained", "evaluated"]
  assert not any(part.startswith("--config.vectors") for part in commands_left(other)[0][1])
  assert "--config.vectors=hash:50" in commands_left(other)[1][1]
  finish(plain, row(50.0))
  assert [what for what, _ in commands_left(other)] == ["evaluated"]
  assert number_keys(other.evaluated)["vectors"] == "hash:50"


def test_all_problems_of_all_configs_are_told_once_with_the_run(tmp_path):
  runs = [e2e(1, {"data.max_clases": 1}), e2e(2, {"data.max_clases": 1}), e2e(3, {"eval.num_clips": "x"}),
          e2e(4, evaluate={"vectors": "hash:50"}), e2e(5, init_from="e2e, 1")]  # fmt: skip
  with pytest.raises(InputError) as error:
    plan(make_study(*runs), tmp_path)
  text = str(error.value)
  assert text.count("did you mean 'data.max_classes'") == 1
  for part in ("run 'e2e, 1' and 1 more", "run 'e2e, 3'", "expected a whole number", "is for ResT alone"):
    assert part in text


def test_keys_that_the_study_varies_cannot_be_given_for_all(tmp_path):
  study = make_study(e2e(1, {"data.max_classes": 3}), e2e(2))
  with pytest.raises(InputError, match=r"'data.max_classes' is what this study varies \(0, 3\)"):
    plan(study, tmp_path, data__max_classes="5")
  jobs = plan(study, tmp_path, train__joint__steps="2")
  assert {job.trained.train.joint.steps for job in jobs} == {2}


def test_keys_that_configs_or_pretraining_differ_in_cannot_be_given_for_all(tmp_path):
  study = make_study(e2e(1), rest(1), pretraining=[e2e(0, {"data.seen": "figures_stills"}, series="before")])
  with pytest.raises(InputError) as error:
    plan(study, tmp_path, model__backbone="resnet18", data__seen="figures_train", data__dir="elsewhere")
  for part in (
    "'model.backbone' is what this study varies (r2plus1d_tiny, resnet_tiny)",
    "'data.seen' is what this study varies (figures_stills, figures_train)",
  ):
    assert part in str(error.value)
  assert "data.dir" not in str(error.value)
  several = make_study(e2e(1), e2e(2, {"data.unseen": ("ucf101", "hmdb51")}))
  with pytest.raises(
    InputError, match=r"'data.unseen' is what this study varies \(figures_test, ucf101,hmdb51\)"
  ):
    plan(several, tmp_path, data__unseen="figures_test")


def test_how_long_is_pretrained_may_be_given(tmp_path):
  study = make_study(e2e(1), pretraining=[e2e(0, {"train.joint.steps": 5}, series="before")])
  jobs = plan(study, tmp_path, train__joint__steps="2")
  assert {job.trained.train.joint.steps for job in jobs} == {2}


def test_one_clip_is_refused_where_one_and_many_are_compared(tmp_path):
  study = make_study(e2e(1, level="single"), e2e(2))
  plan(study, tmp_path, eval__num_clips="2")
  with pytest.raises(InputError, match=r"the levels that this study compares \(single, video\) the same"):
    plan(study, tmp_path, eval__num_clips="1")
  plan(make_study(e2e(1, level="single")), tmp_path, eval__num_clips="1")


def test_a_key_that_a_config_lacks_may_be_given(tmp_path):
  (job,) = plan(make_study(e2e(1, {"vectors": ""})), tmp_path, vectors="hash:40")
  assert job.trained.vectors == "hash:40"


def test_only_takes_what_a_run_starts_from_along(tmp_path):
  study = make_study(
    e2e(1), e2e(2, init_from="before, 0"), pretraining=[e2e(0, {"seed": 9}, series="before")]
  )
  jobs = plan(study, tmp_path)
  assert [job.run.name for job in select(jobs, "e2e, 2")] == ["before, 0", "e2e, 2"]
  assert select(jobs, "") == jobs
  with pytest.raises(InputError, match="no run has it in its name; there are before, 0, e2e, 1"):
    select(jobs, "nothing")


def test_missing_data_vectors_and_weights_are_told_together(tmp_path):
  data = {
    "data.dir": str(tmp_path),
    "data.seen": "kinetics700",
    "data.unseen": "ucf101",
    "data.seen_test": "",
  }
  runs = [e2e(1, data), e2e(2, data | {"vectors": "gone.bin"}), e2e(3, data | {"model.init_from": "gone"})]
  with pytest.raises(InputError) as error:
    check_inputs(plan(make_study(*runs), tmp_path), "mine.py")
  for part in (
    f"{tmp_path}/kinetics700",
    f"{tmp_path}/ucf101",
    "gone.bin",
    "'model.init_from' gone of run 'e2e, 3'",
  ):
    assert part in str(error.value)
  check_inputs(plan(make_study(e2e(1), rest(2)), tmp_path), "mine.py")  # generated data sets are made
