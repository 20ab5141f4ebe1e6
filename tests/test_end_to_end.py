"""The whole way through the real command line, on generated video."""

import json

import numpy as np
import pytest
from running import DEMOS, arguments, demo_keys, run

from zsar_jax import config as configs
from zsar_jax.data.generated import generated_path
from zsar_jax.data.synthetic import video_path
from zsar_jax.types import EvalReport

ROW_KEYS = {
  "dataset", "protocol", "space", "level", "primary", "num_classes", "num_videos", "num_skipped", "num_clips",
  "chance_top1", "top1", "top5", "top1_std", "per_class", "splits", "mean_per_class", "interval_videos", "interval_classes",
  "hubness",
}  # fmt: skip
GENERALIZED_KEYS = {"seen", "unseen", "harmonic", "ausuc", "curve", "best", "calibrated"}
SPACES = {"configs/demo.py": {"visual", "semantic", "words"}, "configs/demo.py:e2e": {"semantic"}}


@pytest.mark.parametrize("config", DEMOS)
def test_train_and_evaluate(config, data_dir, tmp_path):
  argv = arguments(config, tmp_path / "run", demo_keys(config, data_dir, eval__report=True))
  code, out, err = run(argv)
  assert code == 0, err
  assert "zero-shot accuracy" in out
  assert "24 classes" in out
  for name in ("config.json", "metrics.jsonl", "checkpoints", "events", "report.json", "embeddings.npz", "report.html",
               "examples/examples.json"):  # fmt: skip
    assert (tmp_path / "run" / name).exists(), name
  report = json.loads((tmp_path / "run/report.json").read_text())
  check_report(report)
  assert {row["space"] for row in report["evaluations"]} == SPACES[config]
  check_embeddings(tmp_path / "run", report)
  first = report["evaluations"]
  code, out, err = run([*argv, "--evaluate_only", "--results", str(tmp_path / "elsewhere")])
  assert code == 0, err
  assert "restored step" in out
  assert "embedding training videos" not in out  # the prototypes lie beside their checkpoint
  again = json.loads((tmp_path / "elsewhere/report.json").read_text())["evaluations"]
  assert [row["top1"] for row in again] == [row["top1"] for row in first]
  check_export(tmp_path / "run", tmp_path / "model")


def check_export(workdir, model):
  """An exported model gives the files of the unseen videos the names that evaluation gave their records, without TensorFlow."""
  code, out, err = run(["--workdir", str(workdir), "--to", str(model)], command=("-m", "zsar_jax.export"))
  assert code == 0, err
  assert "largest relative difference" in out
  with np.load(workdir / "embeddings.npz") as arrays:
    names, ids, rows, best = (
      arrays[f"unseen/figures_test/{key}"] for key in ("classes", "video_id", "predicted", "score")
    )
  config = configs.from_dict(json.loads((workdir / "config.json").read_text()), "config.json")
  folder = generated_path(config, "figures_test_videos")
  without = ("import sys; sys.modules |= dict.fromkeys(('tensorflow', 'gensim', 'matplotlib')); "
             "from zsar_jax.predict import main; sys.exit(main(sys.argv[1:]))")  # fmt: skip
  argv = [str(folder), "--model", str(model), "--classes", ",".join(names), "--json"]
  code, out, err = run(argv, command=("-c", without))
  assert code == 0, err
  found = {one["video"]: one["ranking"][0] for one in json.loads(out)["videos"]}
  assert len(found) == len(ids)
  for video_id, row, score in zip(ids, rows[:, 0], best[:, 0], strict=True):
    class_name, index = video_id.split("/")
    one = found[str(video_path(folder, class_name, int(index)))]
    assert one["name"] == names[row]
    assert one["score"] == pytest.approx(score, abs=1e-4)


def check_embeddings(workdir, report):
  """What other programs read: the best class of every video gives the accuracy of the report."""
  with np.load(workdir / "embeddings.npz") as arrays:
    assert str(arrays["checkpoint"]) == report["checkpoint"]
    hits = arrays["unseen/figures_test/predicted"][:, 0] == arrays["unseen/figures_test/label"]
    videos, classes = len(arrays["unseen/figures_test/video_id"]), len(arrays["unseen/figures_test/classes"])
    assert arrays["semantic/seen"].shape == (24, 300)
  row = next(row for row in report["evaluations"] if row["protocol"] == "all" and row["primary"])
  assert (videos, classes) == (row["num_videos"], row["num_classes"])
  assert row["top1"] == pytest.approx(100 * hits.mean())


def check_report(report):
  assert set(report) == set(EvalReport._fields)
  assert len(report["words"]) == 36
  assert set(report["class_distances"]["figures_test"]) == set(report["evaluations"][0]["per_class"])
  assert report["pretraining"] is None
  unseen = {name for row in report["evaluations"] if row["protocol"] == "all" for name in row["per_class"]}
  assert len(unseen) == 12
  assert not unseen & set(report["seen_classes"])
  for row in report["evaluations"]:
    assert set(row) - GENERALIZED_KEYS == ROW_KEYS
    assert set(row) >= GENERALIZED_KEYS or row["protocol"] != "generalized"
    assert 0 <= row["top1"] <= row["top5"] <= 100
    assert ("harmonic" in row) == (row["protocol"] == "generalized")
  primary = [(row["dataset"], row["protocol"]) for row in report["evaluations"] if row["primary"]]
  assert sorted(primary) == sorted({(row["dataset"], row["protocol"]) for row in report["evaluations"]})
  half = next(row for row in report["evaluations"] if row["protocol"] == "half")
  assert [split["seed"] for split in half["splits"]] == list(range(10))
  assert half["top1"] == pytest.approx(np.mean([split["top1"] for split in half["splits"]]))
  for recipe in report["prototypes"].values():
    assert sum(weight for _, weight in recipe) == pytest.approx(1, abs=1e-4)
