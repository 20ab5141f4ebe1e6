"""The page, driven in a real browser at the widths of a desk and of a telephone."""

import shutil

import pytest
from bundles import CANDIDATES

from tests.serving.conftest import Running

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SIZES = {"desk": (1280, 900), "telephone": (390, 844)}


@pytest.fixture(scope="module")
def browser():
  with playwright.sync_playwright() as driver:
    made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield made
    made.close()


@pytest.fixture(params=["desk", pytest.param("telephone", marks=pytest.mark.slow)])
def page(browser, served, request):
  width, height = SIZES[request.param]
  context = browser.new_context(viewport={"width": width, "height": height}, has_touch=width < 500)
  opened = context.new_page()
  opened.errors = []
  opened.on("pageerror", lambda error: opened.errors.append(str(error)))
  opened.on(
    "console", lambda said: opened.errors.append(said.text) if "Content Security" in said.text else None
  )
  opened.goto(served.url)
  opened.wait_for_selector("#file-hint:not(:empty)")
  yield opened
  assert not opened.errors
  assert opened.evaluate("document.documentElement.scrollWidth") <= width
  context.close()


def _ask(page, video, names):
  page.set_input_files("#file", video)
  page.fill("#names", names)
  page.click("#send")


def _until(page, condition):
  """Asks the page until it is so: playwright's own waiting evaluates text, which the page's policy forbids."""
  for _ in range(200):
    if page.evaluate(condition):
      return
    page.wait_for_timeout(25)
  raise AssertionError(condition)


@pytest.mark.parametrize("page", list(SIZES), indirect=True)
def test_a_video_is_named(page, recognizer, clips):
  expected = recognizer.classify([clips[2]], CANDIDATES)[0]
  _ask(page, clips[2], ", ".join(CANDIDATES))
  page.wait_for_selector("#found:not([hidden])")
  names = page.locator(".ranking .name").all_inner_texts()
  assert [name.removesuffix("seen in training") for name in names] == [one.name for one in expected.ranking]
  assert sum("seen in training" in name for name in names) == 1
  assert page.inner_text(".answer") == expected.ranking[0].name
  assert (
    f"{expected.ranking[0].score:.2f}".replace("-", "\u2212")
    == page.locator(".ranking .score").first.inner_text()
  )
  assert page.inner_text("#announced") == f"Named: {expected.ranking[0].name}"
  assert page.evaluate("document.activeElement.id") == "result-title"
  _look_at_timeline(page)
  tables = page.locator(".recipes table")
  assert tables.locator("caption").all_inner_texts()[:2] == [one.name for one in expected.ranking[:2]]
  assert "%" in tables.first.inner_text()


def _look_at_timeline(page):
  chart = page.locator(".chart")
  chart.focus()
  page.keyboard.press("Home")
  first = chart.get_attribute("aria-valuetext")
  assert first.startswith("0.0 to ")
  assert CANDIDATES[0] in first
  page.keyboard.press("End")
  last = chart.get_attribute("aria-valuetext")
  assert last != first
  _until(page, "document.getElementById('player').currentTime > 0.5")
  box = chart.bounding_box()
  chart.hover(position={"x": box["width"] * 0.1, "y": 60})
  assert page.inner_text(".readout b") == first.split(":")[0]
  chart.click(position={"x": box["width"] * 0.1, "y": 60})
  _until(page, f"document.getElementById('player').currentTime < {float(first.split()[2])}")


def test_another_video_ends_the_question_at_hand(page, clips):
  page.route("**/v1/classify", lambda route: None)  # it never answers
  page.focus("#file")
  page.set_input_files("#file", clips[0])
  assert page.evaluate("document.activeElement.id") == "again"
  page.fill("#names", "bow, dart")
  page.focus("#send")
  page.keyboard.press("Enter")
  page.wait_for_selector("#cancel:not([hidden])")
  assert page.evaluate("document.activeElement.id") == "send"
  page.set_input_files("#file", clips[1])
  page.wait_for_selector("#cancel", state="hidden")
  page.unroute("**/v1/classify")
  page.click("#send")
  page.wait_for_selector("#found:not([hidden]):not(.stale)")
  assert "b.mp4" in page.inner_text(".answer + p")
  page.fill("#names", "bow, dart, walk")
  page.wait_for_selector("#found.stale")


