"""E2E with R(2+1)D-18 (Brattoli et al. 2020, Tables 1 and 2): Kinetics-700 less the classes of UCF101 and HMDB51.

python -m zsar_jax.main --config configs/e2e_r2plus1d.py --config.vectors=GoogleNews-vectors-negative300.bin
Printed: UCF101 48.0 (half) 37.6 (all), HMDB51 32.7 (half) 26.9 (all), 25 clips.

ActivityNet too (Tables 1 and 2), less its classes (605 stay as printed, 587 by our rules):
python -m zsar_jax.main --config configs/e2e_r2plus1d.py:activitynet
Printed: UCF101 44.1 (half) 35.3 (all), HMDB51 29.8 (half) 24.8 (all), ActivityNet 26.6 (half) 20.0 (all), 25 clips.

The baseline (section 3.2): weights pretrained on Kinetics-400 stay as they are, the regressor alone learns:
python -m zsar_jax.models.weights --arch r2plus1d_18 --from r2plus1d_18.pth --to data/r2plus1d_18 --classes kinetics400.txt
python -m zsar_jax.main --config configs/e2e_r2plus1d.py:baseline

Pretraining on still images made to move (sections 3.4 and 5.3; printed gain up to 10 points where training classes are few):
python -m zsar_jax.main --config configs/e2e_r2plus1d.py:sun397
python -m zsar_jax.main --config configs/e2e_r2plus1d.py:from_sun397
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
  if variant not in ("", "activitynet", "baseline", "sun397", "from_sun397"):
    raise ValueError(f"there is no variant {variant!r}; there are activitynet, baseline, sun397, from_sun397")
  c = ConfigDict()
  c.method = "e2e"
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    dir="data/short128", seen="kinetics700", unseen=("ucf101", "hmdb51"), overlap_threshold=0.05,
    short_side=128, crop=112, num_frames=16, stride=1, flip=True,
    mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989),
  )  # fmt: skip
  c.model = dict(backbone="r2plus1d_18", bn_group_size=22, dropout=0.05, normalize=True)
  c.train = dict(
    batch_size=22, base_batch_size=22, max_clips_per_epoch=100_000,
    joint=dict(optimizer="adam", learning_rate=1e-3, schedule="steps", milestones=(60, 120), epochs=150),
  )  # fmt: skip
  c.eval = dict(num_clips=25, clips="even", batch_size=4)
  if variant == "activitynet":
    c.data.unseen = ("ucf101", "hmdb51", "activitynet200")
  elif variant == "baseline":
    c.model.update(init_from="data/r2plus1d_18", freeze_backbone=True)
  elif variant == "sun397":
    c.data.seen = "sun397"
  elif variant == "from_sun397":
    c.model.init_from = "runs/e2e_r2plus1d-sun397"
  return c
