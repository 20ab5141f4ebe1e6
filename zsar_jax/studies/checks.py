"""What can be wrong before the first run starts: data sets, word vectors and weights that are not there, clusters that are too small."""

import pathlib
from collections.abc import Callable, Sequence
from functools import partial

from zsar_jax.classes.embeddings import join_class_sets, read_whole_classes
from zsar_jax.classes.overlap import find_overlap
from zsar_jax.classes.vectors import check_spec
from zsar_jax.config import Config
from zsar_jax.data import storage
from zsar_jax.data.generated import PREFIX, generated_path
from zsar_jax.data.index import open_index
from zsar_jax.data.references import choose_classes, parse_reference
from zsar_jax.data.subsets import keep_classes
from zsar_jax.errors import InputError, raise_all
from zsar_jax.studies.jobs import Job, some_runs
from zsar_jax.types import ClassSet


def select(jobs: Sequence[Job], only: str) -> list[Job]:
  """The jobs that have `only` in their name, and those that they start from; in order.

  Raises:
    InputError: no job has it.
  """
  wanted: set[str] = set()
  for job in jobs:
    link: Job | None = job if only in job.run.name else None
    while link is not None:
      wanted.add(link.run.name)
      link = link.source
  if not wanted:
    raise InputError(
      f"--only {only!r}: no run has it in its name; there are {', '.join(job.run.name for job in jobs)}"
    )
  return [job for job in jobs if job.run.name in wanted]


def check_inputs(jobs: Sequence[Job], origin: str) -> None:
  """Checks what runs that are still to be started need.

  Raises:
    InputError: every missing data set (with the command that makes it), vector file and folder of weights; where all are there,
      every cluster of classes that does not hold as many as are asked of it.
  """
  problems: dict[str, None] = {}
  data_sets: set[tuple[str, int]] = set()
  for job in jobs:
    data = job.evaluated.data
    texts = [data.seen, *data.unseen, *filter(None, [data.seen_test])]
    names = {parse_reference(text).name for text in texts}
    data_sets |= {
      (storage.join(data.dir, name), data.short_side) for name in names if not name.startswith(PREFIX)
    }
    for vectors in {job.trained.vectors, job.evaluated.vectors}:
      problems |= dict.fromkeys(_problem(partial(check_spec, vectors)))
    weights = job.trained.model.init_from
    if weights and job.source is None and not pathlib.Path(weights).is_dir():
      problems[f"'model.init_from' {weights} of run {job.run.name!r} is not there"] = None
  for path, short_side in sorted(data_sets):
    problems |= dict.fromkeys(_problem(partial(open_index, path, short_side, "off")))
  raise_all(list(problems), f"{origin}: what its runs need is not there:")
  raise_all(_cluster_problems(jobs), f"{origin}: classes cannot be chosen by cluster:")


def _cluster_problems(jobs: Sequence[Job]) -> list[str]:
  """Subsets of one cluster (E2E Fig. 5) that it cannot give: a run would tell after those before it, hours later."""
  kept: dict[tuple, ClassSet | None] = {}
  runs: dict[str, list[str]] = {}
  for job in jobs:
    config, data = job.trained, job.trained.data
    if not data.num_clusters:
      continue
    # What the seen classes depend on; generated sets also on the seed.
    key = (data.dir, data.seen, data.unseen, data.overlap_threshold, data.remove_overlap, data.short_side, config.vectors,
           config.generated, config.seed)  # fmt: skip
    try:
      if key not in kept:
        kept[key] = None  # a problem is told once
        kept[key] = _kept_classes(config)
      classes = kept[key]
      if classes is not None:
        keep_classes(classes.semantic_embeddings, data)
    except InputError as error:
      runs.setdefault(str(error), []).append(job.run.name)
  return [f"{some_runs(names)}: {text}" for text, names in runs.items()]


def _kept_classes(config: Config) -> ClassSet | None:
  """The seen classes that no unseen one is near, as a run finds them; None where generated data sets are still to be made."""
  data = config.data
  texts = dict.fromkeys([data.seen, *data.unseen])
  references = {text: parse_reference(text) for text in texts}
  names = {reference.name for reference in references.values()}
  folders = {
    name: str(generated_path(config, name)) if name.startswith(PREFIX) else storage.join(data.dir, name)
    for name in names
  }
  if not all(pathlib.Path(folders[name], "index").is_dir() for name in names if name.startswith(PREFIX)):
    return None
  indexes = {name: open_index(folder, data.short_side, "off") for name, folder in folders.items()}
  chosen = choose_classes(list(references.values()), indexes)
  sources = {text: reference.name for text, reference in references.items()}
  sets = read_whole_classes(dict(zip(texts, chosen, strict=True)), config.vectors, sources).sets
  seen = sets[data.seen]
  if not data.remove_overlap:
    return seen
  unseen = join_class_sets([sets[text] for text in data.unseen])
  return seen.subset(find_overlap(seen, unseen, data.overlap_threshold).kept)


def _problem(check: Callable[[], object]) -> list[str]:
  try:
    check()
  except InputError as error:
    return [str(error)]
  return []
