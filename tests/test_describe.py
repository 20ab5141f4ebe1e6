"""`zsar_jax.describe`: papers' figures, the JSON contract, memory, and what is refused."""

import json
import pathlib
import subprocess
import sys

import jax
import pytest

from zsar_jax import accounting, describe
from zsar_jax import config as configs
from zsar_jax.data import synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

ROOT = pathlib.Path(__file__).parent.parent
# 10^9 multiply-adds as the papers print them.
PRINTED = {"rest18": 30.8, "rest34": 30.3, "rest101": 32.0, "e2e_r2plus1d": 40.8}
IN_REST = {"vgg16": 247.65, "mobilenet_v2": 6.606, "googlenet": 25.77, "r2plus1d_18": 41.12}
IN_E2E = {"r3d_18": 40.70, "c3d": 38.53}
KEYS = {
  "config", "method", "backbone", "dtype", "classes", "parameters", "parameters_by_part", "batch_statistics",
  "gflops_per_clip", "gflops_by_formula", "gflops_embedding", "layers", "memory", "roofline", "exchange", "input",
  "assumptions",
}  # fmt: skip
LAYER_KEYS = {
  "path", "type", "parameters", "batch_statistics", "parameter_shapes", "output_shape", "gflops",
}  # fmt: skip
EXCHANGE_KEYS = {
  "hosts", "devices_per_host", "islands", "devices_per_island", "source", "bandwidth_inside", "bandwidth_between",
  "latency_inside", "latency_between", "latency_source", "gradient_bytes", "batch_norm_bytes", "metric_bytes", "sent_bytes",
  "exchanges", "seconds", "share", "clips_per_second", "compute_seconds",
}  # fmt: skip
SIZES = ("parameters", "gradients", "optimizer", "batch_statistics", "activations", "input")


def _run(capsys, *arguments, config="configs/demo.py"):
  """The object that `--json` prints."""
  code = describe.main(["--config", str(ROOT / config), "--json", *arguments])
  out, err = capsys.readouterr()
  assert code == 0, err
  return json.loads(out)


def _load(name, **keys):
  overrides = {key.replace("__", "."): str(value) for key, value in keys.items()}
  return configs.load(str(ROOT / "configs" / f"{name}.py"), overrides)


def _gflops(config):
  """(from the jaxpr, by formula), for assumed classes."""
  work, traced = accounting.count_forward(config, accounting.find_classes(config, accounting.NUM_CLASSES))
  return work.multiply_adds / 1e9, sum(x.multiply_adds for x in traced.layers) / 1e9


@pytest.mark.parametrize("name", PRINTED)
def test_printed_figures(name):
  counted, by_formula = _gflops(_load(name))
  assert counted == pytest.approx(PRINTED[name], rel=0.015)
  assert by_formula == pytest.approx(counted, rel=0.001)


@pytest.mark.parametrize("backbone", IN_REST)
def test_other_encoders_in_rest(backbone):
  clip = {"data__crop": 112, "data__short_side": 128} if backbone == "r2plus1d_18" else {}
  counted, by_formula = _gflops(_load("rest18", model__backbone=backbone, **clip))
  assert counted == pytest.approx(IN_REST[backbone], rel=0.002)
  assert by_formula == pytest.approx(counted, rel=0.001)


@pytest.mark.parametrize("backbone", IN_E2E)
def test_other_encoders_in_e2e(backbone):
  counted, by_formula = _gflops(_load("e2e_r2plus1d", model__backbone=backbone))
  assert counted == pytest.approx(IN_E2E[backbone], rel=0.002)
  assert by_formula == pytest.approx(counted, rel=0.001)


@pytest.mark.parametrize("temporal", ["rnn", "lstm"])
def test_two_streams_by_formula(temporal):
  counted, by_formula = _gflops(_load("demo", model__temporal=temporal))
  assert by_formula == pytest.approx(counted, rel=0.001)


