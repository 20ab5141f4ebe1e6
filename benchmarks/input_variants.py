"""What makes a clip cheaper to read: size and quality of the stored frames, scaled decoding, short groups of H.264; in alternation.

python benchmarks/input_variants.py [--json] [--out benchmarks/results/input-variants.json] [--small]

The clips of benchmarks/input.py (16 frames, 112 or 224 pixels, batches of 32) from the same generated videos, stored in other ways. A
variant of records goes through zsar_jax.data.pipeline on all cores; one of H.264 is decoded by PyAV in a process a core. `psnr` (dB) holds
the picture that is handed over, before it is cropped, against the source frame resized alike: how much the form of storage loses.

Floor, told for each variant before it is measured: the bytes of its 16 frames, and the pixels of its crops. Prediction: a clip of
records takes 7 ns for a byte (Huffman codes; those outside the crop are decoded too), 2.5 ns for a pixel handed over (transform, colours
and two copies) and 25 us for a frame. So against quality 85, the default, 90 makes a clip of 224 pixels 1.17 times dearer and 95 1.35
times; a larger short side than the crop needs costs its bytes; scaled decoding saves no Huffman codes, so records of 256 pixels cost
clips of 112 about twice what records of 128 do. The rates are of one machine: what is compared is `cheaper`, the CPU time of the base
(the first variant of each crop) over the variant's, with `predicted`. For H.264 nothing is predicted.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import input as pipelines
import input_pictures
import input_videos
import measuring
from input_pictures import Variant

from zsar_jax.commands import guarded

NS_A_BYTE, NS_A_PIXEL, NS_A_FRAME = 7.0, 2.5, 25e3
NUM_FRAMES = pipelines.NUM_FRAMES

VARIANTS = (
  Variant(112, 128), Variant(112, 128, quality=95), Variant(112, 128, quality=90), Variant(112, 128, quality=75),
  Variant(112, 112), Variant(112, 144), Variant(112, 160), Variant(112, 256, scaled_to=128),
  Variant(112, 128, group=12), Variant(112, 128, group=4),
  Variant(224, 256), Variant(224, 256, quality=95), Variant(224, 256, quality=90), Variant(224, 256, quality=75),
  Variant(224, 224), Variant(224, 240), Variant(224, 256, group=12), Variant(224, 256, group=4),
)  # fmt: skip


class Stored(NamedTuple):
  """A variant as it lies on the disk."""

  records: Path | None
  copies: list[input_videos.Video]
  took: dict[str, Any]
  bytes_per_clip: float


def store(variant: Variant, videos: Path, work: Path, workers: int) -> Stored:
  """Makes the variant, or finds it where another one has made it."""
  folder = work / f"{variant.short_side}-{variant.quality}-{variant.group}"
  saved = folder.with_suffix(".json")
  if variant.group:
    if not saved.exists():
      sources = [(str(path), 0) for path in sorted(videos.glob("*/*.mp4"))]
      _, took = input_videos.make_copies(sources, folder, workers, variant.short_side, variant.group)
      saved.write_text(json.dumps(took))
    copies = [(str(path), input_videos.num_frames(str(path))) for path in sorted(folder.glob("*.mp4"))]
    took = json.loads(saved.read_text())
    total = sum(length for _, length in copies)
    return Stored(None, copies, took, NUM_FRAMES * took["bytes_per_video"] * len(copies) / total)
  if not saved.exists():
    _, took = input_videos.make_records(videos, folder, workers, variant.short_side, variant.quality)
    saved.write_text(json.dumps(took))
  took = json.loads(saved.read_text())
  return Stored(folder, [], took, NUM_FRAMES * took["bytes_per_video"] * took["videos"] / took["frames"])


def cpu_seconds(variant: Variant, bytes_per_clip: float) -> float | None:
  """The prediction: of a clip."""
  if variant.group:
    return None
  pixels = NUM_FRAMES * variant.crop**2
  return 1e-9 * (NS_A_BYTE * bytes_per_clip + NS_A_PIXEL * pixels + NS_A_FRAME * NUM_FRAMES)


def measure(variant: Variant, stored: Stored, options: argparse.Namespace) -> dict[str, float]:
  """Clips a second and a CPU-second, once."""
  if variant.group:
    jobs = [
      (stored.copies, variant.scaled_to or variant.short_side, variant.crop, options.seconds)
    ] * options.workers
    done = input_videos.in_processes(input_pictures.read_clips, jobs, options.workers)
    return {
      "clips_per_second": sum(clips / wall for clips, wall, _ in done),
      "clips_per_cpu_second": sum(clips for clips, _, _ in done) / sum(cpu for _, _, cpu in done),
    }
  shared = {"records": str(stored.records), "crop": variant.crop, "scaled_to": variant.scaled_to}
  return pipelines.ours(
    shared | {"batch": options.batch, "workers": options.workers, "seconds": options.seconds}
  )


def compare(videos: Path, work: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
  """A row for each variant of the crops asked for."""
  variants = [variant for variant in VARIANTS if variant.crop in options.crops]
  stored = []
  for variant in variants:
    stored.append(store(variant, videos, work, options.workers))
    pipelines.say(f"{variant.name}: {stored[-1].bytes_per_clip / 1e3:.0f} kB a clip")
  rounds: list[list[dict[str, float]]] = [[] for _ in variants]
  for number in range(options.rounds):
    for variant, form, found in zip(variants, stored, rounds, strict=True):
      found.append(measure(variant, form, options))
    pipelines.say(f"round {number + 1} of {options.rounds} done")
  sources = sorted(videos.glob("*/*.mp4"))[: options.psnr_videos]
  rows = []
  for variant, form, found in zip(variants, stored, rounds, strict=True):
    base = next(i for i, other in enumerate(variants) if other.crop == variant.crop)
    rates = {n: [one[n] for one in found] for n in pipelines.RATES}
    of_base = {n: [one[n] for one in rounds[base]] for n in pipelines.RATES}
    mine, its = (
      cpu_seconds(v, s.bytes_per_clip) for v, s in ((variant, form), (variants[base], stored[base]))
    )
    rows.append(
      variant._asdict()
      | {"name": variant.name, "bytes_per_clip": round(form.bytes_per_clip), **form.took}
      | {"pixels_per_clip": NUM_FRAMES * variant.crop**2}
      | {"predicted": None if mine is None or its is None else round(its / mine, 2)}
      | {"cheaper": measuring.ratio(rates["clips_per_cpu_second"], of_base["clips_per_cpu_second"])}
      | {"faster": measuring.ratio(rates["clips_per_second"], of_base["clips_per_second"])}
      | {n: round(statistics.median(values), 1) for n, values in rates.items()}
      | {"psnr": round(input_pictures.psnr(variant, form.records, form.copies, sources), 2), "rounds": rates}
    )
  return rows


def table(rows: list[dict[str, Any]]) -> str:
  heads = ("kB/clip", "MB/video", "predicted", "cheaper", "clips/CPU-s", "clips/s", "PSNR dB")
  lines = [f"{'':34}" + "".join(f"{head:>12}" for head in heads)]
  for row in rows:
    predicted = "-" if row["predicted"] is None else f"{row['predicted']:.2f} x"
    cells = (
      f"{row['bytes_per_clip'] / 1e3:.0f}", f"{row['bytes_per_video'] / 1e6:.2f}", predicted, f"{row['cheaper']:.2f} x",
      f"{row['clips_per_cpu_second']:.1f}", f"{row['clips_per_second']:.1f}", f"{row['psnr']:.2f}",
    )  # fmt: skip
    lines.append(f"{row['name']:34}" + "".join(f"{cell:>12}" for cell in cells))
  return "\n".join(lines)


def parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--crops", type=int, nargs="+", choices=(112, 224), default=[112, 224])
  parser.add_argument("--num_videos", type=int, default=16, help="to generate")
  parser.add_argument("--video_seconds", type=float, default=5.0, help="of each")
  parser.add_argument("--psnr_videos", type=int, default=4, help="of which frames are compared")
  parser.add_argument("--seconds", type=float, default=1.5, help="at least, of each measurement")
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--batch", type=int, default=32, help="clips")
  parser.add_argument(
    "--workers", type=int, default=os.cpu_count() or 1, help="threads or processes that decode"
  )
  parser.add_argument("--small", action="store_true", help="a dry run: two tiny videos, one round")
  parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
  parser.add_argument("--out", type=Path, help="also write the JSON here")
  options = parser.parse_args()
  if options.small:
    options.num_videos, options.video_seconds, options.psnr_videos = 2, 1.0, 1
    options.seconds, options.rounds, options.batch = 0.05, 1, 2
  if min(options.num_videos, options.rounds, options.batch, options.workers, options.psnr_videos) < 1:
    parser.error("--num_videos, --psnr_videos, --rounds, --batch and --workers are 1 or more")
  if options.video_seconds * input_videos.FPS < NUM_FRAMES:
    parser.error(f"--video_seconds {options.video_seconds:g} is less than a clip of {NUM_FRAMES} frames")
  return options


def main() -> None:
  options = parse()
  with tempfile.TemporaryDirectory() as folder:
    work = Path(folder)
    pipelines.say("making videos, records and copies")
    videos = input_videos.generate(
      work / "videos", options.num_videos, options.video_seconds, input_videos.HEIGHT, options.workers
    )
    rows = compare(videos, work, options)
  model = {"ns_a_byte": NS_A_BYTE, "ns_a_pixel": NS_A_PIXEL, "ns_a_frame": NS_A_FRAME}
  result = measuring.facts("tensorflow", "av") | {
    "workers": options.workers,
    "prediction": model,
    "variants": rows,
  }
  measuring.finish(result, options, table(rows))


if __name__ == "__main__":
  sys.exit(guarded(main))
