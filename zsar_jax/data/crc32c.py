"""CRC-32C (Castagnoli), the checksum of TFRecords, of stored frames."""

from collections.abc import Sequence

import google_crc32c
import numpy as np
from jaxtyping import UInt32


def crc32c(strings: Sequence[bytes]) -> UInt32[np.ndarray, " S"]:
  """The checksum of each byte string."""
  return np.fromiter(map(google_crc32c.value, strings), np.uint32, len(strings))
