"""PyTorch's side of benchmarks/models.py: one model, eager and through torch.compile, in one process."""

import argparse
import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch_models
from agreement import torch_against_golden
from model_cases import NUM_CLASSES, NUM_WORDS, VOCABULARY, Case, frames_of

MEAN, STD = 0.45, 0.225  # of RGB in [0, 1]


class Theirs:
  """torch_models.py's model of a case, on the CPU until a task is prepared. Eager and compiled calls share the parameters.

  As a careful user would run it: autotuned convolutions (cudnn.benchmark), Adam or AdamW as it comes, gradients set to None, inference
  mode; in bfloat16 by autocast; in float32 on GPUs with TF32 ("high"), which is what JAX's default precision does there too. The compiled
  calls hold normalisation and loss as well; each compiles for its shape alone, from an empty cache, in torch.compile's default mode
  (no "reduce-overhead", which would replay a step as one CUDA graph).
  """

  def __init__(self, case: Case, batch: int, options: argparse.Namespace):
    """options: `dtype`, `layout` ("contiguous" or "channels_last") and `torch_device` ("cpu" or "cuda")."""
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high" if options.torch_device == "cuda" else "highest")
    self.case, self.batch, self.options, self.device = (
      case,
      batch,
      options,
      torch.device(options.torch_device),
    )
    self.model = make_model(case)
    self.steps: dict[tuple[str, str], Callable[[], Any]] = {}
    self.optimizer: Any = None

  def golden(self) -> float | None:
    """See agreement.py."""
    return torch_against_golden(self.case.backbone)

  def outputs(
    self, weights: dict[str, np.ndarray], frames: np.ndarray, words: np.ndarray
  ) -> dict[str, np.ndarray]:
    """Takes all of our weights (raises RuntimeError if any is missing or left), and gives what `Ours.outputs` does, on the CPU."""
    self.model.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in weights.items()})
    self.model.eval()
    x = torch.from_numpy(frames).permute(*_order(self.case))
    with torch.no_grad():
      found = {"embedding": self.model(x)}
      if not self.case.reads_clips:
        found["class_logits"], found["word_logits"] = self.model.logits(x, torch.from_numpy(words).long())
    return {name: value.numpy() for name, value in found.items()}

  def prepare(self, side: str, task: str) -> dict[str, Any]:
    """Runs a task of "torch" or "torch_compiled" once; on GPUs twice more: what is tried at first is no part of its memory.

    Returns:
      seconds: of the last run.
      first_seconds: of the first run.
      peak_bytes: of PyTorch's allocator, None on CPUs.
      program_bytes: None.
    """
    if self.optimizer is None:
      self._move()
    self.steps[side, task] = self._step(side, task)
    first = last = self.run(side, task)
    peak = None
    if self.device.type == "cuda":
      torch.cuda.reset_accumulated_memory_stats()  # what tuning tried and gave up is no lack of memory
      self.run(side, task)
      torch.cuda.empty_cache()
      torch.cuda.reset_peak_memory_stats()
      last = self.run(side, task)
      peak = torch.cuda.max_memory_allocated()
    return {"first_seconds": first, "seconds": last, "peak_bytes": peak, "program_bytes": None}

  def check_memory(self) -> None:
    """Raises torch.OutOfMemoryError where the last prepared task had to free cached memory to go on: that costs time, and ours is why."""
    retries = torch.cuda.memory_stats().get("num_alloc_retries", 0) if self.device.type == "cuda" else 0
    if retries:
      raise torch.OutOfMemoryError(
        f"PyTorch's allocator began anew {retries} times in what JAX left of the memory"
      )

  def run(self, side: str, task: str, repeats: int = 1) -> float:
    """Seconds a step: so many are started one after the other, and the last is waited for."""
    self.model.train(task == "train")
    step, started = self.steps[side, task], time.perf_counter()
    for _ in range(repeats):
      step()
    if self.device.type == "cuda":
      torch.cuda.synchronize()
    return (time.perf_counter() - started) / repeats

  def _move(self) -> None:
    clips, dims = self.case.reads_clips, 3 if self.case.reads_clips else 2
    self.model.to(self.device)
    if self.options.layout == "channels_last":
      self.model.to(memory_format=torch.channels_last_3d if dims == 3 else torch.channels_last)
    make = torch.optim.Adam if clips else torch.optim.AdamW
    self.optimizer = make(self.model.parameters(), 1e-4)
    self.stored = torch.from_numpy(frames_of(self.case, self.batch)[:, 0]).to(self.device)  # [B,T,H,W,3]
    self.label = torch.zeros(self.batch, dtype=torch.long, device=self.device)
    self.words = torch.full((self.batch, NUM_WORDS), 2, device=self.device)
    self.targets = torch.nn.functional.normalize(torch.randn(NUM_CLASSES, 300, device=self.device), dim=-1)

  def _step(self, side: str, task: str) -> Callable[[], Any]:
    function: Callable[..., Any] = self._loss if task == "train" else self._embedding
    if side == "torch_compiled":
      _start_empty_cache()
      function = torch.compile(function, dynamic=False)
    return (lambda: self._train(function)) if task == "train" else (lambda: self._embed(function))

  def _train(self, loss: Callable[..., Any]) -> None:
    self.optimizer.zero_grad(set_to_none=True)
    with self._numerics():
      value = loss(self.stored, self.label, self.words, self.targets)
    value.backward()
    self.optimizer.step()

  def _embed(self, forward: Callable[..., Any]) -> None:
    with torch.inference_mode(), self._numerics():
      forward(self.stored)

  def _loss(self, stored, label, words, targets):
    return self.model.loss(self._frames(stored), label, words, targets)

  def _embedding(self, stored):
    return self.model(self._frames(stored))

  def _frames(self, stored):
    """Normalised, in the order that the model reads; bytes come channels last, and stay so unless told otherwise."""
    x = stored.permute(*_order(self.case)).float().div_(255).sub_(MEAN).div_(STD)
    return x if self.options.layout == "channels_last" else x.contiguous()

  def _numerics(self):
    return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.dtype == "bfloat16")


def _start_empty_cache() -> None:
  """So that compile times are not those of finding what an earlier call compiled."""
  folder = os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="inductor-")
  atexit.register(shutil.rmtree, folder, ignore_errors=True)


def make_model(case: Case) -> torch.nn.Module:
  """torch_models.py's, on the CPU."""
  if case.reads_clips:
    return torch_models.E2E(case.backbone)
  return torch_models.ResT(case, NUM_CLASSES, VOCABULARY, NUM_WORDS)


def _order(case: Case) -> tuple[int, ...]:
  """From [B,T,H,W,3] to [B,3,T,H,W], or to [B,T,3,H,W] where frames are read one by one."""
  return (0, 4, 1, 2, 3) if case.reads_clips else (0, 1, 4, 2, 3)
