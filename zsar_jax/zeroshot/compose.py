"""Semantic transfer (ResT section 3.3): unseen prototypes as weighted means of seen classes' visual means.

numpy and scipy only. Axes: U unseen class, S seen class, D width.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int
from scipy import optimize, sparse

from zsar_jax.errors import InputError, raise_all
from zsar_jax.types import ClassSet, Prototypes

SOLVERS = ("milp", "closed_form")


def relatedness(
  unseen: Float[np.ndarray, "U D"], seen: Float[np.ndarray, "S D"]
) -> Float64[np.ndarray, "U S"]:
  """M: the cosine between every unseen and every seen class's semantic embedding."""
  unseen, seen = (np.asarray(each, np.float64) for each in (unseen, seen))
  if unseen.ndim != 2 or seen.ndim != 2 or unseen.shape[1] != seen.shape[1]:
    raise InputError(
      f"semantic embeddings are {list(unseen.shape)} (unseen) and {list(seen.shape)} (seen): "
      "expected [U, D] and [S, D] from the same word vectors"
    )
  unseen = unseen / np.linalg.norm(unseen, axis=1, keepdims=True)
  seen = seen / np.linalg.norm(seen, axis=1, keepdims=True)
  return unseen @ seen.T


def admissible(
  M: Float[np.ndarray, "U S"], num_neighbors: int, distinctiveness: float
) -> Bool[np.ndarray, "U S"]:
  """Edges that the program may choose (ResT Eq. 2, 3 and 5).

  Edge (j, i) needs seen class i among the `num_neighbors` nearest of unseen class j (ties by class order),
  and is dropped if some other unseen class k has (1 - m_ki) <= distinctiveness * (1 - m_ji). The product also
  answers where the paper's quotient would divide by zero. The rule looks at all unseen classes at hand: call
  it anew for every split.
  """
  distance = np.maximum(1.0 - M, 0.0)  # rounding may lift a cosine above 1
  edges = _least_of_rows(distance, num_neighbors)
  rows, columns = np.nonzero(edges)  # few of the U * S
  own = distance[rows, columns]
  dropped = _nearest_other(distance, rows, columns) <= distinctiveness * own
  edges[rows[dropped], columns[dropped]] = False
  return edges


def _least_of_rows(values: Float[np.ndarray, "U S"], num: int) -> Bool[np.ndarray, "U S"]:
  """The `num` least of each row, ties by class order, without sorting rows of 20,000."""
  if num >= values.shape[1]:
    return np.ones(values.shape, bool)
  last = np.partition(values, num - 1, axis=1)[:, num - 1 : num]
  chosen = values <= last
  tied = np.flatnonzero(chosen.sum(axis=1) > num)  # rows where several are as near as the last one
  less, equal = values[tied] < last[tied], values[tied] == last[tied]
  room = num - less.sum(axis=1, keepdims=True)
  chosen[tied] = less | (equal & (equal.cumsum(axis=1) <= room))
  return chosen


def _nearest_other(
  distance: Float[np.ndarray, "U S"], rows: Int[np.ndarray, " E"], columns: Int[np.ndarray, " E"]
) -> Float[np.ndarray, " E"]:
  """For each edge the least distance from its seen class to another unseen class; infinite if none. Overwrites `distance`."""
  every = np.arange(distance.shape[1])
  nearest = distance.argmin(axis=0)
  least = distance[nearest, every]
  distance[nearest, every] = np.inf
  return np.where(nearest[columns] == rows, distance.min(axis=0)[columns], least[columns])


def select(
  M: Float[np.ndarray, "U S"],
  admissible: Bool[np.ndarray, "U S"],
  max_seen_per_unseen: int,
  *,
  solver: str = "milp",
  max_uses_per_seen: int | None = None,
  names: Sequence[str] | None = None,
) -> Bool[np.ndarray, "U S"]:
  """A: the admissible edges of greatest summed relatedness, `max_seen_per_unseen` a row (ResT Eq. 1-4).

  `max_uses_per_seen` also limits each column, which couples the rows: only "milp" can then be right, and
  "closed_form" raises InputError. Edges with m <= 0 add nothing and are never chosen. A row that is left
  empty falls back to its nearest seen class (whatever the column limit), with a warning that names it by
  `names`.
  """
  if solver not in SOLVERS:
    raise InputError(f"solver {solver!r}: expected one of {', '.join(SOLVERS)}")
  useful = admissible & (M > 0)
  if solver == "milp":
    chosen = _select_milp(M, useful, max_seen_per_unseen, max_uses_per_seen)
  elif max_uses_per_seen is None:
    chosen = _select_closed_form(M, useful, max_seen_per_unseen)
  else:
    raise InputError(
      "max_uses_per_seen couples the unseen classes, which closed_form cannot: use solver='milp'"
    )
  return _with_fallback(M, chosen, names)


def _select_closed_form(M, useful, max_seen_per_unseen: int) -> Bool[np.ndarray, "U S"]:
  """The largest useful entries of each row: without coupling the program falls apart into its rows."""
  rows, columns = np.nonzero(useful)
  order = np.lexsort((-M[rows, columns], rows))  # stable: ties by class order
  rows, columns = rows[order], columns[order]
  head = np.arange(len(rows)) - np.searchsorted(rows, rows) < max_seen_per_unseen
  chosen = np.zeros(M.shape, bool)
  chosen[rows[head], columns[head]] = True
  return chosen


