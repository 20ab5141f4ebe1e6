"""A page of film strips with their names, written as PNG with nothing but numpy and zlib."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

# Five rows of a letter, each three or five bits wide, as 0/1 text.
_LETTERS = {
  "a": "010 101 111 101 101", "b": "110 101 110 101 110", "c": "011 100 100 100 011",
  "d": "110 101 101 101 110", "e": "111 100 110 100 111", "f": "111 100 110 100 100",
  "g": "011 100 101 101 011", "h": "101 101 111 101 101", "i": "111 010 010 010 111",
  "j": "001 001 001 101 010", "k": "101 101 110 101 101", "l": "100 100 100 100 111",
  "m": "10001 11011 10101 10001 10001", "n": "1001 1101 1011 1001 1001", "o": "010 101 101 101 010",
  "p": "110 101 110 100 100", "q": "010 101 101 111 011", "r": "110 101 110 101 101",
  "s": "011 100 010 001 110", "t": "111 010 010 010 010", "u": "101 101 101 101 111",
  "v": "101 101 101 101 010", "w": "10001 10001 10101 11011 10001", "x": "101 101 010 101 101",
  "y": "101 101 010 010 010", "z": "111 001 010 100 111", " ": "00 00 00 00 00", "-": "000 000 111 000 000",
}  # fmt: skip


def draw_text(text: str, height: int = 10) -> UInt8[np.ndarray, "H W 3"]:
  """White capitals on black; what is neither a letter, a space nor a hyphen is left blank."""
  glyphs = []
  for letter in text.lower():
    rows = _LETTERS.get(letter, _LETTERS[" "]).split()
    glyphs.append(np.array([[int(bit) for bit in row] + [0] for row in rows], np.uint8))
  line = np.concatenate(glyphs, 1) if glyphs else np.zeros((5, 1), np.uint8)
  line = line.repeat(max(1, height // 5), 0).repeat(max(1, height // 5), 1)
  return np.repeat(line[..., None] * np.uint8(255), 3, -1)


def contact_sheet(
  clips: Sequence[UInt8[np.ndarray, "T H W 3"]], names: Sequence[str], zoom: int = 2
) -> UInt8[np.ndarray, "H W 3"]:
  """One strip a clip, frames left to right, its name above it."""
  strips = []
  for clip, name in zip(clips, names, strict=True):
    strip = np.concatenate([np.pad(frame, ((0, 0), (0, 1), (0, 0))) for frame in clip], 1)
    strip = strip.repeat(zoom, 0).repeat(zoom, 1)
    title = np.zeros((16, strip.shape[1], 3), np.uint8)
    text = draw_text(name)[:, : strip.shape[1] - 2]
    title[4 : 4 + text.shape[0], 2 : 2 + text.shape[1]] = text
    strips += [title, strip]
  return np.concatenate(strips, 0)


def write_png(path: str | Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
  """Writes an 8-bit RGB picture."""
  height, width = image.shape[:2]
  rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], 1)

  def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

  header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
  data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b"")
  Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + data)
