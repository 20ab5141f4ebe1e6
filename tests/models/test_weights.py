"""Weights come in from torch's files and go out again to the bit; what does not fit is refused with its name."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from flax import nnx

from zsar_jax.errors import InputError
from zsar_jax.models import BACKBONES, weights, weights_dir
from zsar_jax.saved.manifest import Facts
from zsar_jax.train.saving import Folder, write_step

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden_cases


@pytest.fixture(scope="module")
def state_dict():
  """mobilenet_v2's: the smallest."""
  tensors = golden_cases.load("mobilenet_v2").state_dict
  tensors["features.0.1.num_batches_tracked"] = np.array(7, np.int64)
  return tensors


@pytest.fixture(scope="module")
def directory(state_dict, tmp_path_factory):
  """It as we store it. Tests that change it copy nothing: they write their own."""
  folder = tmp_path_factory.mktemp("weights") / "mobilenet"
  weights.save(weights.convert("mobilenet_v2", state_dict, ("archery", "bowling")), folder)
  return folder


def command(capsys, *arguments):
  """(exit code, stdout, stderr) of the command."""
  code = weights.main([str(argument) for argument in arguments])
  return code, *capsys.readouterr()


def same(a, b):
  assert a.keys() == b.keys()
  for name, tensor in a.items():
    assert (tensor.dtype, tensor.shape) == (b[name].dtype, b[name].shape), name
    assert tensor.tobytes() == np.asarray(b[name], order="C").tobytes(), name


def write(tensors, path, **metadata):
  safetensors.numpy.save_file(
    {k: np.asarray(v, order="C") for k, v in tensors.items()}, path, metadata or None
  )
  return path


SLOW = pytest.mark.slow


@pytest.mark.parametrize("arch", ["resnet18", "mobilenet_v2", pytest.param("r2plus1d_18", marks=SLOW)])
def test_safetensors_in_and_out_again_is_equal_to_the_bit(arch, tmp_path, capsys):
  tensors = golden_cases.load(arch).state_dict
  counters = [name for name in tensors if name.endswith("num_batches_tracked")]
  tensors[counters[-1]] = np.array(12345, np.int64)
  source = write(tensors, tmp_path / "in.safetensors")
  code, out, err = command(capsys, "--arch", arch, "--from", source, "--to", tmp_path / "ours")
  assert (code, err) == (0, "")
  head = [name for name in tensors if name.startswith(("fc.", "classifier."))]
  told = next(line for line in out.splitlines() if line.startswith("left out of the backbone")).partition(
    ": "
  )[2]
  said = [f"{name} {tensors[name].shape}" for name in sorted(head)] + [f"{len(counters)} num_batches_tracked"]
  assert told == ", ".join(said)
  model = nnx.eval_shape(lambda: BACKBONES[arch](rngs=nnx.Rngs(0)))
  num = {kind: sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, kind))) for kind in (nnx.Param, nnx.BatchStat)}  # fmt: skip
  assert f"{num[nnx.Param]:,} parameters" in out
  assert f"{num[nnx.BatchStat]:,} running statistics" in out
  assert "the leak audit of a run that starts from these weights will not know" in out
  back = tmp_path / "out.safetensors"
  assert command(capsys, "--from", tmp_path / "ours", "--to", back)[0] == 0
  same(tensors, safetensors.numpy.load_file(back))
  with safetensors.safe_open(back, framework="np") as file:
    assert file.metadata() == {"format": "pt", "arch": arch}


def test_pth_in_and_out_again(state_dict, tmp_path, capsys):
  torch = pytest.importorskip("torch")
  ours = {f"module.{name}": torch.from_numpy(np.array(tensor)) for name, tensor in state_dict.items()}
  torch.save({"state_dict": ours, "epoch": 3}, tmp_path / "in.pth")
  back = tmp_path / "out.safetensors"
  code, out, _ = command(capsys, "--arch", "mobilenet_v2", "--from", tmp_path / "in.pth", "--to", back)
  assert code == 0
  assert "lies under 'state_dict'; beside it and not read: epoch" in out
  assert f"took the prefix 'module.' off all {len(ours)} names" in out
  torch_load = pytest.importorskip("safetensors.torch").load_file
  same(state_dict, {name: tensor.numpy() for name, tensor in torch_load(back).items()})


