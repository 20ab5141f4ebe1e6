"""Generated still pictures: persons in a posture, and things by themselves, for pretraining on images made to move (E2E section 3.4).

A posture is a moment of an action of the legs, with the arms of a seen combination and nothing in hand; a thing is what an action of the
arms holds, without a person. No name shares a word with an action. Needs numpy; writing needs Pillow.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zsar_jax.data import drawing
from zsar_jax.data.figure import figure_parts
from zsar_jax.data.nuisance import draw_nuisance
from zsar_jax.data.synthetic import clip_rng, split_class_name
from zsar_jax.errors import InputError, raise_all

# Name -> an action of the legs and its phase in cycles.
POSTURES: dict[str, tuple[str, float]] = {
  "airborne person": ("jumping", 0.65),
  "crouched person": ("squatting", 0.5),
  "long stride": ("lunging", 0.5),
  "raised leg": ("kicking", 0.5),
  "seated person": ("sitting", 0.5),
  "small step": ("walking", 0.25),
}
# Name -> an action of the arms.
THINGS: dict[str, str] = {
  "balls": "juggling",
  "barbell": "lifting",
  "double oar": "paddling",
  "flag": "waving",
  "gloves": "punching",
  "wings": "flapping",
}
STILL_NAMES: tuple[str, ...] = tuple(sorted((*POSTURES, *THINGS)))
PHASE_SPREAD = 0.07  # cycles around a posture's phase


def render_still(
  name: str, index: int, seed: int, domain: str, seen: Sequence[str], *, size: int = 84
) -> UInt8[np.ndarray, "H W 3"]:
  """One picture, uint8: the same bytes for the same arguments.

  Args:
    name: one of STILL_NAMES.
    seen: class names of the generated videos; only these combinations are shown.

  Raises:
    InputError: no such name or domain, or no class of `seen` shows it.
  """
  action = POSTURES[name][0] if name in POSTURES else THINGS.get(name)
  pairs = [split_class_name(one) for one in seen]
  shown = [pair for pair in pairs if action in pair]
  problems = [] if action else [f"no still picture is called {name!r}; there are {', '.join(STILL_NAMES)}"]
  problems += [] if shown or not action else [f"no seen class shows {name!r}: none holds {action!r}"]
  problems += (
    [] if domain in drawing.DOMAINS else [f"no domain is called {domain!r}; there are {drawing.DOMAINS}"]
  )
  raise_all(problems)
  rng = clip_rng(name, index, seed, domain)
  upper, lower = shown[rng.integers(len(shown))]
  nuisance = draw_nuisance(rng, domain)
  lower_phase, upper_phase = rng.uniform(size=(2, 1))
  if name in POSTURES:
    lower_phase = POSTURES[name][1] + PHASE_SPREAD * (2 * lower_phase - 1)
  picture = drawing.draw_ground(rng, domain, size, nuisance.horizon)[None].copy()
  origin = np.asarray([nuisance.position]) * size
  scale = nuisance.scale * size
  if name in POSTURES:
    drawing.paint_shadow(picture, origin, 0.28 * scale, nuisance.shadow)
  parts = figure_parts(lower, upper, lower_phase, upper_phase, nuisance.build, nuisance.camera)
  # One picture shows one of the two: showing both, it would have two names.
  shown_parts = [part for part in parts if (part.paint == "prop") == (name in THINGS)]
  drawing.paint_parts(picture, shown_parts, nuisance.palette, origin, scale, nuisance.rim)
  return drawing.finish(picture, nuisance.finish, rng)[0]


def still_path(directory: str | Path, name: str, index: int) -> Path:
  """Where `write_stills` puts a picture."""
  return Path(directory) / name.replace(" ", "_") / f"{index:05d}.png"


def write_stills(
  directory: str | Path, per_class: int, seed: int, domain: str, seen: Sequence[str], *, size: int = 84
) -> int:
  """Writes DIR/<name>/<index>.png for every name; returns how many files were new. Finished files are kept.

  Raises:
    InputError: as `render_still`.
  """
  from PIL import Image

  if per_class < 1:
    raise InputError(f"per_class is {per_class}, expected at least 1")
  new = 0
  for name in STILL_NAMES:
    still_path(directory, name, 0).parent.mkdir(parents=True, exist_ok=True)
    for index in range(per_class):
      path = still_path(directory, name, index)
      if path.exists():
        continue
      temporary = path.with_name(f".{path.name}.{os.getpid()}.png")
      Image.fromarray(render_still(name, index, seed, domain, seen, size=size)).save(temporary)
      os.replace(temporary, path)
      new += 1
  return new
