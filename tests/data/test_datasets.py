"""From a config to classes and videos: references, lists, subsets, what is said about them."""

import dataclasses
import pathlib

import numpy as np
import pytest
from PIL import Image

from zsar_jax import config as configs
from zsar_jax.data.build import build_records
from zsar_jax.data.datasets import ClipReader, open_corpus
from zsar_jax.data.references import parse_reference
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]
CLASSES = ("diving", "fencing", "knitting", "rowing", "sailing", "skiing", "surfing", "typing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A data set `stills`: ten pictures of each of eight classes, twenty of the first."""
  root = tmp_path_factory.mktemp("data")
  entries = []
  for label, name in enumerate(CLASSES):
    for number in range(20 if label == 0 else 10):
      path = root / "pictures" / f"{name}{number}.jpg"
      path.parent.mkdir(exist_ok=True)
      Image.fromarray(np.full((24, 30, 3), 10 * number, np.uint8)).save(path)
      entries.append(Entry(str(path), label, f"{name}/{number}"))
  build_records(entries, CLASSES, root / "stills", short_side=24, kind="image", workers=1)
  return root


def corpus_of(folder, said=None, **keys):
  values = {
    "data.dir": str(folder),
    "data.seen": "stills:!surfing+typing",
    "data.unseen": ("stills:surfing+typing",),
    "data.short_side": 24,
    "data.crop": 16,
    "vectors": "hash:16",
    "train.joint.steps": 1,
  }
  values |= {key.replace("__", "."): value for key, value in keys.items()}
  config = configs.from_flat(values, "test")
  return open_corpus(config, say=(said if said is not None else []).append)


def ids(data_set):
  return set(data_set.videos.video_ids(data_set.rows))


def test_references_are_taken_apart():
  assert parse_reference("a") == ("a", (), False)
  assert parse_reference(" a : x + y z ") == ("a", ("x", "y z"), False)
  assert parse_reference("a:!x") == ("a", ("x",), True)
  assert parse_reference("a:!@list.txt") == ("a", ("@list.txt",), True)


def test_a_list_stands_for_its_classes(folder, tmp_path):
  file = tmp_path / "some.txt"
  file.write_text("skiing\nfencing\n")
  corpus = corpus_of(folder, data__seen=f"stills:@{file}+diving")
  assert corpus.seen.names == ("diving", "fencing", "skiing")
  both = corpus_of(folder, data__seen=f"stills:!@{file}+surfing+typing")
  assert both.seen.names == ("diving", "knitting", "rowing", "sailing")


def test_wrong_names_of_lists_are_all_told(folder, tmp_path):
  file = tmp_path / "some.txt"
  file.write_text("skying\nfencing\n")
  with pytest.raises(InputError) as error:
    corpus_of(folder, data__seen=f"stills:@{file}+divin", data__unseen=("stills:@ucf1001", "stills:@ucf101"))
  message = str(error.value)
  assert f"no class 'skying' (of the list {str(file)!r}); did you mean 'skiing'" in message
  assert "no class 'divin'; did you mean 'diving'" in message
  assert "'ucf1001': no such file and no shipped list; did you mean 'ucf101'" in message
  assert "no class 'BasketballDunk' (of the list 'ucf101')" in message


def test_every_data_set_has_one_role(folder, records):
  with pytest.raises(InputError) as error:
    corpus_of(folder, data__seen="stills:!surfing", data__unseen=("stills:surfing+rowing", "stills:typing"))
  message = str(error.value)
  assert "class 'rowing' of data set 'stills'" in message
  assert "data set 'stills' is named twice in data.unseen" in message
  with pytest.raises(InputError, match="holds the training videos"):
    corpus_of(folder, data__seen_test="stills:rowing")


def test_videos_are_subset_at_random_but_every_class_keeps_one(folder):
  whole, said = corpus_of(folder), []
  sizes = {n: corpus_of(folder, said, data__max_videos=n) for n in (6, 20, 40)}
  for num, corpus in sizes.items():
    assert len(corpus.train.rows) == num
    assert set(corpus.train.labels.tolist()) == set(range(6))
    assert ids(corpus.validation) == ids(whole.validation)
    assert ids(corpus.train) <= ids(whole.train)
    assert corpus.train.labels.tolist() == [
      corpus.seen.names.index(name.split("/")[0]) for name in corpus.train.videos.video_ids(corpus.train.rows)
    ]
  assert ids(sizes[6].train) < ids(sizes[20].train) < ids(sizes[40].train)
  assert "training on a subset: 6 of 6 seen classes, 20 of their 64 training videos" in "\n".join(said)
  other = corpus_of(folder, data__max_videos=20, data__subset_seed=1)
  assert ids(other.train) != ids(sizes[20].train)
  # Uniform over videos, not over classes: the class of twenty keeps about twice as many as the others.
  counts = np.zeros(6)
  for seed in range(20):
    made = corpus_of(folder, data__max_videos=30, data__subset_seed=seed)
    counts += np.bincount(made.train.labels)
  assert counts[0] > 1.5 * counts[1:].mean()


def test_videos_a_class(folder):
  made = corpus_of(folder, data__max_videos_per_class=4)
  assert np.bincount(made.train.labels).tolist() == [4] * 6
  fewer = corpus_of(folder, data__max_videos_per_class=2)
  assert ids(fewer.train) < ids(made.train)
  both = corpus_of(folder, data__max_videos_per_class=4, data__max_videos=10)
  assert len(both.train.rows) == 10
  assert ids(both.train) < ids(made.train)
  everything = corpus_of(folder, data__max_videos_per_class=99, data__max_videos=999)
  assert ids(everything.train) == ids(corpus_of(folder).train)


def test_too_few_videos_for_the_classes(folder):
  with pytest.raises(
    InputError, match=r"'data.max_videos' is 5, expected at least one for each of the 6 classes"
  ):
    corpus_of(folder, data__max_videos=5)


def test_classes_are_subset_and_nested(folder):
  said = []
  sizes = {n: corpus_of(folder, said, data__max_classes=n) for n in (2, 4, 6)}
  names = {n: set(corpus.seen.names) for n, corpus in sizes.items()}
  assert {n: len(kept) for n, kept in names.items()} == {2: 2, 4: 4, 6: 6}
  assert names[2] < names[4] < names[6]
  for corpus in sizes.values():
    assert {name.split("/")[0] for name in ids(corpus.train) | ids(corpus.validation)} == set(
      corpus.seen.names
    )
  assert any("2 of 6 seen classes" in text for text in said)


def test_classes_of_one_cluster(folder):
  clusters = [corpus_of(folder, data__num_clusters=2, data__cluster=c).seen.names for c in range(2)]
  assert sorted(clusters[0] + clusters[1]) == sorted(CLASSES[:6])
  largest = int(np.argmax([len(names) for names in clusters]))
  made = corpus_of(folder, data__num_clusters=2, data__cluster=largest, data__max_classes=2)
  assert set(made.seen.names) < set(clusters[largest])
  with pytest.raises(InputError, match="cluster 0: "):
    corpus_of(folder, data__num_clusters=2, data__max_classes=6)
  with pytest.raises(InputError, match=r"'data.cluster' 2 holds 1 of the seen classes"):
    corpus_of(folder, data__num_clusters=6, data__cluster=2)


def test_words_of_seen_classes_keep_their_vectors(folder):
  corpus = corpus_of(folder, data__seen="stills:!surfing+typing")
  assert corpus.removed.names == ()
  assert corpus.removed.semantic_embeddings.shape == (0, 16)
  assert list(corpus.word_vectors) == sorted(word for words in corpus.seen.words for word in words)
  for name, words in zip(corpus.seen.names, corpus.seen.words, strict=True):
    (vector,) = (corpus.word_vectors[word] for word in words)
    row = corpus.seen.names.index(name)
    np.testing.assert_allclose(corpus.seen.semantic_embeddings[row], vector, atol=1e-6)


@pytest.fixture(scope="module")
def leaking(folder):
  """A data set `again` of three classes, two of them spelled as two of `stills`."""
  classes = ("fencing", "juggling", "skiing")
  paths = [folder / "pictures" / f"{name}0.jpg" for name in ("fencing", "rowing", "skiing")]
  entries = [Entry(str(path), label, f"again/{label}") for label, path in enumerate(paths)]
  build_records(entries, classes, folder / "again", short_side=24, kind="image", workers=1)
  return folder


def test_leaking_classes_are_removed(leaking):
  corpus = corpus_of(leaking, data__seen="stills", data__unseen=("again",))
  assert corpus.removed.names == ("fencing", "skiing")
  assert corpus.removed.words == (("fence",), ("ski",))
  assert corpus.removed.semantic_embeddings.shape == (2, 16)
  assert [name for name, _, _ in corpus.overlap.removed] == list(corpus.removed.names)
  assert not {"fence", "ski"} & set(corpus.word_vectors)


def test_leaking_classes_are_kept_where_the_config_says_so(leaking):
  said = []
  corpus = corpus_of(leaking, said, data__seen="stills", data__unseen=("again",), data__remove_overlap=False)
  assert corpus.seen.names == CLASSES
  assert corpus.overlap.kept.tolist() == list(range(8))
  assert corpus.overlap.removed == corpus.removed.names == ()
  assert corpus.unseen[0].classes.names == ("fencing", "juggling", "skiing")
  (loud,) = [text for text in said if "ZERO-SHOT" in text]
  assert "2 of 8 seen classes" in loud
  assert "fencing (as fencing), skiing (as skiing)" in loud
  with pytest.raises(InputError, match="class 'fencing' of data set 'stills'"):
    corpus_of(leaking, data__seen="stills", data__unseen=("stills:fencing",), data__remove_overlap=False)


def test_short_videos_are_counted(more_records):
  said = []
  corpus_of(more_records.parent, said, data__seen="tiny", data__unseen=("more",), data__num_frames=10)
  # Ten videos of 6, 8, ... 24 frames, and the first four of them again.
  assert sum("shorter than a clip (10 frames, stride 1)" in text for text in said) >= 2
  looped = [int(text.split(": ")[1].split()[0]) for text in said]
  assert sum(looped) == 4


def test_a_reader_gives_each_process_its_share(folder):
  corpus = corpus_of(folder)
  config = configs.from_flat(
    {"data.dir": str(folder), "data.seen": "stills:!surfing", "data.unseen": ("stills:surfing",), "vectors": "hash:8",
     "data.short_side": 24, "data.crop": 16, "train.joint.steps": 1, "train.batch_size": 4, "data.workers": 1},
    "test",
  )  # fmt: skip
  reader = ClipReader(config, 4, np.zeros((6, 1), np.int32))
  (whole, parts) = next(reader.training(corpus.train, 3)), []
  for process in range(2):
    parts.append(next(reader._replace(process_index=process, process_count=2).training(corpus.train, 3)))
  np.testing.assert_array_equal(np.concatenate([p.frames for p in parts]), whole.frames)
  np.testing.assert_array_equal(reader.training_rows(corpus.train, 3), np.concatenate([p.row for p in parts]))
  whole = next(reader.evaluation(corpus.unseen[0], 2, "random"))
  second = next(reader._replace(process_index=1, process_count=2).evaluation(corpus.unseen[0], 2, "random"))
  np.testing.assert_array_equal(second.frames, whole.frames[2:])
  np.testing.assert_array_equal(second.positions, whole.positions[2:])
  with pytest.raises(InputError, match="not a multiple of the 3 processes"):
    reader._replace(process_count=3).training(corpus.train, 0)
  scaled = dataclasses.replace(config, data=dataclasses.replace(config.data, scales=(0.5,)))
  assert ClipReader(scaled, 4, reader.words).spec == (16, 1, 16, 24, (0.5,), 0)


def test_generated_data_sets_are_not_made_on_an_object_store():
  config = configs.load(str(ROOT / "configs" / "demo.py"), {"data.dir": "gs://bucket/data"})
  with pytest.raises(
    InputError, match=r"'data.dir' is gs://bucket/data, but figures_.* are made on this machine"
  ):
    open_corpus(config)
