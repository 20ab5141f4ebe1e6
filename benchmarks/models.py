"""Training step and embedding of every model, ours and PyTorch's in alternation.

python benchmarks/models.py --arch all --against torch --json [--rounds 5] [--out benchmarks/results/models-cpu.json]

Each model is its paper's (E2E with 16 frames of 112 x 112; ResT with its frames of 224 x 224 and a 12-layer transformer; VGG16 with 2
frames, to spare time) from bytes on the device to updated parameters (normalisation, loss, gradient, Adam or AdamW), or to
embeddings. PyTorch's side does the same work with small liberties: one mean for all colours, words masked at a rate of 0.5.

`ratio` is PyTorch's seconds over ours in the same round, median over the rounds: above 1, ours is faster. Runs without TensorFlow.
"""

import argparse
import gc
import pathlib
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import measuring

SIDES = ("torch", "torch_compiled")


class Case(NamedTuple):
  config: str
  backbone: str
  num_frames: int
  size: int  # pixels
  batch: int  # clips, on CPUs
  batch_accelerator: int


CASES = {
  "r2plus1d_18": Case("e2e_r2plus1d", "r2plus1d_18", 16, 112, 2, 128),
  "r3d_18": Case("e2e_r3d", "r3d_18", 16, 112, 2, 128),
  "c3d": Case("e2e_c3d", "c3d", 16, 112, 2, 128),
  "resnet18": Case("rest18", "resnet18", 16, 224, 2, 64),
  "resnet34": Case("rest34", "resnet34", 8, 224, 2, 64),
  "resnet101": Case("rest101", "resnet101", 4, 224, 2, 64),
  "vgg16": Case("rest_encoder:vgg16", "vgg16", 2, 224, 1, 8),
  "mobilenet_v2": Case("rest_encoder:mobilenet_v2", "mobilenet_v2", 16, 224, 2, 64),
  "googlenet": Case("rest_encoder:googlenet", "googlenet", 16, 224, 2, 64),
}
NUM_CLASSES, VOCABULARY, NUM_WORDS = 664, 1000, 4


def frames_of(case: Case, batch: int) -> Any:
  import numpy as np

  shape = (batch, 1, case.num_frames, case.size, case.size, 3)
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def ours(case: Case, batch: int, options: argparse.Namespace) -> dict[str, Callable[[], None]]:
  """{"train": one step, "embed": one batch}, compiled."""
  import jax
  import numpy as np

  from zsar_jax import config as configs
  from zsar_jax.accounting import find_classes
  from zsar_jax.methods import make_method
  from zsar_jax.methods.frames import normalize
  from zsar_jax.train.apply import make_apply
  from zsar_jax.train.sharding import make_mesh, place_batch, place_everywhere
  from zsar_jax.train.state import init_state, make_network, make_stages
  from zsar_jax.train.step import make_train_step
  from zsar_jax.types import ClipBatch

  root = pathlib.Path(__file__).parent.parent
  file, _, variant = case.config.partition(":")
  overrides = {"model.bn_group_size": "0", "data.num_frames": str(case.num_frames), "train.batch_size": str(batch),
               "model.dtype": options.dtype, "model.conv_impl": options.conv_impl}  # fmt: skip
  path = f"{root}/configs/{file}.py" + (f":{variant}" if variant else "")
  config = configs.load(path, overrides)
  method = make_method(config, find_classes(config, NUM_CLASSES, VOCABULARY - 2, NUM_WORDS).seen)
  network, mesh = make_network(method, 0), make_mesh()
  stage = make_stages(config, method, network.params, 1000 * batch)[-1]
  state = place_everywhere(mesh, init_state(network, stage))
  step = make_train_step(config, network.graphdef, stage, mesh)
  apply = make_apply(
    network.graphdef,
    mesh,
    lambda m, f: method.embed(m, normalize(f, config.data, jax.numpy.dtype(options.dtype))),
  )
  labels, words = np.zeros(batch, np.int32), np.full((batch, NUM_WORDS), 2, np.int32)
  clips = ClipBatch(frames_of(case, batch), labels, words, np.ones(batch, bool), labels)
  placed = place_batch(mesh, clips)

  def train() -> None:
    nonlocal state
    state, metrics, _ = step(state, placed)
    jax.block_until_ready((state, metrics))

  def embed() -> None:
    apply(state.params, state.batch_stats, placed.frames).block_until_ready()

  return {"train": train, "embed": embed}


