"""What lets `tfds.builder_from_directory` open a directory of records."""

from collections.abc import Sequence
from pathlib import Path

from zsar_jax.data.records import features
from zsar_jax.data.schema import DATASET, SPLIT, ShardResult
from zsar_jax.data.tensorflow_import import tensorflow_datasets

DESCRIPTIONS = {
  "video": "Videos as JPEG frames, one record a video.",
  "image": "Still images as JPEGs, one record an image.",
  "features": "Precomputed features, float32, one record a video.",
}


def write_tfds_metadata(
  out: Path, class_names: Sequence[str], kind: str, results: Sequence[ShardResult]
) -> None:
  """What lets `tfds.builder_from_directory(out)` open the records."""
  tfds = tensorflow_datasets()
  template = tfds.core.ShardedFileTemplate(
    data_dir=out, dataset_name=DATASET, split=SPLIT, filetype_suffix="tfrecord"
  )
  split = tfds.core.SplitInfo(
    name=SPLIT,
    shard_lengths=[result.num_videos for result in results],
    num_bytes=sum(result.size for result in results),
    filename_template=template,
  )
  tfds.folder_dataset.write_metadata(
    data_dir=out,
    features=features(tuple(class_names), kind),
    split_infos=[split],
    filename_template=template,
    check_data=False,  # it would decode a record
    description=DESCRIPTIONS[kind],
  )
