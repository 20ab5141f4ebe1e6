"""What the papers print for UCF101, HMDB51 and ActivityNet: E2E (Brattoli et al. 2020) and ResT (Lin et al. 2022).

Top-1 and top-5 in per cent of videos. Protocol "half": half the classes compete, mean of random halves (E2E Protocol 1, ResT 0/50);
"all": every class (E2E Protocol 2, ResT 0/100). 25 clips a video unless `num_clips` says otherwise; 0 where the papers do not say.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

_Lines = tuple[tuple[Any, ...], ...]
UCF, HMDB, ACTIVITYNET = "ucf101", "hmdb51", "activitynet200"


class Printed(NamedTuple):
  """One method's number for one data set and protocol, as a paper prints it."""

  paper: str  # "E2E" or "ResT"
  table: str  # "Table 1"
  method: str
  detail: str  # training classes, features or switches; may be empty
  num_clips: int
  dataset: str
  protocol: str  # "half" or "all"
  top1: float
  top5: float | None = None
  std: float | None = None  # of the halves

  @property
  def is_main(self) -> bool:
    """Whether it is a headline result; False for ablations."""
    return (self.paper, self.table) in (
      ("E2E", "Table 1"),
      ("E2E", "Table 2"),
      ("ResT", "Table 1"),
      ("ResT", "Table 2"),
    )


def printed_rows(dataset: str, protocol: str | None = None) -> list[Printed]:
  """The papers' rows for a data set by name (`ucf101`, `hmdb51`, `activitynet200`), in the papers' order; else empty."""
  return [row for row in PRINTED if row.dataset == dataset and protocol in (None, row.protocol)]


