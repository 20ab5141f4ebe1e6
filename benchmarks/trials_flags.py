"""XLA's flags and the process's environment: a training step in two processes that take turns.

This file with a scale in JSON is what the processes run: a line with a number that both should agree on, then for each line of input
a step, for each step a line with its seconds.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import measuring
from trial import Scale, Trial, outcome

SELF = pathlib.Path(__file__)
CPU_FLAGS = {
  "vector_512": ("--xla_cpu_prefer_vector_width=512", "1.05 where the core has AVX-512, else 1.0"),
  "onednn": ("--xla_cpu_experimental_onednn_custom_call=true", "1.1: oneDNN's convolutions run 512-bit instructions"),
  "ynn": ("--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION,"
          "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", "1.0: it is what XLA does of itself"),
  "xnn_dot": ("--xla_cpu_experimental_xnn_fusion_type=LIBRARY_FUSION_TYPE_DOT", "1.05: weight gradients are dot products"),
}  # fmt: skip
GPU_FLAGS = {
  "latency_hiding": ("--xla_gpu_enable_latency_hiding_scheduler=true", "1.0 on one GPU: there is no communication to hide"),
  "autotune_0": ("--xla_gpu_autotune_level=0", "0.7: the first algorithm instead of the best; how much autotuning gives"),
  "command_buffer_off": ("--xla_gpu_enable_command_buffer=", "0.98: kernels are started one by one"),
}  # fmt: skip
SMALL_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Worker:
  """A process that does a step when told."""

  def __init__(self, scale: Scale, environment: dict[str, str]):
    command = [sys.executable, str(SELF), json.dumps(scale._asdict())]
    # A pipe that nobody reads would fill, and stop it.
    self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
    self.process = subprocess.Popen(
      command,
      env=os.environ | environment,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._errors,
      text=True,
    )

  def answer(self) -> str:
    """The next line that it prints. Raises RuntimeError with its last words where it ended instead."""
    assert self.process.stdout is not None
    line = self.process.stdout.readline().strip()
    if not line:
      self.process.wait()
      self._errors.seek(0)
      raise RuntimeError(_last_words(self._errors.read()))
    return line

  def step(self) -> float:
    """Seconds of the second of two steps: it finds the memory that the first one gave back, as in a training."""
    assert self.process.stdin is not None
    print("\n", file=self.process.stdin, flush=True)
    self.answer()
    return float(self.answer())

  def close(self) -> None:
    self.process.communicate()  # the end of its input is what it waits for
    self._errors.close()


def _last_words(errors: str) -> str:
  """What an aborted process says of a flag, else its last line."""
  lines = [line for line in errors.splitlines() if line.strip()]
  told = [line for line in lines if "Unknown flag" in line or "XLA_FLAGS" in line]
  return (told or lines or ["it ended without a word"])[-1].strip()[-200:]


def _against(environment: dict[str, str], before: dict[str, str]) -> Callable[[Scale], dict[str, Any]]:
  def run(scale: Scale) -> dict[str, Any]:
    workers: dict[str, Worker] = {}
    first = {}
    try:
      for side, variables in {"before": before, "after": environment}.items():
        workers[side] = Worker(scale, variables)
        # Before the next one starts: tuned beside another, kernels are chosen for half a device.
        first[side] = json.loads(workers[side].answer())
      seconds = measuring.take_turns({side: worker.step for side, worker in workers.items()}, scale.rounds)
    except RuntimeError as error:
      return {"ratio": None, "equal": None, "failed": f"not taken: {error}"}
    finally:
      for worker in workers.values():
        worker.close()
    apart = abs(first["after"] - first["before"]) / abs(first["before"])
    return outcome(seconds, apart, scale.dtype)

  return run


def _flags(flags: str) -> Callable[[Scale], dict[str, Any]]:
  return _against({"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}, {})


def trials(accelerator: bool) -> dict[str, Trial]:
  """Those that mean something on this kind of device."""
  table = GPU_FLAGS if accelerator else CPU_FLAGS
  found = {name: Trial(flag, prediction, _flags(flag)) for name, (flag, prediction) in table.items()}
  if not accelerator:
    found["large_pages"] = Trial(
      "GLIBC_TUNABLES=glibc.malloc.hugetlb=1 (Linux): large arrays on pages of 2 MiB; see zsar_jax/large_pages.py",
      "1.2, after counting a step's page faults and before timing: it asks the system for about 1 GB of fresh memory, 290,000 pages "
      "of 4 KiB at about 2 us each",
      _against(LARGE_PAGES, SMALL_PAGES),
    )
  return found


def _work(scale: Scale) -> None:
  """One model's training step for each line of input."""
  import jax
  import models

  options = argparse.Namespace(dtype=scale.dtype, conv_impl="auto")
  case = models.CASES["r2plus1d_18"]
  if scale.shrink > 1:
    case = case._replace(config="demo:e2e", backbone="r2plus1d_tiny", size=48, num_frames=4)
  call = models.ours(case, scale.clips, options)["train"]
  call()
  print(json.dumps(_probe(jax)), flush=True)
  for _ in sys.stdin:
    started = time.perf_counter()
    call()
    print(time.perf_counter() - started, flush=True)


def _probe(jax: Any) -> float:
  """A number that a flag which breaks arithmetic would change."""
  from zsar_jax.models.conv import conv

  x = jax.random.normal(jax.random.key(0), (2, 16, 16, 64))
  w = jax.random.normal(jax.random.key(1), (3, 3, 64, 64))
  value, gradient = jax.jit(
    jax.value_and_grad(lambda w: jax.numpy.square(conv(x, w, (1, 1), (1, 1))).mean())
  )(w)
  return float(value + jax.numpy.square(gradient).sum())


if __name__ == "__main__":
  _work(Scale(**json.loads(sys.argv[1])))
