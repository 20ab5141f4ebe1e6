"""How long this process has been running."""

import os
import pathlib
import time


def seconds_running() -> float | None:
  """Seconds since the process began, by Linux's clocks; None where nobody says."""
  try:
    behind_name = pathlib.Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    began = int(behind_name[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began
  except (OSError, AttributeError, ValueError, IndexError):
    return None
