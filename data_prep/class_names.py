"""Official class names: which class a file's folder means, and which names are wrong."""

from collections.abc import Iterable, Sequence

from data_prep.listing import raise_shortened
from zsar_jax.errors import did_you_mean


def official_names(spec: str) -> list[str]:
  """Class names of a shipped list (`ucf101`, ...) or of a file, in their order."""
  from zsar_jax.classes.class_lists import read_class_list

  return list(read_class_list(spec).names)


class FolderLabels:
  """The class of a file in nested folders: the deepest folder that bears a class's name.

  Capitals, and spaces for underscores, make no difference; a class name such as `/a/abbey` is a path of folders.
  """

  def __init__(self, class_names: Sequence[str]):
    self._rows = {_folded(name.strip("/")): row for row, name in enumerate(class_names)}
    self._depths = sorted({key.count("/") + 1 for key in self._rows}, reverse=True)

  def of_parts(self, parts: Sequence[str]) -> int | None:
    """The label of a file in these folders, outermost first; None where none is a class."""
    for end in range(len(parts), 0, -1):
      for depth in self._depths:
        if depth <= end and (row := self._rows.get(_folded("/".join(parts[end - depth : end])))) is not None:
          return row
    return None


def refuse_unknown(names: Iterable[str], known: Sequence[str], where: str) -> None:
  """Raises InputError that lists every name that is no class, with the nearest ones."""
  unknown = sorted(set(names) - set(known))
  problems = [f"{name!r}{did_you_mean(name, known)}" for name in unknown]
  raise_shortened(problems, f"{where}: {len(unknown)} names are none of the {len(known)} classes:")


def _folded(name: str) -> str:
  return name.replace(" ", "_").casefold()
