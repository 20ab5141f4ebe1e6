"""Whether an upload is a video of a type that is read, before anything decodes it. Light: decoding processes import it too."""

import contextlib
import pathlib

from zsar_jax.data.decode import VIDEO_SUFFIXES

_limited = False  # in a decoding process
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
    or head.startswith((b"GIF87a", b"GIF89a", b"FLV\x01", b"OggS"))
    or head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")  # ASF, WMV
    or head.startswith(b"\x06\x0e\x2b\x34")  # MXF
    or head[4:5] == b"\x47"  # packets of a transport stream, with times before them
    or head.startswith(b"\x47\x40")  # without
    or (head.startswith(b"\x00\x00\x01") and head[3:4] in (b"\xba", b"\xb3"))  # MPEG
  )


def prepare(most_bytes: int) -> None:
  """Imports what decoding needs, and bounds the process's memory, once. Runs in a decoding process, before every video.

  A file of a few hundred bytes can ask for gigabytes.

  Args:
    most_bytes: of address space, beyond what the process has by then.
  """
  global _limited
  if _limited:
    return
  import av  # noqa: F401

  import zsar_jax.data.video_clips  # noqa: F401

  with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system
    import resource

    own = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = own + most_bytes if hard == resource.RLIM_INFINITY else min(own + most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
  _limited = True
