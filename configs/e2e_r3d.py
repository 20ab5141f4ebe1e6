"""E2E with R3D-18 (Brattoli et al. 2020, supplementary Table 1): 3x3x3 convolutions in place of R(2+1)D's factored ones.

python -m zsar_jax.main --config configs/e2e_r3d.py --config.vectors=GoogleNews-vectors-negative300.bin
Printed, one clip: UCF101 41.2 (half) 34.2 (all), HMDB51 23.6 (half) 19.0 (all).
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
  if variant:
    raise ValueError(f"there is no variant {variant!r}")
  c = ConfigDict()
  c.method = "e2e"
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    dir="data/short128", seen="kinetics700", unseen=("ucf101", "hmdb51"), overlap_threshold=0.05,
    short_side=128, crop=112, num_frames=16, stride=1, flip=True,
    mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989),
  )  # fmt: skip
  c.model = dict(backbone="r3d_18", bn_group_size=22, dropout=0.05, normalize=True)
  c.train = dict(
    batch_size=22, base_batch_size=22, max_clips_per_epoch=100_000,
    joint=dict(optimizer="adam", learning_rate=1e-3, schedule="steps", milestones=(60, 120), epochs=150),
  )  # fmt: skip
  c.eval = dict(num_clips=25, clips="even", batch_size=4)
  return c