def test_load_gives_what_was_saved(state_dict, directory):
  assert weights.is_weights(directory)
  assert not weights.is_weights(directory.parent)
  saved, loaded = weights.convert("mobilenet_v2", state_dict, ("archery", "bowling")), weights.load(directory)
  assert (loaded.arch, loaded.classes, loaded.origin) == ("mobilenet_v2", ("archery", "bowling"), {})
  for a, b in zip(saved[1:4], loaded[1:4], strict=True):
    jax.tree.map(np.testing.assert_array_equal, a, b)  # also holds that the keys are the same
  model = weights_dir.abstract_backbone("mobilenet_v2")
  state = nnx.state(model, nnx.Param)
  nnx.replace_by_pure_dict(state, loaded.params)
  assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float32 for leaf in jax.tree.leaves(state))


def test_convert_changes_no_value_of_the_state_dict(state_dict):
  got = weights.convert("mobilenet_v2", state_dict)
  same(state_dict, weights.to_state_dict(got))
  assert got.classes is None
  assert got.rest["features.0.1.num_batches_tracked"] == 7


def test_classes_come_from_the_file_or_the_metadata(state_dict, tmp_path, capsys):
  names = tmp_path / "names.txt"
  names.write_text("archery\n\nriding a café racer \narchery\n", encoding="utf-8")
  source = write(state_dict, tmp_path / "in.safetensors")
  there = tmp_path / "there.safetensors"
  _, out, _ = command(capsys, "--arch", "mobilenet_v2", "--from", source, "--to", there, "--classes", names)
  assert "trained on 2 classes" in out
  code, out, _ = command(capsys, "--from", there, "--to", tmp_path / "ours")
  assert code == 0
  assert weights.load(tmp_path / "ours").classes == ("archery", "riding a café racer")
  assert weights.load(tmp_path / "ours").origin["file"] == "there.safetensors"


def test_wrong_class_files(directory, tmp_path, capsys):
  (tmp_path / "empty.txt").write_text("\n \n")
  (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
  for name, said in [("empty.txt", "names no class"), ("bytes.txt", "as text"), ("none.txt", "No such file")]:
    code, _, err = command(capsys, "--from", directory, "--to", tmp_path / "x", "--classes", tmp_path / name)
    assert code == 2
    assert name in err
    assert said in err


class Trap:
  """Unpickled, it makes a file."""

  def __init__(self, path):
    self.path = str(path)

  def __reduce__(self):
    return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", ["torch", "torch-old", 2, 4])
def test_code_in_a_pickle_is_refused_and_never_run(protocol, tmp_path, capsys):
  torch = pytest.importorskip("torch")
  held = {"fc.weight": Trap(tmp_path / "sprung")}
  file = tmp_path / "bad.pth"
  if isinstance(protocol, int):
    file.write_bytes(pickle.dumps(held, protocol))
  else:
    torch.save(held, file, _use_new_zipfile_serialization=protocol == "torch")
  code, _, err = command(capsys, "--arch", "resnet18", "--from", file, "--to", tmp_path / "ours")
  assert code == 2
  assert f"error: {file}" in err
  assert "nothing of it was loaded" in err
  if protocol != 4:  # which torch does not read at all
    assert f"holds more than tensors ({os.mkdir.__module__}.mkdir), which could run code" in err
  assert not (tmp_path / "sprung").exists()
  assert not (tmp_path / "ours").exists()
  pickle.loads(pickle.dumps(held))  # the trap does spring for who is careless
  assert (tmp_path / "sprung").exists()


def test_whole_models_are_refused(tmp_path):
  torch = pytest.importorskip("torch")
  torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
  with pytest.raises(InputError, match=r"holds more than tensors \(torch.nn.*state_dict\(\) alone"):
    weights.read_state_dict(tmp_path / "model.pt")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "folder", "absent"])
