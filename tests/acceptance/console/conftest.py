"""A server with a model, a browser, and a page that is watched while a test uses it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.acceptance.console.browser import MISSING, Watch, launched, new_page, program
from tests.acceptance.console.stage import Api
from tests.acceptance.console.upstream import Upstream
from tests.acceptance.server import Server, running


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream().serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("console"), upstream.environment) as started:
        yield started


# Of a module, not of the session: while Playwright is open, no other event loop runs here.
@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[Api]:
    with sync_playwright() as playwright:
        yield Api(playwright, server)


@pytest.fixture(scope="module")
def browser(api: Api) -> Iterator[Browser]:
    executable = program()
    if executable is None:
        pytest.skip(MISSING)
    with launched(api.playwright, executable) as browser:
        yield browser


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[tuple[Page, Watch]]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page, watch = new_page(context, server.url)
        yield page, watch
        # What a page keeps in the browser, scripts can read: no key may be there.
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        local, session = json.loads(kept)
        assert not local
        assert set(session) <= {"carrel.desk", "carrel.made"}  # ids of keys
        assert "crl_" not in kept
        assert not watch.faults
    finally:
        context.close()


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    return watched[0]


@pytest.fixture
def watch(watched: tuple[Page, Watch]) -> Watch:
    return watched[1]


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which npm has put beside the console's sources."""
    script = Path(__file__).parents[3] / "console/node_modules/axe-core/axe.min.js"
    if not script.exists():
        pytest.skip("axe-core is not installed: python scripts/build_console.py --check does that")
    return script.read_text()
