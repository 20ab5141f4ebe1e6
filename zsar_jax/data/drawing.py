"""Anti-aliased numpy drawing of figures on backgrounds, in two domains.

The domains differ in palette, texture, noise and blur. The figure is brighter than the ground in both:
without that a network trained in one is near chance in the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8

from zsar_jax.data.figure import Part

Rgb = Float32[np.ndarray, "3"]
Picture = Float32[np.ndarray, "H W 3"]
Frames = Float32[np.ndarray, "T H W 3"]

DOMAINS = ("studio", "street")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Brightness of each paint. Wide ranges: lit areas alone must not give the class away; arms stay above torsos.
PALETTE_LUMA = {
  "torso": (0.42, 0.6),
  "legs": (0.58, 0.8),
  "shoes": (0.5, 0.8),
  "head": (0.6, 0.95),
  "arms": (0.8, 0.98),
  "prop": (0.6, 0.98),
  "chair": (0.3, 0.6),
}


class Finish(NamedTuple):
  """What the camera does to a picture."""

  blur: float  # weight of each neighbour in a 3-tap blur, 0 to 1/3
  noise: float  # standard deviation
  tint: Rgb  # factor per channel
  haze: float  # light added everywhere


def colour(rng: np.random.Generator, luma: float, saturation: float) -> Rgb:
  """A colour of random hue with brightness `luma` (0 to 1)."""
  hue = rng.uniform(0, 1)
  wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
  return np.clip(luma + saturation * (wheel - wheel @ _LUMA), 0, 1).astype(np.float32)


def draw_palette(rng: np.random.Generator, domain: str) -> dict[str, Rgb]:
  """A colour for each paint; limbs on the far side are a little darker."""
  low, high = (0.15, 0.45) if domain == "studio" else (0.0, 0.3)
  palette = {}
  for paint, luma in PALETTE_LUMA.items():
    palette[paint] = colour(rng, rng.uniform(*luma), rng.uniform(low, high))
    palette["far_" + paint] = 0.84 * palette[paint]
  return palette


def draw_finish(rng: np.random.Generator, domain: str) -> Finish:
  """The camera of a clip."""
  exposure, haze = rng.uniform([0.68, 0.0], [1.1, 0.08])
  if domain == "studio":
    tint = exposure * rng.uniform(0.95, 1.05, 3)
    return Finish(0.0, rng.uniform(0.004, 0.02), tint.astype(np.float32), haze)
  warm = exposure * np.array([1.04, 1.0, 0.9]) * rng.uniform(0.95, 1.04, 3)
  return Finish(rng.uniform(0.06, 0.16), rng.uniform(0.012, 0.03), warm.astype(np.float32), haze)


def draw_ground(rng: np.random.Generator, domain: str, size: int, horizon: float) -> Picture:
  """A still background [size,size,3], at most 0.33 bright; floor below `horizon` (share of the height)."""
  rows = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
  cols = np.linspace(0, 1, size, dtype=np.float32)[None, :, None]
  floor = 1 / (1 + np.exp(-(rows - horizon) * size / 2))
  if domain == "studio":
    wall = colour(rng, rng.uniform(0.08, 0.2), 0.15)
    ground = colour(rng, rng.uniform(0.1, 0.24), 0.15)
    middle = rng.uniform(0.2, 0.8)
    light = 0.75 + 0.45 * np.exp(-4 * ((cols - middle) ** 2 + (rows - rng.uniform(0.2, 0.5)) ** 2))
    return np.clip((wall * (1 - floor) + ground * floor) * light, 0, 0.33).astype(np.float32)
  wall = colour(rng, rng.uniform(0.06, 0.14), 0.08) * np.ones((size, size, 1), np.float32)
  for _ in range(6):  # buildings
    left, width, top = rng.uniform([-0.2, 0.12, 0.0], [1.0, 0.4, 0.6])
    within = (cols > left) & (cols < left + width) & (rows > top)
    pitch = rng.uniform(0.06, 0.12)
    windows = ((cols / pitch) % 1 > 0.5) & ((rows / pitch) % 1 > 0.45)
    face, glass = colour(rng, rng.uniform(0.06, 0.22), 0.1), colour(rng, rng.uniform(0.08, 0.3), 0.15)
    wall = np.where(within, np.where(windows, glass, face), wall)
  stripes = ((cols + 0.4 * rows) / rng.uniform(0.1, 0.3) + rng.uniform(0, 1)) % 1 > 0.5
  ground = colour(rng, rng.uniform(0.1, 0.2), 0.08) * np.where(stripes, 1.25, 0.85)
  picture = wall * (1 - floor) + ground * floor
  picture = picture * (1 + 0.25 * _speckle(rng, size, size // 4) + 0.15 * _speckle(rng, size, size))
  return np.clip(picture, 0, 0.33).astype(np.float32)


def _speckle(rng: np.random.Generator, size: int, cells: int) -> Picture:
  """Noise in `cells` squares a side."""
  coarse = rng.uniform(-1, 1, (cells, cells, 1)).astype(np.float32)
  at = np.arange(size) * cells // size
  return coarse[at][:, at]


def pan(ground: Picture, shift: Float[np.ndarray, "T 2"], size: int) -> Frames:
  """Windows of `size` pixels on `ground` moved by `shift` pixels (right, down) off the middle, bilinear."""
  margin = (ground.shape[0] - size) / 2
  frames = np.empty((len(shift), size, size, 3), np.float32)
  for t, (dx, dy) in enumerate(shift):
    x, y = np.clip(margin - dx, 0, 2 * margin - 1e-3), np.clip(margin - dy, 0, 2 * margin - 1e-3)
    i, j = int(y), int(x)
    fy, fx = np.float32(y - i), np.float32(x - j)
    rows = ground[i : i + size + 1, j : j + size + 1]
    rows = rows[:-1] * (1 - fy) + rows[1:] * fy
    frames[t] = rows[:, :-1] * (1 - fx) + rows[:, 1:] * fx
  return frames


def paint_parts(
  frames: Frames, parts: Sequence[Part], palette: dict[str, Rgb], origin, scale: float, rim: float
) -> None:
  """Draws `parts` in place; `origin` [T,2] is the floor point, `scale` a body height, both in pixels."""
  origin = np.asarray(origin, np.float32)
  flip = np.array([scale, -scale], np.float32)
  for part in parts:
    start = (part.start * flip + origin).astype(np.float32)
    end = (part.end * flip + origin).astype(np.float32)
    radii = part.radius_start * scale, part.radius_end * scale
    paint_cone(frames, start, end, *radii, palette[part.paint], rim)


def paint_cone(
  frames: Frames, start, end, radius_start: float, radius_end: float, rgb: Rgb, rim: float
) -> None:
  """One cone with round ends at `start`, `end` [T,2] in pixels (right, down); `rim` darkens its edge."""
  size = frames.shape[1]
  reach = max(radius_start, radius_end) + 2
  low = np.floor(np.minimum(start, end).min(0) - reach).astype(int).clip(0, size)
  high = np.ceil(np.maximum(start, end).max(0) + reach).astype(int).clip(0, size)
  if (high <= low).any():
    return
  x = np.arange(low[0], high[0], dtype=np.float32)[None, None, :] + np.float32(0.5)
  y = np.arange(low[1], high[1], dtype=np.float32)[None, :, None] + np.float32(0.5)
  dx, dy = x - start[:, 0, None, None], y - start[:, 1, None, None]
  ax = end - start
  length = np.maximum((ax**2).sum(1), 1e-6)[:, None, None]
  share = np.clip((dx * ax[:, 0, None, None] + dy * ax[:, 1, None, None]) / length, 0, 1)
  dx = dx - share * ax[:, 0, None, None]
  dy = dy - share * ax[:, 1, None, None]
  inside = np.float32(radius_start) + share * np.float32(radius_end - radius_start)
  inside = inside - np.sqrt(dx * dx + dy * dy)
  window = frames[:, low[1] : high[1], low[0] : high[0]]
  fill = np.clip(inside + np.float32(0.5), 0, 1)
  keep = (1 - fill) * (1 - np.float32(rim) * np.clip(inside + np.float32(1.2), 0, 1))
  window *= keep[..., None]
  window += fill[..., None] * rgb


def paint_shadow(frames: Frames, centre, width: float, strength: float) -> None:
  """A soft dark ellipse on the floor under the person; `centre` [T,2] in pixels, `width` in pixels."""
  size = frames.shape[1]
  grid = np.arange(size, dtype=np.float32) + np.float32(0.5)
  centre = np.asarray(centre, np.float32)
  x = (grid[None, None, :] - centre[:, 0, None, None]) / np.float32(width)
  y = (grid[None, :, None] - centre[:, 1, None, None]) / np.float32(0.25 * width)
  frames *= 1 - np.float32(strength) * np.exp(-(x * x + y * y))[..., None]


def finish(frames: Frames, camera: Finish, rng: np.random.Generator) -> UInt8[np.ndarray, "T H W 3"]:
  """Blur, tint and noise, then 8 bits."""
  if camera.blur > 0:
    side, middle = np.float32(camera.blur), np.float32(1 - 2 * camera.blur)
    for padding in ((0, 0), (1, 1), (0, 0), (0, 0)), ((0, 0), (0, 0), (1, 1), (0, 0)):
      wide = np.pad(frames, padding, mode="edge")
      if padding[1][0]:
        frames = middle * frames + side * (wide[:, :-2] + wide[:, 2:])
      else:
        frames = middle * frames + side * (wide[:, :, :-2] + wide[:, :, 2:])
  noise = rng.standard_normal(frames.shape, np.float32)
  noise *= np.float32(255 * camera.noise)
  noise += frames * (np.float32(255) * camera.tint)
  noise += np.float32(255 * camera.haze + 0.5)
  return np.clip(noise, 0, 255, out=noise).astype(np.uint8)