def test_unreadable_files_are_named(suffix, damage, tmp_path, capsys):
  torch = pytest.importorskip("torch")
  file = tmp_path / f"in{suffix}"
  if suffix == ".safetensors":
    write({"a": np.zeros(3000)}, file)
  else:
    torch.save({"a": torch.zeros(3000)}, file)
  whole = file.read_bytes()
  file.unlink()
  if damage == "folder":
    file.mkdir()
  elif damage != "absent":
    file.write_bytes({"empty": b"", "cut": whole[:-700], "noise": b"\x17noise" * 100}[damage])
  code, _, err = command(capsys, "--arch", "resnet18", "--from", file, "--to", tmp_path / "ours")
  assert code == 2
  said = {"empty": "is empty", "cut": "is cut off", "noise": "damaged", "folder": "is a directory", "absent": "no such file"}  # fmt: skip
  assert f"error: {file}" in err
  assert said[damage] in err
  assert len(err.strip().splitlines()) == 1


def test_other_suffixes_are_refused(tmp_path):
  (tmp_path / "weights.pickle").write_bytes(b"x")
  with pytest.raises(InputError, match=r"weights\.pickle: expected a name that ends in .*rename the file"):
    weights.read_state_dict(tmp_path / "weights.pickle")


def test_a_torch_that_is_not_safe_is_refused(tmp_path, monkeypatch):
  torch = pytest.importorskip("torch")
  torch.save({"a": torch.zeros(2)}, tmp_path / "in.pth")
  monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
  with pytest.raises(InputError, match=r"in\.pth: torch 2\.5\.1\+cpu can be made to run code"):
    weights.read_state_dict(tmp_path / "in.pth")


def test_without_torch_the_way_out_is_said(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "torch", None)
  (tmp_path / "in.pth").write_bytes(b"x")
  with pytest.raises(
    InputError, match=r'in\.pth: .*pip install "zsar-jax\[torch\]", or convert it to .safetensors'
  ):
    weights.read_state_dict(tmp_path / "in.pth")


@pytest.mark.parametrize(
  ("held", "said"),
  [
    ({}, "an empty dict, expected a state dict"),
    ([1], "a list, expected a state dict"),
    ({"model": {}, "epoch": 1}, "an empty dict"),
    ({"a": 1, 2: "b"}, "'a' is a int\n  - 2 is a str"),
  ],
)
def test_what_is_no_state_dict(held, said, tmp_path):
  torch = pytest.importorskip("torch")
  torch.save(held, tmp_path / "in.pth")
  with pytest.raises(InputError, match=r"in\.pth") as error:
    weights.read_state_dict(tmp_path / "in.pth")
  assert said in str(error.value)


def test_other_precisions_become_float32_and_are_told(tmp_path):
  torch = pytest.importorskip("torch")
  from safetensors.torch import save_file

  third = torch.full((2,), 1 / 3)
  held = {"a": third, "b": third.half(), "c": third.bfloat16(), "d": third.double(), "n": torch.tensor(3)}
  torch.save(held, tmp_path / "in.pth")
  save_file(held, tmp_path / "in.safetensors")
  for name in ("in.pth", "in.safetensors"):
    file = weights.read_state_dict(tmp_path / name)
    assert [str(t.dtype) for t in file.tensors.values()] == ["float32"] * 4 + ["int64"], name
    assert [file.tensors[k][0] for k in "abc"] == [held[k].float()[0] for k in "abc"]
    assert len(file.notes) == 3
    assert "converted 1 tensors from bfloat16 to float32" in file.notes


