"""The Python in the guide runs, block by block, on a small exported model."""

import shutil

import pytest
from bundles import tiny_bundle, tiny_videos
from docs_pages import PAGES, blocks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("python")
  tiny_bundle(folder / "models" / "demo")
  video, _ = tiny_videos(folder, 2)
  (folder / "figures" / "juggling_while_jumping").mkdir(parents=True)
  shutil.copy(video, folder / "figures" / "juggling_while_jumping" / "00000.mp4")
  return folder


@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
@pytest.mark.parametrize(
  "page",
  [
    pytest.param(page, marks=[] if page == "README.md" else pytest.mark.slow)
    for page in PAGES
    if any(block.language == "python" for block in blocks(page))
  ],
)
def test_python_of_a_page(page, folder, monkeypatch, capsys):
  monkeypatch.chdir(folder)
  names: dict = {}  # the blocks of a page go on from each other
  for block in blocks(page):
    if block.language == "python":
      exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
  assert ".mp4" in capsys.readouterr().out
