"""Writes shards on the cores of one machine: processes decode, this one writes."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from zsar_jax.data.decode import Decoder, VideoError
from zsar_jax.data.killable_pool import map_ahead
from zsar_jax.data.records import decode_entry, write_shard
from zsar_jax.data.schema import DecodedVideo, Entry, ShardResult, ShardSpec


def write_shards(
  specs: Sequence[ShardSpec], count: Callable[[bool], None], workers: int
) -> list[ShardResult]:
  """Writes every shard, in order; `count` is called after each video with whether it was bad."""

  def counted(videos: Iterable[DecodedVideo | VideoError]) -> Iterator[DecodedVideo | VideoError]:
    for video in videos:
      count(isinstance(video, VideoError))
      yield video

  entries = ((entry, spec) for spec in specs for entry in spec.entries)
  with contextlib.closing(map_ahead(_decode, entries, Decoder, workers, _num_bytes)) as decoded:
    return [write_shard(spec, counted(islice(decoded, len(spec.entries)))) for spec in specs]


def _decode(decoder: Decoder, job: tuple[Entry, ShardSpec]) -> DecodedVideo | VideoError:
  entry, spec = job
  return decode_entry(entry, spec.options, spec.timeout, decoder)


def _num_bytes(decoded: DecodedVideo | VideoError) -> int:
  return 0 if isinstance(decoded, VideoError) else sum(map(len, decoded.frames))
