"""Videos and prototypes (ResT Fig. 4), and the classes' words (E2E Fig. 2), laid out on a plane by t-SNE."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import CLASS_MARKERS, CLASSES, GREEN, PURPLE, REMOVED, SEEN, UNSEEN
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

NUM_CLASSES, NUM_VIDEOS = 30, 1500
NAMED = 60  # names at most on the plane of words
FONT = 5.5  # points, of these names
PLANE = np.array([440.0, 350.0])  # about its size in points
STAND_INS = (
  " Without transfer a video lies at the words of its visually nearest seen class, so many share a place."
)
MISSING = "scikit-learn is not installed (pip install scikit-learn)"


def video_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The videos of up to 30 random unseen classes with their prototypes, a figure a run and data set."""
  if not _has_tsne():
    return [f"Videos and prototypes on a plane: {MISSING}."]
  return [
    _videos(run, *reading.of_run(runs, names, run), data_set)
    for data_set in reading.unseen_sets(runs)
    for run in reading.holding(runs, names, data_set)[0]
  ]


def word_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The seen, removed and unseen classes by their words; runs that have the same ones share a figure."""
  if not _has_tsne():
    return [f"Classes by their words on a plane: {MISSING}."]
  found: dict[bytes, tuple[Run, str, list[tuple[str, list[str], np.ndarray]]]] = {}
  for run, name in zip(runs, names, strict=True):
    groups = _groups(run)
    content = b"".join(np.ascontiguousarray(group).tobytes() for _, _, group in groups)
    found.setdefault(content, (run, name, groups))
  own, called = [run for run, _, _ in found.values()], [name for _, name, _ in found.values()]
  return [_words(groups, *reading.of_run(own, called, run)) for run, _, groups in found.values()]


def _has_tsne() -> bool:
  try:
    import sklearn.manifold  # noqa: F401
  except ImportError:
    return False
  return True


def _plane(vectors: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, "N 2"]:
  """Places by cosine distance, the same ones every time."""
  from sklearn.manifold import TSNE
  from threadpoolctl import threadpool_limits  # scikit-learn needs it itself

  perplexity = float(np.clip((len(vectors) - 1) / 3, 1.0, 30.0))
  init = "pca" if min(vectors.shape) > 2 else "random"
  layout = TSNE(metric="cosine", init=init, perplexity=perplexity, random_state=0)
  with threadpool_limits(1):  # its threads wait for each other: ten times slower wherever a core is busy
    made = layout.fit_transform(reading.unit(vectors))
  return made.astype(np.float32)


@style()
def _videos(run: Run, stem: str, of_run: str, data_set: str) -> Figure | str:
  classes, label = reading.class_names(run, data_set), run.arrays[f"unseen/{data_set}/label"]
  chosen, rows = _sample(classes, label)
  if len(rows) + len(chosen) < 5:
    return f"Videos and prototypes of {reading.title(data_set)}{of_run} on a plane: too few videos."
  placed, stars = reading.placed(run, data_set), run.arrays[f"prototypes/unseen/{data_set}"][chosen]
  if placed is None:
    return f"Videos and prototypes of {reading.title(data_set)}{of_run} on a plane: {reading.NOT_PLACED}"
  # Unit vectors: only directions count, and prototypes are means of many videos, hence shorter.
  places = _plane(np.concatenate([reading.unit(placed[rows]), reading.unit(stars)]))
  points, ends = places[: len(rows)], places[len(rows) :]
  drawn = canvas(5.6 + 0.13 * -(-len(chosen) // 4))
  axes = drawn.add_subplot()
  handles = [_class(axes, i, classes[k], points[label[rows] == k], ends[i]) for i, k in enumerate(chosen)]
  _number(axes, ends, float(np.ptp(places, axis=0).max()))
  _frame(axes)
  drawn.legend(handles=handles, loc="outside lower left", ncols=4, fontsize=6.5, handlelength=1.0, handletextpad=0.3,
               columnspacing=1.0)  # fmt: skip
  table: list[list[Any]] = [["what", "class", "video", "x", "y"]]
  ids = run.arrays[f"unseen/{data_set}/video_id"][rows]
  table += [["video", classes[label[r]], str(v), *_xy(p)] for r, v, p in zip(rows, ids, points, strict=True)]
  table += [["prototype", classes[k], "", *_xy(p)] for k, p in zip(chosen, ends, strict=True)]
  some = "all" if len(chosen) == len(classes) else f"{len(chosen)} random"
  caption = (
    f"t-SNE of {len(rows)} videos of {some} unseen classes of {reading.title(data_set)} with the classes' prototypes as numbered "
    "stars, laid out together by cosine distance: a class is easy where its star lies in its own cloud. Distances between far clouds mean "
    "little."
    + (STAND_INS if run.space == "semantic" and run.config["method"] == "rest" else "")
    + " Corresponds to ResT Fig. 4."
  )
  title = f"Videos and prototypes of {reading.title(data_set)}{of_run}"
  alt = f"{title}: t-SNE of {len(rows)} videos"
  return finish(drawn, reading.stem("videos", reading.of_set(data_set), stem), title, caption, table, alt)


def _sample(classes: Sequence[str], label: np.ndarray) -> tuple[list[int], np.ndarray]:
  """(classes in alphabetical order, videos) for the plane: the same ones for every run on the same videos."""
  random = np.random.default_rng(0)
  filled = [int(k) for k in reading.alphabetical(classes) if (label == k).any()]
  if len(filled) > NUM_CLASSES:
    filled = [filled[i] for i in np.sort(random.permutation(len(filled))[:NUM_CLASSES])]
  most = max(1, NUM_VIDEOS // max(len(filled), 1))
  rows = [reading.evenly(np.flatnonzero(label == k), most) for k in filled]
  return filled, np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _class(axes: Any, i: int, name: str, points: np.ndarray, star: np.ndarray) -> Any:
  """One class's cloud and numbered star; returns its line of the legend."""
  from matplotlib.lines import Line2D

  color, marker = CLASSES[i % len(CLASSES)], CLASS_MARKERS[i // len(CLASSES) % len(CLASS_MARKERS)]
  axes.plot(points[:, 0], points[:, 1], marker, color=color, markersize=2.6, alpha=0.65, markeredgewidth=0)
  axes.plot(*star, "*", color=color, markersize=11, markeredgecolor=axes.xaxis.label.get_color(), markeredgewidth=0.6,
            zorder=5)  # fmt: skip
  return Line2D(
    [],
    [],
    marker=marker,
    linestyle="",
    color=color,
    markersize=4,
    label=f"{i + 1} {reading.shorten(name, 24)}",
  )


def _number(axes: Any, stars: Float32[np.ndarray, "K 2"], extent: float) -> None:
  """The stars' numbers beside them, each where no star and no other number stands, as far as there is room."""
  point = extent / 420  # of the drawing, in the plane's units
  angles = np.arange(8) * np.pi / 4 + np.pi / 8
  around = [radius * np.array([np.cos(a), np.sin(a)]) for radius in (9, 15, 22) for a in angles]
  taken = list(stars)
  for i, star in enumerate(stars):
    free = [float(min(np.abs(star + point * o - t).max() for t in taken)) / point for o in around]
    best = next((k for k, room in enumerate(free) if room > 7.5), int(np.argmax(free)))
    taken.append(star + point * around[best])
    axes.annotate(str(i + 1), star, xytext=tuple(around[best]), textcoords="offset points", fontsize=7, weight="bold", zorder=6,
                  ha="center", va="center")  # fmt: skip


def _groups(run: Run) -> list[tuple[str, list[str], np.ndarray]]:
  """(role, class names, semantic embeddings) of the seen, removed and unseen classes; those without vectors left out."""
  removed = [entry["class"] for entry in run.report["removed_classes"]]
  groups = [
    ("seen", list(run.report["seen_classes"]), run.arrays["semantic/seen"]),
    ("removed", removed, run.arrays["semantic/removed"]),
  ]
  groups += [
    (f"unseen, {reading.title(d)}", reading.class_names(run, d), run.arrays[f"semantic/unseen/{d}"])
    for d in run.unseen
  ]
  kept = []
  for role, named, vectors in groups:
    rows = [i for i, vector in enumerate(vectors[: len(named)]) if np.linalg.norm(vector) > 1e-6]
    kept.append((role, [named[i] for i in rows], vectors[rows]))
  return [group for group in kept if group[1]]


@style()
def _words(groups: Sequence[tuple[str, list[str], np.ndarray]], stem: str, of_run: str) -> Figure | str:
  if sum(len(named) for _, named, _ in groups) < 5:
    return f"Classes by their words{of_run} on a plane: too few classes have vectors."
  places = _plane(np.concatenate([vectors for _, _, vectors in groups]))
  drawn = canvas(5.4)
  axes = drawn.add_subplot()
  table: list[list[Any]] = [["role", "class", "x", "y"]]
  crosses = iter([(UNSEEN, "x"), (GREEN, "+"), (PURPLE, "1"), (UNSEEN, "2"), (GREEN, "3")] * len(groups))
  first = 0
  for role, named, _ in groups:
    points, first = places[first : first + len(named)], first + len(named)
    if role.startswith("unseen"):
      color, marker = next(crosses)
      look = {"markersize": 4.5, "markeredgewidth": 1.2, "zorder": 4}
    else:
      color, marker = {"seen": (SEEN, "o"), "removed": (REMOVED, "o")}[role]
      look = {"markersize": 3.4 if role == "seen" else 4.2, "markeredgewidth": 0, "alpha": 0.75, "zorder": 3}
    axes.plot(points[:, 0], points[:, 1], marker, color=color, label=f"{role} ({len(named)})", **look)
    table += [[role, name, *_xy(p)] for name, p in zip(named, points, strict=True)]
  _frame(axes)
  _name(axes, [name for _, named, _ in reversed(groups) for name in named], _last_first(places, groups))
  parts.key(drawn)
  caption = (
    "t-SNE of the classes' word embeddings by cosine distance: seen classes, classes removed from training because they mean "
    "the same as an unseen one, and the unseen classes as crosses. Unseen classes far from every dot have little to be "
    "learnt from. Names stand where there is room, the unseen classes' first. Corresponds to E2E Fig. 2."
  )
  counted = reading.listed(f"{len(named)} {role}" for role, named, _ in groups)
  title = f"Classes by their words{of_run}"
  return finish(
    drawn, reading.stem("words", stem), title, caption, table, f"t-SNE of word embeddings: {counted} classes"
  )


def _last_first(
  places: Float32[np.ndarray, "N 2"], groups: Sequence[tuple[str, list[str], np.ndarray]]
) -> Float32[np.ndarray, "N 2"]:
  """The groups' points, the last group's first: where there is little room the unseen classes are named."""
  ends = np.cumsum([len(named) for _, named, _ in groups])[:-1]
  return np.concatenate(np.split(places, ends)[::-1])


def _name(axes: Any, named: Sequence[str], points: Float32[np.ndarray, "N 2"]) -> None:
  """At most NAMED names beside their points, on the side with room; one that would lie over another is left out."""
  low, span = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-6)
  places = (points - low) / span * PLANE
  boxes: list[tuple[float, float, float, float]] = []
  for name, (x, y), point in zip(named, places, points, strict=True):
    text = reading.shorten(name, 20)
    width = 0.56 * FONT * len(text)
    side = -1 if x + width > PLANE[0] else 1
    left = x + 4 if side > 0 else x - 4 - width
    box = (left, y - 0.6 * FONT, left + width, y + 0.6 * FONT)
    if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
      continue
    boxes.append(box)
    written = axes.annotate(text, point, xytext=(4 * side, 0), textcoords="offset points", fontsize=FONT, va="center",
                            ha="right" if side < 0 else "left", alpha=0.8)  # fmt: skip
    written.set_in_layout(False)
    if len(boxes) == NAMED:
      return


def _frame(axes: Any) -> None:
  """A plane without scales: its numbers mean nothing."""
  axes.set_xticks([])
  axes.set_yticks([])
  for spine in axes.spines.values():
    spine.set_visible(True)
    spine.set_alpha(0.3)
  axes.margins(0.03)


def _xy(point: np.ndarray) -> list[float]:
  return [round(float(v), 3) for v in point]
