"""The report's colours: mid tones that stand out from white and from near black, told apart with any colour vision.

Every categorical colour has a contrast of at least 3 : 1 against both pages. Text, axes and ticks take the page's own ink.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

PAGE_LIGHT, PAGE_DARK = "#ffffff", "#14161a"
INK_LIGHT, INK_DARK = "#1b1d21", "#e4e6ea"

BLUE, VERMILION, GREEN, PURPLE, OCHRE = "#2a7fbd", "#d55e00", "#0f9670", "#b8629a", "#b38300"
GREY = "#858585"
RUNS = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, GREY)  # a run's or a series' colour, in order
MARKERS = ("o", "s", "^", "D", "v", "P")  # stands beside the colour, so that print in grey can be read
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

SEEN, REMOVED, UNSEEN = VERMILION, GREY, BLUE
BETTER, WORSE = BLUE, VERMILION

# Ten hues for points of many classes; with three markers they tell thirty apart.
CLASSES = (
  "#2a7fbd", "#d55e00", "#0f9670", "#b8629a", "#b38300", "#7b6fd0", "#c4475a", "#5f9422", "#1295a5", "#a8744a",
)  # fmt: skip
CLASS_MARKERS = ("o", "^", "s")


def sequential(share: Float[np.ndarray, "*dims"], power: float = 0.4) -> UInt8[np.ndarray, "*dims 4"]:
  """RGBA of shares in [0, 1]: 0 lets the page show through, 1 is the full colour. Reads on either page; NaN is clear.

  The opacity is the share to `power`: below 1, small shares can be seen.
  """
  share = np.clip(np.nan_to_num(np.asarray(share, float)), 0.0, 1.0)
  rgba = np.empty((*share.shape, 4), np.uint8)
  rgba[..., :3] = _rgb(BLUE)
  rgba[..., 3] = np.round(255 * share**power)
  return rgba


def contrast(color: str, page: str) -> float:
  """The contrast of two colours by WCAG's relative luminance, 1 (the same) to 21 (black on white)."""
  brighter, darker = sorted((_luminance(color), _luminance(page)), reverse=True)
  return (brighter + 0.05) / (darker + 0.05)


def _rgb(color: str) -> Sequence[int]:
  return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def _luminance(color: str) -> float:
  share = np.array(_rgb(color)) / 255
  linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
  return float(linear @ (0.2126, 0.7152, 0.0722))
