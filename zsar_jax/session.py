"""A run opened: config checked, data sets and classes read, model laid out. Training and evaluation start from it."""

import functools
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int
from rich.console import Console

from zsar_jax.classes.vocabulary import word_table
from zsar_jax.config import Config, differences, to_dict, to_flat
from zsar_jax.data.datasets import ClipReader, Corpus, DataSet, open_corpus
from zsar_jax.data.pipeline import content_problems
from zsar_jax.data.plans import ClipSpec
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import write_text
from zsar_jax.memory import warn_if_short
from zsar_jax.methods import make_method
from zsar_jax.methods.backbone import cannot_build, frames_shape, model_problems
from zsar_jax.methods.base import Method
from zsar_jax.methods.frames import normalize
from zsar_jax.models.encode import gather_clips
from zsar_jax.models.weights_dir import read_class_file
from zsar_jax.pretraining import Pretraining, begin, find_source, remember
from zsar_jax.train import loop
from zsar_jax.train.apply import Apply, make_apply
from zsar_jax.train.checkpoint import CheckpointError, Checkpoints, has_checkpoints, read_saved_config
from zsar_jax.train.distributed import first_process_first, is_first
from zsar_jax.train.sharding import check_batch, make_mesh, place_batch, round_up
from zsar_jax.train.state import Network, Stage, TrainState, make_network, make_stages
from zsar_jax.tuning import FILE as TUNING
from zsar_jax.tuning import Tuned, read_tuned, with_tuned
from zsar_jax.types import ClipBatch, EvalBatch
from zsar_jax.workdirs import refuse_model, removed_if_refused


class Session(NamedTuple):
  """Everything that is settled before the first step."""

  config: Config
  given: Config  # as it was asked for; `config` holds the transfer coefficients that were tuned
  workdir: pathlib.Path
  corpus: Corpus
  reader: ClipReader
  method: Method
  network: Network
  stages: list[Stage]
  mesh: Mesh
  pretraining: Pretraining | None  # of `model.init_from`
  tuned: Tuned | None

  def compile(self, function: Callable[[Any, Array, Array], Any]) -> Apply:
    """jit of `function(model, normalised frames [B,F,...], positions [B,N,T])`, which is then given frames as stored."""
    data, dtype = self.config.data, jnp.dtype(self.config.model.dtype)

    def normalized(model: Any, inputs: tuple[Array, Array]) -> Any:
      frames, positions = inputs
      return function(model, normalize(frames, data, dtype), positions)

    return make_apply(self.network.graphdef, self.mesh, normalized)

  def apply(
    self, apply: Apply, state: TrainState, data_set: DataSet, num_clips: int, clips: str = "even"
  ) -> Iterator[tuple[EvalBatch, Any]]:
    """Every batch of `data_set`, with what `apply` (see `compile`) makes of it, still on the device.

    The next batch is read and handed to the device before one is given out, so the device waits for neither disk nor reader.
    """
    ahead: tuple[EvalBatch, Any] | None = None
    for batch in self.reader.evaluation(data_set, num_clips, clips):
      frames, positions = place_batch(self.mesh, (batch.frames, batch.positions))
      started = (
        batch._replace(frames=batch.frames[:0]),
        apply(state.params, state.batch_stats, (frames, positions)),
      )
      if ahead is not None:
        yield ahead
      ahead = started
    if ahead is not None:
      yield ahead

  def train(self) -> TrainState:
    """Trains to the end, from the newest checkpoint if there is one."""
    validate = functools.partial(_validate, self, {})
    batches = TrainingBatches(self.reader, self.corpus.train)
    return loop.train(self.config, self.network, self.stages, self.mesh, batches, validate, self.workdir)

  def restore(self) -> TrainState:
    """The newest good checkpoint.

    Raises:
      CheckpointError: there is none.
    """
    checkpoints = Checkpoints(
      self.workdir, self.config.checkpoint.keep, self.config.checkpoint.keep_best, read_only=True
    )
    restored = checkpoints.restore_newest(self.network, self.stages, self.mesh)
    checkpoints.close()
    if restored is None:
      raise CheckpointError(f"{checkpoints.directory} holds no checkpoint")
    print(f"restored step {int(restored.state.step)} of {self.workdir}")
    return restored.state


