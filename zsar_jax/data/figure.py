"""An articulated person in three dimensions: proportions, joints, props, and their places in the picture.

Coordinates of the body are those of `actions`. The camera sees the person in three-quarter view, so that both
arms and both legs show. Actions give the courses of hips, feet and hands; knees and elbows follow from them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zsar_jax.data.actions import (
  FAR,
  HIP_WIDTH,
  LOWER_ACTIONS,
  NEAR,
  UP,
  UPPER_ACTIONS,
  Phase,
  Points,
  paddle_course,
  points,
)


class Build(NamedTuple):
  """Proportions of a person, each a factor around 1."""

  arm: float
  leg: float
  girth: float
  head: float
  shoulder: float
  prop: float  # thickness of what is held or sat on


class Camera(NamedTuple):
  """How the person is seen. Angles in radians."""

  yaw: float  # 0: from the side, pi/2: from the front
  pitch: float  # how far the camera looks down
  tilt: float  # roll about the viewing axis
  mirror: float  # 1: facing right, -1: facing left

  @property
  def across(self) -> Float[np.ndarray, "3"]:
    """The body's direction that runs along the picture, towards the side the person faces."""
    return np.array([np.cos(self.yaw), 0.0, -np.sin(self.yaw)])

  def project(self, joints: Points) -> Float[np.ndarray, "T 2"]:
    """Body heights in the picture: right and up from the floor point below the person."""
    right = joints @ self.across
    depth = joints @ np.array([np.sin(self.yaw), 0.0, np.cos(self.yaw)])
    up = joints[:, 1] * np.cos(self.pitch) - depth * np.sin(self.pitch)
    right, up = (
      right * np.cos(self.tilt) - up * np.sin(self.tilt),
      right * np.sin(self.tilt) + up * np.cos(self.tilt),
    )
    return np.stack([self.mirror * right, up], 1)


class Part(NamedTuple):
  """A cone with round ends in the picture: what the renderer draws. Lengths in body heights."""

  start: Float[np.ndarray, "T 2"]
  end: Float[np.ndarray, "T 2"]
  radius_start: float
  radius_end: float
  paint: str  # a key of drawing.Palette


def bend(root: Points, target: Points, first: float, second: float, pole) -> tuple[Points, Points]:
  """Joint and end of a two-segment limb that reaches from `root` for `target`; the joint points to `pole`.

  A target out of reach is approached along the straight line to it. A target at the root, or in line with the
  pole, leaves the direction of a limb open and is not meant.
  """
  way = target - root
  distance = np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
  unit = way / distance
  distance = np.clip(distance, abs(first - second) + 0.02, 0.998 * (first + second))
  along = (first**2 - second**2 + distance**2) / (2 * distance)
  aside = np.sqrt(np.maximum(first**2 - along**2, 0))
  pole = np.broadcast_to(np.asarray(pole, float), way.shape)
  side = pole - np.sum(pole * unit, 1, keepdims=True) * unit
  side = side / (np.linalg.norm(side, axis=1, keepdims=True) + 1e-9)
  return root + along * unit + aside * side, root + distance * unit


