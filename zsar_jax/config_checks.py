"""Which values of a config can be, alone and together: rules over its dotted keys."""

import math
from collections.abc import Mapping
from typing import Any

CHOICES = {
  "method": ("e2e", "rest"),
  "model.dtype": ("float32", "bfloat16"),
  "model.conv_impl": ("auto", "native", "folded", "folded_scan", "winograd"),
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


def _not_negative(flat: Mapping[str, Any]) -> list[str]:
  ends = (".steps", ".epochs", ".ramp_epochs", ".weight_decay", "momentum", "max_clips_per_epoch", "bn_group_size",
          "max_uses_per_seen", "num_features", "every_minutes", "keep_best", "checkpoint.every_steps", "watchdog_seconds",
          "skip_nonfinite", "distinctiveness", "overlap_threshold", "word_loss_weight", "data.workers",
          "data.max_classes", "data.num_clusters", "data.cluster", "data.max_videos", "data.max_videos_per_class", "seed")  # fmt: skip
  return [key for key in flat if key.endswith(ends)]


def _rates(flat: Mapping[str, Any]) -> list[str]:
  return [key for key in flat if key.endswith(".learning_rate")]


def check_values(flat: Mapping[str, Any]) -> list[str]:
  """Every problem of a whole config (dotted key -> value), in words."""
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
