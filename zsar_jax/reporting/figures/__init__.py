"""Every figure of the report, in the order of the page."""

from collections.abc import Iterator, Sequence

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures.confusion import confused_figures, confusion_figures
from zsar_jax.reporting.figures.distance import distance_figures
from zsar_jax.reporting.figures.embeddings import video_figures, word_figures
from zsar_jax.reporting.figures.generalized import generalized_figures
from zsar_jax.reporting.figures.hubness import hubness_figures
from zsar_jax.reporting.figures.intervals import interval_figure
from zsar_jax.reporting.figures.per_class import change_figures, per_class_figures
from zsar_jax.reporting.figures.training import training_figure
from zsar_jax.reporting.figures.transfer import recipe_figures, relatedness_figures
from zsar_jax.reporting.figures.tuning import tuning_figures
from zsar_jax.reporting.figures.words import overlap_figures
from zsar_jax.reporting.run import Run


def draw_figures(runs: Sequence[Run], names: Sequence[str]) -> Iterator[Figure | str]:
  """All figures of one run or of several side by side; a str tells of one that was left out, and why.

  `names` are what the runs are called, one each.
  """
  try:
    import matplotlib.figure  # noqa: F401
  except ImportError:
    yield "The figures are left out: matplotlib is not installed (pip install matplotlib)."
    return
  yield interval_figure(runs, names)
  yield from per_class_figures(runs, names)
  yield from change_figures(runs, names)
  yield from confusion_figures(runs, names)
  yield from confused_figures(runs, names)
  yield from video_figures(runs, names)
  yield from word_figures(runs, names)
  yield from overlap_figures(runs, names)
  yield from distance_figures(runs, names)
  yield from relatedness_figures(runs, names)
  yield from recipe_figures(runs, names)
  yield from hubness_figures(runs, names)
  yield from generalized_figures(runs, names)
  yield from tuning_figures(runs, names)
  yield training_figure(runs, names)