# method, detail, then half-class top-1 on UCF101, HMDB51, ActivityNet
_E2E_1: _Lines = (
  ("URL", "ResNet200", 42.5, 51.8, None),
  ("DataAug", "", 18.3, 19.7, None),
  ("InfDem", "I3D", 17.8, 21.3, None),
  ("Bidirectional", "IDT", 21.4, 18.9, None),
  ("FairZSL", "", None, 23.1, None),
  ("TARN", "C3D", 19.0, 19.5, None),
  ("Action2Vec", "C3D", 22.1, 23.5, None),
  ("E2E C3D", "605 classes", 41.5, 25.0, 24.8),
  ("E2E C3D", "664 classes", 43.8, 24.7, None),
  ("E2E R(2+1)D", "605 classes", 44.1, 29.8, 26.6),
  ("E2E R(2+1)D", "664 classes", 48.0, 32.7, None),
)
# method, detail, then (top-1, top-5) of all classes of UCF101, HMDB51, ActivityNet
_E2E_2: _Lines = (
  ("URL", "ResNet200", (34.2, None), None, None),
  ("E2E R(2+1)D", "664 classes", (37.6, 62.5), (26.9, 49.8), None),
  ("E2E R(2+1)D", "605 classes", (35.3, 60.6), (24.8, 44.0), (20.0, 42.7)),
)
# UCF101: method, detail, clips, half top-1, top-5, all top-1, top-5
_E2E_3: _Lines = (
  ("E2E R(2+1)D", "features fixed", 1, 26.8, 55.5, 19.8, 40.5),
  ("E2E R(2+1)D", "end to end", 1, 43.0, 68.2, 35.1, 56.4),
  ("E2E R(2+1)D", "end to end, from SUN397", 1, 45.6, 73.1, 36.8, 61.7),
  ("E2E R(2+1)D", "end to end, 25 clips", 25, 48.0, 74.2, 37.6, 62.5),
  ("E2E R(2+1)D", "end to end, from SUN397, 25 clips", 25, 49.2, 77.0, 39.8, 65.6),
)
# one clip: method, detail, UCF101 half, all, HMDB51 half, all
_E2E_S1: _Lines = (
  ("E2E C3D", "Kinetics-400, 361 classes", 33.7, 25.7, 17.0, 13.3),
  ("E2E R3D", "Kinetics-400, 361 classes", 37.2, 29.0, 20.4, 16.8),
  ("E2E R(2+1)D", "Kinetics-400, 361 classes", 38.7, 30.6, 22.0, 18.1),
  ("E2E C3D", "Kinetics-700, 664 classes", 40.3, 33.1, 22.0, 17.0),
  ("E2E R3D", "Kinetics-700, 664 classes", 41.2, 34.2, 23.6, 19.0),
  ("E2E R(2+1)D", "Kinetics-700, 664 classes", 43.0, 35.0, 25.8, 20.6),
  ("E2E R(2+1)D", "Kinetics-400, all 400: overlap kept", 50.1, 44.5, 27.2, 22.5),
  ("E2E R(2+1)D", "Kinetics-700, all 700: overlap kept", 54.6, 49.7, 30.5, 25.6),
)
# method, detail, (UCF101, deviation), (HMDB51, deviation); W word vectors, A attributes, ED descriptions
_REST_1: _Lines = (
  ("GA", "C3D, W", (17.3, 1.1), (19.3, 2.1)),
  ("GA", "C3D, A", (22.7, 1.2), None),
  ("TARN", "C3D, W", (19.0, 2.3), (19.5, 4.2)),
  ("TARN", "C3D, A", (23.2, 2.9), None),
  ("CEWGAN", "I3D, W", (26.9, 2.8), (30.2, 2.7)),
  ("CEWGAN", "I3D, A", (38.3, 3.0), None),
  ("TS-GCN", "objects, W", (34.2, 3.1), (23.2, 3.0)),
  ("PS-GNN", "objects, W", (36.1, 4.8), (25.9, 4.1)),
  ("E2E C3D", "W", (43.8, None), (24.7, None)),
  ("E2E R(2+1)D", "W", (48.0, None), (32.7, None)),
  ("DASZL", "TSM, A", (48.9, 5.8), None),
  ("ER", "spatial + objects, ED", (51.8, 2.9), (35.3, 4.6)),
  ("ResT 18", "W", (54.7, 2.3), (39.3, 3.5)),
  ("ResT 34", "W", (55.2, 3.0), (40.6, 3.5)),
  ("ResT 101", "W", (58.7, 3.3), (41.1, 3.7)),
)
# 605 classes: half, all of UCF101, HMDB51, ActivityNet
_REST_2: _Lines = (
  ("E2E R(2+1)D", 44.1, 35.3, 29.8, 24.8, 26.6, 20.0),
  ("ResT 18", 50.9, 41.2, 37.6, 30.6, 29.2, 23.0),
  ("ResT 101", 55.9, 46.7, 40.8, 34.4, 32.5, 26.3),
)
# UCF101: table, method, detail, clips, half, all
_REST_UCF: _Lines = (
  # The table ticks one of "ResT" and "Transfer" for these two and both for the transformer. Section 4.3 gives them two
  # streams, so they are no ResT: their tick is read as the transfer's, and all three rows as with it.
  ("Table 3a", "two streams", "RNN, transfer", 25, 28.2, 20.5),
  ("Table 3a", "two streams", "LSTM, transfer", 25, 29.7, 21.8),
  ("Table 3a", "ResT 18", "transformer, transfer", 25, 54.7, 44.3),
  ("Table 3b", "ResT 18", "CLS only, no transfer", 25, 47.4, 40.0),
  ("Table 3b", "ResT 18", "MLM only, no transfer", 25, 45.0, 38.7),
  ("Table 3b", "ResT 18", "CLS and MLM, no transfer", 25, 48.9, 41.5),
  ("Table 3b", "ResT 18", "CLS and MLM, transfer", 25, 54.7, 44.3),
  ("Table 3c", "ResT 18", "CLS attends to words too", 25, 39.0, 30.7),
  ("Table 3c", "ResT 18", "CLS attends to frames only", 25, 54.7, 44.3),
  ("Table 4a", "ResT VGG16", "16 frames", 25, 52.5, 42.4),
  ("Table 4a", "ResT MobileNetV2", "16 frames", 25, 50.6, 38.5),
  ("Table 4a", "ResT GoogleNet", "16 frames", 25, 51.6, 40.3),
  ("Table 4a", "ResT R(2+1)D", "16 frames", 25, 59.5, 48.6),
  ("Table 4b", "E2E R(2+1)D", "16 frames", 25, 48.0, 37.6),
  ("Table 4b", "E2E R(2+1)D", "16 frames", 1, 43.0, 35.1),
  ("Table 4b", "ER", "8 frames", 1, 51.8, None),
  ("Table 4b", "ResT 18", "16 frames", 25, 54.7, 44.3),
  ("Table 4b", "ResT 18", "16 frames", 1, 54.0, 43.5),
  ("Table 4b", "ResT 34", "8 frames", 1, 54.7, 43.8),
  ("Table 4b", "ResT 101", "4 frames", 1, 57.0, 47.7),
  ("Table 5", "ResT 18", "Word2Vec, semantic space", 25, 48.9, 41.5),
  ("Table 5", "ResT 18", "GloVe, semantic space", 25, 48.6, 40.8),
  ("Table 5", "ResT 18", "Sent2Vec, semantic space", 25, 50.9, 40.7),
  ("Table 5", "ResT 18", "Word2Vec, visual space", 25, 54.7, 44.3),
  ("Table 5", "ResT 18", "GloVe, visual space", 25, 52.6, 41.8),
  ("Table 5", "ResT 18", "Sent2Vec, visual space", 25, 55.9, 42.8),
)
# half-class top-1 on UCF101, HMDB51; the table does not name its protocol, its last row is that of Table 1
_REST_6: _Lines = (
  ("ResT", "C3D features, pretrained", 40.5, 26.5),
  ("ResT", "C3D, pretrained and end to end", 52.7, 37.1),
  ("ResT", "object features, pretrained", 57.3, 40.5),
  ("ResT 101", "end to end", 58.7, 41.1),
)


