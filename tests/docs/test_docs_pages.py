"""What the guide points at exists: pages, headings, files, modules, keys of a config."""

import importlib.util
import re

import pytest
from docs_pages import LANGUAGES, PAGES, ROOT, anchors, blocks, links, prose, read, spans

from zsar_jax.config import Config, to_flat

WIDTH = 141  # of prose; tables, pictures and blocks may be wider
KEYS = to_flat(Config())
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
FOLDERS = ("zsar_jax/", "data_prep/", "configs/", "tests/", "benchmarks/", "docs/")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
  for target in links(page):
    if target.startswith(("http://", "https://")):
      continue
    file, _, anchor = target.partition("#")
    path = (ROOT / page).parent / file if file else ROOT / page
    assert path.exists(), f"{page}: {target}"
    if anchor:
      assert anchor in anchors(str(path.resolve().relative_to(ROOT))), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_headings_have_one_anchor_each(page):
  found = anchors(page)
  if page != "CHANGELOG.md":
    assert len(found) == len(set(found)), found


def test_every_page_is_reached_from_the_readme():
  reached, left = set(), ["README.md"]
  while left:
    page = left.pop()
    if page in reached:
      continue
    reached.add(page)
    for target in links(page):
      path = ((ROOT / page).parent / target.partition("#")[0]).resolve()
      if path.suffix == ".md" and path.is_relative_to(ROOT):
        left.append(str(path.relative_to(ROOT)))
  assert reached == set(PAGES)
  direct = {target.partition("#")[0] for target in links("README.md")}
  assert set(PAGES) - {"README.md"} <= direct


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page):
  assert read(page).count("```") == 2 * len(list(blocks(page)))
  for block in blocks(page):
    assert block.language in LANGUAGES, f"{page}, line {block.line}: a block is one of {LANGUAGES}"


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_no_wider_than_a_screen(page):
  wide = [line for line in prose(page).splitlines() if len(line) > WIDTH and not line.startswith(("|", "!["))]
  assert not wide


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_exists(page):
  missing = []
  for span in spans(page):
    path = span.split("::")[0].split(":")[0].split(" ")[0]
    if path.startswith(FOLDERS) and not re.search(r"[<…*]|NAME|NEW|STUDY", span):
      missing += [span] if not (ROOT / path).exists() else []
    module = re.match(r"python -m (zsar_jax[\w.]*|data_prep[\w.]*)", span)
    if module:
      missing += [span] if importlib.util.find_spec(module[1]) is None else []
    dotted = re.fullmatch(r"zsar_jax(\.\w+)+", span)
    if dotted:
      missing += [span] if not _is_there(span) else []
  assert not missing, f"{page} names {missing}"


def _is_there(dotted):
  """A module, or a name in one."""
  parts = dotted.split(".")
  for cut in range(len(parts), 0, -1):
    path = ROOT.joinpath(*parts[:cut])
    if path.with_suffix(".py").exists() or path.is_dir():
      module = importlib.import_module(".".join(parts[:cut]))
      return all(hasattr(module, name) for name in parts[cut : cut + 1])
  return False


@pytest.mark.parametrize("page", PAGES)
def test_keys_of_a_config_are_known(page):
  wrong = []
  for span in spans(page):
    key = re.match(r"(?:--)?(?:config\.)?((\w+)(?:\.\w+)+)(?==|$)", span)
    if key and key[2] in SECTIONS and not span.endswith((".py", ".json", ".md")):
      wrong += [span] if key[1] not in KEYS and not any(k.startswith(key[1] + ".") for k in KEYS) else []
  assert not wrong, f"{page}: {wrong} are no keys of zsar_jax/config.py"


def test_options_in_the_text_are_those_of_a_command():
  files = [
    path for folder in ("zsar_jax", "data_prep", "benchmarks") for path in (ROOT / folder).rglob("*.py")
  ]
  known = set(re.findall(r'"(--[a-z_]+)"', "".join(path.read_text(encoding="utf-8") for path in files)))
  known |= {"--help"}
  told = {
    (page, option)
    for page in PAGES
    for span in spans(page)
    for option in re.findall(r"(?<!\S)--[a-z]\w*(?![\w.])", span)
    if "XLA_FLAGS" not in span
  }
  assert not {(page, option) for page, option in told if option not in known}
