"""`zsar_jax.tune` on a tiny trained run: what it writes, and that evaluation takes it from there."""

import json

import numpy as np
import pytest
from running import arguments, demo_keys

from zsar_jax import main, tune

TINY_RUN = {"train.joint.steps": 2, "eval.num_clips": 1}


@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
def test_coefficients_are_searched_written_drawn_and_then_used(data_dir, tmp_path, capsys):
  argv = arguments("configs/demo.py", tmp_path, demo_keys("configs/demo.py", data_dir) | TINY_RUN)
  assert main.main(argv) == 0
  assert tune.main(["--workdir", str(tmp_path), "--num_folds", "20", "--seed=-1"]) == 2
  told = capsys.readouterr()
  assert "20 folds of 24 seen classes" in told.err
  assert "seed is -1" in told.err
  assert "restored" not in told.out  # refused before anything is embedded
  assert tune.main(["--workdir", str(tmp_path)]) == 0
  out = capsys.readouterr().out
  assert "best  K " in out
  assert "chosen  K " in out
  held = json.loads((tmp_path / "tuning.json").read_text())
  report = json.loads((tmp_path / "report.json").read_text())
  assert held["checkpoint"] == report["checkpoint"]
  assert held["best"]["score"] >= held["chosen"]["score"] >= held["default"]["score"]
  assert np.max(held["scores"]) == pytest.approx(held["best"]["score"])
  assert (tmp_path / "figures/tuning.svg").read_text().startswith("<svg")
  embeddings = np.load(tmp_path / "seen_embeddings" / str(held["step"]) / "embeddings-00000.npy")
  assert embeddings.dtype == np.float16
  assert main.main([*argv, "--evaluate_only"]) == 0
  assert "coefficients from tuning.json" in capsys.readouterr().out
  again = json.loads((tmp_path / "report.json").read_text())
  assert again["transfer"] == {k: held["chosen"][k] for k in held["default"] if k not in ("score", "deviation")} | {
    "max_uses_per_seen": 0, "tuned": True
  }  # fmt: skip
  assert again["config"] == report["config"]  # what was asked for stays what was asked for
  (generalized,) = (r for r in again["evaluations"] if r["protocol"] == "generalized" and r["primary"])
  assert generalized["calibrated"]["gamma"] == held["chosen"]["gamma"]


def test_nothing_to_tune(data_dir, tmp_path, capsys):
  assert tune.main(["--workdir", str(tmp_path)]) == 2
  assert "holds no config.json" in capsys.readouterr().err
  (tmp_path / "config.json").write_text(json.dumps({"method": "e2e"}))
  assert tune.main(["--workdir", str(tmp_path), "--config.data.seen=a", "--config.data.unseen=b"]) == 2
  assert "expected" in capsys.readouterr().err


def test_a_run_on_test_classes_is_not_tuned(tmp_path, capsys):
  config = {"method": "rest", "vectors": "hash:5", "train": {"joint": {"steps": 1}}}
  config["data"] = {"seen": "a", "unseen": ["b"], "remove_overlap": False}
  (tmp_path / "config.json").write_text(json.dumps(config))
  assert tune.main(["--workdir", str(tmp_path)]) == 2
  assert "test classes are among the seen ones" in capsys.readouterr().err


@pytest.mark.parametrize("keys", [{}, {"method": "rest", "model.tasks": "cls", "transfer.space": "semantic"}])
def test_what_composes_nothing_is_refused(tmp_path, capsys, keys):
  config = {
    "method": "e2e",
    "vectors": "hash:5",
    "data": {"seen": "a", "unseen": ["b"]},
    "train": {"joint": {"steps": 1}},
  }
  (tmp_path / "config.json").write_text(json.dumps(config))
  assert tune.main(["--workdir", str(tmp_path), *(f"--config.{k}={v}" for k, v in keys.items())]) == 2
  assert "nothing to tune" in capsys.readouterr().err
