"""A picture of the report, with the numbers behind it."""

from typing import Any, NamedTuple


class Figure(NamedTuple):
  """One picture, ready to stand in the page and in files of its own.

  `svg` is one `<svg>` element without an XML prolog, so that it can be put into HTML as it is and is a valid file too.
  It is as wide as its box within `min-width` and `max-width` of its own style: give the box `overflow-x: auto`. Its
  text and axes are drawn in `currentColor`, the page shows through, its ids hold `name`, and it carries role="img" with
  `alt` as its label.
  """

  name: str  # a file's stem, unique in a report
  title: str
  caption: str  # what is shown, how to read it, which figure of which paper it corresponds to
  svg: str
  table: list[list[Any]]  # the heading first, then rows of str, int, float or None: the CSV
  alt: str
