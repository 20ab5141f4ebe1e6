"""`README.md` of a bundle: the model card."""

from typing import Any

from zsar_jax.bundle.contents import Bundle

_FEW = 20  # seen classes named in the card
_COLUMNS = ("data set", "protocol", "classes", "videos", "clips a video", "chance", "top-1", "top-5")
_TRANSFER = {
  "visual": "A name that it never saw becomes a weighted mean of what videos of the seen classes look like to it; an integer program\n"
  "over the names' word vectors chooses the weights (ResT, Lin et al. 2022).",
  "semantic": "It asks which of its own classes a video resembles most, and which of the given names is nearest to that class by word\n"
  "vectors (ResT without transfer, Lin et al. 2022).",
  "e2e": "It turns a video into a point among word vectors; the name whose vector is nearest wins (E2E, Brattoli et al. 2020).",
}
_FILES = """## Verify the files

`zsar_jax.load` refuses a folder of which any file differs from `SHA256SUMS`. By hand, in this folder: `sha256sum -c SHA256SUMS`."""


def card(bundle: Bundle, *, has_programs: bool = False) -> str:
  """The card in Markdown. `has_programs`: the StableHLO programs come along."""
  parts = [
    _about(bundle),
    _data(bundle),
    _accuracy(bundle),
    _words(bundle),
    _use(bundle),
    *([_programs(bundle)] if has_programs else []),
    _limits(bundle),
    _licence(bundle),
    _FILES,
  ]
  return "\n\n".join(parts) + "\n"


def _about(bundle: Bundle) -> str:
  facts, config = bundle.facts, bundle.config
  way = _TRANSFER["e2e" if config.method == "e2e" else facts.space]
  return f"""# {facts.name}

This model names the action in a video, among names that you give it. The names may be of actions that it was never trained on (zero-shot
action recognition).
{way}

- method and backbone: {config.method} on {config.model.backbone}, {facts.num_parameters:,} parameters
- checkpoint: step {facts.step}, parameters `{facts.checkpoint}`
- input: {_input(bundle)}
- exported {facts.created} with {", ".join(f"{name} {version}" for name, version in facts.versions.items())}"""


def _input(bundle: Bundle) -> str:
  video, model = bundle.facts.preprocessing, bundle.config.model
  clips = f"{video.num_clips} evenly spaced clips of {video.num_frames}"
  if model.backbone == "features":
    return f"{clips} precomputed features of {model.num_features} numbers; it reads no video files"
  rate = "" if video.fps is None else f", at most {video.fps:g} frames a second"
  return (
    f"{clips} frames with a stride of {video.stride}{rate}; the {video.crop} x {video.crop} pixels in the middle of frames\n"
    f"  with a short side of {video.short_side}"
  )


def _data(bundle: Bundle) -> str:
  names, data = bundle.seen.names, bundle.config.data
  told = (
    f"{data.seen}: {len(names)} classes (`seen_names` in `classes.npz` lists them all): {_listed(names)}."
  )
  lines = ["## What it was trained on", "", told]
  if not data.remove_overlap:
    tests = ", ".join(data.unseen)
    lines.append(
      f"Classes that mean the same as one of {tests} were not taken out: accuracy there is no zero-shot result."
    )
  before = _before(bundle)
  return "\n".join([*lines, before] if before else lines)


def _before(bundle: Bundle) -> str:
  """What the weights were before."""
  facts, seen = bundle.facts, bundle.seen.names
  if facts.pretrained_from is None:
    return "" if facts.pretrained_known else "Which classes its weights had seen before is not known."
  if not facts.pretrained_known:
    return f"It began from the weights {facts.pretrained_from}, whose classes nobody listed."
  others = [name for name in dict.fromkeys(bundle.known.names) if name not in seen]
  return f"It began from the weights {facts.pretrained_from}, which had seen {len(others)} other classes: {_listed(others) or 'none'}."


