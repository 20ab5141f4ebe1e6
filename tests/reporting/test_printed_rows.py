"""The papers' numbers, cell by cell against a second copy of each table: name, clips a video (`-`: not told), the columns."""

import pytest

from zsar_jax.reporting.printed import PRINTED, printed_rows

UCF, HMDB, ACTIVITYNET = ("ucf101", "half"), ("hmdb51", "half"), ("activitynet200", "half")
UCF_ALL, HMDB_ALL, ACTIVITYNET_ALL = ("ucf101", "all"), ("hmdb51", "all"), ("activitynet200", "all")

# (paper, table): the columns as (data set, protocol, field), and the rows
TABLES = {
  ("E2E", "Table 1"): ([(*UCF, "top1"), (*HMDB, "top1"), (*ACTIVITYNET, "top1")], """
    URL, ResNet200                 -   42.5  51.8  -
    DataAug                        -   18.3  19.7  -
    InfDem, I3D                    -   17.8  21.3  -
    Bidirectional, IDT             -   21.4  18.9  -
    FairZSL                        -   -     23.1  -
    TARN, C3D                      -   19    19.5  -
    Action2Vec, C3D                -   22.1  23.5  -
    E2E C3D, 605 classes           25  41.5  25.0  24.8
    E2E C3D, 664 classes           25  43.8  24.7  -
    E2E R(2+1)D, 605 classes       25  44.1  29.8  26.6
    E2E R(2+1)D, 664 classes       25  48    32.7  -
  """),
  ("E2E", "Table 2"): ([(*column, field) for column in (UCF_ALL, HMDB_ALL, ACTIVITYNET_ALL) for field in ("top1", "top5")], """
    URL, ResNet200                 -   34.2  -     -     -     -     -
    E2E R(2+1)D, 664 classes       25  37.6  62.5  26.9  49.8  -     -
    E2E R(2+1)D, 605 classes       25  35.3  60.6  24.8  44.0  20.0  42.7
  """),
  ("E2E", "Table 3"): ([(*column, field) for column in (UCF, UCF_ALL) for field in ("top1", "top5")], """
    E2E R(2+1)D, features fixed                        1   26.8  55.5  19.8  40.5
    E2E R(2+1)D, end to end                            1   43.0  68.2  35.1  56.4
    E2E R(2+1)D, end to end, from SUN397               1   45.6  73.1  36.8  61.7
    E2E R(2+1)D, end to end, 25 clips                  25  48.0  74.2  37.6  62.5
    E2E R(2+1)D, end to end, from SUN397, 25 clips     25  49.2  77.0  39.8  65.6
  """),
  ("E2E", "Sup. Table 1"): ([(*column, "top1") for column in (UCF, UCF_ALL, HMDB, HMDB_ALL)], """
    E2E C3D, Kinetics-400, 361 classes                 1  33.7  25.7  17.0  13.3
    E2E R3D, Kinetics-400, 361 classes                 1  37.2  29.0  20.4  16.8
    E2E R(2+1)D, Kinetics-400, 361 classes             1  38.7  30.6  22.0  18.1
    E2E C3D, Kinetics-700, 664 classes                 1  40.3  33.1  22    17.0
    E2E R3D, Kinetics-700, 664 classes                 1  41.2  34.2  23.6  19.0
    E2E R(2+1)D, Kinetics-700, 664 classes             1  43.0  35.0  25.8  20.6
    E2E R(2+1)D, Kinetics-400, all 400: overlap kept   1  50.1  44.5  27.2  22.5
    E2E R(2+1)D, Kinetics-700, all 700: overlap kept   1  54.6  49.7  30.5  25.6
  """),
  ("ResT", "Table 1"): ([(*column, field) for column in (UCF, HMDB) for field in ("top1", "std")], """
    GA, C3D, W                     -   17.3  1.1  19.3  2.1
    GA, C3D, A                     -   22.7  1.2  -     -
    TARN, C3D, W                   -   19.0  2.3  19.5  4.2
    TARN, C3D, A                   -   23.2  2.9  -     -
    CEWGAN, I3D, W                 -   26.9  2.8  30.2  2.7
    CEWGAN, I3D, A                 -   38.3  3.0  -     -
    TS-GCN, objects, W             -   34.2  3.1  23.2  3.0
    PS-GNN, objects, W             -   36.1  4.8  25.9  4.1
    E2E C3D, W                     25  43.8  -    24.7  -
    E2E R(2+1)D, W                 25  48.0  -    32.7  -
    DASZL, TSM, A                  -   48.9  5.8  -     -
    ER, spatial + objects, ED      -   51.8  2.9  35.3  4.6
    ResT 18, W                     25  54.7  2.3  39.3  3.5
    ResT 34, W                     25  55.2  3.0  40.6  3.5
    ResT 101, W                    25  58.7  3.3  41.1  3.7
  """),
  ("ResT", "Table 2"): ([(*column, "top1") for column in (UCF, UCF_ALL, HMDB, HMDB_ALL, ACTIVITYNET, ACTIVITYNET_ALL)], """
    E2E R(2+1)D, 605 classes       25  44.1  35.3  29.8  24.8  26.6  20.0
    ResT 18, 605 classes           25  50.9  41.2  37.6  30.6  29.2  23.0
    ResT 101, 605 classes          25  55.9  46.7  40.8  34.4  32.5  26.3
  """),
  ("ResT", "Table 3a"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    two streams, RNN, transfer             25  28.2  20.5
    two streams, LSTM, transfer            25  29.7  21.8
    ResT 18, transformer, transfer         25  54.7  44.3
  """),
  ("ResT", "Table 3b"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    ResT 18, CLS only, no transfer         25  47.4  40.0
    ResT 18, MLM only, no transfer         25  45.0  38.7
    ResT 18, CLS and MLM, no transfer      25  48.9  41.5
    ResT 18, CLS and MLM, transfer         25  54.7  44.3
  """),
  ("ResT", "Table 3c"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    ResT 18, CLS attends to words too      25  39.0  30.7
    ResT 18, CLS attends to frames only    25  54.7  44.3
  """),
  ("ResT", "Table 4a"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    ResT VGG16, 16 frames                  25  52.5  42.4
    ResT MobileNetV2, 16 frames            25  50.6  38.5
    ResT GoogleNet, 16 frames              25  51.6  40.3
    ResT R(2+1)D, 16 frames                25  59.5  48.6
  """),
  ("ResT", "Table 4b"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    E2E R(2+1)D, 16 frames                 25  48.0  37.6
    E2E R(2+1)D, 16 frames                 1   43.0  35.1
    ER, 8 frames                           1   51.8  -
    ResT 18, 16 frames                     25  54.7  44.3
    ResT 18, 16 frames                     1   54.0  43.5
    ResT 34, 8 frames                      1   54.7  43.8
    ResT 101, 4 frames                     1   57.0  47.7
  """),
  ("ResT", "Table 5"): ([(*UCF, "top1"), (*UCF_ALL, "top1")], """
    ResT 18, Word2Vec, semantic space      25  48.9  41.5
    ResT 18, GloVe, semantic space         25  48.6  40.8
    ResT 18, Sent2Vec, semantic space      25  50.9  40.7
    ResT 18, Word2Vec, visual space        25  54.7  44.3
    ResT 18, GloVe, visual space           25  52.6  41.8
    ResT 18, Sent2Vec, visual space        25  55.9  42.8
  """),
  ("ResT", "Table 6"): ([(*UCF, "top1"), (*HMDB, "top1")], """
    ResT, C3D features, pretrained         25  40.5  26.5
    ResT, C3D, pretrained and end to end   25  52.7  37.1
    ResT, object features, pretrained      25  57.3  40.5
    ResT 101, end to end                   25  58.7  41.1
  """),
}  # fmt: skip


def _told(text, num_columns):
  """[(name, clips, cells)] of a table's text."""
  split = [line.rsplit(maxsplit=num_columns + 1) for line in text.strip().splitlines()]
  return [
    (name.strip(), int(clips) if clips != "-" else 0, [float(x) if x != "-" else None for x in cells])
    for name, clips, *cells in split
  ]


def _held(key, columns):
  """The same of printed.py."""
  lines: dict = {}
  for row in PRINTED:
    if (row.paper, row.table) == key:
      name = ", ".join(filter(None, (row.method, row.detail)))
      cells = {(row.dataset, row.protocol, field): getattr(row, field) for field in ("top1", "top5", "std")}
      lines.setdefault((name, row.num_clips), {}).update(cells)
  assert {place for cells in lines.values() for place, value in cells.items() if value is not None} <= set(
    columns
  )
  return [(*line, [cells.get(column) for column in columns]) for line, cells in lines.items()]


@pytest.mark.parametrize("key", TABLES, ids=" ".join)
def test_every_cell_stands_in_its_place(key):
  columns, text = TABLES[key]
  assert _held(key, columns) == _told(text, len(columns))


def test_these_are_all_tables_and_no_cell_is_told_twice():
  assert {(row.paper, row.table) for row in PRINTED} == set(TABLES)
  assert len({row[:7] for row in PRINTED}) == len(PRINTED)


def test_rows_are_found_by_data_set_and_protocol():
  assert {row.protocol for row in printed_rows("ucf101")} == {"half", "all"}
  assert {row.dataset for row in printed_rows("hmdb51", "all")} == {"hmdb51"}
  assert printed_rows("figures_test") == []