class TrainingBatches(NamedTuple):
  """The endless training batches of a data set (see `loop.Batches`)."""

  reader: ClipReader
  data_set: DataSet

  def stream(self, first_step: int) -> Iterator[ClipBatch]:
    return self.reader.training(self.data_set, first_step)

  def rows(self, step: int) -> Int[np.ndarray, " B"]:
    return self.reader.training_rows(self.data_set, step)

  def video_ids(self, rows: Int[np.ndarray, " B"]) -> list[str]:
    return list(self.data_set.videos.video_ids(rows))


def open_session(
  config: Config, workdir: pathlib.Path, *, must_resume: bool = False, force: bool = False
) -> Session:
  """Checks everything that can be checked before compiling, and shows what will run.

  Of several processes the first goes before the others: it makes what is missing, they find it.

  Raises:
    InputError: the workdir, a data set, a class, a word or a size is wrong.
  """
  mesh = make_mesh()  # outside: devices are found by all processes together
  with removed_if_refused(workdir), first_process_first("open"):
    return _open_session(config, workdir, mesh, must_resume, force)


def _open_session(
  config: Config, workdir: pathlib.Path, mesh: Mesh, must_resume: bool, force: bool
) -> Session:
  raise_all(model_problems(config), "the config is wrong:")
  _prepare_workdir(config, workdir, must_resume, force)
  given, tuned = config, read_tuned(config, workdir)
  config = with_tuned(config, tuned)
  source = find_source(config, workdir)
  check_batch(config.train.batch_size, mesh.size, config.train.accumulate, config.model.bn_group_size)
  corpus = open_corpus(config)
  if not force and has_checkpoints(workdir) and read_saved_config(workdir).get("vectors") != config.vectors:
    _check_seen_classes(workdir, corpus)
  reader = ClipReader(
    config, round_up(config.eval.batch_size, mesh.size), word_table(corpus.seen.words), jax.process_index(),
    jax.process_count(),
  )  # fmt: skip
  _check_contents(corpus, reader.spec)
  method = make_method(config, corpus.seen, corpus.word_vectors)
  network = _make_network(config, method)
  if not must_resume and is_first():
    warn_if_short(config, corpus.seen)
  network, pretraining = begin(config, workdir, source, corpus, method, network)
  stages = make_stages(config, method, network.params, len(corpus.train.rows))
  if not must_resume and is_first():
    write_text(workdir / "config.json", json.dumps(to_dict(given), indent=1) + "\n")
    remember(workdir, corpus.seen.names, pretraining)
  session = Session(config, given, workdir, corpus, reader, method, network, stages, mesh, pretraining, tuned)
  _show(session)
  return session


def _check_seen_classes(workdir: pathlib.Path, corpus: Corpus) -> None:
  """A model that goes on knows certain classes; other word vectors may remove others."""
  known = read_class_file(workdir)
  if known is None or tuple(known["seen"]) == corpus.seen.names:
    return
  raise InputError(
    f"workdir {workdir} was trained on {len(known['seen'])} seen classes, these settings leave {len(corpus.seen.names)}, others or in "
    "another order: with other word vectors other classes are too near an unseen one. Name the classes with data.seen=NAME:@LIST "
    "and train on them, or give back the vectors of the run"
  )


def _check_contents(corpus: Corpus, spec: ClipSpec) -> None:
  """Every data set must hold what the encoder reads, in the size that the clips need."""
  data_sets = (corpus.train, corpus.validation, *corpus.unseen, corpus.seen_test)
  problems = [problem for d in data_sets for problem in content_problems(d.videos, d.rows, spec)]
  raise_all(list(dict.fromkeys(problems)), "data sets and encoder do not go together:")


def _make_network(config: Config, method: Method) -> Network:
  """Lays the model out and sends the shape of one clip through it; only then is anything compiled."""
  dtype = jnp.dtype(config.model.dtype)

  def embed(frames: Array) -> Array:
    return method.embed(method.init_model(config.seed), normalize(frames, config.data, dtype))

  try:
    jax.eval_shape(embed, frames_shape(config, 1, 1))
  except ValueError as error:
    raise cannot_build(config, error) from error
  return make_network(method, config.seed)


def _prepare_workdir(config: Config, workdir: pathlib.Path, must_resume: bool, force: bool) -> None:
  refuse_model(workdir)
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    probe = workdir / f".writable.{jax.process_index()}"
    probe.touch()
    probe.unlink()
  except OSError as error:
    raise InputError(
      f"workdir {workdir} cannot be written: {error.strerror}; give another with --workdir"
    ) from error
  if not has_checkpoints(workdir):
    if must_resume:
      raise InputError(
        f"workdir {workdir} holds no checkpoint to evaluate; train first, or give another --workdir"
      )
    return
  if not force:
    changed = differences(read_saved_config(workdir), config)
    raise_all(changed, f"workdir {workdir} holds checkpoints of another config; give another --workdir, remove it, or "
                       "go on with --force:")  # fmt: skip


