"""A small model for one's own videos, on any machine: to see the whole way before a large model is worth its hours.

python -m data_prep.build folder --videos VIDEOS --out data/mine --short_side 128
python -m zsar_jax.main --config configs/small.py --workdir runs/small --config.vectors=GoogleNews-vectors-negative300.bin \
  --config.data.seen='mine:!juggling+fencing' --config.data.unseen='mine:juggling+fencing'

About 2 minutes on 2 CPU cores for 70 videos of 10 s in 7 classes, from the first line of the second command to the report; ResT
(`configs/small.py:rest`) takes as long. Neither is a paper's model: the encoders are tiny and begin from nothing.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "e2e") -> ConfigDict:
  """`e2e` (default) or `rest`; `data.seen` and `data.unseen` are left to be given."""
  c = ConfigDict()
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    short_side=72, crop=64, num_frames=8, stride=4, validation_fraction=0.1, flip=True, color_jitter=0.2,
  )  # fmt: skip
  c.eval = dict(num_clips=5, batch_size=8)
  c.logging = dict(every_steps=25, validate_every_steps=100)
  c.checkpoint = dict(every_steps=100)
  variants = {"": _e2e, "e2e": _e2e, "rest": _rest}
  if variant not in variants:
    raise ValueError(f"unknown variant {variant!r}; there are e2e and rest")
  return variants[variant](c)


def _e2e(c: ConfigDict) -> ConfigDict:
  c.method = "e2e"
  c.model = dict(backbone="r2plus1d_tiny", dropout=0.05)
  c.train = dict(
    batch_size=16,
    joint=dict(optimizer="adam", learning_rate=2e-3, schedule="cosine", ramp_epochs=2, steps=300),
  )
  return c


def _rest(c: ConfigDict) -> ConfigDict:
  c.method = "rest"
  c.model = dict(backbone="resnet_tiny", width=96, num_layers=2, num_heads=4, hidden=384, dropout=0.1)
  c.train = dict(
    batch_size=16,
    warmup=dict(optimizer="adam", learning_rate=2e-3, schedule="constant", ramp_epochs=1, steps=150),
    joint=dict(optimizer="adam", learning_rate=1e-3, schedule="cosine", ramp_epochs=1, steps=250),
  )
  return c
