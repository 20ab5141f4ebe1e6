"""E2E with C3D up to fc6 (Brattoli et al. 2020, Tables 1, 2 and supplementary Table 1).

python -m zsar_jax.main --config configs/e2e_c3d.py --config.vectors=GoogleNews-vectors-negative300.bin
Printed: UCF101 43.8 (half), HMDB51 24.7 (half), 25 clips; 40.3 and 22.0 with one.

ActivityNet too (Table 1), less its classes (605 stay as printed, 587 by our rules):
python -m zsar_jax.main --config configs/e2e_c3d.py:activitynet
Printed: UCF101 41.5 (half), HMDB51 25.0 (half), ActivityNet 24.8 (half), 25 clips.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
  if variant not in ("", "activitynet"):
    raise ValueError(f"there is no variant {variant!r}; there is activitynet")
  c = ConfigDict()
  c.method = "e2e"
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    dir="data/short128", seen="kinetics700", unseen=("ucf101", "hmdb51"), overlap_threshold=0.05,
    short_side=128, crop=112, num_frames=16, stride=1, flip=True,
    mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989),
  )  # fmt: skip
  c.model = dict(backbone="c3d", dropout=0.1, normalize=True)
  c.train = dict(
    batch_size=22, base_batch_size=22, max_clips_per_epoch=100_000,
    joint=dict(optimizer="adam", learning_rate=1e-3, schedule="steps", milestones=(60, 120), epochs=150),
  )  # fmt: skip
  c.eval = dict(num_clips=25, clips="even", batch_size=4)
  if variant == "activitynet":
    c.data.unseen = ("ucf101", "hmdb51", "activitynet200")
  return c