@pytest.mark.parametrize(
  "config",
  [
    "configs/demo.py",
    "configs/demo.py:e2e",
    "configs/rest18.py",
    "configs/e2e_r2plus1d.py",
    pytest.param("configs/rest34.py", marks=pytest.mark.slow),
    pytest.param("configs/rest101.py", marks=pytest.mark.slow),
  ],
)
def test_json_contract(config, capsys):
  report = _run(capsys, "--num_classes", "664", config=config)
  assert set(report) == KEYS
  assert all(set(layer) == LAYER_KEYS for layer in report["layers"])
  assert report["classes"] == {"num": 664, "vocabulary": 1000, "max_words": 4, "assumed": True}
  assert set(report["parameters_by_part"]) == {"backbone", "transformer", "heads"}
  assert report["parameters"] == sum(report["parameters_by_part"].values())
  assert report["parameters"] == sum(layer["parameters"] for layer in report["layers"])
  assert report["batch_statistics"] == sum(layer["batch_statistics"] for layer in report["layers"])
  assert report["gflops_by_formula"] == pytest.approx(sum(layer["gflops"] for layer in report["layers"]))
  assert report["gflops_by_formula"] == pytest.approx(report["gflops_per_clip"], rel=0.001)
  assert 0 < report["gflops_embedding"] <= report["gflops_per_clip"]
  memory = report["memory"]
  assert set(memory) == {"batch_size", "devices", "clips", "total", "capacity", *SIZES}
  assert set(report["exchange"]) == EXCHANGE_KEYS
  assert set(report["input"]) == {"clips_per_second", "bytes_per_second", "cores", "source"}
  assert memory["total"] == sum(memory[size] for size in SIZES)
  for part in ("training", "embedding"):
    limit = report["roofline"][part]
    assert limit["clips_per_second"] == min(limit["compute_limit"], limit["memory_limit"])


def test_layer_rows(capsys):
  report = _run(capsys, "--num_classes", "7")
  by_path = {layer["path"]: layer for layer in report["layers"]}
  assert by_path["class_head.out"]["parameter_shapes"] == {"bias": [7], "kernel": [96, 7]}
  assert by_path["class_head.out"]["output_shape"] == [1, 7]
  assert by_path["backbone.stem.conv.conv"]["output_shape"] == [8, 12, 12, 24]
  assert by_path["warmup_head"]["output_shape"] is None
  assert report["layers"][0]["path"] == ""


def test_text_is_left_out_of_the_embedding(capsys):
  report = _run(capsys, config="configs/rest18.py")
  assert report["gflops_per_clip"] == pytest.approx(30.82, rel=2e-4)
  assert report["gflops_embedding"] == pytest.approx(30.47, rel=2e-4)


@pytest.mark.parametrize(("config", "expected"), [("e2e_r2plus1d", 3250), ("rest18", 4270)])
def test_h200_training_limit(config, expected, capsys):
  report = _run(capsys, "--config.model.dtype=bfloat16", "--device", "h200", config=f"configs/{config}.py")
  assert report["roofline"]["training"]["clips_per_second"] == pytest.approx(expected, rel=0.005)
  assert report["roofline"]["training"]["limited_by"] == "compute"


def test_memory_counts_what_training_holds(capsys):
  memory = _run(capsys, "--num_classes", "5")["memory"]
  assert memory["gradients"] == memory["parameters"]
  assert memory["optimizer"] == pytest.approx(2 * memory["parameters"], rel=1e-4)  # AdamW's two moments
  assert memory["input"] == 16 * (8 * 48 * 48 * 3 + 4 + 4 * 4 + 1)  # frames, label, words, mask


def test_memory_follows_batch_devices_and_accumulation(capsys):
  whole = _run(capsys)["memory"]
  halved = _run(capsys, "--devices", "2")["memory"]
  assert halved["clips"] == 8
  assert halved["activations"] == pytest.approx(whole["activations"] / 2, rel=0.01)
  parts = _run(capsys, "--config.train.accumulate=2")["memory"]
  assert (parts["clips"], parts["input"]) == (8, whole["input"])
  assert parts["gradients"] == 2 * whole["gradients"]


def test_memory_follows_remat_and_dtype(capsys):
  plain = _run(capsys)
  remat = _run(capsys, "--config.model.remat=true")
  assert remat["memory"]["activations"] < 0.6 * plain["memory"]["activations"]
  assert remat["gflops_per_clip"] == plain["gflops_per_clip"]
  assert remat["roofline"]["training"]["compute_limit"] == pytest.approx(
    0.75 * plain["roofline"]["training"]["compute_limit"]
  )
  half = _run(capsys, "--config.model.dtype=bfloat16")
  assert half["memory"]["activations"] < plain["memory"]["activations"]
  assert half["memory"]["parameters"] == plain["memory"]["parameters"]


