"""The tables of docs/performance.md about reading: clips from disk, other ways to store them, and what feeds an accelerator."""

from typing import Any

from table_cells import MISSING, Stored, number, scaled, seconds, table, times, wrapped
from table_models import MODELS, TASKS

CROPS = {112: 128, 224: 256}  # pixels: clips, stored frames
OPENED = "open, verify='size'"  # a step of benchmarks/index_scale.py
SIDES = {
  "plain_raw": "PyAV, raw", "torch_raw": "PyAV, raw, skipping", "torch_preshrunk": "PyAV, small copies", "opencv_raw": "OpenCV, raw",
  "opencv_preshrunk": "OpenCV, small copies",
}  # fmt: skip


def inputs(stored: Stored) -> str:
  """Clips from disk: rates, ratios by the clock and by CPU time, bytes."""
  body = []
  for file, videos in {"input-cpu": "340 × 256", "input-cpu-720p": "720p"}.items():
    for crop, side in CROPS.items():
      at = ("rows", f"16x{crop}")
      body.append((
        f"16 × {crop}² (records at {side} pixels), videos of {videos}",
        number(stored.get(file, *at, "median", "ours", "clips_per_second")),
        *(_both(stored, file, crop, other) for other in SIDES),
        number(stored.get(file, *at, "share_of_limit", "clips_per_second"), 2),
      ))  # fmt: skip
  head = ("", "ours, clips/s", *SIDES.values(), "share of the limit")
  return "\n\n".join([table(head, body), _disk(stored), stored.facts(["input-cpu", "input-cpu-720p"])])


def _both(stored: Stored, file: str, crop: int, side: str) -> str:
  clock, cpu = (
    stored.get(file, "rows", f"16x{crop}", "ratio", side, name)
    for name in ("clips_per_second", "clips_per_cpu_second")
  )
  return MISSING if clock is None else f"{times(clock)} ({times(cpu)})"


def _disk(stored: Stored) -> str:
  """What a video takes on disk, as a table."""
  body = []
  forms = {"records": "records", "preshrunk": "small copies", "raw": "the raw mp4"}
  for crop, side in CROPS.items():
    found = [
      stored.get("input-cpu", "rows", f"16x{crop}", "stored", form, "bytes_per_video") for form in forms
    ]
    body.append((f"{side} pixels", *(number(scaled(n, 1e-6), 2) for n in found)))
  return table(("MB of a 10-second video", *forms.values()), body)


def reading(stored: Stored) -> str:
  """Reading without decoding, and the index."""
  body: list[tuple[str, ...]] = []
  for row in stored.get("reader", "rows") or []:
    body.append((
      f"16 frames, {number(row.get('stride'), 1)} apart, read and checked, not decoded", f"{number(row.get('clips_per_second'))} clips/s",
      f"{number(row.get('reads_per_clip'), 1)} reads, {number(scaled(row.get('bytes_per_clip'), 1e-3))} kB a clip",
    ))  # fmt: skip
  for name in ("index_scale", "index_scale-10m"):
    index = stored.file(name)
    if index:
      spent = index.get("seconds") or {}
      body.append((
        f"index of {number(index.get('videos'), 1)} videos, {number(scaled(index.get('frames'), 1e-6), 1)} million frames",
        f"opened in {seconds(spent.get(OPENED))}, split in {seconds(spent.get('validation split'))}, an epoch "
        f"permuted in {seconds(spent.get('permute an epoch'))}, step 100,000 found in {seconds(spent.get('seek to step 100000'))}",
        f"{number(index.get('peak_memory_mb'), 1)} MB at most",
      ))  # fmt: skip
  facts = stored.facts(["reader", "index_scale", "index_scale-10m"])
  return "\n\n".join([table(("what", "how fast", "with"), body), facts])


def variants(stored: Stored) -> str:
  """Other sizes, qualities and forms of storage; times cheaper than the first of each crop."""
  rows: list[dict[str, Any]] = stored.get("input-variants", "variants") or []
  if not rows:
    return f"Variants: {MISSING}."
  body = [
    (row.get("name", MISSING), number(scaled(row.get("bytes_per_video"), 1e-6), 2), *_predicted(row), times(row.get("faster")),
     number(row.get("clips_per_cpu_second")), number(row.get("psnr"), 3))
    for row in rows
  ]  # fmt: skip
  head = ("clips of pixels, frames stored", "MB a video", "cheaper, predicted", "cheaper by CPU time", "faster", "clips a CPU-second",
          "PSNR, dB")  # fmt: skip
  return "\n\n".join([table(head, body), stored.facts(["input-variants"])])


def _predicted(row: dict[str, Any]) -> tuple[str, str]:
  return "–" if row.get("predicted") is None else times(row["predicted"]), times(row.get("cheaper"))


def feeding(stored: Stored) -> str:
  """CPU cores that feed an H200, by model and task."""
  rows: list[dict[str, Any]] = stored.get("feeding", "rows") or []
  if not rows:
    return f"Feeding: {MISSING}."
  body = []
  for row in rows:
    points = row.get("at") or {}
    at = points.get("measured") or points.get("50%") or {}
    cores = "; ".join(number(point.get("cores"), 2) for point in points.values())
    title = f"{MODELS.get(row.get('model'), MISSING)}, {TASKS.get(row.get('task'), MISSING)}"
    rate = f"{number(at.get('clips_per_second'))}, {row.get('rate', MISSING)}"
    read = number(scaled(at.get("bytes_read_per_second"), 1e-6))
    body.append(
      (
        title,
        f"{row.get('num_frames', MISSING)} × {row.get('crop', MISSING)}²",
        rate,
        cores,
        read,
        _fewest(row),
      )
    )
  head = ("H200", "a clip", "clips/s", "cores", "MB/s read", "fewest cores otherwise")
  decoded = stored.get("feeding", "decoding_measured") or {}
  told = wrapped(
    "Where clips/s are computed, they and the megabytes are those of 50 % utilisation, cores those of 40, 50 and 60 %. Decoding: "
    f"{decoded.get('machine') or MISSING}; {decoded.get('date') or MISSING}."
  )
  return "\n\n".join([table(head, body), told])


def _fewest(row: dict[str, Any]) -> str:
  ways = [(way["cores"], name, way.get("psnr")) for name, way in (row.get("other_ways") or {}).items()]
  if not ways:
    return MISSING
  cores, name, psnr = min(ways)
  return f"{number(cores, 2)}: {name} ({number(psnr)} dB)"
