"""TFRecord files byte by byte: where each record lies, and where the values of a feature lie in it."""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from google_crc32c import value as crc32c

_LENGTH = struct.Struct("<QI")  # a record begins with its length and the checksum of that


class RecordFile:
  """A TFRecord file, read once from end to end.

  Attributes, complete when `records` has been exhausted:
    problems: what is damaged, with file and offset.
    size: bytes of the file.
    sha256: of the file, hexadecimal.
  """

  def __init__(self, path: Path):
    self.path = path
    self.problems: list[str] = []
    self.size = 0
    self._digest = hashlib.sha256()

  @property
  def sha256(self) -> str:
    return self._digest.hexdigest()

  def records(self) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of the payload of every whole record."""
    try:
      with open(self.path, "rb") as file:
        total = os.fstat(file.fileno()).st_size
        while start := self._read(file, _LENGTH.size):
          offset = self.size
          if len(start) < _LENGTH.size:
            self._cut(offset - len(start), total)
            return
          length, checksum = _LENGTH.unpack(start)
          if _masked(start[:8]) != checksum:
            self._damaged(offset - len(start), "the length of the record does not have its CRC-32C")
            return
          if offset + length + 4 > total:
            self._cut(offset - len(start), total)
            return
          payload, ending = self._read(file, length), self._read(file, 4)
          if _masked(payload) != int.from_bytes(ending, "little"):
            self._damaged(offset, f"the record's {length} bytes do not have their CRC-32C")
            continue
          yield offset, payload
    except OSError as error:
      self.problems.append(f"{self.path} cannot be read ({error.strerror or error})")

  def _read(self, file, num_bytes: int) -> bytes:
    found = file.read(num_bytes)
    self._digest.update(found)
    self.size += len(found)
    return found

  def _cut(self, offset: int, total: int) -> None:
    self._damaged(offset, f"the record is cut: the file ends at {total}, inside it")

  def _damaged(self, offset: int, reason: str) -> None:
    self.problems.append(f"{self.path}, offset {offset}: {reason}")


def _masked(contents: bytes) -> int:
  """The checksum as TFRecords store it: of data that may hold checksums itself."""
  checksum = crc32c(contents)
  return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def locate_bytes(example: bytes, feature: str) -> list[tuple[int, int]]:
  """Begin and end of each byte string of a feature in a serialised `tf.train.Example`, in order.

  Raises:
    ValueError: the bytes are no such message.
  """
  found: list[tuple[int, int]] = []
  # Example {Features features = 1}, Features {map<string, Feature> feature = 1}, whose entries are {key = 1, value = 2},
  # Feature {BytesList bytes_list = 1}, BytesList {repeated bytes value = 1}.
  for _, begin, end in _fields(example, 0, len(example), 1):
    for _, entry, entry_end in _fields(example, begin, end, 1):
      parts = {number: (b, e) for number, b, e in _fields(example, entry, entry_end)}
      if 1 in parts and example[slice(*parts[1])] == feature.encode():
        lists = [(b, e) for _, b, e in _fields(example, *parts[2], 1)] if 2 in parts else []
        found = [(b, e) for begin, end in lists for _, b, e in _fields(example, begin, end, 1)]
  return found


def _fields(
  data: bytes, position: int, end: int, wanted: int | None = None
) -> Iterator[tuple[int, int, int]]:
  """Number, begin and end of the fields of a protobuf message that have a length; only number `wanted`."""
  fixed = {1: 8, 5: 4}  # bytes of wire types without a length
  while position < end:
    tag, position = _varint(data, position, end)
    number, wire_type = tag >> 3, tag & 7
    if wire_type == 2:
      length, position = _varint(data, position, end)
      if position + length > end:
        raise ValueError(f"a field ends outside its message, at {position}")
      if wanted in (None, number):
        yield number, position, position + length
      position += length
    elif wire_type == 0:
      _, position = _varint(data, position, end)
    elif wire_type in fixed:
      position += fixed[wire_type]
    else:
      raise ValueError(f"unknown wire type {wire_type} at {position}")


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
  """A number stored seven bits a byte, and the position after it."""
  number = shift = 0
  while position < end:
    byte = data[position]
    position += 1
    number |= (byte & 0x7F) << shift
    if byte < 0x80:
      return number, position
    shift += 7
  raise ValueError(f"a number ends outside its message, at {position}")
