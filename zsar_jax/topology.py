"""How devices are joined, and how long they take to add up what each has computed."""

from typing import NamedTuple


class Links(NamedTuple):
  """What joins devices of a kind. Rates are bytes/s that one device sends, while it receives as many."""

  inside: float  # between devices of an island, which fast links join
  between: float  # a device's share of the network between islands
  island: int  # how many devices it holds; 0: those of a host
  devices_per_host: int  # where nobody says
  source: str  # where the numbers come from


# Until the first byte has been everywhere, for each exchange; nobody publishes these.
LATENCY_INSIDE, LATENCY_BETWEEN = 20e-6, 50e-6
LATENCY_SOURCE = "assumed"
LINKS = {
  "h200": Links(450e9, 50e9, 0, 8, "datasheets: NVLink, 900 GB/s both ways together; 8 GPUs a host, each with a 400 Gb/s port (DGX H200)"),
  "a100": Links(300e9, 25e9, 0, 8, "datasheets: NVLink, 600 GB/s both ways together; 8 GPUs a host, each with a 200 Gb/s port (DGX A100)"),
  "v5e": Links(
    100e9, 3.1e9, 256, 4,
    "docs.cloud.google.com/tpu/docs/v5e: 400 GB/s of links between chips, both ways together, half of them counted, for the torus is "
    "closed in whole pods of 256 alone; 6.4 Tb/s of network a pod; virtual machines of 4 chips",
  ),
}  # fmt: skip


class Topology(NamedTuple):
  """Devices of one kind on hosts of one size."""

  device: str
  num_devices: int
  devices_per_host: int

  @property
  def num_hosts(self) -> int:
    return self.num_devices // self.devices_per_host

  @property
  def links(self) -> Links | None:
    """None where none are known: CPUs."""
    return LINKS.get(self.device)


def make_topology(device: str, num_devices: int = 1, devices_per_host: int = 0) -> Topology:
  """`devices_per_host` 0: as many as hosts of that device have, at most all. See `topology_problems` for what is wrong input."""
  links = LINKS.get(device)
  return Topology(
    device, num_devices, devices_per_host or min(num_devices, links.devices_per_host if links else 1)
  )


def topology_problems(topology: Topology) -> list[str]:
  """What of it cannot be, in words of the command line."""
  num, per_host, links = topology.num_devices, topology.devices_per_host, topology.links
  if num < 1 or per_host < 1:
    return []  # told elsewhere
  problems = []
  if num % per_host:
    problems.append(
      f"--devices is {num}, which does not fill hosts of {per_host} devices; use {_nearest(num, per_host)}, or say how many a host has "
      "with --devices_per_host"
    )
  if links and links.island and num > links.island and num % links.island:
    problems.append(
      f"--devices is {num}, but beyond {links.island} devices {topology.device} comes in whole pods of {links.island}; "
      f"use {_nearest(num, links.island)}"
    )
  return problems


def all_reduce_seconds(topology: Topology, num_bytes: float, num_exchanges: int) -> float | None:
  """Time in which `num_bytes` of every device are added up over all devices, in so many exchanges that wait for each other.

  A ring inside each island, where n devices send 2 (n - 1) / n of the bytes each; between islands, another for every device's share of
  them. None: there are several devices, and their links are not known.
  """
  if topology.num_devices == 1:
    return 0.0
  if topology.links is None:
    return None
  num_inside, num_islands = islands(topology)
  seconds = ring_bytes(num_inside, num_bytes) / topology.links.inside
  seconds += ring_bytes(num_islands, num_bytes / num_inside) / topology.links.between
  return seconds + num_exchanges * (LATENCY_INSIDE * (num_inside > 1) + LATENCY_BETWEEN * (num_islands > 1))


def islands(topology: Topology) -> tuple[int, int]:
  """(devices that fast links join, how many such islands)."""
  island = topology.links.island if topology.links else 0
  size = min(island or topology.devices_per_host, topology.num_devices)
  return size, topology.num_devices // size


def ring_bytes(num_devices: int, num_bytes: float) -> float:
  """What each of so many devices sends in a ring that adds up `num_bytes` of each."""
  return 2 * (num_devices - 1) / num_devices * num_bytes


def _nearest(number: int, unit: int) -> str:
  below = number // unit * unit
  return " or ".join(str(size) for size in (below, below + unit) if size)
