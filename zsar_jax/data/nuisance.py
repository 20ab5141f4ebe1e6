"""What is drawn by chance about a generated clip: everything that is not its action."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from zsar_jax.data import drawing
from zsar_jax.data.figure import Build, Camera


class Nuisance(NamedTuple):
  """Everything about a clip that is not its action. Lengths in shares of the picture, phases in cycles."""

  build: Build
  camera: Camera
  scale: float  # standing height
  position: tuple[float, float]  # of the floor point, right and down
  drift: tuple[float, float]  # of the camera, right and down, over the clip
  sway: tuple[float, float]  # of the camera: amplitude, phase
  speeds: tuple[float, float]  # lower, upper
  phases: tuple[float, float]  # lower, upper
  palette: dict[str, Float32[np.ndarray, "3"]]
  finish: drawing.Finish
  horizon: float
  rim: float  # how dark the edges of limbs are, 0 to 1
  shadow: float  # how dark the shadow is, 0 to 1


def draw_nuisance(rng: np.random.Generator, domain: str) -> Nuisance:
  """Draws what is not the action. The class is no argument: no distribution here can depend on it."""
  build = Build(*rng.uniform([0.93, 0.95, 0.85, 0.88, 0.9, 0.72], [1.07, 1.05, 1.2, 1.18, 1.12, 1.24]))
  yaw, pitch, tilt = rng.uniform([0.5, 0.05, -0.06], [0.85, 0.2, 0.06])
  return Nuisance(
    build=build,
    camera=Camera(yaw, pitch, tilt, 1.0 if rng.uniform() < 0.5 else -1.0),
    scale=0.59 * rng.uniform(0.83, 1.12),
    position=(0.5 + rng.uniform(-0.05, 0.05), 0.87 + rng.uniform(-0.03, 0.03)),
    drift=(rng.uniform(-0.06, 0.06), rng.uniform(-0.03, 0.03)),
    sway=(rng.uniform(0, 0.012), rng.uniform()),
    speeds=(rng.uniform(0.88, 1.14), rng.uniform(0.88, 1.14)),
    phases=(rng.uniform(), rng.uniform()),
    palette=drawing.draw_palette(rng, domain),
    finish=drawing.draw_finish(rng, domain),
    horizon=rng.uniform(0.6, 0.8),
    rim=rng.uniform(0.35, 0.8),
    shadow=rng.uniform(0.15, 0.6),
  )


def camera_shift(nuisance: Nuisance, num_frames: int) -> Float[np.ndarray, "T 2"]:
  """How far the picture moves right and down, in shares of the picture: a steady drift and a sway."""
  along = np.linspace(-0.5, 0.5, num_frames)[:, None]
  size, phase = nuisance.sway
  sway = size * np.sin(2 * np.pi * (2 * along + phase))
  return along * np.asarray(nuisance.drift) + sway * np.array([1.0, 0.5])