def _accuracy(bundle: Bundle) -> str:
  rows = bundle.facts.evaluation
  if not rows:
    return f"## Accuracy\n\nNot told here: {bundle.facts.not_evaluated or 'the run was not evaluated'}."
  table = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, rows)]
  lines = [f"| {' | '.join(cells)} |" for cells in table]
  told = "Per cent, from the evaluation of this checkpoint by the run that trained it (`validation`: videos of seen classes)."
  return "\n".join(["## Accuracy", "", told, "", *lines])


def _cells(row: dict[str, Any]) -> list[str]:
  def number(key: str) -> str:
    value = row.get(key)
    return f"{value:.1f}" if type(value) in (int, float) else "–"

  spread = f" ± {number('top1_std')}" if row.get("top1_std") is not None else ""
  texts = [
    str(row.get(key, "–")) for key in ("dataset", "protocol", "num_classes", "num_videos", "num_clips")
  ]
  return [*texts, number("chance_top1"), number("top1") + spread, number("top5")]


def _words(bundle: Bundle) -> str:
  spec = bundle.facts.vectors
  if spec.startswith("hash:"):
    text = (
      f"`{spec}`: made from the letters of each word. They are a stand-in without meaning: names that share words are near each other,\n"
      "and nothing else is. No file is needed."
    )
  elif spec.startswith("sentence:"):
    text = f"`{spec}`: a sentence encoder, which does not come along; give its folder with `--vectors sentence:DIR`."
  else:
    text = (
      f"`{spec}`; the vectors of {len(bundle.word_vectors):,} words come along in `words.npz`, under the licence of that\n"
      "file: those of the run's own classes and of the class lists that ship with zsar_jax. A name with any other word needs the file\n"
      "itself: `--vectors FILE`."
    )
  return f"## Word vectors\n\n{text}"


def _use(bundle: Bundle) -> str:
  name = bundle.facts.name
  return f"""## How to use it

Name videos:

    python -m zsar_jax.predict --model {name} video.mp4 --classes "fencing, juggling balls"

In Python:

    import zsar_jax

    zsar = zsar_jax.load("{name}")
    print(zsar.classify(["video.mp4"], classes=["fencing", "juggling balls"]))

Train on from its weights: `--config.model.init_from={name}`."""


def _programs(bundle: Bundle) -> str:
  config = bundle.config
  clip: tuple[int, ...] = (config.data.num_frames, config.data.crop, config.data.crop, 3)
  dtype = "uint8"
  if config.model.backbone == "features":
    clip, dtype = (config.data.num_frames, config.model.num_features), "float32"
  return f"""## Without zsar_jax

`stablehlo/` holds the network as programs for JAX, compiled when they are called: `cpu.bin` for CPUs computes in float32,
`accelerators.bin` for CUDA and TPU in {config.model.dtype}. They take any number of clips and give an embedding of each, not normalised.
In this folder:

```python
import numpy as np
from jax import export
from safetensors.numpy import load_file
program = export.deserialize(bytearray(open("stablehlo/cpu.bin", "rb").read()))
frames = np.zeros((2, {", ".join(map(str, clip))}), np.{dtype})  # clips as they are stored
print(np.asarray(program.call(load_file("stablehlo/parameters.safetensors"), frames)).shape)
```"""


def _limits(bundle: Bundle) -> str:
  lines = [
    "Scores are cosines, no probabilities. Some name always comes first, also where none of the names fits the video.",
    "Accuracy was measured on the data sets above. Videos that look otherwise (camera, light, length) may be named worse.",
    f"A name within {bundle.config.data.overlap_threshold:g} (cosine distance of word vectors) of a class that the weights saw, or\n"
    "  made of the same words, is reported as seen: naming it is no zero-shot answer.",
    "It was made for research. It was not tested for decisions about people, such as surveillance, nor where a wrong name does harm.",
  ]
  if bundle.facts.vectors.startswith("hash:"):
    lines.insert(
      2, "Its word vectors carry no meaning: it transfers only to names made of words that it saw."
    )
  return "\n".join(["## Limits", "", *(f"- {line}" for line in lines)])


def _licence(bundle: Bundle) -> str:
  text = bundle.facts.licence or "Not said. Ask whoever trained it before you pass it on."
  return f"## Licence of the weights\n\n{text}"


def _listed(names: Any) -> str:
  names = list(names)
  return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
