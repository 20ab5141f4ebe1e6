"""Whether this process is one of several, and which: by explicit flags, else as Open MPI, SLURM or Cloud TPU started it."""

import argparse
import warnings
from collections.abc import Mapping
from typing import NamedTuple

from zsar_jax.errors import InputError, raise_all
from zsar_jax.train.rendezvous import split_address

FLAGS = ("coordinator", "num_processes", "process_id")
# What JAX needs to find the other tasks of a SLURM step; a batch script that runs without srun has no step.
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
LAUNCHERS = {"ompi": "Open MPI", "slurm": "SLURM", "tpu": "Cloud TPU"}


class Launch(NamedTuple):
  """One of several processes."""

  coordinator: str  # host:port of process 0
  num_processes: int
  process: int
  device: int | None  # the only local device that it uses, by number; None: all that it sees


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """`--coordinator`, `--num_processes`, `--process_id`."""
  group = parser.add_argument_group(
    "several processes", "SLURM, Open MPI and Cloud TPU are recognised without these; give all three or none"
  )
  group.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 runs, and a free port there")
  group.add_argument("--num_processes", metavar="N", help="how many processes work together")
  group.add_argument("--process_id", metavar="I", help="which of them this is, from 0 to N-1")


def launch(args: argparse.Namespace, environ: Mapping[str, str], seconds: float) -> Launch | None:
  """How this process was started; None where it is the only one. Flags win over the environment.

  Raises:
    InputError: a flag is missing or wrong, or process 0's address cannot be found out (within `seconds`).
  """
  given = {name: getattr(args, name) for name in FLAGS}
  if any(value is not None for value in given.values()):
    return _by_flags(given)
  how = detected(environ)
  if how is None and not _asks_for_cpu(environ) and _cloud_tpu_hosts() > 1:
    how = "tpu"
  return _by_launcher(how, environ, seconds) if how else None


def detected(environ: Mapping[str, str]) -> str | None:
  """The launcher that started several processes ("ompi", "slurm" or "tpu"), as far as the environment tells; None: a single process."""
  if "OMPI_COMM_WORLD_SIZE" in environ:  # first: mpirun inside a SLURM job starts its daemons with srun
    return "ompi" if _number(environ, "OMPI_COMM_WORLD_SIZE") > 1 else None
  if all(key in environ for key in SLURM):
    return "slurm" if _slurm_tasks(environ) > 1 else None
  hosts = environ.get("TPU_PROCESS_ADDRESSES") or environ.get("TPU_WORKER_HOSTNAMES") or ""
  slices = _number(environ, "MEGASCALE_NUM_SLICES") if environ.get("MEGASCALE_NUM_SLICES") else 1
  several = hosts and (len(hosts.split(",")) > 1 or slices > 1)
  return "tpu" if several and not _asks_for_cpu(environ) else None


def own_device(how: str, environ: Mapping[str, str]) -> int | None:
  """The device of a process that shares its host with others; None where it has the host, or its launcher gave it one device."""
  visible = environ.get("CUDA_VISIBLE_DEVICES") or environ.get("ROCR_VISIBLE_DEVICES") or ""
  if environ.get("JAX_LOCAL_DEVICE_IDS") or (visible and "," not in visible):
    return None
  if how == "ompi" and _number(environ, "OMPI_COMM_WORLD_LOCAL_SIZE") > 1:
    return _number(environ, "OMPI_COMM_WORLD_LOCAL_RANK")
  if how == "slurm" and _slurm_tasks(environ) > _number(environ, "SLURM_STEP_NUM_NODES", 1):
    return _number(environ, "SLURM_LOCALID")
  return None


def _by_flags(given: dict[str, str | None]) -> Launch | None:
  problems = [f"--{name} is missing" for name, value in given.items() if value is None]
  coordinator, numbers = given["coordinator"], {}
  if coordinator is not None:
    try:
      split_address(coordinator)
    except ValueError:
      problems.append(f"--coordinator={coordinator} is no HOST:PORT, such as node1:9876")
  for name, lowest in (("num_processes", 1), ("process_id", 0)):
    text = given[name]
    if text is None:
      continue
    if not (text.isascii() and text.isdigit()) or int(text) < lowest:
      problems.append(f"--{name}={text} is no whole number from {lowest} on")
    else:
      numbers[name] = int(text)
  if len(numbers) == 2 and numbers["process_id"] >= numbers["num_processes"]:
    last = numbers["num_processes"] - 1
    problems.append(
      f"--process_id={numbers['process_id']} is not below --num_processes={last + 1}; processes are counted from 0 to {last}"
    )
  raise_all(problems, "several processes need --coordinator HOST:PORT --num_processes N --process_id I:")
  assert coordinator is not None
  if numbers["num_processes"] == 1:
    return None
  return Launch(coordinator, numbers["num_processes"], numbers["process_id"], None)


def _by_launcher(how: str, environ: Mapping[str, str], seconds: float) -> Launch:
  """JAX's own detection knows every launcher's ways of naming process 0."""
  from jax._src.clusters import ClusterEnv

  known = {
    "ompi": lambda: (_number(environ, "OMPI_COMM_WORLD_SIZE"), _number(environ, "OMPI_COMM_WORLD_RANK")),
    "slurm": lambda: (_slurm_tasks(environ), _number(environ, "SLURM_PROCID")),
    "tpu": lambda: (None, None),
  }
  try:
    coordinator, num_processes, process, _ = ClusterEnv.auto_detect_unset_distributed_params(
      environ.get("JAX_COORDINATOR_ADDRESS"), *known[how](), None, None, int(seconds)
    )
  except InputError:
    raise
  except Exception as error:
    raise InputError(
      f"{LAUNCHERS[how]} started several processes, but who they are cannot be found out ({type(error).__name__}: {error}); "
      "give --coordinator, --num_processes and --process_id"
    ) from error
  if coordinator is None or num_processes is None or process is None:
    raise InputError(
      f"{LAUNCHERS[how]} started several processes, but does not say where process 0 runs (Open MPI stopped doing so with version 5); "
      "set JAX_COORDINATOR_ADDRESS=HOST:PORT in all of them, such as mpirun -x JAX_COORDINATOR_ADDRESS=node1:9876"
    )
  return Launch(coordinator, num_processes, process, own_device(how, environ))


def _cloud_tpu_hosts() -> int:
  """How many hosts the TPU of this virtual machine spans, as its metadata server says; 1 where there is no such thing."""
  from jax._src.clusters import GceTpuCluster

  try:
    return GceTpuCluster.get_process_count() if GceTpuCluster.is_env_present() else 1
  except Exception as error:
    warnings.warn(
      f"how many hosts this TPU spans cannot be found out ({type(error).__name__}); it is used as a single one. If there are more, give "
      "--coordinator, --num_processes and --process_id",
      stacklevel=2,
    )
    return 1


def _asks_for_cpu(environ: Mapping[str, str]) -> bool:
  return environ.get("JAX_PLATFORMS", "").startswith("cpu")


def _slurm_tasks(environ: Mapping[str, str]) -> int:
  """Of this step, which may have fewer than the job."""
  return _number(environ, "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS")


def _number(environ: Mapping[str, str], key: str, default: int | None = None) -> int:
  text = environ.get(key, "" if default is None else str(default))
  if not (text.isascii() and text.isdigit()):
    raise InputError(
      f"{key}={text!r} in the environment is no number; give --coordinator, --num_processes and --process_id"
    )
  return int(text)
