"""The same models in PyTorch, as a user would build them from torchvision and torch.nn."""

import torch
from torch import nn
from torch.nn import functional


def torchvision_models():
  """torchvision.models; wheels built for another torch lack compiled detection operators, which no classifier calls."""
  try:
    from torchvision import models
  except RuntimeError:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
      library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import models
  return models


class C3D(nn.Module):
  """C3D up to fc6."""

  def __init__(self):
    super().__init__()
    layers: list[nn.Module] = []
    channels = 3
    for stage, widths in enumerate(((64,), (128,), (256, 256), (512, 512), (512, 512))):
      for width in widths:
        layers += [nn.Conv3d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        channels = width
      layers.append(nn.MaxPool3d((2 if stage else 1, 2, 2), padding=(0, 1, 1) if stage == 4 else 0))
    self.features, self.fc6 = nn.Sequential(*layers), nn.Linear(8192, 4096)

  def forward(self, x):
    return torch.relu(self.fc6(self.features(x).flatten(1)))


def backbone(name: str) -> tuple[nn.Module, int]:
  """(encoder, its width): torchvision's without its classifier."""
  if name == "c3d":
    return C3D(), 4096
  models = torchvision_models()
  if name in ("r2plus1d_18", "r3d_18"):
    model = getattr(models.video, name)(weights=None)
  else:
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = getattr(models, name)(weights=None, **options)
  if name in ("vgg16", "mobilenet_v2"):
    width, model.classifier = (25088 if name == "vgg16" else 1280), nn.Identity()
  else:
    width, model.fc = model.fc.in_features, nn.Identity()
  return model, width


class E2E(nn.Module):
  """Clip encoder and linear regressor; `forward` takes normalised clips [B,3,T,H,W]."""

  def __init__(self, name: str):
    super().__init__()
    self.backbone, width = backbone(name)
    self.dropout, self.regressor = nn.Dropout(0.05), nn.Linear(width, 300)

  def forward(self, x):
    return self.regressor(self.dropout(self.backbone(x)))

  def loss(self, x, label, words, targets):
    output = functional.normalize(self(x), dim=-1)
    return functional.mse_loss(output, targets[label])


class ResT(nn.Module):
  """Frame encoder and masked-attention transformer for both tasks; `forward` takes normalised frames [B,T,3,H,W]."""

  def __init__(self, name: str, num_frames: int, num_classes: int, vocabulary: int, num_words: int):
    super().__init__()
    self.backbone, width = backbone(name)
    self.projection = nn.Linear(width, 768)
    self.cls = nn.Parameter(torch.zeros(1, 1, 768))
    self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + num_frames + num_words, 768))
    self.words = nn.Embedding(vocabulary, 768)
    layer = nn.TransformerEncoderLayer(768, 12, 3072, 0.1, "gelu", batch_first=True, norm_first=True)
    self.encoder = nn.TransformerEncoder(layer, 12, nn.LayerNorm(768), enable_nested_tensor=False)
    self.class_head = nn.Sequential(nn.Linear(768, 768), nn.GELU(), nn.Linear(768, num_classes))
    self.word_head = nn.Sequential(nn.Linear(768, 768), nn.GELU(), nn.Linear(768, vocabulary))
    length = 1 + num_frames + num_words
    is_word = torch.arange(length) > num_frames
    left = torch.ones(length, length).tril().bool()
    self.register_buffer("hidden", ~(~is_word[None] | (is_word[:, None] & left)))

  def encode(self, x, words):
    batch, frames = x.shape[:2]
    tokens = self.projection(self.backbone(x.flatten(0, 1))).unflatten(0, (batch, frames))
    tokens = torch.cat([self.cls.expand(batch, -1, -1), tokens], 1)
    if words is not None:
      tokens = torch.cat([tokens, self.words(words)], 1)
    length = tokens.shape[1]
    mask = None if words is None else self.hidden[:length, :length]
    return self.encoder(tokens + self.positions[:, :length], mask)

  def forward(self, x):
    return self.encode(x, None)[:, 0]

  def loss(self, x, label, words, targets):
    masked = torch.where(torch.rand(words.shape, device=words.device) < 0.5, 1, words)
    outputs = self.encode(x, masked)
    word_logits = self.word_head(outputs[:, -words.shape[1] :])
    class_loss = functional.cross_entropy(self.class_head(outputs[:, 0]), label)
    return class_loss + 0.5 * functional.cross_entropy(word_logits.flatten(0, 1), words.flatten())