def test_a_frozen_backbone_keeps_no_activations(capsys):
  plain = _run(capsys)
  frozen = _run(capsys, "--config.model.freeze_backbone=true", "--config.model.init_from=weights")
  assert frozen["memory"]["activations"] < 0.5 * plain["memory"]["activations"]
  assert frozen["gflops_per_clip"] == plain["gflops_per_clip"]
  faster = [r["roofline"]["training"]["compute_limit"] for r in (plain, frozen)]
  assert (
    2.5 < faster[1] / faster[0] < 3
  )  # the encoder's gradient, two thirds of nearly all the work, is not taken


def test_precomputed_features(capsys):
  report = _run(
    capsys, "--config.model.backbone=features", "--config.model.num_features=32", "--num_classes", "5"
  )
  assert report["parameters_by_part"]["backbone"] == 0
  assert report["memory"]["input"] == 16 * (8 * 32 * 4 + 4 + 4 * 4 + 1)


def test_classes_come_from_data_that_are_there(tmp_path, capsys):
  keys = {"data.dir": tmp_path, "data.unseen": "ucf101", "data.short_side": 48, "vectors": "hash:300"}
  keys |= {"data.seen": "kinetics700", "data.seen_test": ""}
  arguments = [f"--config.{key}={value}" for key, value in keys.items()]
  assert _run(capsys, *arguments)["classes"]["assumed"]
  assert not list(tmp_path.iterdir())  # nothing is made
  _write_data(tmp_path)
  report = _run(capsys, *arguments)
  # "archery" is in both and leaves the seen ones: abseiling, air drumming.
  assert report["classes"] == {"num": 2, "vocabulary": 3, "max_words": 2, "assumed": False}
  assert report["assumptions"] == [report["roofline"]["note"]]
  assert _run(capsys, *arguments, "--num_classes", "5")["classes"]["assumed"]


def _write_data(folder):
  figures = synthetic.CLASS_NAMES[:3]
  synthetic.write_videos(folder / "videos", figures, 2, 0, "studio", size=48, num_frames=4)
  data_sets = {
    "kinetics700": ("abseiling", "air drumming", "archery"),
    "ucf101": ("Archery", "Biking", "BenchPress"),
  }
  for name, classes in data_sets.items():
    entries = [
      Entry(str(synthetic.video_path(folder / "videos", figures[k], i)), k, f"{classes[k]}/{i}")
      for k in range(3)
      for i in range(2)
    ]
    build_records(entries, classes, folder / name, short_side=48)


def test_table(capsys):
  assert describe.main(["--config", str(ROOT / "configs/demo.py"), "--device", "a100", "--depth", "1"]) == 0
  out = capsys.readouterr().out
  for text in (
    "class_head",
    "unused",
    "parameters",
    "GFLOPs a clip",
    "GiB a device",
    "1 x a100",
    "datasheet",
    "assumed",
  ):
    assert text in out
  assert describe.main(["--config", str(ROOT / "configs/demo.py"), "--depth", "3"]) == 0
  assert "backbone.stages.0.0.conv1" in capsys.readouterr().out


def test_many_devices(capsys):
  """Each sends as much, whoever has how many neighbours; slower where few are near."""
  batch = "--config.train.batch_size=1024"
  near = _run(capsys, batch, "--config.model.bn_group_size=16", "--devices", "64")
  exchange = near["exchange"]
  assert (exchange["hosts"], exchange["devices_per_host"], exchange["islands"]) == (8, 8, 8)
  total = sum(exchange[f"{part}_bytes"] for part in ("gradient", "batch_norm", "metric"))
  assert exchange["sent_bytes"] == pytest.approx(2 * 63 / 64 * total)
  assert exchange["share"] == pytest.approx(
    exchange["seconds"] / (exchange["seconds"] + exchange["compute_seconds"])
  )
  assert exchange["clips_per_second"] < near["roofline"]["training"]["clips_per_second"]
  assert near["input"]["clips_per_second"] == pytest.approx(exchange["clips_per_second"] / 8)
  far = _run(capsys, batch, "--config.model.bn_group_size=16", "--devices", "64", "--devices_per_host", "1")
  assert far["exchange"]["sent_bytes"] == exchange["sent_bytes"]
  assert far["exchange"]["seconds"] > exchange["seconds"]
  whole = _run(capsys, batch, "--config.model.bn_group_size=0", "--devices", "64")["exchange"]
  assert whole["exchanges"] > 10 * exchange["exchanges"]  # at every batch norm, there and back