def test_many_names_leave_the_button_where_it_is(page):
  page.fill("#names", ", ".join(f"thing {number}" for number in range(300)))
  page.wait_for_selector("#chips li >> nth=299")
  assert page.locator("#chips").bounding_box()["height"] <= 200


def test_names_are_looked_at_while_they_are_typed(page):
  page.fill("#names", "<img src=x onerror=alert(1)>, clapping while walking, bow")
  page.wait_for_selector("#chips li")
  chips = page.locator("#chips li").all_inner_texts()
  assert chips[0] == "<img src=x onerror=alert(1)>"
  assert "seen in training" in chips[1]
  assert page.locator("#chips img").count() == 0
  assert "3 names, 1 seen in training" in page.inner_text("#names-state")


def test_suggestions_mend_a_name(page):
  unknown = {"word": "wavv", "suggestions": ["wav"]}
  answer = {
    "usable": False,
    "problems": ["class 'wavving arms': no vector for 'wavve' (nearest: wave)"],
    "classes": [{"name": "wavving arms", "words": ["wavve", "arms"], "unknown": [unknown], "seen_as": None, "distance": None}],
  }  # fmt: skip
  page.route("**/v1/classes", lambda route: route.fulfill(json=answer))
  page.fill("#names", "wavving arms, bow")
  page.click("#chips button")
  assert page.input_value("#names") == "waving arms, bow"


def test_what_is_no_video_is_told(page, tmp_path):
  words = tmp_path / "words.txt"
  words.write_text("no video")
  page.set_input_files("#file", words)
  assert "not a video of a type" in page.inner_text("#file-problem")
  disguised = tmp_path / "words.mp4"
  disguised.write_text("no video either, whatever it is called")
  _ask(page, disguised, "bow, dart")
  page.wait_for_selector("#problem:not([hidden])")
  assert "holds something else" in page.inner_text("#problem")
  assert page.locator("#send").is_enabled()


def test_what_is_too_large_is_told(page, tmp_path):
  large = tmp_path / "large.mp4"
  large.write_bytes(b"\0" * 4 + b"ftypmp42" + bytes(1_200_000))
  page.set_input_files("#file", large)
  assert "takes up to 1.0 MB" in page.inner_text("#file-problem")
  # The server's own word, were the page not to look.
  status, told = page.evaluate(
    """async () => {
      const form = new FormData();
      form.append("classes", "bow, dart");
      form.append("video", new File([new Uint8Array(5_000_000)], "large.mp4"));
      const answer = await fetch("/v1/classify", { method: "POST", body: form });
      return [answer.status, (await answer.json()).error];
    }"""
  )
  assert status == 413
  assert "larger than this server takes: 1 MB" in told


def test_missing_parts_are_told(page):
  page.click("#send")
  assert page.inner_text("#problem") == "Choose a video. Type at least two names."


def test_description_page_shows_the_api(browser, served):
  page = browser.new_page()
  said = []
  page.on("console", lambda one: said.append(one.text))
  page.goto(f"{served.url}/docs")
  page.wait_for_selector("text=Name a video among classes")
  assert not said
  page.close()


def test_drop_and_server_that_is_gone(browser, recognizer, clips):
  running = Running(recognizer)
  page = browser.new_page()
  page.goto(running.url)
  page.wait_for_selector("#file-hint:not(:empty)")
  page.evaluate(
    """(bytes) => {
      const held = new DataTransfer();
      held.items.add(new File([new Uint8Array(bytes)], "dropped.mp4"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }));
    }""",
    list(clips[0].read_bytes()),
  )
  assert "dropped.mp4" in page.inner_text("#file-name")
  running.stop()
  page.fill("#names", "bow, dart")
  page.click("#send")
  page.wait_for_selector("#problem:not([hidden])")
  assert "connection broke" in page.inner_text("#problem")
  page.close()
