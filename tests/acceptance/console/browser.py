"""A browser that a person might use, and everything that must never happen in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "Chromium is not installed: as root, scripts/install_test_services installs it "
    "(Debian, Ubuntu: apt install chromium)"
)
WAIT_MILLISECONDS = 15_000


def program() -> str | None:
    """The browser that is installed here."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def launched(playwright: Playwright, executable: str) -> Iterator[Browser]:
    # A sandbox needs what containers rarely give, and root never has one.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=executable, args=arguments)
    try:
        yield browser
    finally:
        browser.close()


class Watch:
    """Notes what a page does that it must not: requests elsewhere, violations, errors."""

    def __init__(self, page: Page, host: str) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._host = host
        page.on("request", self._requested)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._opened)

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)
        if urlsplit(request.url).scheme in ("blob", "data"):
            return
        if urlsplit(request.url).netloc != self._host:
            self.faults.append(f"request elsewhere: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        # A refusal is no fault of the page: the browser notes each status above 399.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _opened(self, dialog: Any) -> None:
        self.faults.append(f"a script ran: {dialog.message}")
        dialog.dismiss()


def new_page(context: BrowserContext, url: str) -> tuple[Page, Watch]:
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    return page, Watch(page, urlsplit(url).netloc)


def sign_in(page: Page, url: str, key: str) -> None:
    page.goto(f"{url}/console")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").wait_for()
