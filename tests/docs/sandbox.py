"""A folder with small real files under the names that the guide uses."""

import csv
import json
import pathlib
import shutil
import tarfile
import zipfile
from collections.abc import Sequence

import numpy as np
from docs_pages import ROOT
from PIL import Image

from zsar_jax.classes.class_lists import read_class_list, shipped_lists
from zsar_jax.classes.vectors import hash_vector
from zsar_jax.classes.words import label_words
from zsar_jax.data.synthetic import CLASS_NAMES, render, write_mp4

NAMES = ("fencing", "juggling", "walking", "waving", "rowing", "punching")
KINETICS = ("abseiling", "archery", "brush painting", "air drumming", "yoga")
UCF101 = ("Archery", "BabyCrawling", "BenchPress")
HMDB51 = ("brush_hair", "cartwheel", "catch")
ACTIVITYNET = ("Kayaking", "Knitting")
NUM = 4  # videos a class


def make_sandbox(folder: pathlib.Path) -> pathlib.Path:
  """Writes what needs no network of ours; about a second."""
  for name in ("configs", "benchmarks"):
    (folder / name).symlink_to(ROOT / name)
  drawn = _draw(folder / "drawn")
  for name in NAMES:
    _copies(drawn, folder / "VIDEOS" / name, [f"{i}.mp4" for i in range(NUM)])
  _copies(drawn, folder, ["a.mp4", "b.mp4"])
  (folder / "names.txt").write_text("\n".join(NAMES) + "\n")
  (folder / "words.txt").write_text("fencing\narchery\n")
  (folder / "kinetics400.txt").write_text("\n".join(read_class_list("kinetics400").names) + "\n")
  (folder / "list.csv").write_text("".join(f"{n}.mp4,{n}\n" for n in ("a", "b")))
  _vectors(folder / "GoogleNews-vectors-negative300.bin")
  _kinetics(drawn, folder)
  _activitynet(drawn, folder)
  _archive(
    drawn,
    folder / "UCF101.zip",
    [f"UCF-101/{name}/v_{name}_g{i:02}_c01.mp4" for name in UCF101 for i in range(NUM)],
  )
  _archive(
    drawn, folder / "hmdb51_org.zip", [f"{name}/{name}_{i}.mp4" for name in HMDB51 for i in range(NUM)]
  )
  _stills(folder / "SUN397.tar.gz")
  for name in NAMES[:2]:
    (folder / "FEATURES" / name).mkdir(parents=True)
    for i in range(2):
      np.save(folder / "FEATURES" / name / f"{i}.npy", np.full((5, 8), i, np.float32))
  return folder


def make_torch_weights(folder: pathlib.Path) -> None:
  """`r2plus1d_18.pth` of zeros, with torchvision's names and shapes."""
  import torch

  shapes = json.loads((ROOT / "tests/golden/r2plus1d_18.json").read_text())["parameters"]
  torch.save({name: torch.zeros(shape) for name, shape in shapes.items()}, folder / "r2plus1d_18.pth")


def make_tfds(folder: pathlib.Path) -> None:
  """UCF101 as TensorFlow Datasets prepares it: frames and a label."""
  from zsar_jax.data.tensorflow_import import tensorflow_datasets

  tfds = tensorflow_datasets()
  names = list(read_class_list("ucf101").names)
  place = folder / "tensorflow_datasets/ucf101/ucf101_1/2.0.0"
  place.mkdir(parents=True)
  features = tfds.features.FeaturesDict(
    {"video": tfds.features.Video((None, 48, 64, 3)), "label": tfds.features.ClassLabel(names=names)}
  )
  identity = tfds.core.dataset_info.DatasetIdentity(
    name="ucf101", version=tfds.core.Version("2.0.0"), data_dir=str(place), module_name="ucf101"
  )
  info = tfds.core.DatasetInfo(builder=identity, features=features)
  writer = tfds.core.SequentialWriter(info, max_examples_per_shard=2)
  writer.initialize_splits(["train"])
  frames = np.zeros((5, 48, 64, 3), np.uint8)
  writer.add_examples({"train": [{"video": frames, "label": label} for label in range(len(names))]})
  writer.close_all()


def _draw(folder: pathlib.Path) -> list[pathlib.Path]:
  """A few generated videos that all others are copies of."""
  folder.mkdir()
  for number in range(NUM):
    clip = render(CLASS_NAMES[number], number, 0, "studio", size=48, num_frames=14)
    write_mp4(folder / f"{number}.mp4", clip)
  return sorted(folder.iterdir())


def _copies(drawn: Sequence[pathlib.Path], folder: pathlib.Path, names: Sequence[str]) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  for number, name in enumerate(names):
    shutil.copy(drawn[number % len(drawn)], folder / name)


def _vectors(path: pathlib.Path) -> None:
  """A word2vec file of all words of all lists."""
  words = {word for name in NAMES for word in label_words(name)}
  for spec in shipped_lists():
    given = read_class_list(spec)
    words |= {word for name in given.names for word in label_words(name, given.source)}
  body = b"".join(word.encode() + b" " + hash_vector(word).tobytes() + b"\n" for word in sorted(words))
  path.write_bytes(f"{len(words)} 300\n".encode() + body)


def _kinetics(drawn: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
  rows = [(name, f"{label:02}{i:09}", 0, 1) for label, name in enumerate(KINETICS) for i in range(NUM)]
  _copies(drawn, folder / "kinetics", [f"{key}_{start:06}_{end:06}.mp4" for _, key, start, end in rows])
  for file, part in (("train.csv", rows[::2]), ("val.csv", rows[1::2])):
    with (folder / file).open("w", newline="") as out:
      csv.writer(out).writerows([("label", "youtube_id", "time_start", "time_end"), *part])


def _activitynet(drawn: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
  database = {
    f"video{label}{i}": {
      "subset": "validation",
      "duration": 1.1,
      "url": "",
      "resolution": "48x48",
      "annotations": [{"label": name, "segment": [0.0, 1.0]}],
    }
    for label, name in enumerate(ACTIVITYNET)
    for i in range(2)
  }
  _copies(drawn, folder / "activitynet", [f"v_{key}.mp4" for key in database])
  told = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
  (folder / "activity_net.v1-3.min.json").write_text(json.dumps(told))


def _archive(drawn: Sequence[pathlib.Path], path: pathlib.Path, members: Sequence[str]) -> None:
  with zipfile.ZipFile(path, "w") as archive:
    for number, member in enumerate(members):
      archive.write(drawn[number % len(drawn)], member)


def _stills(path: pathlib.Path) -> None:
  picture = path.with_name("picture.jpg")
  Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(picture)
  with tarfile.open(path, "w:gz") as archive:
    for scene in ("a/abbey", "a/airplane_cabin"):
      for i in range(2):
        archive.add(picture, f"SUN397/{scene}/sun_{i}.jpg")
