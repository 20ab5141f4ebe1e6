"""Arrays in `.npz` files that somebody else may have written. Needs neither JAX nor Orbax."""

import io
import math
import pathlib
import zipfile
from typing import IO

import numpy as np
from numpy.lib import format as npy


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Every array of a file as `numpy.savez` writes it; what it takes in memory is bounded by the file's size.

  Raises:
    ValueError: compressed members, or sizes that the file does not have: nothing of it was unpacked.
    Exception: whatever else a damaged file makes zipfile, zlib and NumPy raise.
  """
  contents = path.read_bytes()
  with zipfile.ZipFile(io.BytesIO(contents)) as held:
    members = held.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
      raise ValueError("it holds other things than arrays, or two of one name")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
      raise ValueError("its arrays are compressed, which an export never does")
    if sum(member.file_size for member in members) > len(contents):
      raise ValueError("its arrays would be larger than the file")
    for member in members:
      with held.open(member) as file:
        _check_size(file, member)
  with np.load(io.BytesIO(contents), allow_pickle=False) as arrays:
    return {name: arrays[name] for name in arrays.files}


def _check_size(file: IO[bytes], member: zipfile.ZipInfo) -> None:
  """Raises ValueError unless the header promises just the bytes that follow it."""
  version = npy.read_magic(file)
  read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
  if read is None:
    raise ValueError(f"{member.filename} is of version {version}")
  shape, _, dtype = read(file)
  promised = math.prod(shape) * dtype.itemsize
  if dtype.hasobject or not dtype.itemsize or file.tell() + promised != member.file_size:
    raise ValueError(
      f"{member.filename} says that it is {dtype} {list(shape)}, which is not what its size says"
    )
