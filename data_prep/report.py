"""What the command prints before and after: found against expected, room on the disk, what was bad and why."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from data_prep.estimate import Estimate, readable_size
from data_prep.listing import Listing, count_labels
from zsar_jax.data.build import BuildSummary
from zsar_jax.data.schema import Quarantined

_WHOLE_TABLE = 120  # classes
_SHOWN = 5
_NOUNS = {"video": "videos", "image": "images", "features": "videos' features"}


def print_listing(source: str, listing: Listing) -> None:
  """Found against expected, in every class; of many classes only where they differ."""
  counts = count_labels((entry.label for entry in listing.entries), len(listing.class_names))
  noun = _NOUNS[listing.kind]
  of = "" if listing.expected is None else f" of {sum(listing.expected)}"
  print(f"{source}: {len(listing.entries)}{of} {noun} in {len(counts)} classes")
  for line in _table(listing, counts):
    print(line)
  for note in listing.notes:
    print(note)
  if listing.empty:
    print(f"left out {len(listing.empty)} classes that have none: {', '.join(listing.empty)}")
  if listing.quarantined:
    print(f"cannot be used: {reasons(listing.quarantined)}")
    _print_bad(listing.quarantined)
  if listing.ignored:
    shown = ", ".join(listing.ignored[:_SHOWN]) + (", …" if len(listing.ignored) > _SHOWN else "")
    files = "file that is" if len(listing.ignored) == 1 else "files that are"
    print(f"passed over {len(listing.ignored)} {files} not named as {noun}: {shown}")


def _table(listing: Listing, counts: list[int]) -> Iterator[str]:
  named = list(zip(counts, listing.class_names, strict=True))
  if listing.expected is None:
    if len(counts) > _WHOLE_TABLE:
      yield f"from {min(counts)} ({min(named)[1]}) to {max(counts)} ({max(named)[1]}) in a class"
    else:
      yield from (f"{count:7d}  {name}" for count, name in named)
    return
  rows = [(count, want, name) for (count, name), want in zip(named, listing.expected, strict=True)]
  differing = [row for row in rows if row[0] != row[1]]
  if len(counts) <= _WHOLE_TABLE:
    yield from (f"{count:7d} of {want:<7d}{name}" for count, want, name in rows)
  else:
    yield from (f"{count:7d} of {want:<7d}{name}" for count, want, name in differing)
    yield f"{len(rows) - len(differing)} classes have all that the list expects, {len(differing)} do not"


def print_estimate(estimate: Estimate, free: int, num_entries: int) -> None:
  """The room that records will take against the room there is."""
  if not estimate.num_decoded:
    print("size on disk: cannot be estimated, the videos that were tried do not decode")
    return
  per_cent = 0 if math.isnan(estimate.error) else round(100 * estimate.error)
  error = f" (± {per_cent} %)" if per_cent else ""
  print(
    f"size on disk: about {readable_size(estimate.num_bytes)}{error}, estimated from {estimate.num_decoded} of "
    f"{num_entries}; {readable_size(free)} are free"
  )
  if estimate.num_bytes > free:
    print(
      "WARNING: this will probably not fit; where the disk gets full, the build stops and can be gone on with"
    )


def print_verified(num_entries: int, listed: Sequence[Quarantined], bad: Sequence[Quarantined]) -> None:
  """What `--verify` found."""
  print(f"verified: {num_entries - len(bad)} of {num_entries + len(listed)} can be opened")
  if bad:
    print(f"cannot be opened: {reasons(bad)}")
    _print_bad(bad, len(bad))


def print_summary(summary: BuildSummary, listing: Listing, out: str, *, retried: bool = False) -> None:
  """What a build stored, and what it could not; how to try that again, where this build did not (`retried`)."""
  num_bad = len(summary.quarantined)
  done = summary.num_videos + num_bad - len(listing.quarantined) - summary.num_resumed
  noun = _NOUNS[listing.kind]
  may_retry = summary.num_resumed and num_bad > len(listing.quarantined) and not retried
  print(
    f"{out}: {summary.num_videos} {noun}, {num_bad} bad, {readable_size(summary.num_bytes)}; "
    f"{done} decoded in {summary.seconds:.1f} s ({done / max(summary.seconds, 1e-9):.1f} a second)"
    + (f", {summary.num_resumed} were done before" if summary.num_resumed else "")
    + ("; --retry decodes the bad ones again" if may_retry else "")
  )
  if listing.kind == "video" and summary.num_one_frame:
    print(f"  {summary.num_one_frame} have a single frame, which clips repeat")
  if num_bad:
    print(f"  bad: {reasons(summary.quarantined)}")
    _print_bad(summary.quarantined[len(listing.quarantined) :])  # the listing's were shown before
    print(f"  all of them with reasons: {out}/quarantine.jsonl")


def reasons(bad: Sequence[Quarantined]) -> str:
  """Such as `12 timeout, 3 no video stream`, the most frequent first."""
  counts = Counter(one.reason.split(":")[0] for one in bad)
  return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())


def _print_bad(bad: Sequence[Quarantined], most: int = _SHOWN) -> None:
  for one in bad[:most]:
    print(f"    {one.path}: {one.reason}")
  if len(bad) > most:
    print(f"    … and {len(bad) - most} more")
