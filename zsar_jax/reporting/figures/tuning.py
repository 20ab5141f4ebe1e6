"""The search of the transfer's coefficients: the whole grid of K, rho and theta."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.optional_files import TUNING
from zsar_jax.reporting.palette import BLUE, VERMILION, sequential
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

TITLE = "Search of the transfer's coefficients"
AXES = ("num_neighbors", "max_seen_per_unseen", "distinctiveness")


def tuning_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The grid of every run that was tuned; of the others, why there is none."""
  drawn: reading.Drawn = []
  for run in runs:
    stem, of_run = reading.of_run(runs, names, run)
    if run.tuning:
      drawn.append(tuning_figure(run.tuning, reading.stem("tuning", stem), TITLE + of_run))
    elif TUNING in run.faults:
      drawn.append(f"{TITLE}{of_run}: {run.faults[TUNING]}")
  if not drawn and any(run.config["method"] == "rest" for run in runs):
    drawn.append(f"{TITLE}: not run (python -m zsar_jax.tune --workdir RUN).")
  return drawn


@style()
def tuning_figure(tuning: dict[str, Any], name: str = "tuning", title: str = TITLE) -> Figure:
  """What `tuning.json` holds: score by K and rho at the chosen theta, and by theta at the chosen K and rho."""
  grid = [list(tuning["grid"][key]) for key in AXES]
  scores, deviations = (np.array(tuning[key], float) for key in ("scores", "deviations"))
  chosen = [_place(values, tuning["chosen"][key]) for values, key in zip(grid, AXES, strict=True)]
  default = [_place(values, tuning["default"][key]) for values, key in zip(grid, AXES, strict=True)]
  drawn = canvas(3.3)
  left, right = drawn.subplots(1, 2, width_ratios=(1.25, 1))
  _heat(left, scores[:, :, chosen[2]], grid, chosen, default)
  _by_theta(right, grid[2], scores, deviations, chosen, default)
  parts.key(drawn)
  best, start = tuning["chosen"], tuning["default"]
  caption = (
    f"Top-1 of held-out seen classes over {tuning['num_folds']} folds. Left: by num_neighbors (K) and max_seen_per_unseen (rho) at "
    f"distinctiveness (theta) {best['distinctiveness']:g}. Right: by theta at the chosen K and rho, and the best of every K and rho; "
    f"bars are one standard deviation over the folds. Chosen: K {best['num_neighbors']}, rho {best['max_seen_per_unseen']}, theta "
    f"{best['distinctiveness']:g}, {best['score']:.1f} ± {best['deviation']:.1f}; default {start['score']:.1f} ± "
    f"{start['deviation']:.1f}. ResT chooses these by cross-validation too and prints no grid."
  )
  table: list[list[Any]] = [[*AXES, "mean top-1, %", "deviation"]]
  table += [[grid[0][i], grid[1][j], grid[2][k], round(float(scores[i, j, k]), 5), round(float(deviations[i, j, k]), 5)]
            for i, j, k in np.ndindex(scores.shape)]  # fmt: skip
  alt = f"{title}: chosen {best['score']:.1f} per cent, default {start['score']:.1f}"
  return finish(drawn, name, title, caption, table, alt)


def _place(values: Sequence[float], value: float) -> int:
  return int(np.argmin(np.abs(np.array(values, float) - value)))


def _heat(axes: Any, scores: Float[np.ndarray, "N R"], grid: Sequence[Sequence[float]], chosen: Sequence[int],
          default: Sequence[int]) -> None:  # fmt: skip
  low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
  parts.cells(axes, sequential((scores - low) / max(high - low, 1e-9), power=1.0))
  if scores.size <= 120:
    for i, j in np.ndindex(scores.shape):
      axes.text(
        j, i, f"{scores[i, j]:.1f}", ha="center", va="center", fontsize=5.5 if scores.shape[1] > 7 else 6.5
      )
  for place, color, style_, label in (
    (default, VERMILION, ":", "default"),
    (chosen, VERMILION, "-", "chosen"),
  ):
    axes.plot(*_square(place[1], place[0]), color=color, linestyle=style_, linewidth=1.6, label=label)
  axes.set_yticks(range(len(grid[0])), [f"{v:g}" for v in grid[0]])
  axes.set_xticks(range(len(grid[1])), [f"{v:g}" for v in grid[1]])
  axes.tick_params(length=0)
  axes.set(xlabel="max_seen_per_unseen (rho)", ylabel="num_neighbors (K)", title="top-1, %")


def _square(x: float, y: float) -> tuple[list[float], list[float]]:
  return [x - 0.5, x + 0.5, x + 0.5, x - 0.5, x - 0.5], [y - 0.5, y - 0.5, y + 0.5, y + 0.5, y - 0.5]


def _by_theta(axes: Any, thetas: Sequence[float], scores: Float[np.ndarray, "N R T"], deviations: Float[np.ndarray, "N R T"],
              chosen: Sequence[int], default: Sequence[int]) -> None:  # fmt: skip
  own = scores[chosen[0], chosen[1]]
  axes.errorbar(thetas, own, deviations[chosen[0], chosen[1]], fmt="o-", color=BLUE, capsize=2, elinewidth=0.8,
                label="chosen K and rho")  # fmt: skip
  axes.plot(thetas, np.nanmax(scores, axis=(0, 1)), "^--", color=BLUE, alpha=0.6, label="best K and rho")
  axes.axvline(thetas[chosen[2]], linewidth=1.2, color=VERMILION)
  axes.axvline(thetas[default[2]], linewidth=1.2, linestyle=":", color=VERMILION)
  axes.set(xlabel="distinctiveness (theta)", ylabel="top-1, %")
  axes.grid(axis="y")