def theirs(
  case: Case, batch: int, options: argparse.Namespace, compiled: bool
) -> dict[str, Callable[[], None]]:
  """The same of PyTorch, eager or through torch.compile."""
  import torch
  import torch_models

  device = "cuda" if torch.cuda.is_available() else "cpu"
  clips_in = case.config.startswith("e2e")
  model = (
    torch_models.E2E(case.backbone)
    if clips_in
    else torch_models.ResT(case.backbone, case.num_frames, NUM_CLASSES, VOCABULARY, NUM_WORDS)
  ).to(device)
  optimizer = (torch.optim.Adam if clips_in else torch.optim.AdamW)(model.parameters(), 1e-4)
  stored = torch.from_numpy(frames_of(case, batch)[:, 0]).to(device)  # [B,T,H,W,3]
  order = (0, 4, 1, 2, 3) if clips_in else (0, 1, 4, 2, 3)
  label = torch.zeros(batch, dtype=torch.long, device=device)
  words = torch.full((batch, NUM_WORDS), 2, device=device)
  targets = torch.nn.functional.normalize(torch.randn(NUM_CLASSES, 300, device=device), dim=-1)

  def loss_of(x):
    return model.loss(x, label, words, targets)

  loss, forward = (torch.compile(loss_of), torch.compile(model)) if compiled else (loss_of, model)

  def frames():
    x = stored.permute(order).float().div_(255).sub_(0.45).div_(0.225)
    if options.layout == "channels_last" and clips_in:
      return x.contiguous(memory_format=torch.channels_last_3d)
    return x if options.layout == "channels_last" else x.contiguous()

  def numerics():
    return torch.autocast(device, torch.bfloat16, enabled=options.dtype == "bfloat16")

  def finish() -> None:
    if device == "cuda":
      torch.cuda.synchronize()

  def train() -> None:
    model.train()
    optimizer.zero_grad(set_to_none=True)
    with numerics():
      value = loss(frames())
    value.backward()
    optimizer.step()
    finish()

  def embed() -> None:
    model.eval()
    with torch.inference_mode(), numerics():
      forward(frames())
    finish()

  return {"train": train, "embed": embed}


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
  import jax

  case = CASES[name]
  accelerator = jax.default_backend() != "cpu"
  batch = options.batch or (case.batch_accelerator if accelerator else case.batch)
  sides = {"ours": ours(case, batch, options)}
  if options.against == "torch":
    sides["torch"] = theirs(case, batch, options, compiled=False)
    if not options.no_compile:
      sides["torch_compiled"] = theirs(case, batch, options, compiled=True)
  result: dict[str, Any] = {"batch": batch, "num_frames": case.num_frames, "size": case.size}
  for task in ("train", "embed"):
    seconds = measuring.alternate({side: calls[task] for side, calls in sides.items()}, options.rounds)
    rates = {side: round(batch / statistics.median(values), 3) for side, values in seconds.items()}
    ratios = {
      side: measuring.ratio(values, seconds["ours"]) for side, values in seconds.items() if side != "ours"
    }
    result[task] = {"clips_per_second": rates, "ratio": ratios, "seconds": seconds}
  sides.clear()
  gc.collect()
  return result


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--arch", default="all", help=f"all, or some of {', '.join(CASES)}, with commas")
  parser.add_argument("--against", choices=("torch", "nothing"), default="torch")
  parser.add_argument("--rounds", type=int, default=5)
  parser.add_argument("--batch", type=int, help="clips; default: 1 or 2 on CPUs, 8 to 128 on accelerators")
  parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
  parser.add_argument(
    "--conv_impl", default="auto", help="how our convolutions are written; see models/conv.py"
  )
  parser.add_argument(
    "--layout", choices=("contiguous", "channels_last"), default="contiguous", help="of PyTorch's arrays"
  )
  parser.add_argument("--no_compile", action="store_true", help="leave torch.compile out")
  parser.add_argument("--json", action="store_true", help="what is printed is JSON in any case")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  names = list(CASES) if options.arch == "all" else options.arch.split(",")
  unknown = [name for name in names if name not in CASES]
  if unknown:
    parser.error(f"unknown --arch {', '.join(unknown)}; there are {', '.join(CASES)}")
  import jax

  device = {"device": jax.devices()[0].device_kind, "dtype": options.dtype, "torch_layout": options.layout}
  models = {name: measure(name, options) for name in names}
  facts = measuring.facts("jax", "flax", "optax", "torch", "torchvision")
  measuring.report(facts | device | {"models": models}, options.out)


if __name__ == "__main__":
  main()
