"""ResT-18, 16 frames (Lin et al. 2022, Table 1): Kinetics-700 less the classes of UCF101 and HMDB51.

python -m zsar_jax.main --config configs/rest18.py --config.vectors=GoogleNews-vectors-negative300.bin
Printed: UCF101 54.7 ± 2.3 (half) 44.3 (all), HMDB51 39.3 ± 3.5 (half), 25 clips.

ActivityNet too (Table 2), less its classes (605 stay as printed, 587 by our rules):
python -m zsar_jax.main --config configs/rest18.py:activitynet
Printed: UCF101 50.9 (half) 41.2 (all), HMDB51 37.6 (half) 30.6 (all), ActivityNet 29.2 (half) 23.0 (all), 25 clips.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
  if variant not in ("", "activitynet"):
    raise ValueError(f"there is no variant {variant!r}; there is activitynet")
  c = ConfigDict()
  c.method = "rest"
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    dir="data/short256", seen="kinetics700", unseen=("ucf101", "hmdb51"), overlap_threshold=0.05,
    short_side=256, crop=224, num_frames=16, stride=6, flip=True,
  )  # fmt: skip
  c.model = dict(
    backbone="resnet18", bn_group_size=16, dropout=0.1, width=768, num_layers=12, num_heads=12, hidden=3072,
    word_loss_weight=0.5, mask_rate=0.15,
  )  # fmt: skip
  c.train = dict(
    batch_size=16, base_batch_size=16,
    warmup=dict(optimizer="sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4, schedule="cosine", epochs=150),
    joint=dict(optimizer="adamw", learning_rate=1.5e-4, weight_decay=0.05, schedule="cosine", epochs=50),
  )  # fmt: skip
  c.eval = dict(num_clips=25, clips="even", batch_size=4)
  if variant == "activitynet":
    c.data.unseen = ("ucf101", "hmdb51", "activitynet200")
  return c
