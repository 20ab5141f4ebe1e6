"""The roofline's arithmetic and its table."""

import pytest

from zsar_jax.devices import DEVICES, NAMES, Device, find_device, measure_cpu, roofline
from zsar_jax.errors import InputError

SMALL = Device(bfloat16=200.0, float32=100.0, bandwidth=10.0, capacity=0, source="made up")


def test_the_smaller_limit_wins():
  # 5 clips of 50 multiply-adds: 100 operations each; 20 bytes each.
  limit = roofline(SMALL, "float32", 250, 100, 5)
  assert limit == (0.5, 1.0, 0.5, "memory")
  assert roofline(SMALL, "float32", 250, 10, 5) == (1.0, 1.0, 5.0, "compute")


def test_dtype_and_number_of_devices():
  assert roofline(SMALL, "bfloat16", 250, 10, 5).compute_limit == 2.0
  assert roofline(SMALL, "float32", 250, 10, 5, num_devices=4).compute_limit == 4.0


def test_known_devices():
  assert set(NAMES) == {*DEVICES, "cpu"}
  assert find_device("h200").bfloat16 == 790e12
  assert all(device.source for device in DEVICES.values())
  assert "bfloat16" in DEVICES["v5e"].note


def test_unknown_device():
  with pytest.raises(InputError, match=r"'h20'.*h200, a100, v5e, cpu; did you mean 'h200'"):
    find_device("h20")


def test_cpu_is_measured():
  cpu = measure_cpu(size=128, num_floats=1 << 16)
  assert cpu.float32 > 0
  assert cpu.bandwidth > 0
  assert "measured" in cpu.source
