"""Writes shards under Apache Beam: `--runner beam`, on one machine or on a cluster (extra `beam`)."""

import pickle
from collections.abc import Callable, Sequence

from zsar_jax.data.build import Runner
from zsar_jax.data.records import read_shard, write_shard
from zsar_jax.data.schema import ShardResult, ShardSpec
from zsar_jax.errors import InputError, raise_all


def make_runner(beam_args: Sequence[str]) -> Runner:
  """A runner for `build_records` that gives every shard to a Beam worker.

  Args:
    beam_args: Beam's own options, such as `--runner=FlinkRunner`; none: DirectRunner, on this machine. Workers
      must see videos and output under the same paths, and have this package installed.

  Raises:
    InputError: Apache Beam is not installed, or does not know an option.
  """
  options = _options(beam_args)

  def run(specs: Sequence[ShardSpec], count: Callable[[bool], None]) -> list[ShardResult]:
    import apache_beam as beam

    with beam.Pipeline(options=options) as pipeline:
      # As bytes: Beam would turn named tuples into rows of its own.
      shards = pipeline | "List" >> beam.Create([pickle.dumps(spec) for spec in specs])
      _ = shards | "Spread" >> beam.Reshuffle() | "Write" >> beam.Map(_write)
    results = [read_shard(spec) for spec in specs]
    lacking = [str(spec.file) for spec, result in zip(specs, results, strict=True) if result is None]
    raise_all(
      lacking, "Beam's workers finished, but these shards are not here; is --out a folder that they share?"
    )
    finished = [result for result in results if result is not None]
    for result in finished:
      for number in range(result.num_videos + len(result.quarantined)):
        count(number >= result.num_videos)
    return finished

  return run


def _options(beam_args: Sequence[str]):
  try:
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise InputError(f'--runner beam needs Apache Beam ({error}): pip install "zsar-jax[beam]"') from error
  options = PipelineOptions(list(beam_args))
  unknown = options.get_all_options(retain_unknown_options=True).keys() - options.get_all_options().keys()
  raise_all([f"--beam_args: Beam knows no option {name!r}" for name in sorted(unknown)])
  return options


def _write(spec: bytes) -> None:
  write_shard(pickle.loads(spec))