def _rows() -> Iterator[Printed]:
  sets = (UCF, HMDB, ACTIVITYNET)
  for method, detail, *three in _E2E_1:
    for name, top1 in zip(sets, three, strict=True):
      if top1 is not None:
        yield Printed("E2E", "Table 1", method, detail, _clips(method), name, "half", top1)
  for method, detail, *pairs in _E2E_2:
    for name, both in zip(sets, pairs, strict=True):
      if both is not None:
        yield Printed("E2E", "Table 2", method, detail, _clips(method), name, "all", *both)
  for method, detail, clips, *four in _E2E_3:
    for protocol, top1, top5 in (("half", *four[:2]), ("all", *four[2:])):
      yield Printed("E2E", "Table 3", method, detail, clips, UCF, protocol, top1, top5)
  for method, detail, *four in _E2E_S1:
    for (name, protocol), top1 in zip(_pairs(sets[:2]), four, strict=True):
      yield Printed("E2E", "Sup. Table 1", method, detail, 1, name, protocol, top1)
  for method, detail, *both in _REST_1:
    for name, number in zip(sets, both, strict=False):
      if number is not None:
        yield Printed(
          "ResT", "Table 1", method, detail, _clips(method), name, "half", number[0], None, number[1]
        )
  for method, *six in _REST_2:
    for (name, protocol), top1 in zip(_pairs(sets), six, strict=True):
      yield Printed("ResT", "Table 2", method, "605 classes", 25, name, protocol, top1)
  for table, method, detail, clips, *both in _REST_UCF:
    for protocol, top1 in zip(("half", "all"), both, strict=True):
      if top1 is not None:
        yield Printed("ResT", table, method, detail, clips, UCF, protocol, top1)
  for method, detail, *both in _REST_6:
    for name, top1 in zip(sets, both, strict=False):
      yield Printed("ResT", "Table 6", method, detail, 25, name, "half", top1)


def _clips(method: str) -> int:
  """25 for the papers' own models; other people's say nothing here."""
  return 25 if method.startswith(("E2E", "ResT")) else 0


def _pairs(sets: tuple[str, ...]) -> list[tuple[str, str]]:
  return [(name, protocol) for name in sets for protocol in ("half", "all")]


PRINTED = tuple(_rows())
