"""Files that the sources' tests list; their contents are never looked at."""

import io
import pathlib
import stat
import tarfile
import zipfile


def touch(root: pathlib.Path, *names: str) -> pathlib.Path:
  """Makes empty files under `root`."""
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
  return root


def write(path: pathlib.Path, *lines: str) -> pathlib.Path:
  """Writes a UTF-8 text file of lines."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text("\n".join(lines) + "\n", encoding="utf-8")
  return path


def rar(path: pathlib.Path, members: dict[str, bytes]) -> pathlib.Path:
  """Writes a RAR 4 archive that stores its members uncompressed: no free program writes one."""
  import struct
  import zlib

  def block(kind: int, flags: int, rest: bytes) -> bytes:
    body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body

  parts = [b"Rar!\x1a\x07\x00", block(0x73, 0, bytes(6))]
  for name, content in members.items():
    encoded, size = name.encode(), len(content)
    # Sizes packed and not, system (3: Unix), CRC, date, version needed, method (0x30: stored), mode of a file.
    fields = (size, size, 3, zlib.crc32(content), 0x5A210000, 20, 0x30, len(encoded), 0o100644)
    parts += [block(0x74, 0x8000, struct.pack("<LLBLLBBHL", *fields) + encoded), content]
  path.write_bytes(b"".join([*parts, block(0x7B, 0x4000, b"")]))
  return path


def make_zip(path: pathlib.Path, files: dict[str, bytes], links=()) -> pathlib.Path:
  """Writes a zip archive of files, and of links (name, target)."""
  with zipfile.ZipFile(path, "w") as archive:
    for name, content in files.items():
      archive.writestr(name, content)
    for name, target in links:
      info = zipfile.ZipInfo(name)
      info.external_attr = (stat.S_IFLNK | 0o777) << 16
      archive.writestr(info, target)
  return path


def make_tar(path: pathlib.Path, files: dict[str, bytes], others=()) -> pathlib.Path:
  """Writes a tar archive, compressed as its name says, of files and other members (name, type, link's target)."""
  suffix = path.suffix.removeprefix(".")
  mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(suffix, "w:")
  with tarfile.open(path, mode) as archive:
    for name, content in files.items():
      info = tarfile.TarInfo(name)
      info.size = len(content)
      archive.addfile(info, io.BytesIO(content))
    for name, kind, target in others:
      info = tarfile.TarInfo(name)
      info.type, info.linkname = kind, target
      archive.addfile(info)
  return path


def held(folder: pathlib.Path) -> dict[str, bytes]:
  """Files in a folder that are not hidden."""
  return {
    p.relative_to(folder).as_posix(): p.read_bytes()
    for p in folder.rglob("*")
    if p.is_file() and p.name[0] != "."
  }