def test_useless_values_and_types_are_listed_at_once(tmp_path):
  torch = pytest.importorskip("torch")
  held = {
    "nan": torch.tensor([1.0, float("nan")]),
    "large": torch.tensor([1e300], dtype=torch.float64),
    "complex": torch.zeros(2, dtype=torch.complex64),
    "sparse": torch.eye(2).to_sparse(),
    "good": torch.ones(2),
  }
  torch.save(held, tmp_path / "in.pth")
  with pytest.raises(InputError) as error:
    weights.read_state_dict(tmp_path / "in.pth")
  lines = str(error.value).splitlines()[1:]
  assert [line.split()[1] for line in lines] == ["nan", "large", "complex", "sparse"]
  safetensors.numpy.save_file({"z": np.zeros(2, np.complex64)}, tmp_path / "in.safetensors")
  with pytest.raises(InputError, match="z is C64"):
    weights.read_state_dict(tmp_path / "in.safetensors")


def test_every_misfit_is_listed_and_the_right_architecture_is_guessed(tmp_path, capsys):
  shapes = json.loads((golden_cases.FOLDER / "resnet34.json").read_text())["parameters"]
  source = write(
    {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "in.safetensors"
  )
  code, _, err = command(capsys, "--arch", "resnet18", "--from", source, "--to", tmp_path / "ours")
  assert code == 2
  assert f"error: {source}: these weights do not fit ResNet" in err
  assert "unexpected layer1.2.conv1.weight (64, 64, 3, 3)" in err
  assert err.strip().endswith("these look like resnet34: try --arch resnet34")
  assert not (tmp_path / "ours").exists()


def test_no_other_architecture_is_guessed_for_a_slip_or_for_nonsense(state_dict):
  slip = {name.replace("features.3.", "feature.3."): tensor for name, tensor in state_dict.items()}
  for tensors in (slip, {"a": np.zeros(2, np.float32)}):
    with pytest.raises(InputError) as error:
      weights.convert("mobilenet_v2", tensors)
    assert "look like" not in str(error.value)


def test_architectures_without_weights(state_dict, tmp_path, capsys):
  with pytest.raises(InputError, match=r"arch 'resnet43' .*did you mean 'resnet34'"):
    weights.convert("resnet43", state_dict)
  with pytest.raises(InputError, match="arch 'features' is no backbone with weights"):
    weights.convert("features", state_dict)
  with pytest.raises(InputError, match="no counterpart in torch"):
    weights.convert("r2plus1d_tiny", state_dict)
  source = write({"a": np.zeros(2, np.float32)}, tmp_path / "in.safetensors")
  code, _, err = command(capsys, "--from", source, "--to", tmp_path / "ours")
  assert code == 2
  assert "add --arch, one of r2plus1d_18, r3d_18, c3d" in err


def test_a_contradicting_arch_is_refused(directory, tmp_path, capsys):
  target = tmp_path / "out.safetensors"
  code, _, err = command(capsys, "--arch", "resnet18", "--from", directory, "--to", target)
  assert code == 2
  assert "holds mobilenet_v2, but --arch says resnet18" in err
  assert command(capsys, "--arch", "mobilenet_v2", "--from", directory, "--to", target)[0] == 0


def tiny(seed=0):
  """Weights that torch knows nothing of, and that are soon written."""
  return weights.Weights("resnet_tiny", *drawn("resnet_tiny", seed), {}, None, {"file": "none"})


def drawn(arch, seed):
  """(params, batch_stats) of random numbers."""
  model, rng = weights_dir.abstract_backbone(arch), np.random.default_rng(seed)
  parts = [nnx.to_pure_dict(nnx.state(model, kind)) for kind in (nnx.Param, nnx.BatchStat)]
  return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), parts)


def test_saving_never_destroys_other_things(directory, tmp_path, capsys):
  (tmp_path / "mine").mkdir()
  (tmp_path / "mine" / "thesis.txt").write_text("x")
  (tmp_path / "file").write_text("x")
  for name, said in [("mine", "holds other things than weights"), ("file", "is a file")]:
    code, _, err = command(capsys, "--from", directory, "--to", tmp_path / name)
    assert code == 2
    assert said in err
  assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
  for name in ("out.pth", "out.pt"):
    code, _, err = command(capsys, "--from", directory, "--to", tmp_path / name)
    assert code == 2
    assert "only .safetensors files are written" in err


