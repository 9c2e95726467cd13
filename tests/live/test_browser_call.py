"""The main job as a person sees it: a browser at the portal, phones at the same switch.

A real Chromium, the real service, and baresip and SIPp as phones and carrier. The rest of the
portal, without a switch behind it, is in ``test_portal_browser.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.live import browser
from tests.live.baresip import Phone
from tests.live.browser import Window
from tests.live.conftest import Stage
from tests.live.service import Service
from tests.live.world import account, trunk, world

ACCOUNT = "000000212"
TIME_ZONE = ZoneInfo("Europe/Riga")  # of the account in ``world``
EMAIL = "u100@a212.example"
PASSWORD = "correct horse battery"
OUTSIDE = "+37120000001"
NOBODY = "Nobody is on the phone right now."
LONGEST_CALL_S = 60  # a safety net for the carrier's scenario: every call here is hung up
PUSHED_WITHIN_MS = 10_000

pytestmark = pytest.mark.skipif(not browser.is_installed(), reason="there is no Chromium")


@dataclass(frozen=True)
class Office:
    """A running switch with a carrier, and its administrator signed in to the portal."""

    stage: Stage
    service: Service
    carrier: str
    window: Window

    @property
    def page(self) -> Page:
        """The administrator's page."""
        return self.window.page

    def phone(self, extension: str, **typed: Any) -> Phone:
        """A registered phone; ``typed`` replaces what a user of the state file has."""
        return self.stage.phone(self.service, ACCOUNT, extension, **typed)

    def figure(self, name: str) -> Locator:
        """The value of a figure of the Desktop."""
        return self.page.locator(".st-figure", has_text=name).locator(".st-figure-value")


@pytest.fixture
def office(stage: Stage, chromium: Browser) -> Iterator[Office]:
    """At its end the window had nothing to complain of."""
    carrier = stage.network.host()
    service = stage.service(world(account(), trunks=(trunk("carrier", carrier),)))
    window = Window(chromium, service.url, viewport={"width": 1280, "height": 900})
    page = window.sign_in(EMAIL, PASSWORD)
    expect(page.get_by_role("heading", name="Payment statistics")).to_be_visible()
    yield Office(stage, service, carrier, window)
    window.context.close()
    assert window.complaints == []


def create_user(page: Page, name: str, extension: str) -> str:
    """A user with a generated equipment password, which is returned; ends on the user's page."""
    page.get_by_role("link", name="User management").first.click()
    page.get_by_role("link", name="Create user").click()
    page.get_by_label("Name required").fill(name)
    page.get_by_label("E-mail required").fill(f"{name.lower()}@a212.example")
    page.get_by_label("Extension required").fill(extension)
    page.get_by_role("button", name="Generate password").click()
    field = page.get_by_label("Equipment password")
    expect(field).to_have_value(re.compile(r"^\w{12,}$"))
    generated = field.input_value()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("User created")).to_be_visible()
    return generated


def shown_equipment(page: Page) -> dict[str, str]:
    """What the user's page tells to type into the phone: by the names of ``baresip.Account``."""
    page.get_by_role("link", name="Show password").click()
    page.get_by_role("button", name="Show password").click()
    terms = {"domain": "Server", "login": "Login", "password": "Password"}
    rows = page.locator(".st-list > div")
    return {
        key: rows.filter(has=page.locator("dt", has_text=term)).locator("code").inner_text()
        for key, term in terms.items()
    }


def seconds(shown: str) -> int:
    """ "1:05" as a number."""
    minutes, rest = shown.split(":")
    return 60 * int(minutes) + int(rest)


def watch_call_grow(call: Locator) -> None:
    """The call's time goes up under the eyes of who looks at the board."""
    age = call.locator("st-age")
    first = age.inner_text()
    expect(age).not_to_have_text(first)
    second = age.inner_text()
    assert seconds(second) > seconds(first)
    expect(age).not_to_have_text(second)
    assert seconds(age.inner_text()) > seconds(second)


