"""Small data sets that TensorFlow Datasets' own writer makes."""

import pathlib
from typing import Any

from zsar_jax.data.tensorflow_import import tensorflow_datasets


def write_tfds(
  directory: pathlib.Path,
  features: dict[str, Any],
  splits: dict[str, list[dict[str, Any]]],
  per_shard: int = 2,
) -> pathlib.Path:
  """Writes examples of each split, `per_shard` a file; the folder of the prepared version."""
  tfds = tensorflow_datasets()
  folder = directory / "tiny" / "1.0.0"
  folder.mkdir(parents=True)
  identity = tfds.core.dataset_info.DatasetIdentity(
    name="tiny", version=tfds.core.Version("1.0.0"), data_dir=str(folder), module_name="tiny"
  )
  info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
  writer = tfds.core.SequentialWriter(info, max_examples_per_shard=per_shard)
  writer.initialize_splits(list(splits))
  writer.add_examples(splits)
  writer.close_all()
  return folder
