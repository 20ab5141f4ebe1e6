"""Memory in large pages for the commands. On CPUs every training step asks for gigabytes anew, and of small pages the system hands
out half a million for that: a quarter to a third of the step.

Imported before anything else is: needs Python alone.
"""

import contextlib
import os
import pathlib
import sys
from collections.abc import Mapping

VARIABLE = "GLIBC_TUNABLES"
TUNABLE = "glibc.malloc.hugetlb"
OLDEST = (2, 35)  # glibc that knows it
_RESTARTED = "large_pages"  # python -X: ends the matter where the variable does not survive a start
_POLICY = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart() -> None:
  """Begins this process's command again, its number and files kept, where large pages must be asked for: glibc reads how at a start.

  Costs some 20 ms. Does nothing where that would change nothing, where the variable already says how (`…=0`: small pages), and where
  another program runs this code as if it were a command (`runpy`, debuggers).
  """
  environment = with_large_pages(os.environ)
  started_as_this = bool(sys.argv) and sys.argv[0] in sys.orig_argv
  if environment is None or _RESTARTED in sys._xoptions or not (sys.executable and started_as_this):
    return
  with contextlib.suppress(OSError):
    os.execve(
      sys.executable, [sys.executable, "-X", _RESTARTED, *sys.orig_argv[1:]], {**os.environ, **environment}
    )


def with_large_pages(environ: Mapping[str, str]) -> dict[str, str] | None:
  """What a process's environment must say besides; None: the system gives large pages unasked or never, or `environ` has decided."""
  told = environ.get(VARIABLE, "")
  if TUNABLE in told or not _on_request() or _glibc() < OLDEST:
    return None
  return {VARIABLE: f"{told}:{TUNABLE}=1".lstrip(":")}


def _on_request() -> bool:
  try:
    return "[madvise]" in _POLICY.read_text(encoding="ascii")
  except OSError:
    return False


def _glibc() -> tuple[int, ...]:
  """(2, 36); empty where the C library is another."""
  try:
    _, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition("glibc ")
    return tuple(int(part) for part in version.split("."))
  except (ValueError, OSError, AttributeError):
    return ()