def _validate(
  session: Session, compiled: dict[str, Apply], stage: Stage, state: TrainState, alive: Callable[[], None]
) -> float:
  """Top-1 accuracy (per cent) on the seen classes' validation videos, centre clip, by the phase's own scores.

  `alive` is called after every batch.
  """
  name = stage.phase.name
  if name not in compiled:
    scores_of = stage.phase.scores
    compiled[name] = session.compile(
      lambda model, frames, positions: scores_of(model, gather_clips(frames, positions))
    )
  validation, hits = session.corpus.validation, 0
  for batch, scores in session.apply(compiled[name], state, validation, num_clips=1):
    hits += int(((np.asarray(scores).argmax(-1) == batch.label) & batch.mask).sum())
    alive()
  return 100 * hits / len(validation.rows)


def _show(session: Session) -> None:
  """The resolved config, devices, classes and size of the model."""
  console = Console(highlight=False)
  corpus, config = session.corpus, session.config
  _show_config(console, config)
  devices = jax.devices()
  processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
  console.print(
    f"[bold]devices[/bold]  {len(devices)} x {devices[0].device_kind} ({devices[0].platform}){processes}"
  )
  console.print(f"[bold]seen[/bold]  {len(corpus.seen.names)} classes, {len(corpus.train.rows)} training and "
                f"{len(corpus.validation.rows)} validation videos: {_short(corpus.seen.names)}")  # fmt: skip
  removed = [f"{name} (as {other}, {distance:.3f})" for name, other, distance in corpus.overlap.removed]
  told = f"{len(removed)} seen classes too near an unseen one: {_short(removed)}" if removed else "no class"
  console.print(f"[bold]removed[/bold]  {told}")
  if session.tuned is not None:
    told = ", ".join(f"{key}={value}" for key, value in session.tuned.coefficients.items())
    console.print(f"[bold]transfer[/bold]  coefficients from {TUNING}: {told}")
  for data_set in corpus.unseen:
    console.print(f"[bold]unseen[/bold]  {data_set.name}: {len(data_set.classes.names)} classes, "
                  f"{len(data_set.rows)} videos: {_short(data_set.classes.names)}")  # fmt: skip
  if config.vectors.startswith("hash:"):
    console.print(
      "[yellow]word vectors are made from the words' letters (hash:): a stand-in without meaning[/yellow]"
    )
  if session.pretraining is not None:
    _show_pretraining(console, session.pretraining)
  phases = ", ".join(f"{s.phase.name} {s.end - s.start} steps" for s in session.stages)
  console.print(f"[bold]model[/bold]  {config.method} on {config.model.backbone}, "
                f"{session.network.num_parameters:,} parameters; {phases}")  # fmt: skip


def _show_pretraining(console: Console, pretraining: Pretraining) -> None:
  for message in pretraining.messages:
    console.print(f"[bold]pretrained[/bold]  {message}")
  if pretraining.audit is None:
    console.print(
      f"[yellow]the classes that {pretraining.origin} was trained on are unknown: an unseen class may be among them[/yellow]"
    )
    return
  leaks = [f"{name} (as {other}, {distance:.3f})" for name, other, distance in pretraining.audit.leaks]
  color = "yellow" if leaks else "default"
  console.print(f"[{color}][bold]leaks[/bold]  {len(leaks)} of the {len(pretraining.classes or ())} classes it was trained on "
                f"are too near an unseen one: {_short(leaks) or 'none'}[/{color}]")  # fmt: skip


def _show_config(console: Console, config: Config) -> None:
  """One line a section."""
  sections: dict[str, list[str]] = {}
  for key, value in to_flat(config).items():
    section, _, name = key.rpartition(".")
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    sections.setdefault(section or "config", []).append(f"{name}={text}")
  for section, values in sections.items():
    console.print(f"[bold]{section}[/bold]  {'  '.join(values)}", soft_wrap=True)


def _short(names: Any, most: int = 12) -> str:
  names = list(names)
  return ", ".join(names[:most]) + (f", … ({len(names) - most} more)" if len(names) > most else "")
