"""The table of what the demo reaches."""

from collections.abc import Callable
from typing import Any

from table_cells import MISSING, Stored, table, wrapped

METHODS = {"e2e": "E2E", "rest": "ResT"}


def demo(stored: Stored) -> str:
  """Per cent, means over the seeds; in brackets every seed."""
  found = stored.file("demo")
  if not found:
    return f"The demo: {MISSING}."

  def mean(*names: str) -> tuple[str, ...]:
    return tuple(" / ".join(f"{found['mean'][method][name]:.1f}" for name in names) for method in METHODS)

  def seeds(name: str, form: Callable[[str], str] = str) -> tuple[str, ...]:
    return tuple(
      f"{form(m)} ({', '.join(f'{seed[name]:.1f}' for seed in found['seeds'][method].values())})"
      for m, method in zip(mean(name), METHODS, strict=True)
    )

  body = [
    ("**12 unseen classes, unseen domain**", "8.3", *seeds("unseen", lambda m: f"**{m}**")),
    ("ten half-class splits of them", "16.7", *mean("unseen_half")),
    ("validation on the 24 seen classes", "4.2", *seeds("validation")),
    ("generalised (24 + 12 compete): unseen / seen videos", "2.8", *mean("generalized_unseen", "generalized_seen")),
    ("unseen, from one frame repeated", "8.3", *mean("unseen_single")),
    ("unseen, frames shuffled", "8.3", *mean("unseen_shuffled")),
  ]  # fmt: skip
  return "\n\n".join(
    [table(("per cent", "chance", *METHODS.values()), body), _probes(found), stored.facts(["demo"])]
  )


def _probes(found: dict[str, Any]) -> str:
  """What a linear probe tells from colours or background alone."""
  probes = list(found["probes"].values())

  def mean(kind: str) -> str:
    return " and ".join(f"{sum(p[kind][d] for p in probes) / len(probes):.1f}" for d in ("studio", "street"))

  return wrapped(
    f"Linear probes of what is not the action, trained on one domain ({probes[0]['num_classes']} classes, chance "
    f"{probes[0]['chance']:.1f}; the same domain and the other, means of the seeds): colour histograms {mean('colour_histogram')}, the "
    f"background alone {mean('background')}."
  )
