"""Every study's `:demo`, each of its runs cut to 2 steps a phase on tiny data: a study that cannot run is found here."""

import json
import pathlib

import pytest
from running import ROOT, TINY

from zsar_jax import study

STUDIES = sorted(path.stem for path in (ROOT / "configs" / "studies").glob("*.py"))
SHORT = """
from zsar_jax.studies.plan import load_study

STEPS = {{"train.joint.steps": 2}}

def get_study(variant=""):
  def cut(run):
    warmup = {{}} if run.config.endswith("e2e") else {{"train.warmup.steps": 2}}
    return run._replace(train=dict(run.train) | STEPS | warmup)

  study = load_study("configs/studies/{name}.py:demo")
  return study._replace(runs=[*map(cut, study.runs)], pretraining=[*map(cut, study.pretraining)])
"""


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """One for all of them: they share trainings."""
  return tmp_path_factory.mktemp("studies")


@pytest.fixture
def run_short(workdir, data_dir, tmp_path, monkeypatch, capsys):
  """Runs those of a study's runs that have a text in their name; gives what it wrote as JSON."""
  monkeypatch.chdir(ROOT)
  monkeypatch.setenv(
    "XLA_FLAGS", "--xla_force_host_platform_device_count=1"
  )  # programs for eight take long to compile

  def run(name, only):
    file = tmp_path / f"{name}.py"
    file.write_text(SHORT.format(name=name))
    tiny = {key: str(value) for key, value in TINY.items() if key != "train.joint.steps"}
    code = study.run_study(str(file), workdir, tiny | {"data.dir": str(data_dir)}, only, dry_run=False)
    out = capsys.readouterr().out
    assert code == 0, out
    content = json.loads((workdir / name / f"{name}.json").read_text())
    assert content["failed"] == []
    return content

  return run


def test_one_run_of_the_cheapest_demo(run_short):
  content = run_short("overlap", "24 classes")
  read = {(point["metric"], point["x"]): point for point in content["points"]}
  assert read["12 unseen classes", "24 classes"]["error_of"] == "videos"
  assert read["6 of 12 unseen classes", "24 classes"]["error_of"] == "splits"
  assert {x for (_, x), point in read.items() if point["num_missing"]} == {"16 classes"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", STUDIES)
def test_demo_runs(name, run_short, workdir):
  content = run_short(name, "")
  assert content["points"]
  assert {point["num_missing"] for point in content["points"]} == {0}
  assert all(pathlib.Path(run["report"]).is_file() for run in content["runs"])
  figures = list((workdir / name).glob("*.svg"))
  assert figures
  assert all(path.with_suffix(".points.csv").is_file() for path in figures)
