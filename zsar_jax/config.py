"""What a run is made of: a config file, command-line overrides, and frozen dataclasses.

A config file defines `get_config(variant="")` and returns an `ml_collections.ConfigDict` with the values it wants to
set; everything else keeps the default written here. All problems (unknown keys, wrong types, impossible values) are
reported at once.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import ml_collections

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
  init_from: str = ""  # a folder that `zsar_jax.models.weights` wrote, or the workdir of a run
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


CHOICES = {
  "method": ("e2e", "rest"),
  "model.dtype": ("float32", "bfloat16"),
  "model.conv_impl": ("auto", "native", "folded", "folded_scan"),
  "model.temporal": ("transformer", "rnn", "lstm"),
  "train.warmup.optimizer": ("adam", "adamw", "sgd"),
  "train.joint.optimizer": ("adam", "adamw", "sgd"),
  "train.warmup.schedule": ("constant", "cosine", "steps"),
  "train.joint.schedule": ("constant", "cosine", "steps"),
  "transfer.space": ("visual", "semantic"),
  "transfer.solver": ("milp", "closed_form"),
  "eval.clips": ("even", "random", "released"),
  "data.verify": ("size", "full", "off"),
  "eval.frame_order": ("natural", "single", "shuffled"),
}
POSITIVE = (
  "data.short_side", "data.crop", "data.num_frames", "data.stride", "generated.num_unseen", "generated.train_per_class",
  "generated.test_per_class", "generated.seen_test_per_class", "generated.num_frames", "generated.size", "model.width",
  "model.num_layers", "model.num_heads", "model.hidden", "train.batch_size", "train.accumulate", "train.base_batch_size",
  "transfer.num_neighbors", "transfer.max_seen_per_unseen", "eval.num_clips", "eval.batch_size", "eval.num_splits",
  "logging.every_steps", "logging.validate_every_steps", "checkpoint.keep",
)  # fmt: skip
FRACTIONS = ("data.validation_fraction", "data.grayscale", "data.color_jitter", "data.noise", "model.dropout",
             "model.mask_rate")  # fmt: skip
_LARGEST = 1 << 31  # no number of a config is as large: steps are int32 on the device
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
  problems = [f"unknown key {_short(k)}{did_you_mean(k[:99], hints) or '; known: ' + _siblings(k, hints)}"
              for k in values if k not in hints]  # fmt: skip
  typed: dict[str, Any] = {}
  for key in values.keys() & hints.keys():
    try:
      typed[key] = _convert(values[key], hints[key])
    except (ValueError, TypeError):
      problems.append(f"'{key}' is {_short(values[key])}, expected {_type_name(hints[key])}")
  config = _nest(Config, typed)
  problems += _check_values(_flatten(dataclasses.asdict(config)))
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
  return [f"{k}: {_short(saved.get(k))} in the workdir, {_short(current[k]) if k in current else 'no such key'} asked for"
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


def _convert(value: Any, hint: Any) -> Any:
  if isinstance(hint, types.GenericAlias):
    (item, _) = hint.__args__
    parts = [p for p in value.split(",") if p] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
      raise TypeError(value)
    return tuple(_convert(p, item) for p in parts)
  if hint is bool:
    return _convert_bool(value)
  if hint in (int, float) and isinstance(value, str):
    value = hint(value)
  if hint is float and type(value) in (int, float):
    value = float(value) if -_LARGEST < value < _LARGEST else math.inf
  if type(value) is not hint or (hint is str and not _is_writable(value)):
    raise TypeError(value)
  if hint in (int, float) and not -_LARGEST < value < _LARGEST:
    raise ValueError(value)
  return value


def _is_writable(text: str) -> bool:
  """Whether it can be printed and name a file: a shell may hand over bytes that are no UTF-8."""
  return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _convert_bool(value: Any) -> bool:
  text = str(value).lower()
  if text not in ("true", "false"):
    raise ValueError(value)
  return text == "true"


def _type_name(hint: Any) -> str:
  if isinstance(hint, types.GenericAlias):
    several = {int: "whole numbers", float: "numbers", str: "texts"}
    return f"a comma-separated list of {several[hint.__args__[0]]}"
  return {int: "a whole number below 2^31", float: "a number below 2^31", bool: "true or false", str: "text"}[
    hint
  ]


def _short(value: Any) -> str:
  try:
    text = repr(value)
  except ValueError:  # a whole number of thousands of digits
    text = f"a {type(value).__name__}"
  text = text.encode("utf-8", "backslashreplace").decode()
  return text if len(text) <= 200 else f"{text[:200]}…"


def _siblings(key: str, hints: Mapping[str, Any]) -> str:
  prefix = key.rpartition(".")[0]
  near = [k for k in hints if k.rpartition(".")[0] == prefix] or sorted({k.partition(".")[0] for k in hints})
  return ", ".join(near)


def _not_negative(flat: Mapping[str, Any]) -> list[str]:
  ends = (".steps", ".epochs", ".ramp_epochs", ".weight_decay", "momentum", "max_clips_per_epoch", "bn_group_size",
          "max_uses_per_seen", "num_features", "every_minutes", "keep_best", "checkpoint.every_steps", "watchdog_seconds",
          "skip_nonfinite", "distinctiveness", "overlap_threshold", "word_loss_weight", "data.workers",
          "data.max_classes", "data.num_clusters", "data.cluster", "data.max_videos", "data.max_videos_per_class", "seed")  # fmt: skip
  return [key for key in flat if key.endswith(ends)]


def _rates(flat: Mapping[str, Any]) -> list[str]:
  return [key for key in flat if key.endswith(".learning_rate")]


def _check_values(flat: Mapping[str, Any]) -> list[str]:
  problems = [f"'{k}' is {flat[k]!r}, expected one of {', '.join(allowed)}"
              for k, allowed in CHOICES.items() if flat[k] not in allowed]  # fmt: skip
  problems += [f"'{k}' is {flat[k]}, expected at least 1" for k in POSITIVE if flat[k] < 1]
  problems += [
    f"'{k}' is {flat[k]}, expected a number from 0 to below 1" for k in FRACTIONS if not 0 <= flat[k] < 1
  ]
  batch, accumulate = flat["train.batch_size"], flat["train.accumulate"]
  if accumulate > 0 and batch % accumulate:
    problems.append(
      f"'train.batch_size' {batch} does not divide into 'train.accumulate' {accumulate} micro-batches"
    )
  if flat["data.crop"] > flat["data.short_side"]:
    problems.append(
      f"'data.crop' {flat['data.crop']} is larger than 'data.short_side' {flat['data.short_side']}"
    )
  if not flat["train.joint.steps"] and not flat["train.joint.epochs"]:
    problems.append(
      "'train.joint.steps' and 'train.joint.epochs' are both 0, expected a length for the training"
    )
  problems += [f"'{k}' is {flat[k]}, expected 0 or more" for k in _not_negative(flat) if not flat[k] >= 0]
  above_0 = (*_rates(flat), "safety.heartbeat_seconds")
  problems += [
    f"'{k}' is {flat[k]}, expected a number above 0" for k in above_0 if not 0 < flat[k] < math.inf
  ]
  for key in ("data.mean", "data.std"):
    if len(flat[key]) != 3 or not all(map(math.isfinite, flat[key])):
      problems.append(f"'{key}' is {flat[key]}, expected three numbers, of red, green and blue")
  if not all(value > 0 for value in flat["data.std"]):
    problems.append(f"'data.std' is {flat['data.std']}, expected numbers above 0")
  problems += _check_subset(flat)
  if flat["eval.clips"] == "released" and flat["data.stride"] != 1:
    problems.append(
      f"'eval.clips' is 'released', which reads consecutive frames, but 'data.stride' is {flat['data.stride']}"
    )
  if flat["transfer.solver"] == "closed_form" and flat["transfer.max_uses_per_seen"]:
    problems.append(
      "'transfer.max_uses_per_seen' couples the classes, which only 'transfer.solver' milp can do"
    )
  problems += _check_variant(flat)
  for key in ("data.seen", "data.unseen", "vectors"):
    if not flat[key]:
      problems.append(
        f"'{key}' is empty, expected {'word vectors (FILE or hash:300)' if key == 'vectors' else 'a data set'}"
      )
  return problems


def _check_subset(flat: Mapping[str, Any]) -> list[str]:
  """What is trained on: classes, videos, windows."""
  problems = []
  if flat["data.max_classes"] == 1:
    problems.append("'data.max_classes' is 1, expected 0 (all) or at least 2")
  clusters, cluster = flat["data.num_clusters"], flat["data.cluster"]
  if clusters == 1:
    problems.append("'data.num_clusters' is 1, expected 0 (none) or at least 2")
  if cluster and cluster >= clusters:
    problems.append(
      f"'data.cluster' is {cluster}, expected one of the 'data.num_clusters' {clusters}, counted from 0"
    )
  if not all(0 < scale <= 1 for scale in flat["data.scales"]):
    problems.append(f"'data.scales' is {flat['data.scales']}, expected numbers above 0, at most 1")
  return problems


def _check_variant(flat: Mapping[str, Any]) -> list[str]:
  """Switches of the model that do not go together."""
  problems = []
  tasks, names = flat["model.tasks"], ("cls", "mlm")
  if not tasks or len(set(tasks)) < len(tasks) or not set(tasks) <= set(names):
    problems.append(f"'model.tasks' is {','.join(tasks)!r}, expected cls, mlm or cls,mlm")
  if flat["model.cross_modal"] and flat["model.temporal"] != "transformer":
    problems.append(
      f"'model.cross_modal' is a way to attend, which 'model.temporal' {flat['model.temporal']} does not do"
    )
  if flat["method"] == "rest" and len(tasks) == 1 and flat["transfer.space"] == "visual":
    problems.append(
      "'transfer.space' visual needs both 'model.tasks' (ResT section 4.3): one task alone ties no space "
      "to the other; set transfer.space=semantic"
    )
  if flat["model.freeze_backbone"] and not flat["model.init_from"] and flat["model.backbone"] != "features":
    problems.append(
      "'model.freeze_backbone' would freeze random weights; say with 'model.init_from' where trained ones are"
    )
  if (flat["model.backbone"] == "features") != (flat["model.num_features"] > 0):
    problems.append(
      f"'model.num_features' is {flat['model.num_features']}, expected the width of the features for "
      "'model.backbone' features, and 0 for any other"
    )
  return problems
