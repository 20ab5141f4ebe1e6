"""What a run is made of: a config file, command-line overrides, and frozen dataclasses.

A config file defines `get_config(variant="")` and returns an `ml_collections.ConfigDict` with the values it wants to
set; everything else keeps the default written here. All problems (unknown keys, wrong types, impossible values) are
reported at once.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import ml_collections

from zsar_jax.config_checks import check_values
from zsar_jax.config_values import convert, short, type_name
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.python_files import call_in_file


@dataclasses.dataclass(frozen=True)
class DataConfig:
  """Which videos, which classes, and how clips are cut from them.

  A data set is written `NAME`, `NAME:class+class` (only these) or `NAME:!class+class` (all but these); `@LIST` stands for the
  classes of a list that ships with the package or of a file with one name a line: `kinetics700:@kinetics700_664`.
  """

  dir: str = "data"  # holds one folder of records per data set
  seen: str = ""
  unseen: tuple[str, ...] = ()
  seen_test: str = ""  # test videos of seen classes; empty: the seen set's validation videos
  max_classes: int = 0  # seen classes to train on, random ones; 0: all (E2E Fig. 4)
  num_clusters: int = 0  # of the seen classes in word space, one of which is trained on; 0: none (E2E Fig. 5)
  cluster: int = 0  # which of them
  max_videos: int = 0  # training videos, random ones, at least one a class; 0: all (E2E Fig. 4)
  max_videos_per_class: int = 0  # 0: all
  subset_seed: int = 0  # which classes and videos; of the same seed, fewer are among the more
  short_side: int = 128  # pixels that the short side of a frame has, as stored or once shrunk
  crop: int = 112  # pixels
  scales: tuple[
    float, ...
  ] = ()  # sides of training windows, in short sides, resized to `crop`; empty: `crop`
  num_frames: int = 16
  stride: int = 1  # source frames between two frames of a clip
  overlap_threshold: float = 0.05  # seen classes this near (cosine distance) to an unseen one are removed
  remove_overlap: bool = True  # False trains on leaking classes too: no zero-shot result (E2E Sup. Table 1)
  validation_fraction: float = 0.02  # of each seen class's videos
  mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of RGB in [0, 1]
  std: tuple[float, ...] = (0.229, 0.224, 0.225)
  flip: bool = True
  color_jitter: float = 0.0  # largest relative change of brightness, contrast and saturation
  noise: float = 0.0  # standard deviation of added noise, RGB in [0, 1]
  grayscale: float = 0.0  # share of training clips made grey
  workers: int = 0  # threads that decode; 0: as many as there are cores
  verify: str = "size"  # of the record files before the first step; full: their SHA-256 too; off: nothing


@dataclasses.dataclass(frozen=True)
class GeneratedConfig:
  """The generated figures in motion (data sets `figures_train`, `figures_test`, `figures_seen_test`)."""

  num_unseen: int = 12
  train_per_class: int = 60
  test_per_class: int = 25
  seen_test_per_class: int = 5
  num_frames: int = 20
  size: int = 56  # pixels


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """The network. `width` and below are ResT's."""

  backbone: str = "r2plus1d_18"
  num_features: int = 0  # width of the precomputed features, for the backbone `features`
  init_from: str = (
    ""  # a folder that `zsar_jax.models.weights` wrote, the workdir of a run, or an exported model
  )
  freeze_backbone: bool = False  # its parameters stay as they came: E2E's baseline, ResT Table 6
  freeze_bn: bool = True  # a frozen backbone's running statistics stay too
  conv_impl: str = "auto"  # how convolutions are written; see `models/conv.py`
  dtype: str = "float32"  # of the computation; parameters, statistics and losses stay float32
  bn_group_size: int = 0  # clips normalised together; 0: the whole batch
  remat: bool = False
  dropout: float = 0.05
  normalize: bool = True  # E2E: unit outputs and targets; False: Eq. 2 as printed
  temporal: str = "transformer"  # or two streams, rnn or lstm (ResT Table 3a)
  tasks: tuple[str, ...] = ("cls", "mlm")  # ResT Table 3b
  cross_modal: bool = False  # everything attends to everything (ResT Table 3c)
  width: int = 768
  num_layers: int = 12
  num_heads: int = 12
  hidden: int = 3072
  word_loss_weight: float = 0.5
  mask_rate: float = 0.15


