"""Every page of the site in a browser: `make docs` first, then `make docs-browser`."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

HTML = Path(__file__).parents[2] / "build/docs/html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
WIDTHS = {"desk": 1280, "phone": 390}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES, reason="there is no site: run `make docs`"),
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="the extra `docs` is not installed")
    at_hand = next(filter(None, map(shutil.which, BROWSERS)), None)
    with api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=at_hand, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no browser is at hand: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=WIDTHS.items(), ids=WIDTHS)
def window(request, browser):
    """Return a window, its width and what its console has said since it was emptied."""
    width = request.param[1]
    page = browser.new_page(viewport={"width": width, "height": 900})
    said = []
    page.on("console", lambda message: said.append(message.text) if is_bad(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda failed: said.append(f"{failed.url}: {failed.failure}"))
    yield page, width, said
    page.close()


def is_bad(message):
    return message.type in ("error", "warning")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window_and_says_nothing_to_the_console(name, window, address):
    page, width, said = window
    said.clear()
    response = page.goto(f"{address}/{name}", wait_until="load")

    assert response.ok
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title()
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert said == []


def test_a_search_finds_the_page_of_a_name(window, address):
    page, _, said = window
    said.clear()
    page.goto(f"{address}/search.html?q=SeasonalNaive", wait_until="load")
    page.wait_for_selector("#search-results li a")

    assert page.locator("#search-results li a[href*='api/evaluation']").count()
    assert said == []