def _select_milp(
  M, useful, max_seen_per_unseen: int, max_uses_per_seen: int | None
) -> Bool[np.ndarray, "U S"]:
  """The integer program over the useful edges alone, which are few of the U * S."""
  rows, columns = np.nonzero(useful)
  chosen = np.zeros(M.shape, bool)
  if not len(rows):
    return chosen
  num_edges = len(rows)
  ones, edges = np.ones(num_edges), np.arange(num_edges)
  row_sums = sparse.csr_array((ones, (rows, edges)), shape=(len(M), num_edges))
  limits = [optimize.LinearConstraint(row_sums, -np.inf, max_seen_per_unseen)]
  if max_uses_per_seen is not None:
    column_sums = sparse.csr_array((ones, (columns, edges)), shape=(M.shape[1], num_edges))
    limits.append(optimize.LinearConstraint(column_sums, -np.inf, max_uses_per_seen))
  answer = optimize.milp(
    -M[rows, columns],
    integrality=np.ones(num_edges),
    bounds=optimize.Bounds(0, 1),
    constraints=limits,
    options={"mip_rel_gap": 0.0},
  )
  if answer.x is None:
    raise RuntimeError(f"the integer program ended without a solution: {answer.message}")
  picked = answer.x > 0.5
  chosen[rows[picked], columns[picked]] = True
  return chosen


def _with_fallback(M, chosen, names: Sequence[str] | None) -> Bool[np.ndarray, "U S"]:
  chosen, empty = chosen.copy(), np.flatnonzero(~chosen.any(axis=1))
  chosen[empty, M[empty].argmax(axis=1)] = True
  for row in map(int, empty):
    name = repr(names[row]) if names is not None else f"number {row}"
    warnings.warn(
      f"no seen class is admissible for unseen class {name}: its prototype is that of its nearest seen class",
      stacklevel=3,
    )
  return chosen


def shares(A: Bool[np.ndarray, "U S"], M: Float[np.ndarray, "U S"]) -> Float64[np.ndarray, "U S"]:
  """What part of each unseen prototype comes from which seen class: M over the chosen edges, rows summing to 1 (ResT Eq. 6).

  Every row of A must hold an edge. A lone edge weighs 1 whatever its relatedness, as after the fallback.
  """
  weights = np.where(A, M, 0.0).astype(np.float64)
  lone = A.sum(axis=1) == 1
  weights[lone] = A[lone]
  totals = weights.sum(axis=1, keepdims=True)
  if not (totals > 0).all():
    raise ValueError("every row of A must choose seen classes of positive relatedness: take A from `select`")
  return weights / totals


def compose(
  A: Bool[np.ndarray, "U S"], M: Float[np.ndarray, "U S"], seen_prototypes: Float[np.ndarray, "S D"]
) -> tuple[Float32[np.ndarray, "U D"], Float32[np.ndarray, "U S"]]:
  """Unseen prototypes (ResT Eq. 6) and the `shares` that made them."""
  weights = shares(A, M)
  vectors = sparse.csr_array(weights) @ np.asarray(seen_prototypes, np.float64)
  return vectors.astype(np.float32), weights.astype(np.float32)


def transfer(
  unseen: ClassSet,
  seen: ClassSet,
  seen_prototypes: Float[np.ndarray, "S D"],
  *,
  num_neighbors: int,
  distinctiveness: float,
  max_seen_per_unseen: int,
  max_uses_per_seen: int | None = None,
  solver: str = "milp",
) -> Prototypes:
  """Visual prototypes [U, D] of the unseen classes from the seen ones' [S, D] (ResT section 3.3, Eq. 1-6).

  Raises one InputError for coefficients out of range and for prototypes that do not fit the seen classes.
  """
  _check(seen, seen_prototypes, num_neighbors, distinctiveness, max_seen_per_unseen, max_uses_per_seen)
  M = relatedness(unseen.semantic_embeddings, seen.semantic_embeddings)
  A = select(
    M,
    admissible(M, num_neighbors, distinctiveness),
    max_seen_per_unseen,
    solver=solver,
    max_uses_per_seen=max_uses_per_seen,
    names=unseen.names,
  )
  vectors, weights = compose(A, M, seen_prototypes)
  return Prototypes(unseen.names, vectors, "visual", weights)


def _check(
  seen, seen_prototypes, num_neighbors, distinctiveness, max_seen_per_unseen, max_uses_per_seen
) -> None:
  counts = {"num_neighbors": num_neighbors, "max_seen_per_unseen": max_seen_per_unseen}
  if max_uses_per_seen is not None:
    counts["max_uses_per_seen"] = max_uses_per_seen
  problems = [f"{key} is {value}: expected at least 1" for key, value in counts.items() if value < 1]
  if not distinctiveness >= 0:
    problems.append(f"distinctiveness is {distinctiveness}: expected a number of at least 0")
  shape = np.shape(seen_prototypes)
  if len(shape) != 2 or shape[0] != len(seen.names):
    problems.append(
      f"prototypes of seen classes are {list(shape)}: expected [{len(seen.names)}, D], one row a seen class"
    )
  else:
    bad = np.flatnonzero(~np.isfinite(seen_prototypes).all(axis=1))
    problems += [
      f"the prototype of seen class {seen.names[row]!r} is not finite: did it have a video?" for row in bad
    ]
  raise_all(problems)
