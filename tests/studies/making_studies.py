"""Small studies and made-up reports for them."""

import json

import numpy as np

from zsar_jax import config as configs
from zsar_jax.studies.jobs import NO_NUMBER, _kept, plan_jobs
from zsar_jax.studies.plan import Metric, Run, Study

E2E, REST = "configs/demo.py:e2e", "configs/demo.py"
ALL = Metric("all", "figures_test")


def make_study(*runs, **fields):
  """A study with one metric, unless `fields` say otherwise."""
  return Study(
    **{"title": "A study", "shows": "it works.", "x_label": "classes", "metrics": [ALL], "runs": runs}
    | fields
  )


def e2e(x, train=None, **fields):
  return Run(fields.pop("series", "e2e"), x, E2E, train or {}, **fields)


def rest(x, train=None, **fields):
  return Run(fields.pop("series", "rest"), x, REST, train or {}, **fields)


def plan(study, workdir, **overrides):
  return plan_jobs(
    study, workdir, {key.replace("__", "."): value for key, value in overrides.items()}, "study.py"
  )


def row(top1, *, data_set="figures_test", protocol="all", level="video", space="semantic", **more):
  """A row of a report, as far as studies read it."""
  values = {"dataset": data_set, "protocol": protocol, "space": space, "level": level, "num_videos": 100}
  values |= {
    "primary": level == "video" and space == "semantic",
    "top1": top1,
    "top5": 90.0,
    "top1_std": None,
    "interval_videos": None,
    "splits": [],
  }
  return values | {"chance_top1": 8.3, "per_class": {}} | more


def half_row(top1, top5, **more):
  """A row of protocol half, from what its splits have."""
  splits = [
    {"seed": i, "classes": [], "top1": one, "top5": five}
    for i, (one, five) in enumerate(zip(top1, top5, strict=True))
  ]
  means = {"top5": float(np.mean(top5)), "top1_std": float(np.std(top1)), "splits": splits}
  return row(float(np.mean(top1)), protocol="half", **means | more)


def finish(job, *rows, folder=None, **report):
  """Leaves what a finished run leaves."""
  folder = folder or job.workdir
  folder.mkdir(parents=True, exist_ok=True)
  content = {"config": configs.to_dict(job.evaluated), "evaluations": list(rows)} | report
  (folder / "report.json").write_text(json.dumps(content))


def finish_with_labels(job, label, classes, *rows, **report):
  """`finish`, with the embeddings' labels."""
  finish(job, *rows, **report)
  name = "unseen/figures_test"
  np.savez(job.workdir / "embeddings.npz", **{f"{name}/label": label, f"{name}/classes": classes})


def number_keys(config):
  return _kept(configs.to_flat(config), NO_NUMBER)
