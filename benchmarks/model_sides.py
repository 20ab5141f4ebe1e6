"""Our side of benchmarks/models.py: one model, compiled task by task. Needs neither TensorFlow nor PyTorch."""

import argparse
import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from model_cases import NUM_CLASSES, NUM_WORDS, TASKS, VOCABULARY, Case, config_of, frames_of


class Ours:
  """One model of ours on this process's devices, with fresh parameters.

  Raises:
    InputError: the config cannot be built at these sizes.
  """

  def __init__(self, case: Case, batch: int, options: argparse.Namespace):
    """options: `dtype` ("float32" or "bfloat16") and `conv_impl` (see models/conv.py)."""
    import jax

    from zsar_jax.accounting import find_classes
    from zsar_jax.methods import make_method
    from zsar_jax.train.sharding import make_mesh, place_batch, place_everywhere
    from zsar_jax.train.state import Network, make_network
    from zsar_jax.types import ClipBatch

    self.case, self.options = case, options
    self.config = config_of(case, batch, options.dtype, options.conv_impl)
    self.seen = find_classes(self.config, NUM_CLASSES, VOCABULARY - 2, NUM_WORDS).seen
    self.method = make_method(self.config, self.seen)
    network, self.mesh = make_network(self.method, 0), make_mesh()
    # On the host, so that the device holds each parameter once.
    self.network = Network(network.graphdef, *jax.tree.map(np.asarray, network[1:]))
    self.variables = place_everywhere(self.mesh, (self.network.params, self.network.batch_stats))
    labels, words = np.zeros(batch, np.int32), np.full((batch, NUM_WORDS), 2, np.int32)
    clips = ClipBatch(frames_of(case, batch), labels, words, np.ones(batch, bool), labels)
    self.clips = place_batch(self.mesh, clips)
    self.state: Any = None  # of training, which holds the variables from then on: made when that is prepared
    self.steps: dict[str, Callable[[], Any]] = {}

  def prepare(self, task: str) -> dict[str, Any]:
    """Compiles a task and runs it once (on accelerators twice).

    Returns:
      compile_seconds: tracing, lowering and compiling.
      seconds: of the last run.
      program_bytes: what the compiled program needs: arguments, results and temporaries; None where the compiler does not say.
      peak_bytes: of the device's allocator, where it has one and this task set its mark.
    """
    import jax

    lower = self._lower_train if task == "train" else self._lower_embed
    started = time.perf_counter()
    compiled, self.steps[task] = lower()
    compile_seconds = time.perf_counter() - started
    before = _allocator_peak()  # compiling tries kernels in the same memory
    seconds = [self.run(task) for _ in range(1 if jax.default_backend() == "cpu" else 2)]
    after = _allocator_peak()
    peak = after if after is not None and before is not None and after > before else None
    return {"compile_seconds": compile_seconds, "seconds": seconds[-1], "program_bytes": program_bytes(compiled),
            "peak_bytes": peak}  # fmt: skip

  def run(self, task: str, repeats: int = 1) -> float:
    """Seconds a step: so many are started one after the other, and the last is waited for."""
    import jax

    step, started = self.steps[task], time.perf_counter()
    for _ in range(repeats):
      result = step()
    jax.block_until_ready(result)
    return (time.perf_counter() - started) / repeats

  def work(self) -> dict[str, dict[str, int]]:
    """{task: {"multiply_adds", "bytes"}} of a batch on one device, counted from the jaxpr; see zsar_jax/accounting.py."""
    from zsar_jax.accounting import embedding_work, make_subject, reference_of, training_work

    subject, num = make_subject(reference_of(self.config), self.seen), self.mesh.size
    clips = self.config.train.batch_size // num
    works = {"train": training_work(subject, self.config, clips), "embed": embedding_work(subject, num)}
    return {task: {"multiply_adds": b.work.multiply_adds, "bytes": b.work.num_bytes} for task, b in works.items()}  # fmt: skip

  def golden(self) -> float | None:
    """How far our encoder is from the golden outputs of its name; None where they are not at hand."""
    import agreement

    return agreement.ours_against_golden(self.case.backbone, self.options.conv_impl)

  def torch_weights(self) -> dict[str, np.ndarray]:
    """The parameters under the names of torch_models.py's model; the warm-up's classifier stays behind."""
    import agreement

    return agreement.to_torch_model(
      self.network.params, self.network.batch_stats, self._abstract("float32").backbone
    )

  def outputs(self, frames: np.ndarray, words: np.ndarray) -> dict[str, np.ndarray]:
    """The whole model in full float32 and evaluation mode: its embedding, ResT's logits too.

    Args:
      frames: normalised, float32 [B,T,H,W,3], of any height and width that the encoder takes.
      words: ids, int32 [B,L].
    """
    import jax
    from flax import nnx

    abstract = self._abstract("float32")

    def run(params, batch_stats, frames, words):
      model = nnx.merge(nnx.graphdef(abstract), params, batch_stats)
      found = {"embedding": model.embed(frames[:, None])[:, 0]}
      if not self.case.reads_clips:
        output = model(frames, words, train=False)
        found |= {"class_logits": output.class_logits, "word_logits": output.word_logits}
      return found

    with jax.default_matmul_precision("highest"):
      found = jax.jit(run)(self.network.params, self.network.batch_stats, frames, words)
    return {name: np.asarray(value) for name, value in found.items()}

  def _abstract(self, dtype: str) -> Any:
    from flax import nnx

    from zsar_jax.methods import make_method

    config = config_of(self.case, 1, dtype, self.options.conv_impl)
    return nnx.eval_shape(lambda: make_method(config, self.seen).init_model(0))

  def _lower_train(self) -> tuple[Any, Callable[[], Any]]:
    from zsar_jax.train.sharding import place_everywhere
    from zsar_jax.train.state import init_state, make_stages
    from zsar_jax.train.step import make_train_step

    stage = make_stages(self.config, self.method, self.network.params, 1000 * len(self.clips.label))[-1]
    self.state = place_everywhere(self.mesh, init_state(self.network, stage))
    self.variables = None
    step = make_train_step(self.config, self.network.graphdef, stage, self.mesh)
    compiled = step.lower(self.state, self.clips).compile()  # type: ignore[attr-defined]

    def run() -> Any:
      self.state, metrics, _ = compiled(self.state, self.clips)
      return self.state, metrics

    return compiled, run

  def _lower_embed(self) -> tuple[Any, Callable[[], Any]]:
    import jax

    from zsar_jax.methods.frames import normalize
    from zsar_jax.train.apply import make_apply

    dtype = jax.numpy.dtype(self.options.dtype)
    apply = make_apply(
      self.network.graphdef,
      self.mesh,
      lambda m, f: self.method.embed(m, normalize(f, self.config.data, dtype)),
    )
    compiled = apply.lower(*self._current(), self.clips.frames).compile()  # type: ignore[attr-defined]
    return compiled, lambda: compiled(*self._current(), self.clips.frames)

  def _current(self) -> tuple[Any, Any]:
    return self.variables or (self.state.params, self.state.batch_stats)


