"""Generated action videos: a person doing an upper-body while a lower-body action, in two domains.

A clip is a pure function of (class, index, seed, domain). Everything that is not the action (proportions,
colours, position, scale, speed, phase, side, camera, background) is drawn without knowing the class.
Needs numpy; writing videos needs PyAV.

  python -m zsar_jax.data.synthetic --sheet FILE.png [--seed 0] [--domain both]   look at the actions
  python -m zsar_jax.data.synthetic --probe           what colours alone and backgrounds alone tell
  python -m zsar_jax.data.synthetic --write DIR --per_class 60 --domain studio    a folder of class folders
"""

import argparse
import hashlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zsar_jax import commands
from zsar_jax.data import drawing
from zsar_jax.data.actions import LOWER_ACTIONS, UPPER_ACTIONS
from zsar_jax.data.figure import figure_parts
from zsar_jax.data.nuisance import camera_shift, draw_nuisance
from zsar_jax.errors import InputError, did_you_mean, raise_all

LOWER: tuple[str, ...] = tuple(LOWER_ACTIONS)
UPPER: tuple[str, ...] = tuple(UPPER_ACTIONS)
CLASS_NAMES: tuple[str, ...] = tuple(sorted(f"{upper} while {lower}" for upper in UPPER for lower in LOWER))
FPS = 12

Clip = UInt8[np.ndarray, "T H W 3"]


def split_class_name(class_name: str) -> tuple[str, str]:
  """(upper, lower) action of a class name; InputError names the nearest class where it is none."""
  if class_name not in CLASS_NAMES:
    raise InputError(
      f"no generated class is called {class_name!r}{did_you_mean(class_name, CLASS_NAMES)} "
      f"(a class is 'UPPER while LOWER' with UPPER of {', '.join(UPPER)} and LOWER of {', '.join(LOWER)})"
    )
  upper, lower = class_name.split(" while ")
  return upper, lower


def render(
  class_name: str, index: int, seed: int, domain: str, *, size: int = 56, num_frames: int = 20
) -> Clip:
  """The frames of one clip, uint8 [T,H,W,3]: the same bytes for the same arguments, on every run.

  Raises InputError for a class or a domain that does not exist.
  """
  return _render(class_name, index, seed, domain, size, num_frames, person=True)


def background(
  class_name: str, index: int, seed: int, domain: str, *, size: int = 56, num_frames: int = 20
) -> Clip:
  """What `render` draws for the same arguments, without the person, the shadow and the props."""
  return _render(class_name, index, seed, domain, size, num_frames, person=False)