def figure_parts(
  lower: str, upper: str, lower_phase: Phase, upper_phase: Phase, build: Build, camera: Camera
) -> list[Part]:
  """The parts of a person doing both actions, in the order they are painted. Phases in cycles, [T]."""
  stance = LOWER_ACTIONS[lower][0](lower_phase)
  reach = UPPER_ACTIONS[upper][0](upper_phase, camera.across)
  num, g = len(lower_phase), build.girth
  parts: list[Part] = []

  def add(start, end, radius_start, radius_end, paint):
    parts.append(Part(camera.project(start), camera.project(end), radius_start, radius_end, paint))

  def add_prop(start, end, radius_start, radius_end, paint):
    add(start, end, radius_start * build.prop, radius_end * build.prop, paint)

  if lower == "sitting":
    _add_chair(add_prop, num)
  lean = stance.lean[:, None]
  torso = np.sin(lean) * [1.0, 0, 0] + np.cos(lean) * UP
  neck = stance.hips + 0.32 * torso
  add(stance.hips + 0.03 * torso, neck - 0.04 * torso, 0.082 * g, 0.105 * g, "torso")
  for side, foot, shade in ((FAR, stance.far_foot, "far_"), (NEAR, stance.near_foot, "")):
    hip = stance.hips + points(0, 0, side * HIP_WIDTH, num)
    knee, ankle = bend(hip, foot, 0.25 * build.leg, 0.25 * build.leg, [1.0, 0.15, 0.15 * side])
    add(hip, knee, 0.06 * g, 0.05 * g, shade + "legs")
    add(knee, ankle, 0.05 * g, 0.042 * g, shade + "legs")
    add(ankle, ankle + points(0.08, -0.01, 0, num), 0.042 * g, 0.036 * g, shade + "shoes")
  head = neck + 0.135 * torso
  add(head, head + 0.02 * torso, 0.09 * build.head, 0.085 * build.head, "head")
  hands = []
  for side, target, elbow_side, shade in (
    (FAR, reach.far, reach.far_elbow, "far_"),
    (NEAR, reach.near, reach.near_elbow, ""),
  ):
    shoulder = neck + points(0, -0.02, side * 0.13 * build.shoulder, num)
    # Two-handed props keep hands apart by themselves; single hands are measured from their own shoulder.
    root = neck if upper in ("lifting", "paddling", "juggling") else shoulder
    elbow, hand = bend(shoulder, root + build.arm * target, 0.215 * build.arm, 0.215 * build.arm, elbow_side)
    hands.append(hand)
    add(shoulder, elbow, 0.045 * g, 0.04 * g, shade + "arms")
    add(elbow, hand, 0.04 * g, 0.036 * g, shade + "arms")
  _add_props(add_prop, upper, upper_phase, neck, hands[1], hands[0], camera.across)
  return parts


def _add_chair(add, num: int) -> None:
  back, front = points(-0.42, 0.2, 0, num), points(-0.17, 0.2, 0, num)
  add(back, front, 0.03, 0.03, "chair")
  for end in (back, front):
    add(end, end * [1, 0, 1], 0.018, 0.018, "chair")
  add(back, back + 0.34 * UP, 0.024, 0.024, "chair")


def _add_props(add, upper: str, phase: Phase, neck: Points, near: Points, far: Points, across) -> None:
  if upper == "waving":
    shoulder = neck + points(0, -0.02, 0.13, len(phase))
    way = near - shoulder
    way = way / np.linalg.norm(way, axis=1, keepdims=True)
    add(near, near + 0.24 * way, 0.02, 0.02, "prop")
    # The cloth trails behind the swing, square to the pole.
    swing = np.tanh(3 * np.cos(2 * np.pi * phase))[:, None]
    trail = -0.2 * swing * (across - np.sum(across * way, 1, keepdims=True) * way)
    for distance in (0.08, 0.14, 0.2):
      add(near + distance * way, near + distance * way + trail, 0.04, 0.04, "prop")
  elif upper == "punching":
    add(far, far, 0.1, 0.1, "prop")
    add(near, near, 0.1, 0.1, "prop")
  elif upper == "lifting":
    centre = 0.5 * (near + far)
    ends = [centre + sign * 0.38 * across for sign in (1, -1)]
    add(ends[0], ends[1], 0.022, 0.022, "prop")
    for end in ends:
      add(end - 0.06 * UP, end + 0.06 * UP, 0.05, 0.05, "prop")
  elif upper == "flapping":
    for hand, side in ((far, 1), (near, -1)):
      shoulder = neck + points(0, -0.02, -side * 0.13, len(phase))
      way = hand - shoulder
      way = way / np.linalg.norm(way, axis=1, keepdims=True)
      add(hand, hand + 0.1 * way, 0.05, 0.062, "prop")
  elif upper == "juggling":
    for ball in range(3):
      at = _ball(phase + ball / 3, 0.5 * (near + far), across)
      add(at, at, 0.068, 0.068, "prop")
  elif upper == "paddling":
    centre, along = 0.5 * (near + far), paddle_course(phase, across)[1]
    add(centre - 0.42 * along, centre + 0.42 * along, 0.02, 0.02, "prop")
    for sign in (1, -1):
      add(centre + sign * 0.34 * along, centre + sign * 0.46 * along, 0.06, 0.05, "prop")


def _ball(phase: Phase, hands: Points, across) -> Points:
  """A ball of a shower: a high arc from the near to the far hand, then a quick pass back below."""
  p = phase % 1
  air = np.clip(p / 0.8, 0, 1)
  back = np.clip((p - 0.8) / 0.2, 0, 1)
  sideways = 0.24 * np.where(p < 0.8, 2 * air - 1, 1 - 2 * back)
  height = 0.05 + 0.62 * 4 * air * (1 - air)
  return hands + sideways[:, None] * across + height[:, None] * UP
