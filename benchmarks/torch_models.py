"""The same models in PyTorch, as a user would build them from torchvision and torch.nn."""

import torch
from model_cases import Case
from torch import nn
from torch.nn import functional

EPSILON = 1e-6  # of layer norms, as ours


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
  """C3D up to fc6, with the names of the public weights."""

  STAGES = (
    ("conv1", 64), ("pool", (1, 2, 2), 0), ("conv2", 128), ("pool", 2, 0), ("conv3a", 256), ("conv3b", 256), ("pool", 2, 0),
    ("conv4a", 512), ("conv4b", 512), ("pool", 2, 0), ("conv5a", 512), ("conv5b", 512), ("pool", 2, (0, 1, 1)),
  )  # fmt: skip

  def __init__(self):
    super().__init__()
    channels = 3
    for name, width, *_ in self.STAGES:
      if name != "pool":
        setattr(self, name, nn.Conv3d(channels, width, 3, padding=1))
        channels = width
    self.fc6 = nn.Linear(8192, 4096)

  def forward(self, x):
    for name, value, *padding in self.STAGES:
      if name == "pool":
        x = functional.max_pool3d(x, value, padding=padding[0])
      else:
        x = functional.relu(getattr(self, name)(x), inplace=True)
    return torch.relu(self.fc6(x.flatten(1)))


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
  if name == "googlenet":
    model.dropout = nn.Identity()  # it belongs to the classifier
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
    output = functional.normalize(self(x).float(), dim=-1)
    return functional.mse_loss(output, targets[label])


class ResT(nn.Module):
  """Frame encoder and masked-attention transformer for both tasks; `forward` takes normalised frames [B,T,3,H,W]."""

  def __init__(self, case: Case, num_classes: int, vocabulary: int, num_words: int):
    super().__init__()
    num_frames, width = case.num_frames, case.width
    self.backbone, num_features = backbone(case.backbone)
    self.projection = nn.Linear(num_features, width)
    self.cls = nn.Parameter(torch.zeros(1, 1, width))
    self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + num_frames + num_words, width))
    self.words = nn.Embedding(vocabulary, width)
    layer = nn.TransformerEncoderLayer(
      width, case.num_heads, case.hidden, 0.1, "gelu", EPSILON, batch_first=True, norm_first=True
    )
    norm = nn.LayerNorm(width, EPSILON)
    self.encoder = nn.TransformerEncoder(layer, case.num_layers, norm, enable_nested_tensor=False)
    self.class_head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, num_classes))
    self.word_head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, vocabulary))
    length = 1 + num_frames + num_words
    is_word = torch.arange(length) > num_frames
    left = torch.ones(length, length).tril().bool()
    self.register_buffer("hidden", ~(~is_word[None] | (is_word[:, None] & left)), persistent=False)

  def encode(self, x, words):
    batch, frames = x.shape[:2]
    tokens = self.projection(self.backbone(x.flatten(0, 1))).unflatten(0, (batch, frames))
    tokens = torch.cat([self.cls.expand(batch, -1, -1), tokens], 1)
    if words is not None:
      tokens = torch.cat([tokens, self.words(words)], 1)
    length = tokens.shape[1]
    mask = None if words is None else self.hidden[:length, :length]
    # is_causal: else the mask is looked at on the host, which stalls GPUs and breaks compiled graphs.
    return self.encoder(tokens + self.positions[:, :length], mask, is_causal=False)

  def forward(self, x):
    return self.encode(x, None)[:, 0]

  def logits(self, x, words):
    """(of classes [B,K], of words [B,L,V])."""
    outputs = self.encode(x, words)
    return self.class_head(outputs[:, 0]), self.word_head(outputs[:, -words.shape[1] :])

  def loss(self, x, label, words, targets):
    masked = torch.where(torch.rand(words.shape, device=words.device) < 0.5, 1, words)
    class_logits, word_logits = self.logits(x, masked)
    class_loss = functional.cross_entropy(class_logits, label)
    return class_loss + 0.5 * functional.cross_entropy(word_logits.flatten(0, 1), words.flatten())