@dataclasses.dataclass(frozen=True)
class OptimConfig:
  """One training phase. It lasts `steps`, or `epochs` where `steps` is 0."""

  optimizer: str = "adam"
  learning_rate: float = 1e-3
  weight_decay: float = 0.0
  momentum: float = 0.9
  schedule: str = "constant"
  milestones: tuple[float, ...] = ()  # epochs at which `steps` divides the rate by ten
  ramp_epochs: float = 0.0  # the rate grows linearly from 0 over these
  epochs: float = 0.0
  steps: int = 0


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """`warmup` is used by ResT alone."""

  batch_size: int = 16  # clips, over all devices
  accumulate: int = 1  # micro-batches a step
  max_clips_per_epoch: int = 0  # 0: an epoch is every training video once
  scale_lr: bool = False  # rate x batch_size / base_batch_size, with 5 epochs of linear growth
  base_batch_size: int = 16
  warmup: OptimConfig = OptimConfig()
  joint: OptimConfig = OptimConfig()


@dataclasses.dataclass(frozen=True)
class TransferConfig:
  """Coefficients of the integer program that composes unseen prototypes (ResT Eq. 1-6)."""

  space: str = "visual"  # semantic: no transfer, the nearest seen class's name stands in (ResT Table 5)
  num_neighbors: int = 5  # K
  max_seen_per_unseen: int = 5  # rho
  distinctiveness: float = 0.5  # theta
  max_uses_per_seen: int = 0  # 0: no limit
  solver: str = "milp"
  use_tuned: bool = (
    True  # take K, rho and theta from the workdir's tuning.json where it exists (`zsar_jax.tune`)
  )


@dataclasses.dataclass(frozen=True)
class EvalConfig:
  num_clips: int = 25
  clips: str = "even"
  frame_order: str = "natural"
  batch_size: int = 16  # videos
  num_splits: int = 10  # half-class splits
  report: bool = True  # write report.html and its figures at the end


@dataclasses.dataclass(frozen=True)
class LoggingConfig:
  every_steps: int = 50
  validate_every_steps: int = 1000
  tensorboard: bool = True


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
  """A step is also saved at the end of each phase, and when a signal asks the run to stop."""

  every_steps: int = 1000  # 0: not by count
  every_minutes: float = 10.0  # looked at whenever metrics are written; 0: not by time
  keep: int = 2  # newest steps
  keep_best: int = 1  # best ones by seen-class validation


@dataclasses.dataclass(frozen=True)
class SafetyConfig:
  """What a run does when something goes wrong."""

  watchdog_seconds: float = 1800.0  # without a finished step: leave with 4; 0: never
  heartbeat_seconds: float = 60.0  # without a sign of another process: leave with 4
  skip_nonfinite: int = 0  # batches of a run whose loss or gradient is not finite that are passed over


@dataclasses.dataclass(frozen=True)
class Config:
  method: str = "e2e"
  seed: int = 0
  vectors: str = ""  # word vectors: .npz, word2vec .bin/.txt, or hash:300 (a stand-in)
  data: DataConfig = DataConfig()
  generated: GeneratedConfig = GeneratedConfig()
  model: ModelConfig = ModelConfig()
  train: TrainConfig = TrainConfig()
  transfer: TransferConfig = TransferConfig()
  eval: EvalConfig = EvalConfig()
  logging: LoggingConfig = LoggingConfig()
  checkpoint: CheckpointConfig = CheckpointConfig()
  safety: SafetyConfig = SafetyConfig()


_DEEPEST = 3  # dots of a key
# Keys that may differ when a run is resumed: they change no parameter (`skip_nonfinite`: none that was trained so far).
FREE_ON_RESUME = (
  "data.dir",
  "data.workers",
  "data.verify",
  "logging",
  "checkpoint",
  "safety",
  "eval",
  "transfer",
)


_SECTIONS = {"data.", "generated.", "model.", "train.", "train.warmup.", "train.joint.", "transfer.", "eval.", "logging.",
             "checkpoint.", "safety."}  # fmt: skip


def load(path: str, overrides: Mapping[str, str] | None = None) -> Config:
  """Reads `FILE.py` or `FILE.py:variant` and applies `key -> text` overrides.

  Raises:
    InputError: lists every unknown key (with the nearest right one), wrong type and impossible value.
  """
  values = _flatten(_run_config_file(path))
  values.update(overrides or {})
  return from_flat(values, path)


