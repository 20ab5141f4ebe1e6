"""Scoring, transfer and the search of its coefficients: against the released evaluation's SciPy loop, and against each other.

python benchmarks/evaluate.py --json [--rounds 5] [--out benchmarks/results/evaluate-cpu.json]

Evaluation has UCF101's size: 13,320 videos, 101 classes, 300 numbers; all classes and ten halves, top-1 and top-5. "released" does what
the code released with E2E does, step by step: for every split it looks up which videos belong, takes cdist of predictions and of
true vectors against the classes, sorts every row and searches the true class among five; unused lookups are left out. "scipy" is that
without Python's loops and without the second cdist. "ours" is `score_all_and_half` of one vector a video (level single);
"ours, whole rows" also bootstraps both intervals and measures hubness (primary rows at level video).

The floor. All classes need 13320 x 101 x 300 = 0.40 G multiply-adds once; the ten halves are masks over the same scores (10 x 1.3 M
additions). Read: 16 MB of embeddings. At the 50 G multiply-adds a second that two AVX2 cores reach, that is 8 ms; checks, ranks and
counting add some. SciPy does 0.40 G + 10 x 0.10 G multiply-adds on one core, the released code twice that and 160,000 lookups.
Predicted before measuring: SciPy at 0.5 G a second, so 3 s, 100 to 180 times ours; with 25 clips, where both sides first read 400 MB
(40 ms at 10 GB/s), 40 times. Found (2 quiet cores): SciPy is faster than predicted, 1.0 s for the released code, and so are we, 7.4 ms: 132
times; 45 with 25 clips. On a busy machine the ratio falls (62 was seen), for ours wants both cores.

Transfer: 101 x 664 edges and 2000 x 20000. Admissibility and the closed form read and write a few arrays of 40 M numbers of 8 bytes: about
a second. The program sees the K = 5 admissible edges a row alone. Full, it has U x S integer variables (67,064; not tried at 40 M).

Search: 20,000 videos, 664 classes, width 768, 5 folds. Products: 20,000 x 531 x 768 = 8 G multiply-adds, then 4000 x 531 x 133 = 0.28 G for
each of up to 360 distinct selections a fold: 5 x 360 x 0.28 = 500 G at most (10 s); many points choose the same. Gamma: 5 x 10 G.

Ratios are of neighbours in one round, the median over rounds: above 1, the second named is faster.
"""

import argparse
import pathlib
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np
from scipy import optimize, sparse
from scipy.spatial.distance import cdist

from zsar_jax.types import ClassSet, Prototypes
from zsar_jax.zeroshot import compose, metrics
from zsar_jax.zeroshot.protocols import EmbeddedVideos, score_all_and_half
from zsar_jax.zeroshot.search import Coefficients, search

VIDEOS, CLASSES, WIDTH, CLIPS = 13_320, 101, 300, 25
COEFFICIENTS = {"num_neighbors": 5, "distinctiveness": 0.5, "max_seen_per_unseen": 5}
SIZES = {"101 x 664": (101, 664), "2000 x 20000": (2000, 20_000)}


