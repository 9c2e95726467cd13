"""Debian's Chromium as a person's browser: it notes whatever it complains of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root, where the sandbox does not
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`refused by policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


def is_installed() -> bool:
    """Whether there is a Chromium to run."""
    return Path(CHROMIUM).exists()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser without windows; nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Window:
    """One window with cookies of its own. ``complaints``: what the console said, script errors, and
    what the content security policy refused."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        """``url`` is the portal's; ``options`` are those of a Playwright context."""
        self.url = url
        self.complaints: list[str] = []
        self.context = browser.new_context(**options)
        self.context.add_init_script(VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a page of the portal."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, email: str, password: str) -> Page:
        """Fill in the sign-in form and send it; what follows is for the caller to see."""
        page = self.open("/login")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        return page

    def forgive(self, status: str, times: int) -> None:
        """Chromium writes every refused request to the console: so many were asked for."""
        expected = [each for each in self.complaints if f"status of {status}" in each]
        assert len(expected) == times
        self.complaints = [each for each in self.complaints if each not in expected]

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.location.get('url')}: {message.text}")
