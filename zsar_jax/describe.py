"""What a config builds, before anything runs: `python -m zsar_jax.describe --config configs/rest101.py [--json] [--device h200]`.

Layers with shapes and parameters, multiply-adds a clip, memory of a training step, and the clips a second that a device cannot exceed.
With `--devices 64 [--devices_per_host 8]` also what they exchange in a step, the share of the step that takes, and what hosts read.
Everything is worked out from shapes: no parameter is made, nothing is compiled (`--device cpu` measures this machine for a second).
Keys of the config can be given as to `zsar_jax.main`: `--config.model.backbone=vgg16`. Exit codes: 0 done, 2 wrong input.

`--json` prints one object and nothing else; sizes in bytes, times in seconds, rates a second:

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
  memory                of one device in a training step: batch_size (of all devices), devices, clips (on it at once), and
                        parameters, gradients, optimizer, batch_statistics, activations, input, total; capacity (null: not known)
  roofline              {device, devices, source, note, peak_flops, bandwidth, training, embedding}; the last two are
                        {clips_per_second (of all devices), compute_limit, memory_limit, limited_by}
  exchange              of a step of the main phase. Where: hosts, devices_per_host, islands (of devices that fast links join),
                        devices_per_island, source; bandwidth_inside, bandwidth_between (sent by one device inside an island, and its
                        share between islands; null: not known), latency_inside, latency_between (of one exchange), latency_source.
                        What each device hands in: gradient_bytes, batch_norm_bytes, metric_bytes; sent_bytes (by one device in
                        all); exchanges (that wait for each other, at most). Time, null where links are not known: seconds,
                        share (of compute and exchange one after the other), clips_per_second (of all devices, so); compute_seconds
  input                 of one host at that rate: clips_per_second, bytes_per_second, cores (null: nothing to decode), source
  assumptions           [text]

Memory: `activations` are what JAX's differentiation keeps of the reference formulation from the forward for the backward pass, beside
parameters and input; it follows `model.remat` and `model.dtype`. It is an upper estimate: XLA recomputes elementwise results (its CPU
compiler keeps half to two thirds of it in float32), and needs workspace besides.

Roofline: training is 3 forward passes (4 with `model.remat`, 1 through a frozen encoder); every convolution and product reads its
operands and writes its result once, elementwise work is fused into them, parameters are read once a batch.

Exchange: the bytes are those of the compiled step; all else is arithmetic on published rates, which real links do not reach. The share
is too high in that XLA exchanges some while it computes, and in that no device computes at the roofline.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from zsar_jax import commands
from zsar_jax import config as configs
from zsar_jax.accounting import (
  MAX_WORDS,
  NUM_CLASSES,
  SEMANTIC_WIDTH,
  VOCABULARY,
  Batch,
  Classes,
  find_classes,
  num_elements,
)
from zsar_jax.classes.vocabulary import vocabulary, word_table
from zsar_jax.config import Config
from zsar_jax.costs import Costs, costs_of
from zsar_jax.describe_text import show
from zsar_jax.devices import NAMES, Device, find_device, roofline
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.methods.backbone import model_problems
from zsar_jax.models.flops import Layer, Traced
from zsar_jax.scale import exchange_report, input_report
from zsar_jax.topology import LATENCY_BETWEEN, LATENCY_INSIDE, Topology, make_topology, topology_problems
from zsar_jax.train.sharding import check_batch

GIGA = 1e9


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
  parser.add_argument(
    "--devices_per_host", type=int, help="default: 8 GPUs, 4 TPU chips, 1 CPU, at most --devices"
  )
  parser.add_argument("--depth", type=int, default=2, help="levels of the model that the table tells apart")
  parser.add_argument(
    "--num_classes", type=int, help=f"seen classes, instead of the data's (or {NUM_CLASSES})"
  )
  parser.add_argument("--vocabulary", type=int, help=f"distinct words of their names (or {VOCABULARY})")
  parser.add_argument("--max_words", type=int, help=f"words of the longest name (or {MAX_WORDS})")
  args, overrides = commands.parse_with_config(parser, argv)
  config = configs.load(args.config, overrides)
  topology = _check(config, args)
  classes = find_classes(config, args.num_classes, args.vocabulary, args.max_words)
  report, traced = describe(config, classes, topology)
  report = {"config": args.config, **report}
  if args.json:
    print(json.dumps(report))
  else:
    show(report, traced, args.depth)


def _check(config: Config, args: argparse.Namespace) -> Topology:
  numbers = ("devices", "devices_per_host", "depth", "num_classes", "vocabulary", "max_words")
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
  topology = make_topology(args.device, args.devices, args.devices_per_host or 0)
  problems += topology_problems(topology)
  problems += model_problems(config)
  if args.devices > 0:
    problems += _batch_problems(config, args.devices)
  raise_all(problems)
  return topology


def _batch_problems(config: Config, num_devices: int) -> list[str]:
  try:
    check_batch(config.train.batch_size, num_devices, config.train.accumulate, config.model.bn_group_size)
  except InputError as error:
    return [str(error)]
  return []


def describe(config: Config, classes: Classes, topology: Topology) -> tuple[dict[str, Any], Traced]:
  """The report as `--json` prints it, and the layers it was made from.

  Raises:
    InputError: the model cannot be built, or the device is unknown.
  """
  device = find_device(topology.device)
  costs = costs_of(config, classes, topology.num_devices)
  limits = _roofline(config, topology, device, costs)
  exchange = exchange_report(config, costs, topology, limits["training"]["clips_per_second"])
  rate = exchange["clips_per_second"] or limits["training"]["clips_per_second"]
  report = {
    "method": config.method,
    "backbone": config.model.backbone,
    "dtype": config.model.dtype,
    "classes": _class_numbers(classes),
    "parameters": costs.reference.num_parameters,
    "parameters_by_part": _by_part(costs.reference.params),
    "batch_statistics": num_elements(costs.reference.batch_stats),
    "gflops_per_clip": costs.clip.multiply_adds / GIGA,
    "gflops_by_formula": sum(x.multiply_adds for x in costs.traced.layers) / GIGA,
    "gflops_embedding": costs.embedding.work.multiply_adds / costs.embedding.clips / GIGA,
    "layers": [_layer_report(x) for x in costs.traced.layers],
    "memory": {**costs.memory, "capacity": device.capacity or None},
    "roofline": limits,
    "exchange": exchange,
    "input": input_report(config, topology, rate),
    "assumptions": _assumptions(config, classes, device, topology),
  }
  return report, costs.traced


def _roofline(config: Config, topology: Topology, device: Device, costs: Costs) -> dict[str, Any]:
  dtype = config.model.dtype

  def limit(batch: Batch) -> dict[str, Any]:
    work = batch.work
    return roofline(
      device, dtype, work.multiply_adds, work.num_bytes, batch.clips, topology.num_devices
    )._asdict()

  return {
    "device": topology.device,
    "devices": topology.num_devices,
    "source": device.source,
    "note": device.note if dtype == "float32" else "",
    "peak_flops": device.bfloat16 if dtype == "bfloat16" else device.float32,
    "bandwidth": device.bandwidth,
    "training": limit(costs.training),
    "embedding": limit(costs.embedding),
  }


def _class_numbers(classes: Classes) -> dict[str, Any]:
  seen = classes.seen
  return {
    "num": len(seen.names),
    "vocabulary": len(vocabulary(seen.words)),
    "max_words": word_table(seen.words).shape[1],
    "assumed": classes.assumed,
  }


def _assumptions(config: Config, classes: Classes, device: Device, topology: Topology) -> list[str]:
  numbers = _class_numbers(classes)
  found = []
  if classes.assumed:
    found.append(
      f"{numbers['num']} seen classes named by up to {numbers['max_words']} of {numbers['vocabulary']} words, "
      f"word vectors of {SEMANTIC_WIDTH}: not read from data"
    )
  if config.model.remat:
    found.append("remat: a training step is 4 forward passes, one of them recomputed")
  if topology.num_devices > 1 and topology.links:
    found.append(
      f"an exchange takes {1e6 * LATENCY_INSIDE:.0f} µs inside an island and {1e6 * LATENCY_BETWEEN:.0f} µs more between islands, "
      "besides its bytes"
    )
  if config.train.accumulate > 1 and topology.num_devices > 1:
    found.append(
      "gradients are added up over devices once a micro-batch, as the compiler is given it; it may do so once a step"
    )
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


if __name__ == "__main__":
  sys.exit(main())
