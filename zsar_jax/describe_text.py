"""What `zsar_jax.describe` prints for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from zsar_jax.models.flops import Layer, Traced

GIGA, GIB = 1e9, 2**30


def show(report: dict[str, Any], traced: Traced, depth: int) -> None:
  """Prints the report of `--json`; `depth`: levels of the model that its table tells apart."""
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
  for line in (
    *_exchange_lines(report["exchange"], report["roofline"]),
    _input_line(report["input"], report["exchange"]),
  ):
    console.print(line, soft_wrap=True)
  for text in report["assumptions"]:
    console.print(f"[yellow]assumed[/yellow]  {text}", soft_wrap=True)


def _memory_line(memory: dict[str, Any]) -> str:
  parts = ("parameters", "gradients", "optimizer", "batch_statistics", "activations", "input")
  text = ", ".join(f"{part.replace('_', ' ')} {memory[part] / GIB:.3f}" for part in parts)
  line = f"[bold]memory[/bold]  {memory['total'] / GIB:.2f} GiB a device for {memory['clips']} clips at once: {text}"
  if memory["capacity"] is None or memory["total"] <= memory["capacity"]:
    return line
  return (f"{line}\n[red]may not fit[/red]  a device has {memory['capacity'] / GIB:.1f} GiB; use more devices, a smaller "
          "train.batch_size, model.remat=true or train.accumulate")  # fmt: skip


def _roofline_lines(limits: dict[str, Any], dtype: str) -> list[str]:
  head = (f"[bold]roofline[/bold]  {limits['devices']} x {limits['device']}: {limits['peak_flops'] / 1e12:.3g} TFLOP/s in {dtype}, "
          f"{limits['bandwidth'] / 1e12:.2g} TB/s ({limits['source']})")  # fmt: skip
  return [head] + [
    f"  {name}  at most {limit['clips_per_second']:.4g} clips/s, by {limit['limited_by']} "
    f"(compute {limit['compute_limit']:.4g}, memory {limit['memory_limit']:.4g})"
    for name, limit in (("training", limits["training"]), ("embedding", limits["embedding"]))
  ]


def _exchange_lines(exchange: dict[str, Any], limits: dict[str, Any]) -> list[str]:
  if limits["devices"] == 1:
    return ["[bold]exchange[/bold]  nothing: one device"]
  parts = ", ".join(
    f"{name.replace('_', ' ')} {_size(exchange[f'{name}_bytes'])}"
    for name in ("gradient", "batch_norm", "metric")
  )
  head = (f"[bold]exchange[/bold]  {limits['devices']} devices, {exchange['devices_per_host']} a host: each sends "
          f"{_size(exchange['sent_bytes'])} a step, in at most {exchange['exchanges']} exchanges, to add up {parts}")  # fmt: skip
  if exchange["seconds"] is None:
    return [head, "  no links between these devices are known: no time is given"]
  compute, seconds = (1e3 * exchange[name] for name in ("compute_seconds", "seconds"))
  return [
    head,
    f"  {_links(exchange)} ({exchange['source']})",
    f"  at most {100 * exchange['share']:.2g} % of a step: {seconds:.3g} ms after {compute:.3g} ms at the roofline, which makes "
    f"{exchange['clips_per_second']:.4g} clips/s; XLA exchanges some while devices compute",
  ]


def _links(exchange: dict[str, Any]) -> str:
  text = f"{exchange['devices_per_island']} devices joined at {exchange['bandwidth_inside'] / GIGA:.3g} GB/s"
  if exchange["islands"] == 1:
    return text
  return (
    f"{text}, {exchange['islands']} such islands at {exchange['bandwidth_between'] / GIGA:.3g} GB/s a device"
  )


def _input_line(feed: dict[str, Any], exchange: dict[str, Any]) -> str:
  decode = "" if feed["cores"] is None else f", decoded by about {feed['cores']:.2g} CPU cores"
  return (f"[bold]input[/bold]  {exchange['hosts']} x {_size(feed['bytes_per_second'])}/s for {feed['clips_per_second']:.4g} clips/s a host"
          f"{decode} ({feed['source']})")  # fmt: skip


def _size(num_bytes: float) -> str:
  for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
    if num_bytes >= size:
      return f"{num_bytes / size:.3g} {unit}"
  return f"{num_bytes:.3g} bytes"


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
