import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zsar_jax.data.crc32c import crc32c


def bitwise(string: bytes) -> int:
  register = 0xFFFFFFFF
  for byte in string:
    register ^= byte
    for _ in range(8):
      register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
  return register ^ 0xFFFFFFFF


def test_published_values():
  # RFC 3720, B.4.
  strings = [b"123456789", bytes(32), b"\xff" * 32, bytes(range(32))]
  assert crc32c(strings).tolist() == [0xE3069283, 0x8A9136AA, 0x62A8AB43, 0x46DD794E]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_strings_together_agree_with_the_definition(strings):
  assert crc32c(strings).tolist() == [bitwise(s) for s in strings]


def test_lengths_around_the_block():
  rng = np.random.default_rng(0)
  strings = [rng.bytes(n) for n in (0, 1, 3, 4, 127, 128, 129, 131, 132, 256, 1000)]
  assert crc32c(strings).tolist() == [bitwise(s) for s in strings]


def test_a_flipped_bit_shows():
  string = bytearray(np.random.default_rng(1).bytes(500))
  before = crc32c([bytes(string)])
  string[321] ^= 4
  assert crc32c([bytes(string)]) != before
