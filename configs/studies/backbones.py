"""Networks and training sets of E2E, one clip a video (E2E, supplementary Table 1).

python -m zsar_jax.study --config configs/studies/backbones.py             8 trainings of paper size
python -m zsar_jax.study --config configs/studies/backbones.py:demo        3 on generated video

The last two rows of the table train on test classes too (`data.remove_overlap=false`): what zero-shot results are not.
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

NETWORKS = {"C3D": "configs/e2e_c3d.py", "R3D": "configs/e2e_r3d.py", "R(2+1)D": "configs/e2e_r2plus1d.py"}
K400, K700 = "Kinetics-400, 363 classes (printed: 361)", "Kinetics-700, 664 classes"
ALL_400, ALL_700 = "all 400 classes, test classes too", "all 700 classes, test classes too"
ROWS = [(K400, "C3D"), (K400, "R3D"), (K400, "R(2+1)D"), (K700, "C3D"), (K700, "R3D"), (K700, "R(2+1)D"),
        (ALL_400, "R(2+1)D"), (ALL_700, "R(2+1)D")]  # fmt: skip
PRINTED = {
  "UCF101, 50 classes": (33.7, 37.2, 38.7, 40.3, 41.2, 43.0, 50.1, 54.6),
  "UCF101, 101 classes": (25.7, 29.0, 30.6, 33.1, 34.2, 35.0, 44.5, 49.7),
  "HMDB51, 25 classes": (17.0, 20.4, 22.0, 22.0, 23.6, 25.8, 27.2, 30.5),
  "HMDB51, 51 classes": (13.3, 16.8, 18.1, 17.0, 19.0, 20.6, 22.5, 25.6),
}
TRAIN = {
  K400: {"data.seen": "kinetics400:@kinetics400_363"},
  K700: {},
  ALL_400: {"data.seen": "kinetics400", "data.remove_overlap": False},
  ALL_700: {"data.remove_overlap": False},
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Networks and training sets, one clip",
    shows="R(2+1)D is better than R3D and C3D, 664 classes than 361, and leaving the 6 % of overlapping classes in gains over 40 %.",
    x_label="network",
    metrics=[
      Metric("UCF101, 50 classes", "ucf101", "half", level="single"),
      Metric("UCF101, 101 classes", "ucf101", level="single"),
      Metric("HMDB51, 25 classes", "hmdb51", "half", level="single"),
      Metric("HMDB51, 51 classes", "hmdb51", level="single"),
    ],
    runs=[Run(series, network, NETWORKS[network], TRAIN[series]) for series, network in ROWS],
    printed={label: _by_series(values) for label, values in PRINTED.items()},
  )
  return _demo(study) if variant else study


def _by_series(values: tuple[float, ...]) -> dict[str, list[tuple[str, float]]]:
  printed: dict[str, list[tuple[str, float]]] = {}
  for (series, network), value in zip(ROWS, values, strict=True):
    printed.setdefault(series, []).append((network, value))
  return printed


# Twelve of the seen classes are the test classes here, in the domain that is not trained on: an overlap to remove or not.
TESTED = demo.SEEN[::2]
OVERLAP = {"data.unseen": f"figures_seen_test:{'+'.join(TESTED)}", "data.seen_test": ""}


def _demo(study: Study) -> Study:
  return study._replace(
    x_label="classes trained on",
    metrics=[Metric("12 test classes, one clip", "figures_seen_test", level="single")],
    runs=[
      demo.e2e("e2e", "6 of the other 12", OVERLAP | {"data.max_classes": 6}),
      demo.e2e("e2e", "the other 12", OVERLAP),
      demo.e2e("e2e", "all 24, test classes too", OVERLAP | {"data.remove_overlap": False}),
    ],
    printed={},
    note=f"{demo.NOTE} One small network: the others are too large for a CPU in minutes.",
  )