def draw(num_videos: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
  """Predictions about their classes' vectors, labels, vectors, names (in the released order)."""
  rng = np.random.default_rng(0)
  vectors = rng.standard_normal((CLASSES, WIDTH)).astype(np.float32)
  vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
  label = rng.integers(0, CLASSES, num_videos)
  noise = rng.standard_normal((num_videos, WIDTH)).astype(np.float32) / np.sqrt(WIDTH)
  return vectors[label] + 4 * noise, label, vectors, tuple(f"class {row:03d}" for row in range(CLASSES))


def released_accuracy(predicted: np.ndarray, true: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
  """Top-1 and top-5 as the released code finds them, from the true vectors."""
  nearest = cdist(predicted, classes, "cosine").argsort(axis=1)
  label = cdist(true, classes, "cosine").argmin(axis=1)
  top5 = [row in five for row, five in zip(label, nearest[:, :5], strict=True)]
  return 100 * float(np.mean(nearest[:, 0] == label)), 100 * float(np.mean(top5))


def released_evaluation(
  predicted: np.ndarray, label: np.ndarray, vectors: np.ndarray
) -> list[tuple[float, float]]:
  """All classes, then the ten halves by the released seeds."""
  true = vectors[label]
  results = [released_accuracy(predicted, true, vectors)]
  for seed in range(10):
    half = _half(seed)
    own = [row in half for row in label]
    results.append(released_accuracy(predicted[own], true[own], vectors[half]))
  return results


def scipy_accuracy(predicted: np.ndarray, label: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
  nearest = cdist(predicted, classes, "cosine").argsort(axis=1)
  right = nearest[:, :5] == label[:, None]
  return 100 * float(right[:, 0].mean()), 100 * float(right.any(axis=1).mean())


def scipy_evaluation(
  predicted: np.ndarray, label: np.ndarray, vectors: np.ndarray
) -> list[tuple[float, float]]:
  results = [scipy_accuracy(predicted, label, vectors)]
  for half in (np.sort(_half(seed)) for seed in range(10)):
    own = np.isin(label, half)
    results.append(scipy_accuracy(predicted[own], np.searchsorted(half, label[own]), vectors[half]))
  return results


def _half(seed: int) -> np.ndarray:
  np.random.seed(seed)
  return np.random.permutation(CLASSES)[: CLASSES // 2]


def our_evaluation(predicted: Any, label, vectors, names, whole: bool = False) -> list[tuple[float, float]]:
  videos = EmbeddedVideos("made up", names, predicted, label, 1, level="video" if whole else "single")
  prototypes = Prototypes(names, vectors, "semantic")
  everyone, halves = score_all_and_half(videos, prototypes, primary=whole)
  return [(row["top1"], row["top5"]) for row in (everyone, *halves["splits"])]


def measure_evaluation(rounds: int, num_videos: int) -> dict[str, Any]:
  import jax

  predicted, label, vectors, names = draw(num_videos)
  noise = np.random.default_rng(1).standard_normal((num_videos, CLIPS, WIDTH), np.float32) / np.sqrt(WIDTH)
  clips = predicted[:, None] + noise
  placed, placed_clips = jax.device_put(predicted), jax.device_put(clips)  # where a model leaves them
  mean = jax.jit(lambda x: x.mean(axis=1))
  calls = {
    "released": lambda: released_evaluation(predicted, label, vectors),
    "scipy": lambda: scipy_evaluation(predicted, label, vectors),
    "ours": lambda: our_evaluation(placed, label, vectors, names),
    "ours, whole rows": lambda: our_evaluation(placed, label, vectors, names, whole=True),
    "released, 25 clips": lambda: released_evaluation(clips.mean(axis=1), label, vectors),
    "ours, 25 clips": lambda: our_evaluation(mean(placed_clips), label, vectors, names),
  }
  found: dict[str, list[tuple[float, float]]] = {}

  def keeping(name: str) -> Callable[[], None]:
    return lambda: found.update({name: calls[name]()})

  seconds = measuring.alternate({name: keeping(name) for name in calls}, rounds)
  for name in calls:
    other = "released, 25 clips" if "25" in name else "released"
    np.testing.assert_allclose(found[name], found[other], atol=1e-4)
  pairs = [
    ("released", "ours"),
    ("scipy", "ours"),
    ("released", "ours, whole rows"),
    ("released, 25 clips", "ours, 25 clips"),
  ]
  return {
    "videos": num_videos,
    "classes": CLASSES,
    "width": WIDTH,
    "top1_all": round(found["ours"][0][0], 4),
    "top1_halves": round(metrics.mean_and_std([top1 for top1, _ in found["ours"][1:]])[0], 4),
    "equal": "to four decimals: top-1 and top-5 of all classes and of each half",
    "seconds": _medians(seconds),
    "ratio": {f"{a} / {b}": measuring.ratio(seconds[a], seconds[b]) for a, b in pairs},
  }


def measure_transfer(rounds: int, num_unseen: int, num_seen: int, with_full: bool) -> dict[str, Any]:
  rng = np.random.default_rng(0)
  unseen, seen = (_classes(rng, num, WIDTH) for num in (num_unseen, num_seen))
  means = rng.standard_normal((num_seen, 64)).astype(np.float32)

  def of(solver: str) -> Callable[[], None]:
    return lambda: _quiet(lambda: compose.transfer(unseen, seen, means, solver=solver, **COEFFICIENTS))

  sides = {"closed form": of("closed_form"), "reduced program": of("milp")}
  if with_full:
    M = compose.relatedness(unseen.semantic_embeddings, seen.semantic_embeddings)
    edges = compose.admissible(M, COEFFICIENTS["num_neighbors"], COEFFICIENTS["distinctiveness"])
    reduced = _quiet(lambda: compose.select(M, edges, 5))
    np.testing.assert_allclose(
      (M * full_program(M, edges, 5)).sum(), (M * (reduced & edges)).sum(), atol=1e-6
    )
    sides["full program"] = lambda: _quiet(lambda: full_program(M, edges, 5))
  seconds = measuring.alternate(sides, rounds)
  result = {
    "seconds": _medians(seconds),
    "ratio": {
      "reduced program / closed form": measuring.ratio(seconds["reduced program"], seconds["closed form"])
    },
  }
  if with_full:
    result["ratio"]["full program / reduced program"] = measuring.ratio(
      seconds["full program"], seconds["reduced program"]
    )
  return result


def full_program(M: np.ndarray, edges: np.ndarray, most: int) -> np.ndarray:
  """A variable for every pair of classes, as printed; the inadmissible ones bounded by 0."""
  rows = sparse.kron(sparse.eye_array(len(M)), np.ones((1, M.shape[1])), format="csr")
  answer = optimize.milp(
    -M.reshape(-1),
    integrality=np.ones(M.size),
    bounds=optimize.Bounds(0, edges.reshape(-1).astype(float)),
    constraints=optimize.LinearConstraint(rows, -np.inf, most),
  )
  return answer.x.reshape(M.shape) > 0.5


def measure_search(num_videos: int, num_classes: int, width: int) -> dict[str, Any]:
  rng = np.random.default_rng(0)
  seen = _classes(rng, num_classes, WIDTH)
  label = rng.permutation(np.arange(num_videos) % num_classes)
  centers = seen.semantic_embeddings @ rng.standard_normal((WIDTH, width))
  centers += 2 * rng.standard_normal(centers.shape)
  X = (centers[label] + 3 * rng.standard_normal((num_videos, width))).astype(np.float16)
  default = Coefficients(5, 5, 0.5)
  results = []
  seconds = measuring.alternate(
    {"search": lambda: results.append(search(X, label, seen, default=default))}, 3
  )
  return {
    "videos": num_videos,
    "classes": num_classes,
    "width": width,
    "points": int(results[0].scores.size),
    "folds": results[0].num_folds,
    "seconds": _medians(seconds),
    "chosen": results[0].chosen._asdict(),
    "default": results[0].default,
  }


def _classes(rng: np.random.Generator, num: int, width: int) -> ClassSet:
  vectors = rng.standard_normal((num, width)).astype(np.float32) + 0.5
  vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
  names = tuple(f"class {row}" for row in range(num))
  return ClassSet(names, tuple((name,) for name in names), vectors)


def _quiet(call: Callable[[], Any]) -> Any:
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of classes without an admissible edge, which made-up vectors may give
    return call()


def _medians(seconds: dict[str, list[float]]) -> dict[str, float]:
  return {name: round(statistics.median(values), 4) for name, values in seconds.items()}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--rounds", type=int, default=5, help="of each comparison (default: 5)")
  parser.add_argument("--small", action="store_true", help="a twentieth of the size, to try it out")
  parser.add_argument("--json", action="store_true", help="print one JSON object")
  parser.add_argument("--out", type=pathlib.Path, help="write it there too")
  options = parser.parse_args()
  sizes = {"101 x 664": SIZES["101 x 664"]} if options.small else SIZES
  result: dict[str, Any] = {
    "evaluation": measure_evaluation(options.rounds, VIDEOS // 20 if options.small else VIDEOS),
    "transfer": {
      name: measure_transfer(options.rounds, *size, name == "101 x 664") for name, size in sizes.items()
    },
    "search": measure_search(*((1000, 60, 64) if options.small else (20_000, 664, 768))),
  } | measuring.facts("numpy", "scipy", "jax")
  parts = (result["evaluation"], *result["transfer"].values(), result["search"])
  lines = [str({key: part[key] for key in ("seconds", "ratio") if key in part}) for part in parts]
  measuring.finish(result, options, "\n".join(lines))


if __name__ == "__main__":
  main()
