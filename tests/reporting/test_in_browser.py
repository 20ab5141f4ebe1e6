"""The page in a real browser, wide and as narrow as a phone: no error, no overflow, and what can be clicked works."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (1280, 390)

FIRST = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message || event.target)), true);
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
for (const kind of ["error", "warn"]) console[kind] = (...told) => problems.push(told.join(" "));
</script>"""

PROBE = """<script>
addEventListener("load", () => {
  const one = (selector) => document.querySelector(selector), wait = () => new Promise((done) => setTimeout(done, 50));
  const root = document.documentElement, told = { problems };
  const wide = () => [...document.querySelectorAll("body *")].filter((each) => !each.closest(".scroll, dialog, .skip")
    && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML.slice(0, 120));
  const probe = async () => {
    for (const each of document.querySelectorAll("details")) each.open = true;
    await wait();
    Object.assign(told, { width: root.scrollWidth, inner: innerWidth, wide: wide() });
    const search = one('[data-filter="class-table"]'), rows = () => [...document.querySelectorAll("#class-table tbody tr")];
    search.value = rows()[2].cells[0].textContent;
    search.dispatchEvent(new Event("input"));
    const holds = (row) => row.textContent.toLowerCase().includes(search.value.toLowerCase());
    told.found = rows().filter((row) => !row.hidden).length;
    told.missed = rows().filter((row) => row.hidden === holds(row)).length;
    told.rows = rows().length;
    search.value = "";
    search.dispatchEvent(new Event("input"));
    one("#class-table thead th:nth-child(2) button").click();
    told.sorted = rows().map((row) => Number(row.cells[1].dataset.sort));
    one("[data-open]").click();
    const svg = one("dialog svg"), before = svg.getBoundingClientRect().width;
    one('[data-zoom="in"]').click();
    told.zoom = svg.getBoundingClientRect().width / before;
    told.fits = before <= innerWidth;
    one("[data-close]").click();
    await wait();
    told.home = svg.closest("figure") !== null && !one("dialog").open;
    const page = () => getComputedStyle(document.body).backgroundColor, light = page();
    one("#theme").click();
    told.dark = page() !== light;
    told.darkWidth = root.scrollWidth;
    const link = one("[data-svg]");
    link.addEventListener("click", (event) => event.preventDefault());
    link.click();
    told.svg = link.href.slice(0, 5);
  };
  probe().catch((error) => problems.push(String(error.stack))).finally(() => parent.postMessage(told, "*"));
});
</script>"""

WRAPPER = """<!DOCTYPE html><body>{frames}<pre></pre><script>
const told = [];
addEventListener("message", (event) => {{
  told.push(event.data);
  if (told.length === {num}) document.querySelector("pre").textContent = "told " + JSON.stringify(told) + " end";
}});
</script>"""


@pytest.fixture(scope="module")
def told(rest_page, tmp_path_factory):
  """What the page says of itself at each width, by the width of its window."""
  if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome is installed")
  folder = tmp_path_factory.mktemp("browser")
  text = rest_page.read_text(encoding="utf-8")
  probed = text.replace("<head>", f"<head>{FIRST}", 1).replace("</body>", f"{PROBE}</body>")
  (folder / "probed.html").write_text(probed, encoding="utf-8")
  frames = "".join(f'<iframe src="probed.html" width="{width}" height="900"></iframe>' for width in WIDTHS)
  (folder / "wrapper.html").write_text(WRAPPER.format(frames=frames, num=len(WIDTHS)), encoding="utf-8")
  command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
             "--window-size=1400,1900", "--virtual-time-budget=20000", "--dump-dom", f"file://{folder / 'wrapper.html'}"]  # fmt: skip
  done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
  found = re.search(r"told (\[.*\]) end", html.unescape(done.stdout), re.DOTALL)
  assert found, done.stdout[-2000:] + done.stderr[-2000:]
  return {each["inner"]: each for each in json.loads(found[1])}


def test_both_widths_were_seen(told):
  assert set(told) == set(WIDTHS)


def test_no_error_reaches_the_console(told):
  assert [each["problems"] for each in told.values()] == [[], []]


def test_nothing_runs_over_the_edge(told):
  for width, each in told.items():
    assert each["width"] <= width
    assert each["darkWidth"] <= width
    assert each["wide"] == []


def test_search_and_sort_work(told):
  for each in told.values():
    assert 1 <= each["found"] < each["rows"]
    assert each["missed"] == 0
    assert each["sorted"] == sorted(each["sorted"], reverse=True)


def test_a_figure_opens_large_zooms_and_returns(told):
  for each in told.values():
    assert each["fits"]
    assert each["zoom"] == pytest.approx(1.25, abs=0.01)
    assert each["home"]


def test_the_page_turns_dark_and_figures_can_be_saved(told):
  for each in told.values():
    assert each["dark"]
    assert each["svg"] == "blob:"
