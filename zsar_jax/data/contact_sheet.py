"""A picture of film strips with their names. Pillow is imported when first used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

TITLE_HEIGHT = 16  # pixels


def write_contact_sheet(
  path: str | Path, clips: Sequence[UInt8[np.ndarray, "T H W 3"]], names: Sequence[str], zoom: int = 2
) -> None:
  """Writes one strip a clip, frames left to right, its name above it."""
  from PIL import Image

  strips = [_strip(clip, name, zoom) for clip, name in zip(clips, names, strict=True)]
  sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height for strip in strips)))
  top = 0
  for strip in strips:
    sheet.paste(strip, (0, top))
    top += strip.height
  sheet.save(path)


def _strip(clip: UInt8[np.ndarray, "T H W 3"], name: str, zoom: int) -> Any:
  from PIL import Image, ImageDraw

  frames = np.concatenate([np.pad(frame, ((0, 0), (0, 1), (0, 0))) for frame in clip], 1)
  picture = Image.fromarray(frames).resize(
    (frames.shape[1] * zoom, frames.shape[0] * zoom), Image.Resampling.NEAREST
  )
  strip = Image.new("RGB", (picture.width, picture.height + TITLE_HEIGHT))
  ImageDraw.Draw(strip).text((2, 2), name, fill="white")
  strip.paste(picture, (0, TITLE_HEIGHT))
  return strip