def choose_days(page: Page, first: date, last: date) -> None:
    """Fill in the period of the report and wait until it is the one that is shown."""
    page.get_by_label("From", exact=True).fill(first.isoformat())
    page.get_by_label("To", exact=True).fill(last.isoformat())
    expect(page).to_have_url(re.compile(f"from={first}&to={last}"))


def day_of_call(service: Service) -> date:
    """The account's calendar day on which its only call began."""
    (cdr,) = service.cdrs(ACCOUNT)
    return datetime.fromisoformat(cdr["started_at"]).astimezone(TIME_ZONE).date()


def test_a_new_user_is_called_watched_and_reported(office: Office) -> None:
    """Created, registered with what the page shows, called, live on the board, then in Reports."""
    page = office.page
    generated = create_user(page, "Scott", "701")
    equipment = shown_equipment(page)
    assert equipment["password"] == generated

    board = office.window.open("/reports/live")
    expect(board.get_by_text(NOBODY)).to_be_visible()
    board.evaluate("window.neverReloaded = true")
    person = board.locator("#person-701")
    expect(person).to_contain_text("Offline")
    scott = office.phone("701", **equipment)
    expect(person).to_contain_text("Free")

    anna = office.phone("101")
    anna.dial("701")
    scott.wait_for("CALL_ESTABLISHED")
    call = board.locator("#live-calls tr")
    expect(call).to_have_count(1)
    expect(call).to_contain_text("User 101")
    expect(call).to_contain_text("Scott 701")
    expect(call).to_contain_text("Talking")
    expect(board.locator("#live-pill")).to_contain_text("1 call")
    expect(board.locator("#usage")).to_contain_text("2 busy")
    watch_call_grow(call)

    anna.hang_up()
    scott.wait_for("CALL_CLOSED")
    expect(board.get_by_text(NOBODY)).to_be_visible()
    expect(board.locator("#live-pill")).to_contain_text("0 calls")
    assert board.evaluate("window.neverReloaded") is True

    _is_in_reports(office, day_of_call(office.service))
    _has_a_page_of_its_own(office)


def _is_in_reports(office: Office, day: date) -> None:
    """In every period that has its day, and in no other."""
    page = office.window.open("/reports/calls")
    calls = page.locator(".st-calls tr")
    choose_days(page, day - timedelta(days=2), day - timedelta(days=1))
    expect(page.get_by_text("No calls in this period.")).to_be_visible()
    expect(calls).to_have_count(0)
    choose_days(page, day, day)
    expect(calls).to_have_count(1)
    expect(calls.locator(".st-call-from")).to_contain_text("User 101")
    expect(calls.locator(".st-call-to")).to_contain_text("Scott 701")
    expect(calls.locator(".st-call-date")).to_contain_text(f"{day.day} {day:%b %Y}, ")
    expect(calls.locator(".st-call-status")).to_have_text("Answered")
    expect(calls.locator(".st-call-price")).to_have_text("€ 0.00")
    assert 2 <= seconds(calls.locator(".st-call-duration").inner_text()) < LONGEST_CALL_S


def _has_a_page_of_its_own(office: Office) -> None:
    """A click anywhere on the row leads to its legs and to the reasons for its way."""
    page = office.page
    page.locator(".st-calls tr").click()
    expect(page.get_by_role("heading", name="User 101 → Scott")).to_be_visible()
    expect(page.get_by_text(", by the caller")).to_be_visible()
    legs = page.get_by_role("region", name="Legs").get_by_role("row")
    expect(legs).to_have_count(3)  # the heading, the caller, the phone called
    expect(legs.last).to_contain_text("200")
    expect(page.locator(".st-trace li").first).to_be_visible()
    expect(page.locator(".st-trace")).to_contain_text("701")


