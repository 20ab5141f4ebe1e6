"""matplotlib's figures as SVG that can stand in a page of either colour, many of them side by side.

matplotlib is imported inside functions: a report can be written without it, only without pictures.
"""

import contextlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.palette import INK_DARK, INK_LIGHT, PAGE_DARK, PAGE_LIGHT

INK = "#010203"  # drawn in this, a colour nothing else has; becomes currentColor
WIDTH = 7.2  # inches, 518 points
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
_STYLE: dict[Any, Any] = {
  "svg.fonttype": "none",  # text stays text: it can be searched and copied, and takes the page's ink
  "text.parse_math": False,  # a class name may hold dollar signs
  "font.family": "DejaVu Sans",  # comes with matplotlib; wider than what browsers take, so that text fits
  "font.size": 8,
  "figure.facecolor": "none",
  "savefig.facecolor": "none",
  "axes.facecolor": "none",
  "axes.edgecolor": INK,
  "axes.labelcolor": INK,
  "axes.titlesize": 8.5,
  "axes.titleweight": "bold",
  "axes.titlelocation": "left",
  "axes.linewidth": 0.6,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.axisbelow": True,
  "text.color": INK,
  "xtick.color": INK,
  "ytick.color": INK,
  "xtick.major.width": 0.6,
  "ytick.major.width": 0.6,
  "xtick.minor.width": 0.4,
  "ytick.minor.width": 0.4,
  "grid.color": INK,
  "grid.alpha": 0.14,
  "grid.linewidth": 0.6,
  "lines.linewidth": 1.4,
  "lines.markersize": 4,
  "legend.frameon": False,
  "legend.fontsize": 8,
  "legend.borderpad": 0.1,
  "image.interpolation": "none",  # cells stay cells at any zoom
}


@contextlib.contextmanager
def style() -> Iterator[None]:
  """The report's look, for everything that matplotlib draws inside. Also a decorator: `@style()`."""
  import matplotlib

  with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
    # Names in scripts that the measuring font lacks: the browser has them.
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    yield


def canvas(height: float, width: float = WIDTH) -> Any:
  """An empty matplotlib figure of so many inches, without pyplot; call it inside `style`."""
  from matplotlib.figure import Figure as Canvas

  return Canvas(figsize=(width, height), layout="constrained")


def finish(
  drawn: Any, name: str, title: str, caption: str, table: Sequence[Sequence[Any]], alt: str
) -> Figure:
  """The drawn matplotlib figure as a `Figure`. The same drawing gives the same bytes."""
  import matplotlib
  from matplotlib.backends.backend_svg import FigureCanvasSVG

  buffer = io.StringIO()
  with matplotlib.rc_context({"svg.hashsalt": name}):
    FigureCanvasSVG(drawn).print_svg(buffer, metadata={"Date": None})  # savefig would draw everything twice
  plain = [[cell.item() if isinstance(cell, np.generic) else cell for cell in row] for row in table]
  return Figure(name, title, caption, tidy(buffer.getvalue(), name, alt), plain, alt)


def tidy(svg: str, name: str, alt: str) -> str:
  """matplotlib's SVG without prolog and metadata, with the page's ink and fonts, and ids that hold `name`."""
  svg = svg[svg.index("<svg") :]
  svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
  svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
  svg = svg.replace(INK, "currentColor")
  svg = re.sub(r" ?font-family: '[^\"]*?'(?=[;\"]);?", "", svg)  # the root element gives it
  svg = _own_ids(svg, name)
  svg = re.sub(r"<(path|use|text|g|image|rect)\b[^>]*>", _rounded, svg)
  svg = re.sub(r"\n\s*", "\n", svg)  # indentation is a tenth of the file
  return _root(svg, alt).strip() + "\n"


def _rounded(tag: re.Match[str]) -> str:
  """A thousandth of a point is enough."""
  return re.sub(r"(\d+\.\d{3})\d+", r"\1", tag[0])


def _own_ids(svg: str, name: str) -> str:
  """Several figures share a page: ids that are referred to take the figure's name, the rest go."""
  used = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", svg))
  svg = re.sub(r"\s+id=\"([^\"]*)\"", lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
  return re.sub(r"(href=\"#|url\(#)([^\")]+)", rf"\g<1>{name}-\g<2>", svg)


def _root(svg: str, alt: str) -> str:
  """The root element: as wide as its box, within what can be read, and labelled; pages of its own only as a file."""
  found = re.search(r"viewBox=\"0 0 ([\d.]+) ([\d.]+)\"", svg)
  assert found, "matplotlib wrote no viewBox"
  width, height = float(found[1]), float(found[2])
  page = (
    f"svg:root{{color:{INK_LIGHT};background:{PAGE_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{svg:root{{color:{INK_DARK};background:{PAGE_DARK}}}}}"
  )
  head = (
    f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
    f'viewBox="0 0 {width:g} {height:g}" width="100%" role="img" aria-label="{html.escape(alt)}" '
    f'style="min-width:{min(1.2 * width, 660):.0f}px;max-width:{2 * width:.0f}px;font-family:{_FONTS}">\n'
    f"<style>{page}</style>\n"
    '<g style="stroke-linejoin:round;stroke-linecap:butt">'
  )
  return head + svg[svg.index(">") + 1 :].replace("</svg>", "</g>\n</svg>")
