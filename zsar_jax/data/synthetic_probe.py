"""What colours alone, or the background alone, tell a linear probe of a generated clip's class."""

import numpy as np
from jaxtyping import Float, Int, UInt8

from zsar_jax.data.drawing import DOMAINS
from zsar_jax.data.synthetic import CLASS_NAMES, background, render

Features = Float[np.ndarray, "B D"]
Labels = Int[np.ndarray, " B"]


def colour_histogram(clip: UInt8[np.ndarray, "T H W 3"]) -> Float[np.ndarray, " D"]:
  """Shares of the pixels of a clip in 4 x 4 x 4 cells of RGB and in 16 steps of each channel: [112]."""
  pixels = clip.reshape(-1, 3).astype(np.int64)
  cells = (pixels // 64) @ np.array([16, 4, 1])
  steps = [np.bincount(pixels[:, c] // 16, minlength=16) for c in range(3)]
  return np.concatenate([np.bincount(cells, minlength=64), *steps]) / len(pixels)


def background_features(clip: UInt8[np.ndarray, "T H W 3"]) -> Float[np.ndarray, " D"]:
  """The colour histogram of a clip and its mean picture in 7 x 7 cells."""
  mean = clip.mean(0)
  size = mean.shape[0] // 7 * 7
  cells = mean[:size, :size].reshape(7, size // 7, 7, size // 7, 3).mean((1, 3))
  return np.concatenate([colour_histogram(clip), cells.ravel() / 255])


def ridge_accuracy(
  train: Features, train_label: Labels, test: Features, test_label: Labels, strength: float = 1.0
) -> float:
  """Per cent of test rows named right by ridge regression on one-hot labels, fitted to standardised rows.

  `strength` is the penalty a training row.
  """
  mean, std = train.mean(0), train.std(0) + 1e-8
  x, y = (train - mean) / std, np.eye(train_label.max() + 1)[train_label]
  weights = np.linalg.solve(x.T @ x + strength * len(x) * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
  guess = (((test - mean) / std) @ weights + y.mean(0)).argmax(1)
  return float(100 * np.mean(guess == test_label))


def probe(seed: int, *, num_train: int = 30, num_test: int = 60, num_classes: int = len(CLASS_NAMES)) -> dict:
  """Fits probes on `num_train` studio clips a class, scores `num_test` others of each domain, in per cent."""
  names = CLASS_NAMES[:num_classes]
  label = np.arange(num_classes)

  def features(domain, indices):
    clips = [(name, index, seed, domain) for index in indices for name in names]
    colours = np.stack([colour_histogram(render(*clip)) for clip in clips])
    grounds = np.stack([background_features(background(*clip, num_frames=2)) for clip in clips])
    return {"colour_histogram": colours, "background": grounds}

  train = features("studio", range(num_train))
  result: dict = {"chance": round(100 / num_classes, 2), "limit": round(150 / num_classes, 2)}
  result |= {
    "num_classes": num_classes,
    "num_train": len(names) * num_train,
    "num_test": len(names) * num_test,
  }
  for domain in DOMAINS:
    test = features(domain, range(num_train, num_train + num_test))
    for kind in train:
      accuracy = ridge_accuracy(train[kind], np.tile(label, num_train), test[kind], np.tile(label, num_test))
      result.setdefault(kind, {})[domain] = round(accuracy, 2)
  return result
