import numpy as np

from zsar_jax.data.crc32c import crc32c


def test_published_values():
  # RFC 3720, B.4.
  strings = [b"123456789", bytes(32), b"\xff" * 32, bytes(range(32))]
  sums = crc32c(strings)
  assert sums.dtype == np.uint32
  assert sums.tolist() == [0xE3069283, 0x8A9136AA, 0x62A8AB43, 0x46DD794E]


def test_no_strings():
  assert crc32c([]).shape == (0,)
