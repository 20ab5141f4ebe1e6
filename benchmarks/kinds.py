"""What kind of work an instruction of a compiled step is, and to which stage of the network it belongs."""

import re

from hlo_text import CONTAINERS, Instruction, Module

FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT = (
  "convolution",
  "convolution, input gradient",
  "convolution, weight gradient",
)
PRODUCT, STATISTICS, REDUCTION = "matrix product", "batch norm reductions", "other reductions"
ELEMENTWISE, POOLING, MOVES, OPTIMIZER = "elementwise", "pooling", "copies, transposes, casts", "optimizer"
COLLECTIVE, LOOPS, UNKNOWN, IDLE = (
  "collectives",
  "loops and calls",
  "not attributed",
  "device idle (host gap)",
)
KINDS = (FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, PRODUCT, STATISTICS, REDUCTION, ELEMENTWISE, POOLING, MOVES, OPTIMIZER,
         COLLECTIVE, LOOPS, UNKNOWN, IDLE)  # fmt: skip

# Named scopes of zsar_jax.train.step and of the models; `loss` is what is left of the step between them.
STAGES = ("augment", "stem", "layer1", "layer2", "layer3", "layer4", "layer5", "layer6", "layer7", "last", "inception3",
          "inception4", "inception5", "fc6", "projection", "transformer", "heads", "loss", "optimizer")  # fmt: skip

_SCOPES = re.compile(r"[\w]+")
_MOVES = {
  "bitcast", "bitcast-convert", "broadcast", "concatenate", "convert", "copy", "copy-start", "copy-done", "dynamic-slice",
  "dynamic-update-slice", "gather", "get-tuple-element", "iota", "pad", "reshape", "reverse", "slice", "transpose", "tuple",
}  # fmt: skip
_FREE = {"parameter", "constant"}
_COLLECTIVES = (
  "all-reduce",
  "all-gather",
  "all-to-all",
  "reduce-scatter",
  "collective-permute",
  "collective-broadcast",
)


def kind_of(instruction: Instruction | None, module: Module) -> str:
  """One of KINDS but IDLE. None, an event that is no instruction of the module: not attributed."""
  if instruction is None:
    return UNKNOWN
  opcode, scopes = instruction.opcode, scopes_of(instruction.op_name)
  if opcode.startswith(_COLLECTIVES):
    return COLLECTIVE
  if opcode in CONTAINERS:
    return LOOPS
  parts = module.inside(instruction)
  products = [part for part in parts if module.multiply_adds(part)]
  if products:
    return _kind_of_product(products[0], instruction, module)
  if "winograd" in scopes:  # what stands between the products is part of the convolution
    return _kind_of_product(instruction, instruction, module)
  if "optimizer" in scopes:
    return OPTIMIZER
  opcodes = {part.opcode for part in parts} - _FREE
  if opcodes & {"reduce-window", "select-and-scatter"} and "pool" in scopes:
    return POOLING
  if opcodes & {"reduce", "reduce-window"}:
    return STATISTICS if "batch_norm" in scopes else REDUCTION
  if opcodes <= _MOVES or opcode.startswith("copy"):
    return MOVES
  return ELEMENTWISE


def _kind_of_product(product: Instruction, instruction: Instruction, module: Module) -> str:
  scopes = scopes_of(product.op_name) | scopes_of(instruction.op_name)
  library = product.attributes if "__cudnn$conv" in product.attributes else ""
  if product.opcode != "convolution" and not library and "conv" not in scopes:
    return PRODUCT
  if "convBackwardFilter" in library or "weight_gradient" in scopes or module.is_weight_gradient(product):
    return WEIGHT_GRADIENT
  return INPUT_GRADIENT if "convBackwardInput" in library or "transpose" in scopes else FORWARD


def scopes_of(op_name: str) -> set[str]:
  """The words of a path such as "jit(step)/transpose(jvp(loss))/layer1/conv/dot_general", less the operation itself."""
  return set(_SCOPES.findall(op_name.rpartition("/")[0]))


def stage_of(instruction: Instruction | None, module: Module, depth: int = 3) -> str:
  """The innermost of STAGES in the instruction's path, or in what it is made of, or of what uses or makes it; else "not attributed"."""
  if instruction is None:
    return UNKNOWN
  for each in (instruction, *reversed(module.inside(instruction))):
    found = [word for word in _SCOPES.findall(each.op_name.rpartition("/")[0]) if word in STAGES]
    if found:
      return found[-1]
  if depth:
    for name in (*module.users.get(instruction.name, ()), *instruction.operands):
      stage = stage_of(module.instructions.get(name), module, depth - 1)
      if stage != UNKNOWN:
        return stage
  return UNKNOWN
