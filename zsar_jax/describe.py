"""What a config builds, before anything runs: `python -m zsar_jax.describe --config configs/rest101.py [--json] [--device h200]`.

Layers with shapes and parameters, multiply-adds a clip, memory of a training step, and the clips a second that a device cannot exceed.
Everything is worked out from shapes: no parameter is made, nothing is compiled (`--device cpu` measures this machine for a second).
Keys of the config can be given as to `zsar_jax.main`: `--config.model.backbone=vgg16`. Exit codes: 0 done, 2 wrong input.

`--json` prints one object and nothing else:

  config, method, backbone, dtype   text
  classes               {num, vocabulary, max_words, assumed}: of the seen classes; `assumed` false where they were read from disk
  parameters            all of them; parameters_by_part: {backbone, transformer, heads}, where `transformer` is all between the two
  batch_statistics      running values beside the parameters
  gflops_per_clip       10^9 multiply-adds of one clip's forward pass as trained (ResT: frames and words, both tasks), counted in the
                        jaxpr of the reference formulation; taps on padding count
  gflops_by_formula     the same from the layers' hyper-parameters
  gflops_embedding      of one clip's embedding, counted as gflops_per_clip (ResT: without words, unless the variant reads them)
  layers                [{path, type, parameters, batch_statistics, parameter_shapes, output_shape (of one clip; null: not used in the
                        main phase), gflops (by formula)}]; path "" is the model itself
  memory                of one device in a training step: batch_size (of all devices), devices, clips (on it at once), and in bytes
                        parameters, gradients, optimizer, batch_statistics, activations, input, total
  roofline              {device, devices, source, note, peak_flops, bandwidth, training, embedding}; the last two are
                        {clips_per_second (of all devices), compute_limit, memory_limit, limited_by}
  assumptions           [text]

Memory: `activations` are what JAX's differentiation keeps of the reference formulation from the forward for the backward pass, beside
parameters and input; it follows `model.remat` and `model.dtype`. It is an upper estimate: XLA recomputes elementwise results (its CPU
compiler keeps half to two thirds of it in float32), and needs workspace besides.

Roofline: training is 3 forward passes (4 with `model.remat`, 1 through a frozen encoder); every convolution and product reads its
operands and writes its result once, elementwise work is fused into them, parameters are read once a batch.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from zsar_jax import commands
from zsar_jax import config as configs
from zsar_jax.accounting import (
  MAX_WORDS,
  NUM_CLASSES,
  SEMANTIC_WIDTH,
  VOCABULARY,
  Batch,
  Classes,
  embedding_work,
  find_classes,
  make_subject,
  memory_of,
  native_of,
  num_elements,
  one_clip,
  reference_of,
  training_work,
)
from zsar_jax.classes.vocabulary import vocabulary, word_table
from zsar_jax.config import Config
from zsar_jax.devices import NAMES, Device, find_device, roofline
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.methods.backbone import cannot_build, model_problems
from zsar_jax.models.flops import Layer, Traced
from zsar_jax.train.sharding import check_batch

GIGA, GIB = 1e9, 2**30


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.describe", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("--config", required=True, metavar="FILE.py[:variant]", help="what to describe")
  parser.add_argument("--json", action="store_true", help="one JSON object, as documented above")
  parser.add_argument("--device", default="h200", help=f"whose roofline: {', '.join(NAMES)} (default: h200)")
  parser.add_argument("--devices", type=int, default=1, help="how many of them share a batch")
  parser.add_argument("--depth", type=int, default=2, help="levels of the model that the table tells apart")
  parser.add_argument(
    "--num_classes", type=int, help=f"seen classes, instead of the data's (or {NUM_CLASSES})"
  )
  parser.add_argument("--vocabulary", type=int, help=f"distinct words of their names (or {VOCABULARY})")
  parser.add_argument("--max_words", type=int, help=f"words of the longest name (or {MAX_WORDS})")
  args, rest = parser.parse_known_args(argv)
  config = configs.load(args.config, commands.parse_overrides(rest))
  _check(config, args)
  classes = find_classes(config, args.num_classes, args.vocabulary, args.max_words)
  report, traced = describe(config, classes, args.device, args.devices)
  report = {"config": args.config, **report}
  if args.json:
    print(json.dumps(report))
  else:
    _show(report, traced, args.depth)


def _check(config: Config, args: argparse.Namespace) -> None:
  numbers = ("devices", "depth", "num_classes", "vocabulary", "max_words")
  given = {name: getattr(args, name) for name in numbers}
  problems = [
    f"--{name} is {value}, expected at least 1"
    for name, value in given.items()
    if value is not None and value < 1
  ]
  if args.device not in NAMES:
    problems.append(
      f"--device is {args.device!r}, expected one of {', '.join(NAMES)}{did_you_mean(args.device, NAMES)}"
    )
  problems += model_problems(config)
  raise_all(problems)
  check_batch(config.train.batch_size, args.devices, config.train.accumulate, config.model.bn_group_size)


def describe(
  config: Config, classes: Classes, device_name: str = "h200", num_devices: int = 1
) -> tuple[dict[str, Any], Traced]:
  """The report as `--json` prints it, and the layers it was made from.

  Raises:
    InputError: the model cannot be built, or the device is unknown.
  """
  device = find_device(device_name)
  try:
    reference, trained = (
      make_subject(reference_of(config), classes.seen),
      make_subject(native_of(config), classes.seen),
    )
    work, traced = one_clip(reference)
    embedding = embedding_work(reference, num_devices)
    clips = config.train.batch_size // num_devices // config.train.accumulate
    training = training_work(reference, config, clips)
    memory = memory_of(trained, clips, num_devices)
  except InputError:
    raise
  except ValueError as error:
    raise cannot_build(config, error) from error
  report = {
    "method": config.method,
    "backbone": config.model.backbone,
    "dtype": config.model.dtype,
    "classes": _class_numbers(classes),
    "parameters": reference.network.num_parameters,
    "parameters_by_part": _by_part(reference.network.params),
    "batch_statistics": num_elements(reference.network.batch_stats),
    "gflops_per_clip": work.multiply_adds / GIGA,
    "gflops_by_formula": sum(x.multiply_adds for x in traced.layers) / GIGA,
    "gflops_embedding": embedding.work.multiply_adds / embedding.clips / GIGA,
    "layers": [_layer_report(x) for x in traced.layers],
    "memory": memory,
    "roofline": _roofline(config, device_name, device, num_devices, training, embedding),
    "assumptions": _assumptions(config, classes, device),
  }
  return report, traced


def _roofline(
  config: Config, name: str, device: Device, num_devices: int, training: Batch, embedding: Batch
) -> dict[str, Any]:
  dtype = config.model.dtype

  def limit(batch: Batch) -> dict[str, Any]:
    work = batch.work
    return roofline(device, dtype, work.multiply_adds, work.num_bytes, batch.clips, num_devices)._asdict()

  return {
    "device": name,
    "devices": num_devices,
    "source": device.source,
    "note": device.note if dtype == "float32" else "",
    "peak_flops": device.bfloat16 if dtype == "bfloat16" else device.float32,
    "bandwidth": device.bandwidth,
    "training": limit(training),
    "embedding": limit(embedding),
  }


def _class_numbers(classes: Classes) -> dict[str, Any]:
  seen = classes.seen
  return {
    "num": len(seen.names),
    "vocabulary": len(vocabulary(seen.words)),
    "max_words": word_table(seen.words).shape[1],
    "assumed": classes.assumed,
  }


def _assumptions(config: Config, classes: Classes, device: Device) -> list[str]:
  numbers = _class_numbers(classes)
  found = []
  if classes.assumed:
    found.append(
      f"{numbers['num']} seen classes named by up to {numbers['max_words']} of {numbers['vocabulary']} words, "
      f"word vectors of {SEMANTIC_WIDTH}: not read from data"
    )
  if config.model.remat:
    found.append("remat: a training step is 4 forward passes, one of them recomputed")
  if device.note and config.model.dtype == "float32":
    found.append(device.note)
  return found


def _by_part(params: Mapping[str, Any]) -> dict[str, int]:
  parts = {"backbone": 0, "transformer": 0, "heads": 0}
  for name, part in params.items():
    heads = name == "regressor" or name.endswith("_head")
    parts["heads" if heads else name if name == "backbone" else "transformer"] += num_elements(part)
  return parts


def _layer_report(layer: Layer) -> dict[str, Any]:
  return {
    "path": layer.path,
    "type": layer.type,
    "parameters": layer.parameters,
    "batch_statistics": layer.batch_stats,
    "parameter_shapes": {name: list(shape) for name, shape in layer.parameter_shapes.items()},
    "output_shape": None if layer.output_shape is None else list(layer.output_shape),
    "gflops": layer.multiply_adds / GIGA,
  }


def _show(report: dict[str, Any], traced: Traced, depth: int) -> None:
  console = Console(highlight=False)
  console.print(_layer_table(traced, depth))
  parts = ", ".join(f"{name} {num:,}" for name, num in report["parameters_by_part"].items())
  console.print(
    f"[bold]parameters[/bold]  {report['parameters']:,} ({parts}); {report['batch_statistics']:,} batch statistics"
  )
  console.print(f"[bold]GFLOPs a clip[/bold]  {report['gflops_per_clip']:.2f} (10⁹ multiply-adds; by formula "
                f"{report['gflops_by_formula']:.2f}), embedding {report['gflops_embedding']:.2f}")  # fmt: skip
  console.print(_memory_line(report["memory"]), soft_wrap=True)
  for line in _roofline_lines(report["roofline"], report["dtype"]):
    console.print(line, soft_wrap=True)
  for text in report["assumptions"]:
    console.print(f"[yellow]assumed[/yellow]  {text}", soft_wrap=True)


def _memory_line(memory: dict[str, int]) -> str:
  parts = ("parameters", "gradients", "optimizer", "batch_statistics", "activations", "input")
  text = ", ".join(f"{part.replace('_', ' ')} {memory[part] / GIB:.3f}" for part in parts)
  return f"[bold]memory[/bold]  {memory['total'] / GIB:.2f} GiB a device for {memory['clips']} clips at once: {text}"


def _roofline_lines(limits: dict[str, Any], dtype: str) -> list[str]:
  head = (f"[bold]roofline[/bold]  {limits['devices']} x {limits['device']}: {limits['peak_flops'] / 1e12:.3g} TFLOP/s in {dtype}, "
          f"{limits['bandwidth'] / 1e12:.2g} TB/s ({limits['source']})")  # fmt: skip
  return [head] + [
    f"  {name}  at most {limit['clips_per_second']:.4g} clips/s, by {limit['limited_by']} "
    f"(compute {limit['compute_limit']:.4g}, memory {limit['memory_limit']:.4g})"
    for name, limit in (("training", limits["training"]), ("embedding", limits["embedding"]))
  ]


def _layer_table(traced: Traced, depth: int) -> Table:
  table = Table(box=None)
  for heading, whole in (("layer", True), ("type", False), ("parameter shapes", False), ("output", True)):
    table.add_column(heading, no_wrap=whole)
  for heading in ("parameters", "GFLOPs"):
    table.add_column(heading, justify="right")
  groups: dict[str, list[Layer]] = {}
  for layer in traced.layers:
    groups.setdefault(_group(layer.path, depth), []).append(layer)
  for path, layers in groups.items():
    table.add_row(path or "(model)", *_group_cells(layers, traced.shapes.get(path)))
  return table


def _group_cells(layers: list[Layer], output: tuple[int, ...] | None) -> list[str]:
  """Type, shapes, output, parameters and GFLOPs of layers that share a row."""
  alone, output = len(layers) == 1, output or layers[-1].output_shape
  shapes = sorted(layers[0].parameter_shapes.values(), key=len, reverse=True) if alone else []
  return [
    layers[0].type if alone else f"{len(layers)} layers",
    ", ".join(map(_shape, shapes)),
    _shape(output) if output else "unused",
    f"{sum(x.parameters for x in layers):,}",
    f"{sum(x.multiply_adds for x in layers) / GIGA:.3f}",
  ]


def _group(path: str, depth: int) -> str:
  """The first `depth` steps of a path; a number belongs to the name before it (`stages.0`)."""
  steps: list[str] = []
  for step in path.split("."):
    if step.isdigit() and steps:
      steps[-1] += f".{step}"
    else:
      steps.append(step)
  return ".".join(steps[:depth])


def _shape(shape: tuple[int, ...]) -> str:
  return "×".join(map(str, shape))


if __name__ == "__main__":
  sys.exit(main())