def from_flat(values: Mapping[str, Any], origin: str) -> Config:
  """Builds the config from dotted keys; values may be text (from the command line) or typed."""
  hints = dict(_fields(Config))
  problems = [f"unknown key {short(k)}{did_you_mean(k[:99], hints) or '; known: ' + _siblings(k, hints)}"
              for k in values if k not in hints]  # fmt: skip
  typed: dict[str, Any] = {}
  for key in values.keys() & hints.keys():
    try:
      typed[key] = convert(values[key], hints[key])
    except (ValueError, TypeError):
      problems.append(f"'{key}' is {short(values[key])}, expected {type_name(hints[key])}")
  config = _nest(Config, typed)
  problems += check_values(_flatten(dataclasses.asdict(config)))
  raise_all(sorted(problems), f"{origin}: the config is wrong:")
  return config


def to_dict(config: Config) -> dict[str, Any]:
  """The config as JSON holds it: sections in sections, lists for tuples."""
  return _listed(dataclasses.asdict(config))


def to_flat(config: Config) -> dict[str, Any]:
  """Every key with its value, dotted."""
  return _flatten(to_dict(config))


def from_dict(saved: Mapping[str, Any], origin: str) -> Config:
  """The config that `to_dict` was given. Errors as `load`."""
  return from_flat(_flatten(saved), origin)


def differences(saved: Mapping[str, Any], config: Config) -> list[str]:
  """The keys that change parameters and differ between a saved config (see `to_dict`) and this one.

  A key that the saved config lacks had the value that is its default. Word vectors are no part of a ResT model: they compose
  prototypes, and say which seen classes leak (see `session`, which compares these).
  """
  current, saved = to_flat(config), to_flat(Config()) | _flatten(saved)
  free = (*FREE_ON_RESUME, "vectors") if config.method == "rest" else FREE_ON_RESUME
  keys = [k for k in current | saved if not any(k == f or k.startswith(f + ".") for f in free)]
  return [f"{k}: {short(saved.get(k))} in the workdir, {short(current[k]) if k in current else 'no such key'} asked for"
          for k in keys if k not in current or saved.get(k) != current[k]]  # fmt: skip


def _run_config_file(path: str) -> dict[str, Any]:
  made = call_in_file(path, "get_config", "config", "configs")
  if not isinstance(made, ml_collections.ConfigDict):
    raise InputError(f"{path}: get_config gave {type(made).__name__}, expected an ml_collections.ConfigDict")
  try:
    return made.to_dict()
  except (
    Exception
  ) as error:  # of values that are worked out when they are read, and of sections inside themselves
    raise InputError(
      f"{path}: a value of the config cannot be read: {type(error).__name__}: {error!s:.200}"
    ) from error


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Dotted keys. A section that is none of ours stays whole where it is empty or deep, and is refused as a value."""
  flat: dict[str, Any] = {}
  for key, value in values.items():
    name = f"{prefix}{key}"
    if isinstance(value, Mapping) and value and name.count(".") < _DEEPEST:
      inside = _flatten(value, f"{name}.")
    else:
      inside = {} if value == {} and f"{name}." in _SECTIONS else {name: value}
    # The same key, once with dots and once in a section: none of the two may win.
    flat |= {k: (flat[k], v) if k in flat else v for k, v in inside.items()}
  return flat


def _listed(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _listed(item) for key, item in value.items()}
  return list(value) if isinstance(value, tuple) else value


def _fields(cls: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
  hints = typing.get_type_hints(cls)
  for field in dataclasses.fields(cls):
    if dataclasses.is_dataclass(hints[field.name]):
      yield from _fields(hints[field.name], f"{prefix}{field.name}.")
    else:
      yield f"{prefix}{field.name}", hints[field.name]


def _nest(cls: type, typed: Mapping[str, Any], prefix: str = "") -> Any:
  hints = typing.get_type_hints(cls)
  given: dict[str, Any] = {}
  for field in dataclasses.fields(cls):
    key = f"{prefix}{field.name}"
    if dataclasses.is_dataclass(hints[field.name]):
      given[field.name] = _nest(hints[field.name], typed, key + ".")
    elif key in typed:
      given[field.name] = typed[key]
  return cls(**given)


def _siblings(key: str, hints: Mapping[str, Any]) -> str:
  prefix = key.rpartition(".")[0]
  near = [k for k in hints if k.rpartition(".")[0] == prefix] or sorted({k.partition(".")[0] for k in hints})
  return ", ".join(near)
