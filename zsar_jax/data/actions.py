"""What a generated person does: periodic courses of hips and feet (lower body) and of hands (upper body).

Coordinates of the body, in standing body heights: x forward, y up from the floor, z towards the viewer's side
("near"). A phase counts cycles. `across` is the direction that runs along the picture (`Camera.across`):
what should swing in full view moves along it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "T 3"]
Phase = Float[np.ndarray, " T"]

NEAR, FAR = 1.0, -1.0
UP = np.array([0.0, 1.0, 0.0])


class Stance(NamedTuple):
  """The course of the lower body: hips, forward lean of the torso (radians), ankles."""

  hips: Points
  lean: Phase
  near_foot: Points
  far_foot: Points


class Reach(NamedTuple):
  """The course of the hands, relative to the middle of the shoulders, and the side to which elbows point."""

  near: Points
  far: Points
  near_elbow: Float[np.ndarray, "3"]
  far_elbow: Float[np.ndarray, "3"]


def points(x, y, z, num: int) -> Points:
  return np.stack([np.broadcast_to(np.asarray(v, float), (num,)) for v in (x, y, z)], 1)


def _wave(phase: Phase) -> Phase:
  """0 at whole phases, 1 half way, smooth."""
  return 0.5 - 0.5 * np.cos(2 * np.pi * phase)


def _held(phase: Phase, gain: float) -> Phase:
  """`_wave` that stays longer at both ends: steeper in between."""
  return 0.5 + 0.5 * np.tanh(gain * (2 * _wave(phase) - 1)) / np.tanh(gain)


STAND, ANKLE, HIP_WIDTH = 0.50, 0.04, 0.075


def walking(phase: Phase) -> Stance:
  n = len(phase)

  def foot(p, side):
    return points(
      0.27 * np.sin(2 * np.pi * p), ANKLE + 0.13 * np.maximum(0, np.cos(2 * np.pi * p)), side * HIP_WIDTH, n
    )

  hips = points(0.0, STAND - 0.025 + 0.025 * np.cos(4 * np.pi * phase), 0, n)
  return Stance(hips, np.full(n, 0.06), foot(phase, NEAR), foot(phase + 0.5, FAR))


def squatting(phase: Phase) -> Stance:
  n, c = len(phase), _wave(phase)
  hips = points(-0.12 * c, STAND - 0.29 * c, 0, n)
  return Stance(hips, 0.45 * c, points(0.02, ANKLE, 0.17, n), points(0.02, ANKLE, -0.17, n))


def jumping(phase: Phase) -> Stance:
  n, p = len(phase), phase % 1
  flight = np.sin(np.pi * np.clip((p - 0.3) / 0.7, 0, 1))
  crouch = np.sin(np.pi * np.clip(p / 0.3, 0, 1))
  height = 0.27 * flight
  hips = points(0, STAND + height - 0.1 * crouch, 0, n)
  spread = HIP_WIDTH + 0.17 * flight

  def foot(side):
    return points(0, ANKLE + height + 0.05 * flight, side * spread, n)

  return Stance(hips, 0.2 * crouch, foot(NEAR), foot(FAR))


def kicking(phase: Phase) -> Stance:
  n, c = len(phase), _held(phase, 1.2)
  hips = points(0, STAND - 0.01, 0, n)
  angle = np.radians(-40 + 145 * c)
  leg = 0.46 - 0.1 * np.sin(np.pi * c)
  near = hips + points(leg * np.sin(angle), -leg * np.cos(angle), HIP_WIDTH, n)
  return Stance(hips, 0.1 - 0.4 * c, near, points(-0.02, ANKLE, -HIP_WIDTH, n))


def sitting(phase: Phase) -> Stance:
  n, c = len(phase), _held(phase, 1.6)
  hips = points(-0.05 - 0.22 * c, STAND - 0.21 * c, 0, n)
  lean = 0.9 * np.sin(np.pi * c) ** 2
  return Stance(hips, lean, points(0.04, ANKLE, HIP_WIDTH, n), points(0.04, ANKLE, -HIP_WIDTH, n))


def lunging(phase: Phase) -> Stance:
  n, c = len(phase), _held(phase, 1.0)
  hips = points(0.06 * c, STAND - 0.22 * c, 0, n)
  lifted = 0.06 * np.sin(np.pi * c)
  near = points(0.04 + 0.38 * c, ANKLE + lifted, HIP_WIDTH, n)
  return Stance(hips, 0.05 * c, near, points(-0.04 - 0.42 * c, ANKLE + 0.03 * c, -HIP_WIDTH, n))


def waving(phase: Phase, across) -> Reach:
  """The near arm swings a flag from side to side overhead, the other hand rests on the hip."""
  n, angle = len(phase), np.radians(-15 + 60 * np.sin(2 * np.pi * phase))
  near = 0.42 * (np.sin(angle)[:, None] * across + np.cos(angle)[:, None] * UP)
  return Reach(near, points(0.0, -0.3, -0.2, n), -across, across - 0.5 * UP)


def punching(phase: Phase, across) -> Reach:
  """Fists shoot forward in turn, shoulder high."""
  n = len(phase)

  def fist(p, side):
    out = _held(p, 1.5)
    return points(0.09 + 0.42 * out, -0.06 + 0.08 * out, side * (0.16 - 0.1 * out), n)

  down, outwards = np.array([-0.3, -1.0, 0.0]), np.array([0.0, 0.0, 0.4])
  return Reach(fist(phase, NEAR), fist(phase + 0.5, FAR), down + outwards, down - outwards)


def lifting(phase: Phase, across) -> Reach:
  """A barbell goes from the thighs to overhead and back."""
  n, c = len(phase), _held(phase, 1.0)
  x, y = 0.1 + 0.1 * np.sin(np.pi * c), -0.34 + 0.76 * c
  return Reach(
    points(x, y, 0.17, n), points(x, y, -0.17, n), np.array([0.2, -0.4, 1.0]), np.array([0.2, -0.4, -1.0])
  )


def flapping(phase: Phase, across) -> Reach:
  """Both arms, stretched out to the sides, beat up and down together like wings."""
  angle = np.radians(5 + 60 * np.cos(2 * np.pi * phase))
  rise, out = 0.42 * np.sin(angle)[:, None] * UP, 0.42 * np.cos(angle)[:, None] * across
  return Reach(rise - out, rise + out, UP, UP)


def juggling(phase: Phase, across) -> Reach:
  """Forearms level before the body make small circles in turn, balls go round above them."""
  n = len(phase)

  def hand(p, side):
    turn = 2 * np.pi * p
    return points(0.2, -0.2 + 0.06 * np.sin(turn), 0, n) - np.outer(
      side * (0.19 + 0.03 * np.cos(turn)), across
    )

  down = np.array([-0.6, -1.0, 0.0])
  return Reach(hand(phase, NEAR), hand(phase + 0.5, FAR), down, down)


def paddling(phase: Phase, across) -> Reach:
  """A long double paddle held before the chest rocks from one side to the other."""
  centre, along = paddle_course(phase, across)
  return Reach(centre - 0.17 * along, centre + 0.17 * along, -across - 0.5 * UP, across - 0.5 * UP)


def paddle_course(phase: Phase, across) -> tuple[Points, Points]:
  n, angle = len(phase), np.radians(58 * np.sin(2 * np.pi * phase))
  along = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * UP
  return points(0.14, -0.14, 0, n), along


# Each action with its period in frames at speed 1.
LOWER_ACTIONS: dict[str, tuple[Callable[[Phase], Stance], float]] = {
  "walking": (walking, 12),
  "squatting": (squatting, 13),
  "jumping": (jumping, 11),
  "kicking": (kicking, 11),
  "sitting": (sitting, 15),
  "lunging": (lunging, 14),
}
UPPER_ACTIONS: dict[str, tuple[Callable[..., Reach], float]] = {
  "waving": (waving, 10),
  "punching": (punching, 10),
  "lifting": (lifting, 14),
  "flapping": (flapping, 9),
  "juggling": (juggling, 12),
  "paddling": (paddling, 12),
}
