"""The guide as data: its fenced blocks, commands, links and headings."""

import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(
  f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))  # fmt: skip
LANGUAGES = ("sh", "python", "text")


class Block(NamedTuple):
  """A fenced block."""

  page: str
  line: int  # of its first line of content, from 1
  language: str
  text: str


def read(page: str) -> str:
  return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> Iterator[Block]:
  """Every fenced block of a page."""
  for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", read(page), re.M):
    yield Block(page, read(page)[: match.start(2)].count("\n") + 1, match[1].strip(), match[2])


def shell_commands(page: str) -> Iterator[str]:
  """Every command of its `sh` blocks, continued lines joined."""
  for block in blocks(page):
    if block.language == "sh":
      lines = re.sub(r"\s*\\\n\s*", " ", block.text).splitlines()
      yield from (line.strip() for line in lines if line.strip())


def prose(page: str) -> str:
  """A page without its fenced blocks."""
  return re.sub(r"^```.*\n((?:.*\n)*?)```$", "", read(page), flags=re.M)


def spans(page: str) -> Iterator[str]:
  """What stands in `backticks` in the prose; a span may go on in the next line."""
  joined = re.sub(r"(?<!\n)\n(?!\n)", " ", prose(page))
  yield from re.findall(r"`([^`\n]+)`", joined)


def links(page: str) -> Iterator[str]:
  """The targets of its links and pictures."""
  yield from re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: str) -> list[str]:
  """What its headings are called in links, as GitHub does it."""
  headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
  return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