def test_saving_replaces_weights_and_fills_empty_folders(tmp_path):
  target = tmp_path / "a" / "ours"
  target.mkdir(parents=True)
  for seed in (0, 1):
    weights.save(tiny(seed), target)
    jax.tree.map(np.testing.assert_array_equal, weights.load(target).params, tiny(seed).params)
  assert sorted(p.name for p in target.parent.iterdir()) == ["ours"]


def test_a_save_that_fails_leaves_the_old_weights(tmp_path, monkeypatch):
  weights.save(tiny(0), tmp_path / "ours")

  def fail(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(weights_dir, "write_text", fail)
  with pytest.raises(InputError, match="ours cannot be written: No space left on device"):
    weights.save(tiny(1), tmp_path / "ours")
  jax.tree.map(np.testing.assert_array_equal, weights.load(tmp_path / "ours").params, tiny(0).params)
  assert [p.name for p in tmp_path.iterdir()] == ["ours"]


def test_every_damaged_file_is_named(tmp_path):
  weights.save(tiny(), tmp_path / "ours")
  for file in sorted(p for p in (tmp_path / "ours" / "arrays").rglob("*") if p.is_file()):
    whole = file.read_bytes()
    if whole:
      middle = len(whole) // 2
      file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
      with pytest.raises(InputError) as error:
        weights.load(tmp_path / "ours")
      assert f"{file} was changed or is damaged" in str(error.value)
    file.unlink()
    with pytest.raises(InputError) as error:
      weights.load(tmp_path / "ours")
    assert f"{file} is missing" in str(error.value)
    file.write_bytes(whole)
  weights.load(tmp_path / "ours")


def edit(folder, **changes):
  path = folder / "weights.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_wrong_weights_json(tmp_path):
  folder = tmp_path / "ours"
  weights.save(tiny(), folder)
  facts = (folder / "weights.json").read_text()
  cases = [
    ({"arch": "resnet_tinny"}, "did you mean 'resnet_tiny'"),
    ({"format": 99}, "is of format 99, expected 1"),
    ({"classes": "archery"}, "is not as this command writes it"),
    ({"sha256": "0" * 64}, "holds other values than weights.json says"),
    ({"arch": "resnet18"}, "do not fit resnet18:\n  - missing "),
  ]
  for changes, said in cases:
    edit(folder, **changes)
    with pytest.raises(InputError) as error:
      weights.load(folder)
    assert said in str(error.value)
    (folder / "weights.json").write_text(facts)
  (folder / "weights.json").write_text("{")
  with pytest.raises(InputError, match=r"weights\.json cannot be read"):
    weights.load(folder)
  with pytest.raises(InputError, match=r"is no directory of weights: it has no weights\.json"):
    weights.load(tmp_path)


def run_of(arch, workdir, steps=(3,), value=1.0):
  """The workdir of a run: a config and checkpoints as training saves them, full of `value` + step."""
  folder = Folder(workdir / "checkpoints")
  for step in steps:
    params, batch_stats = jax.tree.map(
      lambda leaf, fill=value + step: np.full_like(leaf, fill), drawn(arch, 0)
    )
    state = {
      "step": np.int32(step),
      "params": {"backbone": params, "regressor": {"bias": np.ones(3)}},
      "batch_stats": {"backbone": batch_stats} if batch_stats else {},
      "opt_state": (np.ones(3),),
    }
    write_step(folder, step, state, Facts(step, None, None, {}))
  (workdir / "config.json").write_text(json.dumps({"model": {"backbone": arch}, "vectors": "hash:300"}))
  return workdir


def test_the_backbone_of_a_run_comes_out(tmp_path, capsys):
  workdir, target = run_of("mobilenet_v2", tmp_path / "run", (3, 8)), tmp_path / "out.safetensors"
  code, out, err = command(capsys, "--from", workdir, "--to", target)
  assert (code, err) == (0, "")
  assert f"read {workdir}, step 8" in out
  assert "only the backbone was taken" in out
  tensors = safetensors.numpy.load_file(target)
  wanted = {k: s for k, s in golden_cases.load("mobilenet_v2").facts["parameters"].items() if "classifier" not in k}  # fmt: skip
  assert {name: list(tensor.shape) for name, tensor in tensors.items()} == wanted
  assert set(np.unique(tensors["features.1.conv.1.weight"])) == {9}
  assert command(capsys, "--from", workdir, "--to", tmp_path / "ours")[0] == 0
  assert weights.load(tmp_path / "ours").origin == {"run": "run", "step": "8"}


def test_a_step_that_cannot_be_read_gives_way_to_the_one_before(tmp_path):
  workdir = run_of("resnet_tiny", tmp_path / "run", (3, 8))
  (workdir / "checkpoints" / "9").mkdir()
  (workdir / "checkpoints" / "8" / "state" / "_METADATA").unlink()
  assert weights.load_run(workdir).origin["step"] == "3"
  (workdir / "checkpoints" / "3" / "state" / "_METADATA").write_text("{")
  with pytest.raises(
    InputError, match=r"holds no step that can be read; train first\n  - step 9: .*\n  - step 8: .*_METADATA"
  ):
    weights.load_run(workdir)


def test_runs_that_give_no_weights(tmp_path, capsys):
  workdir = run_of("resnet_tiny", tmp_path / "run")
  code, _, err = command(capsys, "--from", workdir, "--to", tmp_path / "out.safetensors")
  assert code == 2
  assert "no counterpart in torch" in err
  assert command(capsys, "--from", workdir, "--to", tmp_path / "ours")[0] == 0
  (workdir / "config.json").write_text(
    json.dumps({"model": {"backbone": "r2plus1d_tiny"}, "vectors": "hash:300"})
  )
  with pytest.raises(InputError, match=r"do not fit r2plus1d_tiny:\n  - missing "):
    weights.load_run(workdir)
  (workdir / "config.json").write_text("[]")
  with pytest.raises(InputError, match="does not say which backbone and word vectors"):
    weights.load_run(workdir)
  with pytest.raises(InputError, match=r"step 3 of .* is of no use:\n  - .* has values that are infinite"):
    weights.load_run(run_of("resnet_tiny", tmp_path / "lost", value=np.inf))
  code, _, err = command(capsys, "--from", tmp_path, "--to", tmp_path / "out.safetensors")
  assert code == 2
  assert "is neither a directory of weights" in err


@pytest.mark.parametrize(
  "arch", ["googlenet", pytest.param("c3d", marks=SLOW), pytest.param("vgg16", marks=SLOW)]
)
def test_others_round_trip_in_memory(arch):
  tensors = golden_cases.load(arch).state_dict
  same(tensors, weights.to_state_dict(weights.convert(arch, tensors)))


def test_the_command_imports_neither_torch_nor_tensorflow(tmp_path):
  code = "import sys; from zsar_jax.models import weights; weights.main(sys.argv[1:]); print(*sys.modules)"
  missing = ["--from", str(tmp_path / "none.safetensors"), "--to", str(tmp_path / "x"), "--arch", "resnet18"]
  done = subprocess.run([sys.executable, "-c", code, *missing], capture_output=True, text=True, check=True)
  assert "none.safetensors: no such file" in done.stderr
  assert not {"torch", "tensorflow", "gensim", "av", "matplotlib"} & set(done.stdout.split())
  done = subprocess.run(
    [sys.executable, "-m", "zsar_jax.models.weights", *missing], capture_output=True, text=True
  )
  assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_backbone_without_statistics_comes_out_of_its_run(tmp_path, monkeypatch):
  class Plain(nnx.Module):
    def __init__(self):
      self.layers = nnx.List([nnx.Linear(2, 3, rngs=nnx.Rngs(0))])

  monkeypatch.setattr(weights_dir, "abstract_backbone", lambda arch: nnx.eval_shape(Plain))
  got = weights.load_run(run_of("vgg16", tmp_path / "run"))
  assert (got.params["layers"][0]["bias"].tolist(), got.batch_stats) == ([4, 4, 4], {})
  weights.save(got, tmp_path / "ours")
  assert weights.load(tmp_path / "ours").batch_stats == {}