def clip_rng(class_name: str, index: int, seed: int, domain: str) -> np.random.Generator:
  """The generator of a clip. The class only names the stream; it shapes no distribution."""
  digest = hashlib.sha256(f"{seed}|{domain}|{class_name}|{index}".encode()).digest()
  return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _render(class_name, index, seed, domain, size, num_frames, person: bool) -> Clip:
  upper, lower = split_class_name(class_name)
  if domain not in drawing.DOMAINS:
    raise InputError(f"no domain is called {domain!r}; there are {' and '.join(drawing.DOMAINS)}")
  rng = clip_rng(class_name, index, seed, domain)
  nuisance = draw_nuisance(rng, domain)
  ground = drawing.draw_ground(rng, domain, size + 2 * (size // 8), nuisance.horizon)
  time = np.arange(num_frames)
  shift = camera_shift(nuisance, num_frames) * size
  frames = drawing.pan(ground, shift, size)
  if person:
    phases = [
      start + time * speed / period
      for start, speed, period in zip(
        nuisance.phases, nuisance.speeds, (LOWER_ACTIONS[lower][1], UPPER_ACTIONS[upper][1]), strict=True
      )
    ]
    origin = np.asarray(nuisance.position) * size + shift
    scale = nuisance.scale * size
    drawing.paint_shadow(frames, origin, 0.28 * scale, nuisance.shadow)
    parts = figure_parts(lower, upper, phases[0], phases[1], nuisance.build, nuisance.camera)
    drawing.paint_parts(frames, parts, nuisance.palette, origin, scale, nuisance.rim)
  return drawing.finish(frames, nuisance.finish, rng)


def split_classes(seed: int, num_unseen: int = 12) -> tuple[tuple[str, ...], tuple[str, ...]]:
  """(seen, unseen) class names, both sorted. Every word of an unseen class occurs in a seen class.

  Unseen combinations are spread evenly: with 12, every lower and every upper action occurs in exactly two.
  Raises InputError unless 0 < num_unseen <= 30 (so that each action stays seen).
  """
  most = len(UPPER) * (len(LOWER) - 1)
  if not 0 < num_unseen <= most:
    raise InputError(
      f"num_unseen must be 1 to {most} of the {len(CLASS_NAMES)} generated classes, not {num_unseen}"
    )
  rng = np.random.default_rng([seed, 2718])
  uppers, lowers = rng.permutation(UPPER), rng.permutation(LOWER)
  shifts = rng.permutation(len(LOWER))
  # Diagonals of the table of combinations hold each action once.
  cells = [(i, (i + shift) % len(LOWER)) for shift in shifts for i in range(len(UPPER))][:num_unseen]
  unseen = {f"{uppers[i]} while {lowers[j]}" for i, j in cells}
  return tuple(n for n in CLASS_NAMES if n not in unseen), tuple(n for n in CLASS_NAMES if n in unseen)


def video_path(directory: str | Path, class_name: str, index: int) -> Path:
  """Where `write_videos` puts a clip."""
  return Path(directory) / class_name.replace(" ", "_") / f"{index:05d}.mp4"


def write_videos(
  directory: str | Path,
  class_names: Sequence[str],
  per_class: int,
  seed: int,
  domain: str,
  *,
  workers: int | None = None,
  size: int = 56,
  num_frames: int = 20,
  progress: Callable[[int, int], None] | None = None,
) -> int:
  """Writes DIR/<class_name>/<index>.mp4 for indices 0 to per_class - 1; returns how many files were new.

  Finished files are kept; a file appears under its name only when it is whole. Workers are processes of their
  own, one a core but 16 at most unless told otherwise, without JAX, TensorFlow or the main module of the caller.
  `progress(done, total)` counts new files.
  Raises InputError for unknown classes or domains and an odd size (the codec halves the colour resolution).
  """
  problems = [
    f"no generated class {n!r}{did_you_mean(n, CLASS_NAMES)}" for n in class_names if n not in CLASS_NAMES
  ]
  if domain not in drawing.DOMAINS:
    problems.append(f"no domain {domain!r}; there are {' and '.join(drawing.DOMAINS)}")
  problems += [f"size must be even and at least 16, not {size}"] if size % 2 or size < 16 else []
  raise_all(problems, "cannot write generated videos:")
  todo = [(n, i) for i in range(per_class) for n in class_names if not video_path(directory, n, i).exists()]
  for name in class_names:
    video_path(directory, name, 0).parent.mkdir(parents=True, exist_ok=True)
  job = {"directory": str(directory), "seed": seed, "domain": domain, "size": size, "num_frames": num_frames}
  workers = max(1, min(workers or min(os.cpu_count() or 1, 16), len(todo) // 8))
  done = 0
  for _ in _in_processes(job, todo, workers) if workers > 1 else _write_clips(job, todo):
    done += 1
    if progress is not None:
      progress(done, len(todo))
  return done


def _write_clips(job: dict, clips: Sequence[tuple[str, int]]):
  """Writes clips one after another, yielding after each."""
  for class_name, index in clips:
    clip = render(
      class_name, index, job["seed"], job["domain"], size=job["size"], num_frames=job["num_frames"]
    )
    write_mp4(video_path(job["directory"], class_name, index), clip)
    yield index


def _in_processes(job: dict, clips: Sequence[tuple[str, int]], workers: int):
  """`_write_clips` in `workers` processes, yielding after each clip of any."""
  root = str(Path(__file__).resolve().parents[2])
  paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
  env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
  children = []
  try:
    with selectors.DefaultSelector() as selector:
      for w in range(workers):
        child = subprocess.Popen(
          [sys.executable, "-m", "zsar_jax.data.synthetic", "--worker"],
          stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env,
        )  # fmt: skip
        children.append(child)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({**job, "clips": clips[w::workers]}).encode())
        child.stdin.close()
        selector.register(child.stdout, selectors.EVENT_READ)
      while selector.get_map():
        for key, _ in selector.select():
          marks = os.read(key.fd, 4096)
          if not marks:
            selector.unregister(key.fileobj)
          yield from marks
    if any(child.wait() for child in children):
      raise RuntimeError(f"a process drawing videos into {job['directory']} failed; its message stands above")
  finally:
    for child in children:
      child.kill()
      child.wait()
      if child.stdout is not None:
        child.stdout.close()


def write_mp4(path: Path, clip: Clip) -> None:
  """Encodes uint8 frames [T,H,W,3] at 12 a second (H.264, short groups); renames the finished file."""
  import av

  temporary = path.with_name(f".{path.name}.{os.getpid()}")
  with av.open(str(temporary), "w", format="mp4") as container:
    stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "14", "g": "8"})
    stream.height, stream.width = clip.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.thread_count = 1
    for frame in clip:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    container.mux(stream.encode())
  os.replace(temporary, path)


def write_sheet(path: str | Path, seed: int, domains: Sequence[str]) -> None:
  """Writes a PNG with a strip (every second frame) a class and domain; the actions take turns."""
  from zsar_jax.data.contact_sheet import write_contact_sheet

  clips, names = [], []
  for shift in range(len(LOWER)):
    for i, upper in enumerate(UPPER):
      name = f"{upper} while {LOWER[(i + shift) % len(LOWER)]}"
      for domain in domains:
        clips.append(render(name, 0, seed, domain)[::2])
        names.append(f"{name} - {domain}")
  write_contact_sheet(path, clips, names)


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; see the module's head."""
  parser = argparse.ArgumentParser(
    prog="python -m zsar_jax.data.synthetic", description=__doc__.split("\n")[0], allow_abbrev=False
  )
  task = parser.add_mutually_exclusive_group(required=True)
  task.add_argument("--sheet", metavar="FILE.png", help="write a contact sheet of the actions")
  task.add_argument(
    "--probe", action="store_true", help="print what colours alone and backgrounds alone tell"
  )
  task.add_argument("--write", metavar="DIR", help="write every class as mp4 files")
  task.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--domain", choices=(*drawing.DOMAINS, "both"), default="studio")
  parser.add_argument("--per_class", type=int, default=60)
  try:
    options = commands.parse(parser, sys.argv[1:] if arguments is None else arguments)
    domains = drawing.DOMAINS if options.domain == "both" else (options.domain,)
    if options.worker:
      _work()
    elif options.write:
      for domain in domains:
        directory = Path(options.write) / domain if len(domains) > 1 else Path(options.write)
        count = write_videos(directory, CLASS_NAMES, options.per_class, options.seed, domain)
        print(f"{directory}: {count} new videos")
    elif options.sheet:
      write_sheet(options.sheet, options.seed, domains)
      print(f"{options.sheet}: every action once a domain, every other frame of it")
    else:
      from zsar_jax.data.synthetic_probe import probe

      print(json.dumps(probe(options.seed), indent=2))
  except InputError as error:
    print(error, file=sys.stderr)
    return 2
  return 0


def _work() -> None:
  """Does the job on standard input, one byte on standard output a clip."""
  job = json.load(sys.stdin)
  for _ in _write_clips(job, job["clips"]):
    os.write(1, b".")


if __name__ == "__main__":
  sys.exit(main())
