"""What `GET /metrics` tells, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120)
VIDEOS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
  """One server's numbers; times in seconds."""

  content_type = CONTENT_TYPE_LATEST

  def __init__(self):
    self._registry = own = CollectorRegistry()
    ProcessCollector(registry=own)
    self.requests = Counter("zsar_requests", "Requests answered", ["route", "code"], registry=own)
    self.latency = Histogram(
      "zsar_request_seconds", "From a request's head to its answer", ["route"], buckets=SECONDS, registry=own
    )
    self.in_flight = Gauge("zsar_in_flight", "Videos being received, decoded or named", registry=own)
    self.decode_queue = Gauge("zsar_decode_queue", "Videos that wait for a decoding process", registry=own)
    self.device_queue = Gauge("zsar_device_queue", "Decoded videos that wait for the device", registry=own)
    self.decoding = Histogram("zsar_decode_seconds", "Decoding of a video", buckets=SECONDS, registry=own)
    self.device = Histogram("zsar_device_seconds", "One pass of the device", buckets=SECONDS, registry=own)
    self.batch = Histogram("zsar_batch_videos", "Videos in one pass", buckets=VIDEOS, registry=own)
    self.received = Counter("zsar_received_bytes", "Bytes of videos received", registry=own)
    self.given_up = Counter("zsar_given_up", "Requests whose client was gone too early", registry=own)

  def text(self) -> bytes:
    """All of them."""
    return generate_latest(self._registry)
