"""The portal in a real Chromium: what only a browser can tell.

Every screen in both colour schemes and widths: no script error, nothing refused by the content
security policy, nothing wider than the screen, nothing that axe finds. Then the ways through it
with and without JavaScript.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live import browser
from tests.live.browser import Window
from tests.web.world import PASSWORD

HERE = Path(__file__).parent
SERVE = HERE.parent / "web" / "serve.py"
VENDOR = HERE.parents[1] / "web" / "static" / "vendor"
WIDE, NARROW, NARROWEST = 1280, 390, 320
SCREENS = {
    "desktop": "/",
    "services": "/services",
    "users": "/settings/users",
    "new user": "/settings/users/new",
    "user": "/settings/users/usr_ours101",
    "delete": "/settings/users/usr_ours102/delete",
    "password": "/settings/users/usr_ours101/password",
    "default number": "/settings/default-number",
    "calls": "/reports/calls",
    "call": "/reports/calls/ours-out",
    "live": "/reports/live",
    "payments": "/payments",
    "support": "/support",
}
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not browser.is_installed(), reason="there is no Chromium"),
    pytest.mark.skipif(
        not (VENDOR / "axe.js").exists(), reason="run tools/vendor.py --tests first"
    ),
]


@dataclass
class Served:
    """The portal of the tests' world on a port."""

    url: str
    orders: IO[str]

    def order(self, line: str) -> None:
        """Make something happen in the switch."""
        self.orders.write(f"{line}\n")
        self.orders.flush()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process of its own: Playwright and a reactor do not share one."""
    folder = tmp_path_factory.mktemp("portal")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(SERVE), str(folder), "--demo"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        port = process.stdout.readline().strip()
        assert port, (folder / "log").read_text()
        yield Served(f"http://127.0.0.1:{port}", process.stdin)
        process.stdin.close()
        process.wait(10)


@dataclass(frozen=True)
class Visitor:
    """Somebody's window at the served portal."""

    served: Served
    window: Window

    @property
    def page(self) -> Page:
        """What the window shows."""
        return self.window.page

    def sign_in(self) -> Page:
        """As the administrator, by the form."""
        page = self.window.sign_in("anton@ours.example.com", PASSWORD)
        expect(page.get_by_role("heading", name="Payment statistics")).to_be_visible()
        return page


@pytest.fixture
def visitor(chromium: Browser, served: Served) -> Iterator[Visitor]:
    """A window that has not signed in; at its end it had nothing to complain of."""
    window = Window(chromium, served.url, viewport={"width": WIDE, "height": 900})
    yield Visitor(served, window)
    window.context.close()
    assert window.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW, NARROWEST])
def test_every_screen_fits_and_is_accessible(
    chromium: Browser, served: Served, scheme: Any, width: int
) -> None:
    """axe finds nothing (WCAG 2.2 AA), no page is wider than its screen, nobody complains."""
    viewport: Any = {"width": width, "height": 844}
    window = Window(chromium, served.url, viewport=viewport, color_scheme=scheme)
    visitor = Visitor(served, window)
    found: list[str] = []
    for name, path in {"sign in": "/login", **SCREENS}.items():
        if name == "desktop":
            visitor.sign_in()
        page = window.open(path)
        found += [f"{name}: {problem}" for problem in _axe(page)]
        found += [f"{name}: {problem}" for problem in _too_wide(page, width)]
    window.context.close()
    assert [*found, *window.complaints] == []


@pytest.mark.parametrize("width", [1179, 1101, 1024, 901, 820, 761])
def test_no_list_is_cut_off_between_phone_and_desk(
    chromium: Browser, served: Served, width: int
) -> None:
    """Nothing that has to be scrolled sideways, at the widths where the layout changes."""
    window = Window(chromium, served.url, viewport={"width": width, "height": 900})
    Visitor(served, window).sign_in()
    found: list[str] = []
    for name in ("desktop", "users", "calls", "call", "live", "payments"):
        page = window.open(SCREENS[name])
        page.evaluate("document.fonts.ready")
        found += [f"{name}: {problem}" for problem in _too_wide(page, width)]
    window.context.close()
    assert found == []


WIDER_THAN_SHOWN = """
[...document.querySelectorAll(".st-table-wrap")]
  .filter((table) => table.scrollWidth > table.clientWidth)
  .map((table) => `${table.getAttribute("aria-label")} has to be scrolled sideways`)
"""


def _too_wide(page: Page, width: int) -> list[str]:
    widest: int = page.evaluate("document.documentElement.scrollWidth")
    tables: list[str] = page.evaluate(WIDER_THAN_SHOWN)
    return [*tables, *([f"{widest} pixels wide"] if widest > width else [])]


def _axe(page: Page) -> list[str]:
    page.evaluate((VENDOR / "axe.js").read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    result = page.evaluate(
        "(tags) => axe.run(document, {preload: false, runOnly: {type: 'tag', values: tags}})", tags
    )
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def test_a_user_is_created_and_the_password_shown(visitor: Visitor) -> None:
    """Errors beside their fields first, then the phone's login and password (S71 to S76)."""
    page = visitor.sign_in()
    page.get_by_role("link", name="User management").first.click()
    page.get_by_role("link", name="Create user").click()
    page.get_by_label("Name required").fill("Scott")
    page.get_by_label("E-mail required").fill("scott@example.com")
    page.get_by_label("Extension required").fill("101")
    page.get_by_role("button", name="Generate password").click()
    password = page.get_by_label("Equipment password").input_value()
    assert re.fullmatch(r"[a-zA-Z2-9]{16}", password)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("101 belongs to user Anna")).to_be_visible()
    expect(page.get_by_label("Extension required")).to_be_focused()
    page.get_by_label("Extension required").fill("701")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("User created")).to_be_visible()
    page.get_by_role("link", name="Show password").click()
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_text(password)).to_be_visible()
    visitor.window.forgive("422", times=1)


