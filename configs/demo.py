"""Generated figures in motion: 24 seen classes in one domain, 12 unseen ones in another.

make demo                                            ResT, under 3 minutes on 2 CPU cores
make demo CONFIG=configs/demo.py:e2e                 E2E
"""

from ml_collections import ConfigDict


def get_config(variant: str = "rest") -> ConfigDict:
  """`rest` (default) or `e2e`."""
  c = ConfigDict()
  c.seed = 0
  c.vectors = "hash:300"  # a stand-in: word vectors made from the words' letters
  c.data = dict(
    seen="figures_train", unseen=("figures_test",), seen_test="figures_seen_test",
    short_side=56, crop=48, num_frames=8, stride=2, validation_fraction=0.1,
    flip=True, color_jitter=0.3, noise=0.05, grayscale=0.1,
  )  # fmt: skip
  c.generated = dict(
    num_unseen=12, train_per_class=60, test_per_class=25, seen_test_per_class=5, num_frames=20, size=56
  )
  c.eval = dict(num_clips=3, batch_size=16)
  c.logging = dict(every_steps=50, validate_every_steps=200)
  c.checkpoint = dict(every_steps=100)
  variants = {"": _rest, "rest": _rest, "e2e": _e2e}
  if variant not in variants:
    raise ValueError(f"unknown variant {variant!r}; there are rest and e2e")
  return variants[variant](c)


def _e2e(c: ConfigDict) -> ConfigDict:
  c.method = "e2e"
  c.model = dict(backbone="r2plus1d_tiny", dropout=0.05)
  c.train = dict(
    batch_size=16,
    joint=dict(optimizer="adam", learning_rate=2e-3, schedule="cosine", ramp_epochs=2, steps=600),
  )
  return c


def _rest(c: ConfigDict) -> ConfigDict:
  c.method = "rest"
  c.model = dict(backbone="resnet_tiny", width=96, num_layers=2, num_heads=4, hidden=384, dropout=0.1)
  c.train = dict(
    batch_size=16,
    warmup=dict(optimizer="adam", learning_rate=2e-3, schedule="constant", ramp_epochs=1, steps=300),
    joint=dict(optimizer="adam", learning_rate=1e-3, schedule="cosine", ramp_epochs=1, steps=500),
  )
  c.transfer = dict(num_neighbors=10, max_seen_per_unseen=10, distinctiveness=0.0)
  return c
