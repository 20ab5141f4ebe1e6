"""What a compiled module's text says of its instructions: shapes, operands, multiply-adds, bytes."""

import functools
import json
import math
import re
from typing import Any, NamedTuple

_LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"\s*([a-z][\w\-]*)\(")
_SHAPE = re.compile(r"\b([a-z]+\d*(?:e\dm\d\w*)?)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(
  r"\b(?:calls|to_apply|body|condition|branch_computations)=\{?((?:%?[\w.\-]+(?:, )?)+)\}?"
)
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_NUM_BITS = re.compile(r"\d+")
CONTAINERS = ("while", "call", "conditional", "async-start", "async-done")
SLICES = ("slice", "dynamic-slice", "gather")


class Shape(NamedTuple):
  dtype: str
  dims: tuple[int, ...]

  @property
  def size(self) -> int:
    return math.prod(self.dims)

  @property
  def num_bytes(self) -> int:
    bits = _NUM_BITS.search(self.dtype)
    return self.size * (int(bits.group()) // 8 or 1 if bits else 1)


class Instruction(NamedTuple):
  name: str
  opcode: str
  shapes: tuple[Shape, ...]  # of the result; several where it is a tuple
  operands: tuple[str, ...]
  attributes: str
  called: tuple[str, ...]  # computations
  op_name: str  # the path of named scopes, "" where XLA made the instruction itself
  is_root: bool


class Module:
  """A module's instructions by name, and the names of each computation's."""

  def __init__(self, text: str):
    self.instructions: dict[str, Instruction] = {}
    self.computations: dict[str, list[str]] = {}
    self.users: dict[str, list[str]] = {}
    self.entry, current = "", ""
    for line in text.splitlines():
      if line.endswith("{") and not line.startswith((" ", "HloModule")):
        current = line.removeprefix("ENTRY ").split()[0].lstrip("%").split("(")[0]
        self.computations[current] = []
        self.entry = current if line.startswith("ENTRY") else self.entry
      elif current and (found := _LINE.match(line)):
        self._add(current, _parse(found))

  def _add(self, computation: str, instruction: Instruction) -> None:
    self.instructions[instruction.name] = instruction
    self.computations[computation].append(instruction.name)
    for operand in instruction.operands:
      self.users.setdefault(operand, []).append(instruction.name)

  def inside(self, instruction: Instruction) -> list[Instruction]:
    """The instructions of a fusion, nested ones too; itself where it is none."""
    if instruction.opcode != "fusion":
      return [instruction]
    found = []
    for computation in instruction.called:
      for name in self.computations.get(computation, ()):
        found.extend(self.inside(self.instructions[name]))
    return found

  def multiply_adds(self, instruction: Instruction) -> int:
    """Of the convolutions and dot products of one execution; taps on padding count, zeros put between elements do not."""
    return sum(self._product(each) for each in self.inside(instruction))

  def num_bytes(self, instruction: Instruction) -> int:
    """Read and written by one execution, where each operand is read and the result written once.

    Of what is only sliced, the slices count; workspaces of libraries do not.
    """
    if instruction.opcode in CONTAINERS:
      return 0
    if instruction.opcode != "fusion" or not instruction.called:
      read = self._shapes(instruction.operands)
      if instruction.opcode in SLICES:
        read = list(instruction.shapes)
      return sum(shape.num_bytes for shape in (*read, *_results(instruction)))
    return self._fusion_bytes(self.computations.get(instruction.called[0], []))

  def _fusion_bytes(self, names: list[str]) -> int:
    total = 0
    for each in map(self.instructions.__getitem__, names):
      if each.opcode == "parameter":
        users = [self.instructions[user] for user in self.users.get(each.name, ())]
        whole = sum(shape.num_bytes for shape in each.shapes)
        total += min(whole, sum(self._read_by(user, each.name, whole) for user in users))
      if each.is_root:
        updated = each.opcode == "dynamic-update-slice"
        total += sum(s.num_bytes for s in (self._shapes(each.operands[1:2]) if updated else each.shapes))
    return total

  def _read_by(self, user: Instruction, name: str, whole: int) -> int:
    if user.operands[:1] == (name,) and user.opcode in SLICES:
      return sum(shape.num_bytes for shape in user.shapes)
    return 0 if user.operands[:1] == (name,) and user.opcode == "dynamic-update-slice" else whole

  def _shapes(self, names: tuple[str, ...]) -> list[Shape]:
    return [shape for name in names if name in self.instructions for shape in self.instructions[name].shapes]

  def _product(self, instruction: Instruction) -> int:
    if instruction.opcode not in ("convolution", "dot", "custom-call"):
      return 0
    shapes = self._shapes(instruction.operands)
    if len(shapes) < 2:
      return 0
    if instruction.opcode == "convolution":
      return _convolution(instruction.shapes[0], shapes[1], instruction.attributes)
    if instruction.opcode == "dot":
      return instruction.shapes[0].size * _contracted(shapes[0], instruction.attributes)
    return _library_call(instruction.shapes[0], shapes[0], shapes[1], instruction.attributes)

  @functools.cached_property
  def kernel_sizes(self) -> set[int]:
    """Numbers of elements of the parameters called "kernel"."""
    entry = map(self.instructions.__getitem__, self.computations.get(self.entry, ()))
    return {
      each.shapes[0].size
      for each in entry
      if each.opcode == "parameter" and "kernel" in each.name + each.op_name
    }

  def is_weight_gradient(self, instruction: Instruction) -> bool:
    """Whether a product's result is as large as a kernel of the model, and neither operand is."""
    kernels = self.kernel_sizes
    return instruction.shapes[0].size in kernels and not any(
      shape.size in kernels for shape in self._shapes(instruction.operands)
    )


def _parse(found: re.Match) -> Instruction:
  root, name, rest = found.groups()
  end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
  result, rest = rest[:end], rest[end:]
  opcode = _OPCODE.match(rest)
  assert opcode, rest
  close = _closing(rest, opcode.end() - 1)
  attributes = rest[close + 1 :]
  called = [n.strip().lstrip("%") for group in _CALLED.findall(attributes) for n in group.split(",")]
  op_name = _OP_NAME.search(attributes)
  return Instruction(
    name, opcode.group(1), _shapes_in(result), tuple(_NAME.findall(rest[opcode.end() : close])), attributes,
    tuple(filter(None, called)), op_name.group(1) if op_name else "", bool(root),
  )  # fmt: skip


def _closing(text: str, start: int) -> int:
  depth = 0
  for i in range(start, len(text)):
    depth += (text[i] == "(") - (text[i] == ")")
    if not depth:
      return i
  return len(text)


def _shapes_in(text: str) -> tuple[Shape, ...]:
  return tuple(
    Shape(dtype, tuple(int(n) for n in dims.split(",") if n)) for dtype, dims in _SHAPE.findall(text)
  )


def _results(instruction: Instruction) -> tuple[Shape, ...]:
  """Less a library call's workspace: the last of several results, in bytes, of which nobody says how much is used."""
  shapes = instruction.shapes
  workspace = instruction.opcode == "custom-call" and len(shapes) > 1 and shapes[-1].dtype in ("u8", "s8")
  return shapes[:-1] if workspace else shapes


def _sizes(attributes: str, key: str) -> list[int]:
  found = re.search(rf"[{{ ]{key}=([\dx]+)", attributes)
  return [int(n) for n in found.group(1).split("x")] if found else []


def _convolution(output: Shape, kernel: Shape, attributes: str) -> int:
  """Output elements x window x Cin / groups; of an input spread out by `lhs_dilate`, its own elements alone."""
  labels = re.search(r"dim_labels=\w+_(\w+)->", attributes)
  c_in = kernel.dims[labels.group(1).index("i")] if labels else 1
  window, spread = math.prod(_sizes(attributes, "size")), math.prod(_sizes(attributes, "lhs_dilate"))
  return output.size * window * c_in // spread


def _contracted(lhs: Shape, attributes: str) -> int:
  found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", attributes)
  return math.prod(lhs.dims[int(n)] for n in found.group(1).split(",") if n) if found else 1


def _library_call(output: Shape, lhs: Shape, rhs: Shape, attributes: str) -> int:
  """cuBLAS and cuDNN: the latter's labels are the forward convolution's, whichever of its three arrays is the result."""
  if "matmul" in attributes or "gemm" in attributes:
    found = re.search(r"backend_config=(\{.*\})", attributes)
    dims = _contracting(json.loads(found.group(1))) if found else []
    return output.size * math.prod(lhs.dims[int(n)] for n in dims)
  labels = re.search(r"dim_labels=\w+_(\w+)->", attributes)
  if "__cudnn$conv" not in attributes or not labels:
    return 0
  kernel, outer = rhs, output
  if "convBackwardFilter" in attributes:
    kernel, outer = output, rhs
  elif "convBackwardInput" in attributes:
    outer = lhs
  return outer.size * kernel.size // kernel.dims[labels.group(1).index("o")]


def _contracting(config: Any) -> list[str]:
  """The left operand's contracted axes, wherever in a backend's config they stand."""
  if isinstance(config, dict):
    if "lhs_contracting_dimensions" in config:
      return config["lhs_contracting_dimensions"]
    return next((found for value in config.values() if (found := _contracting(value))), [])
  return []