def test_a_call_to_a_carrier_is_charged_before_ones_eyes(office: Office) -> None:
    """Its price stands in Reports and has left the balance, everywhere that it is shown."""
    page = office.page
    expect(office.figure("Balance")).to_have_text("€ 50.00")
    carrier = office.stage.peer("answer", office.carrier, timeout_s=LONGEST_CALL_S)
    anna = office.phone("101")
    anna.dial(OUTSIDE)
    anna.wait_for("CALL_ESTABLISHED")
    expect(page.locator("#live-pill")).to_contain_text("1 call")
    anna.hang_up()
    carrier.finish()

    expect(page.locator("#top-balance")).to_have_text("€ 49.94", timeout=PUSHED_WITHIN_MS)
    expect(office.figure("Balance")).to_have_text("€ 49.94")
    expect(page.locator(".st-call-to")).to_have_text("+371 (20) 00-00-01")
    expect(page.locator(".st-call-duration")).to_be_in_viewport(ratio=1)
    office.window.open("/reports/calls")
    expect(page.locator(".st-call-price")).to_have_text("€ 0.06")
    expect(page.locator(".st-call-price")).to_be_in_viewport(ratio=1)
    expect(page.locator(".st-totals")).to_contain_text("€ 0.06 in all")
    page.locator(".st-calls tr").click()
    expect(page.locator(".st-price")).to_have_text("€ 0.06")


def test_the_next_call_obeys_a_changed_extension(office: Office) -> None:
    """Saving is applying: the phone is called by the new extension and no longer by the old one."""
    page = office.page
    anna = office.phone("101")
    gate = office.phone("102")
    page.get_by_role("link", name="User management").first.click()
    page.get_by_role("link", name="User 102", exact=True).click()
    page.get_by_label("Extension required").fill("888")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. The next call obeys.")).to_be_visible()

    anna.dial("888")
    gate.wait_for("CALL_ESTABLISHED")
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    calls_before = gate.calls_seen()
    anna.dial("102")
    anna.wait_for("CALL_CLOSED")
    assert gate.calls_seen() == calls_before

    office.window.open("/reports/calls")
    statuses = page.locator(".st-call-status")
    expect(statuses).to_have_text(["No such number", "Answered"])


def test_a_wrong_password_does_not_sign_in(office: Office) -> None:
    """The same words for a wrong password and an unknown person, and no session for either."""
    page = office.page
    page.get_by_role("button", name="Log out").click()
    refusals = []
    for email, password in ((EMAIL, f"{PASSWORD}!"), ("nobody@a212.example", PASSWORD)):
        office.window.sign_in(email, password)
        expect(page.locator("#form-errors")).to_be_visible()
        refusals.append(page.locator("#form-errors").inner_text())
        office.window.open("/settings/users")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert refusals[0] == refusals[1]
    office.window.forgive("422", times=2)


FORGED_POST = """(csrf) => {
  const fields = {name: "Eve", email: "eve@a212.example", extension: "666", equipment: "sip",
                  designated_number: "default", role: "user"};
  const body = new URLSearchParams(csrf === null ? fields : {...fields, csrf});
  return fetch("/settings/users/new", {method: "POST", body}).then((answer) => answer.status);
}"""
FOREIGN_FORM = """
<form method="post" action="{url}/settings/users/new"><input name="name" value="Eve">
<button>Win</button></form>
"""


def test_posts_without_the_pages_token_are_refused(office: Office) -> None:
    """Neither a script of the portal without its token nor a form of another site does anything."""
    page = office.page
    assert page.evaluate(FORGED_POST, None) == 403
    assert page.evaluate(FORGED_POST, "made-up") == 403
    page.goto("about:blank")
    page.set_content(FOREIGN_FORM.format(url=office.service.url))
    with page.expect_response("**/settings/users/new") as answer:
        page.get_by_role("button", name="Win").click()
    assert answer.value.status == 403

    office.window.open("/settings/users")
    expect(page.get_by_text("User 101")).to_be_visible()
    expect(page.get_by_text("Eve")).to_have_count(0)
    office.window.forgive("403", times=3)
