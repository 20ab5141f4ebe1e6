"""What a training step costs on many devices: what they exchange, how long that takes, and what hosts must feed them."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from zsar_jax.config import Config
from zsar_jax.costs import Costs
from zsar_jax.topology import (
  LATENCY_BETWEEN,
  LATENCY_INSIDE,
  LATENCY_SOURCE,
  Topology,
  all_reduce_seconds,
  islands,
  ring_bytes,
)

# XLA for GPUs joins what can be added up together into exchanges of this size.
COMBINED_BYTES = 30 * 2**20
# Of README "Input": CPU seconds and stored bytes of a frame whose short side has so many pixels, on 2 cores of one machine.
FRAME_SECONDS = {128: 1 / (326.49 * 16), 256: 1 / (147.92 * 16)}
FRAME_BYTES = {128: 5121, 256: 14462}
INPUT_SOURCE = (
  "measured with 2 CPU cores on generated video (docs/performance.md), in between and beyond by pixels"
)


class Exchange(NamedTuple):
  """What every device hands in to be added up over all of them, in one step."""

  gradient_bytes: int
  batch_norm_bytes: int  # statistics of the whole batch, or means of the groups' running ones
  metric_bytes: int
  num_exchanges: int  # that wait for each other, at most

  @property
  def num_bytes(self) -> int:
    return self.gradient_bytes + self.batch_norm_bytes + self.metric_bytes


def exchange_of(config: Config, costs: Costs, num_devices: int) -> Exchange:
  """By the compiled step, which a test holds this to: every gradient that is computed is added up once a micro-batch, in the type that it
  is computed in; so are running statistics and metrics.

  BatchNorm groups inside a device wait for nothing. Groups over devices wait at every layer, forward and backward; what the
  backward pass adds up there are the gradients of scale and bias, which the whole batch as one group needs anyway.
  """
  if num_devices == 1:
    return Exchange(0, 0, 0, 0)
  gradient = costs.gradient
  statistics = gradient.statistics_bytes
  # A whole batch as one group is normalised by all devices together, forward and backward.
  waits = 2 * costs.num_batch_norms if not config.model.bn_group_size and statistics else 0
  handed_in = gradient.num_bytes + statistics + 4 * gradient.num_metrics
  times = config.train.accumulate
  return Exchange(
    gradient_bytes=times * gradient.num_bytes,
    batch_norm_bytes=times * statistics,
    metric_bytes=times * 4 * gradient.num_metrics,
    num_exchanges=times * (waits + math.ceil(handed_in / COMBINED_BYTES)),
  )


def exchange_report(
  config: Config, costs: Costs, topology: Topology, clips_per_second: float
) -> dict[str, Any]:
  """As `--json` of `zsar_jax.describe` prints it. clips_per_second: that all devices compute at most, when they wait for nothing."""
  exchange, links = exchange_of(config, costs, topology.num_devices), topology.links
  seconds = all_reduce_seconds(topology, exchange.num_bytes, exchange.num_exchanges)
  compute = config.train.batch_size / clips_per_second
  step = None if seconds is None else compute + seconds
  num_inside, num_islands = islands(topology)
  return {
    "hosts": topology.num_hosts,
    "devices_per_host": topology.devices_per_host,
    "islands": num_islands,
    "devices_per_island": num_inside,
    "source": links.source if links else "no links are known",
    "bandwidth_inside": links.inside if links else None,
    "bandwidth_between": links.between if links else None,
    "latency_inside": LATENCY_INSIDE,
    "latency_between": LATENCY_BETWEEN,
    "latency_source": LATENCY_SOURCE,
    "gradient_bytes": exchange.gradient_bytes,
    "batch_norm_bytes": exchange.batch_norm_bytes,
    "metric_bytes": exchange.metric_bytes,
    "sent_bytes": ring_bytes(topology.num_devices, exchange.num_bytes),
    "exchanges": exchange.num_exchanges,
    "seconds": seconds,
    "compute_seconds": compute,
    "share": None if seconds is None or step is None else seconds / step,
    "clips_per_second": None if step is None else config.train.batch_size / step,
  }


def input_report(config: Config, topology: Topology, clips_per_second: float) -> dict[str, Any]:
  """As `--json` prints it: what each host reads and decodes for all devices to train `clips_per_second`."""
  data, model = config.data, config.model
  clips = clips_per_second / topology.num_hosts
  features = model.backbone == "features"
  frame_bytes = 4 * model.num_features if features else _by_pixels(FRAME_BYTES, data.short_side)
  return {
    "clips_per_second": clips,
    "bytes_per_second": clips * data.num_frames * frame_bytes,
    "cores": None if features else clips * data.num_frames * _by_pixels(FRAME_SECONDS, data.short_side),
    "source": "float32 features, nothing to decode" if features else INPUT_SOURCE,
  }


def _by_pixels(measured: Mapping[int, float], side: int) -> float:
  """The straight line through two measurements, over the square of the short side."""
  (small, low), (large, high) = sorted(measured.items())
  return low + (high - low) * (side**2 - small**2) / (large**2 - small**2)