def ours(case: Case, batch: int, options: argparse.Namespace) -> dict[str, Callable[[], None]]:
  """{"train": one step, "embed": one batch}; each compiles at its first call and returns when its result is there."""
  side = Ours(case, batch, options)

  def caller(task: str) -> Callable[[], None]:
    def call() -> None:
      if task not in side.steps:
        side.prepare(task)
      else:
        side.run(task)

    return call

  return {task: caller(task) for task in TASKS}


def program_bytes(compiled: Any) -> int | None:
  """Arguments, results and temporaries of a compiled program; donated arguments count once. None: the compiler does not say."""
  with contextlib.suppress(NotImplementedError, RuntimeError):
    memory = compiled.memory_analysis()
    if memory is not None:
      sizes = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
      return int(sizes - memory.alias_size_in_bytes)
  return None


def repeats_for(seconds: float, accelerator: bool) -> int:
  """Steps (or calls) that are timed as one: enough for half a second on accelerators, where one is too short to time, and for two on
  CPUs, but not more than four."""
  wanted, most = (0.5, 50) if accelerator else (2.0, 4)
  return min(most, max(1, math.ceil(wanted / max(seconds, 1e-6))))


def _allocator_peak() -> int | None:
  """The most bytes that arrays and programs held at once, however much the allocator keeps; None where the device has none."""
  import jax

  stats = jax.local_devices()[0].memory_stats()
  return (stats or {}).get("peak_bytes_in_use")


def make_theirs(case: Case, batch: int, options: argparse.Namespace) -> Any:
  """PyTorch's side (torch_sides.py), imported in the process that holds it."""
  from torch_sides import Theirs

  return Theirs(case, batch, options)