def test_only_the_chosen_equipments_fields_are_shown(visitor: Visitor) -> None:
    """SIP ID or static address (S75, S77)."""
    page = visitor.sign_in()
    visitor.window.open("/settings/users/new")
    expect(page.get_by_label("IP address", exact=True)).to_be_hidden()
    page.get_by_text("Static IP address").click()
    expect(page.get_by_label("IP address", exact=True)).to_be_visible()
    expect(page.get_by_label("Equipment password")).to_be_hidden()


def test_the_board_follows_a_call(visitor: Visitor) -> None:
    """It comes up and goes away without a click, and counts its seconds."""
    page = visitor.sign_in()
    visitor.window.open("/reports/live")
    expect(page.get_by_text("Nobody is on the phone right now.")).to_be_visible()
    expect(page.locator("#live-pill")).to_contain_text("0 calls")
    visitor.served.order("call")
    expect(page.locator("#live-calls")).to_contain_text("Anna Ozola")
    expect(page.locator("#live-pill")).to_contain_text("1 call")
    expect(page.locator("#usage")).to_contain_text("2 busy")
    visitor.served.order("hang up")
    expect(page.get_by_text("Nobody is on the phone right now.")).to_be_visible()


def test_the_desktop_follows_a_call(visitor: Visitor) -> None:
    """The meter while it lasts; then the list, and the balance wherever it stands (S53 to S56)."""
    page = visitor.sign_in()
    page.evaluate("window.neverReloaded = true")
    visitor.served.order("call")
    expect(page.locator("#usage")).to_contain_text("2 busy")
    expect(page.locator("#usage .st-meter-busy")).to_have_attribute("width", "2")
    expect(page.locator("#latest-calls tr", has_text="+371 (20) 00-00-09")).to_have_count(0)
    visitor.served.order("charge")
    newest = page.locator("#latest-calls .st-calls tr").first
    expect(newest).to_contain_text("+371 (20) 00-00-09")
    balances = page.locator(".st-live-balance")
    expect(balances).to_have_text(["€ 16.21"] * 4)  # card, drawer, top menu, figure
    expect(page.locator("#usage")).to_contain_text("0 busy")
    assert page.evaluate("window.neverReloaded") is True
    newest.locator("td").last.click(force=True)
    expect(page).to_have_url(re.compile("/reports/calls/charged$"))


def test_the_report_filters_as_one_chooses(visitor: Visitor) -> None:
    """In place, with the address following, and back again."""
    page = visitor.sign_in()
    visitor.window.open("/reports/calls")
    page.get_by_label("Direction").select_option("in")
    expect(page.locator("#report .st-direction-out")).to_have_count(0)
    expect(page).to_have_url(re.compile("direction=in"))
    page.get_by_label("Status").select_option("missed")
    expect(page.locator("#report .st-badge-good")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page.locator("#report .st-direction-out").first).to_be_attached()


def test_a_row_opens_its_call(visitor: Visitor) -> None:
    """Anywhere on it."""
    page = visitor.sign_in()
    page.evaluate("document.fonts.ready")  # rows move a little when the font arrives
    row = page.locator("tr", has_text="+371 (20) 00-00-00")
    # The link of the date lies over the whole row, so that is what takes the click.
    row.locator("td").last.click(force=True)
    expect(page.get_by_role("heading", name="Why it went this way")).to_be_visible()


def test_the_menu_is_made_small_and_stays_so(visitor: Visitor) -> None:
    """S45: one button, kept for the next page."""
    page = visitor.sign_in()
    with page.expect_response("**/preferences"):
        page.get_by_role("button", name="Menu").click()
    expect(page.locator("html")).to_have_attribute("data-menu", "small")
    expect(page.locator(".st-sidebar")).to_have_css("width", "68px")
    visitor.window.open("/reports/calls")
    expect(page.locator("html")).to_have_attribute("data-menu", "small")


def test_colours_are_chosen(visitor: Visitor) -> None:
    """Following the device, dark, light."""
    page = visitor.sign_in()
    page.get_by_role("button", name="Switch to dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Switch to light")).to_be_visible()


def test_signing_out_ends_everything(visitor: Visitor) -> None:
    """Back leads to the sign-in page."""
    page = visitor.sign_in()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    visitor.window.open("/")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_everything_works_without_javascript(chromium: Browser, served: Served) -> None:
    """Links and forms alone."""
    size: Any = {"width": WIDE, "height": 900}
    window = Window(chromium, served.url, java_script_enabled=False, viewport=size)
    page = Visitor(served, window).sign_in()
    page.get_by_role("button", name="Menu").click()
    expect(page.locator("html")).to_have_attribute("data-menu", "small")
    window.open("/reports/calls")
    page.get_by_label("Direction").select_option("in")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#report .st-direction-out")).to_have_count(0)
    window.open("/settings/users/usr_ours101/password")
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_text("Sip-secret-ours-101")).to_be_visible()
    window.open("/reports/live")
    expect(page.get_by_role("heading", name="Live board")).to_be_visible()
    window.context.close()


def test_the_demo_is_entered_with_one_click(visitor: Visitor) -> None:
    """From the sign-in page."""
    page = visitor.window.open("/login")
    page.get_by_role("link", name="Anton Ivanov, administrator").click()
    expect(page.get_by_role("heading", name="Payment statistics")).to_be_visible()