def test_accumulation_exchanges_every_micro_batch(capsys):
  arguments = ("--config.train.batch_size=64", "--config.model.bn_group_size=4", "--devices", "8")
  once = _run(capsys, *arguments)
  twice = _run(capsys, *arguments, "--config.train.accumulate=2")
  assert twice["exchange"]["sent_bytes"] == 2 * once["exchange"]["sent_bytes"]
  assert any("micro-batch" in text for text in twice["assumptions"])


def test_links_between_cpus_are_not_known(capsys):
  assert describe.main(["--config", str(ROOT / "configs/demo.py"), "--device", "cpu", "--devices", "2"]) == 0
  out = capsys.readouterr().out
  assert "no links between these devices are known" in out
  assert "2 devices, 1 a host" in out


def test_says_what_may_not_fit(capsys):
  arguments = ["--config", str(ROOT / "configs/demo.py"), "--device", "v5e", "--depth", "1"]
  assert describe.main([*arguments, "--config.train.batch_size=32768"]) == 0
  assert "may not fit" in capsys.readouterr().out
  assert describe.main(arguments) == 0
  assert "may not fit" not in capsys.readouterr().out


def test_cpu_says_measured(capsys):
  report = _run(capsys, "--device", "cpu")
  assert report["roofline"]["source"].startswith("measured")


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--device", "h100"], "--device is 'h100', expected one of h200, a100, v5e, cpu"),
    (["--devices", "0"], "--devices is 0, expected at least 1"),
    (["--devices", "3"], "does not divide over 3 devices"),
    (["--devices", "4", "--devices_per_host", "0"], "--devices_per_host is 0, expected at least 1"),
    (["--devices", "16", "--devices_per_host", "3"], "does not fill hosts of 3 devices; use 15 or 18"),
    (["--num_classes", "2", "--vocabulary", "100"], "cannot use 100 distinct ones"),
    (["--config.model.backbone=resnet19"], "did you mean"),
    (["--config.model.widht=3"], "model.width"),
    (["--config.method=e2e"], "needs a 3-D backbone"),
    (["--config.data.crop=50"], "no multiple of 4"),
    (["--frobnicate"], "unknown argument"),
  ],
)
def test_wrong_input(arguments, message, capsys):
  assert describe.main(["--config", str(ROOT / "configs/demo.py"), *arguments]) == 2
  out, err = capsys.readouterr()
  assert message in err
  assert not out


def test_all_problems_are_told_at_once(capsys):
  arguments = ["--device", "h100", "--devices", "5", "--devices_per_host", "2", "--depth", "0"]
  assert describe.main(["--config", str(ROOT / "configs/demo.py"), *arguments]) == 2
  err = capsys.readouterr().err
  for message in (
    "--device is 'h100'",
    "--depth is 0",
    "does not fill hosts of 2",
    "does not divide over 5 devices",
  ):
    assert message in err


def test_made_up_words_fill_the_vocabulary():
  config = _load("demo")
  seen, assumed = accounting.find_classes(config, 10, 25, 3)
  assert assumed
  assert len({word for words in seen.words for word in words}) == 25
  with pytest.raises(InputError, match="3 to 30"):
    accounting.find_classes(config, 10, 31, 3)


def test_nothing_is_materialised():
  """138 M parameters of VGG16 in ResT stay shapes."""
  config = _load("rest18", model__backbone="vgg16")
  before = sum(x.nbytes for x in jax.live_arrays())
  assert _gflops(config)[0] > 200
  assert sum(x.nbytes for x in jax.live_arrays()) - before < 1e6


def test_the_command_runs():
  command = [sys.executable, "-m", "zsar_jax.describe", "--config", "configs/demo.py", "--json"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
  assert json.loads(done.stdout)["method"] == "rest"
