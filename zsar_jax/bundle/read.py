"""Opens a bundle: every byte of it is verified before anything in it is believed. Needs neither TensorFlow nor gensim nor PyAV."""

import pathlib
from typing import Any

import jax

from zsar_jax.bundle import model
from zsar_jax.bundle.class_arrays import (
  KNOWN,
  SEEN,
  SEEN_VISUAL,
  check_matrix,
  check_names,
  read_classes,
  read_word_arrays,
)
from zsar_jax.bundle.contents import Bundle, Facts
from zsar_jax.bundle.facts import read_facts
from zsar_jax.config import Config, from_dict
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import is_file, is_folder, parse_json
from zsar_jax.methods.backbone import model_problems
from zsar_jax.models.weights_dir import is_run
from zsar_jax.saved.arrays import read_npz
from zsar_jax.saved.bundles import CLASSES, CONFIG, FACTS, PARAMETERS, WORDS, is_bundle
from zsar_jax.saved.folders import sums_problems
from zsar_jax.train.arrays import read_arrays

_MOST_LAYERS = 1024  # laying out more takes minutes
_AGAIN = "export the model again, or fetch the folder anew"


def read_bundle(folder: pathlib.Path) -> Bundle:
  """The exported model in `folder`.

  Raises:
    InputError: it is no exported model (of a run's workdir it says how to export it); files are missing, changed or do not belong
      (SHA-256), all of them listed; or what they hold does not go together.
  """
  check_bundle(folder)
  facts, config = read_facts(folder), _read_config(folder)
  _check_agreement(folder, facts, config)
  try:
    arrays = read_npz(folder / CLASSES)
    check_names(arrays)
    seen, known = read_classes(arrays, SEEN), read_classes(arrays, KNOWN)
    seen_visual = arrays.get(SEEN_VISUAL)
    if seen_visual is not None:
      check_matrix(seen_visual, len(seen.names), SEEN_VISUAL)
    words = read_word_arrays(read_npz(folder / WORDS)) if is_file(folder / WORDS) else {}
  except Exception as error:  # whatever a damaged zip, header or array makes NumPy raise
    raise InputError(f"the classes in {folder} cannot be read ({_first_line(error)}): {_AGAIN}") from error
  bundle = Bundle(folder, facts, config, seen, seen_visual, known, words, None, None)
  raise_all(_class_problems(bundle), f"{folder} does not go together; {_AGAIN}:")
  params, batch_stats = _read_parameters(bundle)
  return bundle._replace(params=params, batch_stats=batch_stats)


def check_bundle(folder: pathlib.Path) -> None:
  """Raises InputError unless `folder` is a bundle of which no byte differs from what was written."""
  if not is_bundle(folder):
    raise InputError(f"{folder} is no exported model: {_instead(folder)}")
  raise_all(sums_problems(folder), f"the exported model {folder} is not as it was written; {_AGAIN}:")


def _instead(folder: pathlib.Path) -> str:
  if not is_folder(folder):
    return f"{'it is a file' if is_file(folder) else 'there is no such folder'}; check the path"
  if is_run(folder):
    return f"it is the workdir of a run, which is exported with: python -m zsar_jax.export --workdir {folder} --to DIR; then give DIR"
  return "expected a folder that this wrote: python -m zsar_jax.export --workdir RUN --to DIR"


def _read_config(folder: pathlib.Path) -> Config:
  path = folder / CONFIG
  try:
    saved = parse_json(path.read_text(encoding="utf-8"))
    if not isinstance(saved, dict):
      raise ValueError("no JSON object")
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read ({error}): {_AGAIN}") from error
  config = from_dict(saved, str(path))
  raise_all(model_problems(config), f"{path} is wrong; {_AGAIN}:")
  return config


def _check_agreement(folder: pathlib.Path, facts: Facts, config: Config) -> None:
  """Sizes are told twice: in the config, and as what a video must become."""
  pairs = {key: (getattr(facts.preprocessing, key), getattr(config.data, key))
           for key in ("short_side", "crop", "num_frames", "stride")}  # fmt: skip
  pairs["num_clips"] = (facts.preprocessing.num_clips, config.eval.num_clips)
  pairs["vectors"] = (facts.vectors, config.vectors)
  problems = [
    f"'{key}' is {told!r} in the one and {meant!r} in the other"
    for key, (told, meant) in pairs.items()
    if told != meant
  ]
  raise_all(problems, f"model.json and config.json of {folder} do not agree; {_AGAIN}:")


def _class_problems(bundle: Bundle) -> list[str]:
  seen, visual = bundle.seen, bundle.seen_visual
  problems = (
    [] if len(seen.names) > 1 else [f"{CLASSES} holds {len(seen.names)} seen classes, expected at least 2"]
  )
  if (visual is None) != (bundle.config.method == "e2e"):
    problems.append(f"{CLASSES} {'lacks' if visual is None else 'holds'} {SEEN_VISUAL}, which the method {bundle.config.method} "
                    f"{'needs' if visual is None else 'has not'}")  # fmt: skip
  widths = {one.semantic_embeddings.shape[1] for one in (seen, bundle.known)} | set(
    map(len, bundle.word_vectors.values())
  )
  if len(widths) > 1:
    problems.append(f"word vectors have {' and '.join(map(str, sorted(widths)))} numbers, expected one width")
  if bundle.facts.space == "visual" and visual is None:
    problems.append(f"{FACTS} says that videos are compared among visual prototypes, which it does not hold")
  if bundle.config.model.num_layers > _MOST_LAYERS:
    problems.append(
      f"'model.num_layers' is {bundle.config.model.num_layers}, expected at most {_MOST_LAYERS}"
    )
  return problems


def _read_parameters(bundle: Bundle) -> tuple[Any, Any]:
  place = bundle.folder / PARAMETERS
  try:
    template = model.abstract_arrays(model.abstract_model(model.make_bundle_method(bundle)))
    arrays = read_arrays(place, template)
  except (
    Exception
  ) as error:  # whatever sizes that do not go together make the model raise, and damaged files Orbax
    raise InputError(
      f"the parameters in {place} do not fit the model of {CONFIG} ({_first_line(error)}): {_AGAIN}"
    ) from error
  num_parameters = sum(leaf.size for leaf in jax.tree.leaves(arrays["params"]))
  if num_parameters != bundle.facts.num_parameters:
    raise InputError(
      f"{place} holds {num_parameters} parameters, {FACTS} says {bundle.facts.num_parameters}: {_AGAIN}"
    )
  return arrays["params"], arrays["batch_stats"]


def _first_line(error: Exception) -> str:
  return f"{type(error).__name__}: {error}".splitlines()[0][:300]
