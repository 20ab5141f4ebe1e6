"""What people read: a table or a line a video, and why."""

import sys
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zsar_jax.bundle.contents import Facts
from zsar_jax.predicting.explain import Part, parts
from zsar_jax.recognition.answers import Failure, Named, Prediction
from zsar_jax.recognition.candidates import Candidates

MOST_TABLES = 5  # videos; more of them get a line each
_PIPED = 120  # columns of tables where there is no terminal
_JOINERS = "\u200c\u200d"  # letters of some languages need them


class StdoutClosed(Exception):
  """Nobody reads our output any more."""


class Screen(Console):
  """stdout: tables keep to the terminal; lines that are piped are never cut."""

  def __init__(self) -> None:
    super().__init__(highlight=False, emoji=False, markup=False)
    if not self.is_terminal:
      self.width = _PIPED

  def on_broken_pipe(self) -> None:
    raise StdoutClosed


class Printer:
  """Prints each answer as it comes.

  Args:
    videos: all that will be asked about: their number decides between tables and lines, their names the widths.
    explain: says what stands behind every name; always tables.
  """

  def __init__(
    self, screen: Screen, facts: Facts, candidates: Candidates, videos: Sequence[str], explain: bool
  ) -> None:
    self._screen, self._facts, self._candidates = screen, facts, candidates
    self._seen = {leak.name for leak in candidates.leaks}
    self._tables = explain or len(videos) <= MOST_TABLES
    self._explain = explain
    self._widths = _widths(screen, videos, candidates.classes.names)

  def notes(self) -> None:
    """Names that the model was trained on, as far as anybody knows, and names that it has next to nothing for."""
    for leak in self._candidates.leaks:
      self._note(
        "seen",
        f"'{shown(leak.name)}' was trained on as '{shown(leak.known_as)}' (distance {leak.distance:.3f}): no zero-shot answer",
      )
    if self._facts.vectors.startswith("hash:"):
      self._note(
        "note",
        f"word vectors of this model are made of letters ({self._facts.vectors}): only words of its seen classes mean anything",
      )
    if not self._facts.pretrained_known:
      self._note(
        "note",
        f"training began from {shown(self._facts.pretrained_from or 'other weights')}, whose classes nobody listed: a name may have "
        "been trained on without a mark",
      )
    for note in self._candidates.notes:
      self._note("note", shown(note))

  def _note(self, kind: str, text: str) -> None:
    self._screen.print(Text.assemble((kind, "yellow"), f"  {text}"), soft_wrap=True)

  def answer(self, one: Prediction) -> None:
    """One video's names, best first."""
    if self._tables:
      self._screen.print(_title(one), soft_wrap=True)
      self._screen.print(self._table(one))
      if self._explain:
        near = ", ".join(f"{shown(seen.name)} {seen.score:.2f}" for seen in one.nearest_seen)
        self._screen.print(Text(f"  nearest seen classes of this video: {near}\n"))
      return
    line = self._line(one)
    if self._screen.is_terminal:
      self._screen.print(line, no_wrap=True, overflow="ellipsis")
    else:
      self._screen.print(line, soft_wrap=True)

  def _table(self, one: Prediction) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("class", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    if self._explain:
      composed = self._candidates.prototypes.weights is not None
      table.add_column("made of seen" if composed else "nearest seen", overflow="fold")
      table.add_column("share" if composed else "cosine", justify="right", no_wrap=True)
      table.add_column("this video", justify="right", no_wrap=True)
    for rank, named in enumerate(one.ranking, 1):
      cells = [Text(str(rank)), Text(shown(named.name)), Text(f"{named.score:.3f}"), self._mark(named)]
      style = "bold" if rank == 1 else ""
      if not self._explain:
        table.add_row(*cells, style=style)
        continue
      behind = parts(named.name, one, self._candidates)
      for row, part in enumerate(behind):
        table.add_row(*(cells if row == 0 else [Text("")] * 4), *_behind(part), style=style)
      if not behind:
        table.add_row(*cells, style=style)
    return table

  def _mark(self, named: Named) -> Text:
    return Text("seen", "yellow") if named.name in self._seen else Text("")

  def _line(self, one: Prediction) -> Text:
    first, *others = one.ranking
    path, name = self._widths
    rest = ", ".join(f"{self._name(named.name)} {named.score:.3f}" for named in others)
    return Text.assemble(
      _padded(_end(shown(one.video), path), path),
      f"  {first.score:.3f}  ",
      (_padded(_begin(shown(first.name), name), name), "bold"),
      ("  seen" if first.name in self._seen else " " * 6 if self._seen else "", "yellow"),
      (f"  {rest}" if rest else "", "dim"),
    )

  def _name(self, name: str) -> str:
    return shown(name) + (" (seen)" if name in self._seen else "")


def tell_failure(one: Failure) -> None:
  """One line on stderr."""
  print(f"cannot read {shown(one.video)}: {shown(one.reason)}", file=sys.stderr)


def tell_end(answers: Sequence[Prediction | Failure]) -> None:
  """The videos without an answer once more, where they can be found, on stderr."""
  failures = [one for one in answers if isinstance(one, Failure)]
  if failures:
    named = len(answers) - len(failures)
    print(f"named {named} of {len(answers)} videos; could not read {len(failures)}:", file=sys.stderr)
    for one in failures:
      print(f"  - {shown(one.video)}: {shown(one.reason)}", file=sys.stderr)


def shown(text: str) -> str:
  """`text` as it can be printed on one line: controls and half letters are written as escapes."""
  return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode() for c in text)


def _title(one: Prediction) -> Text:
  return Text.assemble((shown(one.video), "bold"), f"  {one.seconds:.1f} s, {one.num_frames} frames")


def _behind(part: Part) -> list[Text]:
  """The cells of a seen class behind a name."""
  much = f"{100 * part.share:.0f} %" if part.share is not None else f"{part.meaning:.2f}"
  return [Text(shown(part.name)), Text(much), Text(f"{part.video:.2f}")]


def _widths(screen: Screen, videos: Sequence[str], names: Sequence[str]) -> tuple[int, int]:
  """Columns of a path and of the best name in a line a video."""
  path = max(cell_len(shown(video)) for video in videos)
  name = max(cell_len(shown(name)) for name in names)
  if screen.is_terminal:
    path, name = min(path, max(20, screen.width * 2 // 5)), min(name, max(12, screen.width // 4))
  return path, name


def _padded(text: str, width: int) -> str:
  return text + " " * (width - cell_len(text))


def _end(text: str, width: int) -> str:
  """The end of a path, which tells it from others."""
  if cell_len(text) <= width:
    return text
  while cell_len(text) >= width:
    text = text[1:]
  return f"…{text}"


def _begin(text: str, width: int) -> str:
  if cell_len(text) <= width:
    return text
  while cell_len(text) >= width:
    text = text[:-1]
  return f"{text}…"
