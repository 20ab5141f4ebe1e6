"""Whether an upload is a video of a type that is read, before anything decodes it. Light: decoding processes import it too."""

import pathlib

from zsar_jax.data.decode import VIDEO_SUFFIXES

_QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def suffix(filename: str) -> str | None:
  """The file name's suffix if it is a video's, as we spell it; None otherwise."""
  given = pathlib.PurePosixPath(filename.replace("\\", "/")).suffix.lower()
  return next((known for known in VIDEO_SUFFIXES if known == given), None)


def looks_like_video(head: bytes) -> bool:
  """Whether a file's first bytes (16 suffice) are those of a container that is read."""
  return (
    head[4:8] in _QUICKTIME
    or head.startswith(b"\x1a\x45\xdf\xa3")  # Matroska, WebM
    or (head.startswith(b"RIFF") and head[8:11] == b"AVI")
    or head.startswith((b"GIF87a", b"GIF89a"))
    or (head.startswith(b"\x00\x00\x01") and head[3:4] in (b"\xba", b"\xb3"))  # MPEG
  )


def prepare() -> None:
  """Imports what decoding needs, so that the first video need not wait for it. Runs in a decoding process."""
  import av  # noqa: F401

  import zsar_jax.data.video_clips  # noqa: F401
