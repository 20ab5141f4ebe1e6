"""Borrowed weights of a run: loaded at its start, their classes compared with the unseen ones, and told in its report."""

import pathlib
from typing import Any, NamedTuple

from zsar_jax.classes.embeddings import join_class_sets
from zsar_jax.classes.pretraining import PretrainingAudit, audit_pretraining
from zsar_jax.config import Config
from zsar_jax.data.datasets import Corpus
from zsar_jax.errors import InputError
from zsar_jax.methods.base import Method
from zsar_jax.models.weights_dir import read_class_file, write_class_file
from zsar_jax.saved.bundles import is_bundle
from zsar_jax.train.checkpoint import has_checkpoints
from zsar_jax.train.initial import Source, read_source, start_from
from zsar_jax.train.state import Network


class Pretraining(NamedTuple):
  """Where a run's weights came from, and what they may already know."""

  origin: str  # as `model.init_from` writes it
  classes: tuple[str, ...] | None  # that they were trained on; None: unknown
  audit: PretrainingAudit | None  # None where the classes are unknown
  messages: tuple[str, ...]  # what was loaded and what was not; empty for a run that goes on

  def as_dict(self) -> dict[str, Any]:
    """As `report.json` holds it."""
    audit = self.audit or PretrainingAudit((), ())
    leaks = [{"class": name, "collides_with": other, "distance": far} for name, other, far in audit.leaks]
    return {
      "from": self.origin,
      "num_classes": None if self.classes is None else len(self.classes),
      "leaks": None if self.audit is None else leaks,
      "without_vectors": list(audit.without_vectors),
    }


def find_source(config: Config, workdir: pathlib.Path) -> Source | None:
  """What `model.init_from` names, read; None where it names nothing or the run goes on with weights of its own.

  Raises:
    InputError: it is not there, cannot be read, or holds another backbone; or a run that goes on started from something else.
  """
  given = config.model.init_from
  if has_checkpoints(workdir):
    before = _remembered(workdir)
    started = before["from"] if before else ""
    if given != started:
      raise InputError(
        f"'model.init_from' is {given!r}, but the checkpoints in {workdir} started from {started!r} and would not read it; "
        "set it back, or give another --workdir"
      )
    return None
  return read_source(pathlib.Path(given), config.model.backbone) if given else None


def begin(
  config: Config,
  workdir: pathlib.Path,
  source: Source | None,
  corpus: Corpus,
  method: Method,
  network: Network,
) -> tuple[Network, Pretraining | None]:
  """The network with the weights of `source` (see `find_source`), and the audit of the classes that they have seen.

  Raises:
    InputError: the source's backbone does not fit.
  """
  if not config.model.init_from:
    return network, None
  if source is None:
    before = _remembered(workdir)
    classes = before and before["classes"]
    return network, _audited(config, corpus, None if classes is None else tuple(classes), ())
  other_vectors = not _same_vectors(source, config.vectors)
  own = (*method.class_parts, *(method.vector_parts if other_vectors else ()))
  started = start_from(network, source, own)
  taken = ", ".join(f"{part} ({count:,} parameters)" for part, count in started.taken.items())
  messages: tuple[str, ...] = (
    f"taken from {config.model.init_from}: {taken}",
    f"left out of it: {_listed(started.left_out)}",
    f"fresh: {_listed(started.fresh)}",
  )
  if method.vector_parts and not other_vectors and source.vectors != config.vectors:
    messages += (f"its {source.vectors} is taken for this run's word vectors, by the file's name",)
  return started.network, _audited(config, corpus, source.classes, messages)


def remember(workdir: pathlib.Path, seen: tuple[str, ...], pretraining: Pretraining | None) -> None:
  """Writes `classes.json`: every class that the weights of this run have seen, for runs that start from them.

  A run that goes on with other seen classes (`--force`) has seen both.
  """
  earlier = (read_class_file(workdir) or {}).get("seen", ()) if has_checkpoints(workdir) else ()
  write_class_file(
    workdir,
    tuple(dict.fromkeys((*earlier, *seen))),
    pretraining and {"from": pretraining.origin, "classes": pretraining.classes},
  )


def _same_vectors(source: Source, spec: str) -> bool:
  """Whether the source was trained with these word vectors. An exported model keeps a file's name only."""
  if source.vectors is None or source.vectors.startswith("hash:") or not is_bundle(source.path):
    return source.vectors == spec
  given, kept = (text.removeprefix("sentence:") for text in (spec, source.vectors))
  same_kind = spec.startswith("sentence:") == source.vectors.startswith("sentence:")
  return same_kind and pathlib.Path(given).name == pathlib.Path(kept).name


def _remembered(workdir: pathlib.Path) -> dict[str, Any] | None:
  return (read_class_file(workdir) or {}).get("pretrained")


def _audited(
  config: Config, corpus: Corpus, classes: tuple[str, ...] | None, messages: tuple[str, ...]
) -> Pretraining:
  audit = None
  if classes is not None:
    unseen = join_class_sets([data_set.classes for data_set in corpus.unseen])
    audit = audit_pretraining(classes, unseen, config.vectors, config.data.overlap_threshold)
  return Pretraining(config.model.init_from, classes, audit, messages)


def _listed(names: tuple[str, ...], most: int = 8) -> str:
  more = f" and {len(names) - most} more" if len(names) > most else ""
  return (", ".join(names[:most]) or "nothing") + more
