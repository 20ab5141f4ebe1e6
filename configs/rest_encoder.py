"""ResT with other encoders in ResNet's place (Lin et al. 2022, Tables 4a and 6), 16 frames.

python -m zsar_jax.main --config configs/rest_encoder.py:VARIANT --config.vectors=GoogleNews-vectors-negative300.bin
Printed, UCF101, 25 clips (half, all): vgg16 52.5, 42.4; mobilenet_v2 50.6, 38.5; googlenet 51.6, 40.3; r2plus1d_18 59.5, 48.6;
c3d pretrained and trained on (half; HMDB51) 52.7, 37.1; c3d_frozen 40.5, 26.5. The last two start from converted weights:
python -m zsar_jax.models.weights --arch c3d --from c3d.pth --to data/c3d --classes sports1m.txt
Set data.mean and data.std to what those weights were trained with (frames are RGB in [0, 1] before that); torchvision's GoogLeNet
weights, if you start from them, want 0.5,0.5,0.5 for both.
"""

from ml_collections import ConfigDict

IMAGES = ("vgg16", "mobilenet_v2", "googlenet")
CLIPS = ("r2plus1d_18", "c3d", "c3d_frozen")


def get_config(variant: str = "") -> ConfigDict:
  if variant not in IMAGES + CLIPS:
    raise ValueError(
      f"choose an encoder: configs/rest_encoder.py:NAME with NAME one of {', '.join(IMAGES + CLIPS)}"
    )
  c = ConfigDict()
  c.method = "rest"
  c.vectors = "data/GoogleNews-vectors-negative300.bin"
  c.data = dict(
    seen="kinetics700", unseen=("ucf101", "hmdb51"), overlap_threshold=0.05, num_frames=16, flip=True
  )
  if variant in IMAGES:
    c.data.update(dir="data/short256", short_side=256, crop=224, stride=6)
  else:
    c.data.update(
      dir="data/short128", short_side=128, crop=112, stride=1,
      mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989),
    )  # fmt: skip
  c.model = dict(
    backbone=variant.removesuffix("_frozen"), bn_group_size=16, dropout=0.1, width=768, num_layers=12, num_heads=12,
    hidden=3072, word_loss_weight=0.5, mask_rate=0.15,
  )  # fmt: skip
  if variant.startswith("c3d"):
    c.model.update(init_from="data/c3d", freeze_backbone=variant == "c3d_frozen")
  c.train = dict(
    batch_size=16, base_batch_size=16,
    warmup=dict(optimizer="sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4, schedule="cosine", epochs=150),
    joint=dict(optimizer="adamw", learning_rate=1.5e-4, weight_decay=0.05, schedule="cosine", epochs=50),
  )  # fmt: skip
  c.eval = dict(num_clips=25, clips="even", batch_size=4)
  return c
