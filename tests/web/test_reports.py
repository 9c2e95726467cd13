"""Desktop, reports, services, payments: what they show (S53 to S62)."""

from __future__ import annotations

import re
from datetime import date

import pytest

from tests.web.client import Browser
from tests.web.world import NOW_US, OURS, World, add_call
from web.queries.calls import PAGE_ROWS
from web.report_filter import read_filter, read_period

CALLS = "/reports/calls"


@pytest.fixture
def world(stored_world: World) -> World:
    """On each kind of database."""
    return stored_world


def ids(page: str) -> list[str]:
    """The calls on a page, in order."""
    return re.findall(r'href="/reports/calls/([^"?]+)"', page)


def test_desktop_shows_the_money(admin: Browser) -> None:
    """S53, S54: balance, fee, next date and amount, last month's debits."""
    text = admin.get("/").text.replace("\xa0", " ")
    for shown in ("€ 16.27", "€ 1.30", "1 August 2016", "€ 16.99"):
        assert shown in text, shown


def test_desktop_shows_numbers_and_where_they_lead(admin: Browser) -> None:
    """S57, S59, S114."""
    text = admin.get("/").text
    assert "+370 (700) 449-60" in text
    assert "2016-06-17" in text
    assert "Anna Ozola (101)" in text


def test_desktop_lists_the_latest_calls(admin: Browser) -> None:
    """S55: newest first."""
    assert ids(admin.get("/").text) == ["ours-out", "ours-missed", "ours-internal"]


def test_report_begins_with_this_month_newest_first(admin: Browser) -> None:
    """S61, with totals of the whole filter."""
    page = admin.get(CALLS).text
    assert ids(page) == ["ours-out", "ours-missed", "ours-internal"]
    assert "<strong>3</strong> calls" in page
    assert "<strong>66 %</strong>" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("direction=in", ["ours-missed"]),
        ("result=missed", ["ours-missed"]),
        ("result=answered&direction=out", ["ours-out"]),
        ("who=user:101", ["ours-out", "ours-internal"]),
        ("who=group:250", ["ours-missed", "ours-internal"]),
        ("who=group:999", []),
        ("who=number:%2B37129999999", ["ours-missed"]),
        ("from=2016-07-06&to=2016-07-06", ["ours-internal"]),
        ("from=&to=2016-07-06", ["ours-internal"]),
        ("direction=nonsense&who=x&result=%00", ["ours-out", "ours-missed", "ours-internal"]),
    ],
)
def test_filters(admin: Browser, query: str, found: list[str]) -> None:
    """S62: each kind alone and together; words that are not ours restrict nothing."""
    assert ids(admin.get(f"{CALLS}?{query}").text) == found


def test_days_are_the_accounts_days(admin: Browser) -> None:
    """A call at 23:30 UTC on the 6th was on the 7th in Riga."""
    admin.world.store(lambda session: add_call(session, OURS, "night", ago_s=14 * 3600 + 1800))
    assert "night" in ids(admin.get(f"{CALLS}?from=2016-07-07&to=2016-07-07").text)
    assert "night" not in ids(admin.get(f"{CALLS}?from=2016-07-06&to=2016-07-06").text)


def test_a_wrong_day_is_said_beside_its_field(admin: Browser) -> None:
    """And the rest of the filter still works."""
    page = admin.get(f"{CALLS}?from=2016-99-99&to=&direction=in").text
    assert "Write the day like 2016-01-31." in page
    assert ids(page) == ["ours-missed"]


def test_pages_follow_one_another_without_gap_or_repeat(admin: Browser) -> None:
    """Also over calls that began in the same microsecond."""
    total = 2 * PAGE_ROWS + 7
    names = [f"call{index:03}" for index in range(total)]

    def fill(session) -> None:  # type: ignore[no-untyped-def]
        for index, name in enumerate(names):
            add_call(session, OURS, name, ago_s=10 + index // 10)

    admin.world.store(fill)
    path, seen = f"{CALLS}?from=2016-07-07&to=2016-07-07&who=user:101", []
    while path:
        page = admin.get(path).text
        seen += [name for name in ids(page) if name.startswith("call")]
        older = re.search(r'href="([^"]+after=[^"]+)"[^>]*><span>Older', page)
        path = older.group(1).replace("&amp;", "&") if older else ""
    assert sorted(seen) == names
    assert len(set(seen)) == total


def test_a_foreign_mark_has_nothing_older(admin: Browser) -> None:
    """The place in the list is looked up through the account."""
    assert ids(admin.get(f"{CALLS}?after=theirs").text) == []


def test_an_empty_report_says_so(admin: Browser) -> None:
    """With a way back."""
    page = admin.get(f"{CALLS}?from=2015-01-01&to=2015-01-02").text
    assert "No calls in this period." in page
    assert "Clear filters" in page


def test_a_call_page_explains_price_and_way(admin: Browser) -> None:
    """Legs, the sum that can be checked with a pencil, the trace."""
    text = admin.get(f"{CALLS}/ours-out").text.replace("\xa0", " ")
    assert "€ 0.12" in text
    assert "Latvia: € 0.06 a minute, in steps of 60 s." in text
    assert "Talked 1:01, charged for 2:00." in text
    assert "101 calls +37120000000: outside" in text
    assert "3 of 3050 packets lost" in text


def test_an_unanswered_call_costs_nothing_and_says_why(admin: Browser) -> None:
    """No tariff is named."""
    text = admin.get(f"{CALLS}/ours-missed").text
    assert "Nobody answered, so it costs nothing." in text


def test_a_call_inside_the_exchange_names_no_tariff(admin: Browser) -> None:
    """The zero row that priced it is no tariff of the customer's."""
    admin.world.store(lambda session: add_call(session, OURS, "inside", ago_s=9, tariff="free"))
    text = admin.get(f"{CALLS}/inside").text
    assert "Calls inside the exchange and to emergency services are free." in text
    assert "Tariff free" not in text


def test_a_plain_user_sees_the_own_calls_only(user: Browser) -> None:
    """In the list, in the totals, by address."""
    page = user.get(CALLS).text
    assert ids(page) == ["ours-out", "ours-internal"]
    assert "<strong>2</strong> calls" in page
    assert user.get(f"{CALLS}/ours-missed").status == 404


def test_services_add_up(admin: Browser) -> None:
    """S15 to S17."""
    text = admin.get("/services").text.replace("\xa0", " ")
    assert "Total fee" in text
    assert text.count("€ 1.30") == 2


def test_payments_are_listed_and_filtered(admin: Browser) -> None:
    """S41: this month first, any period on request."""
    text = admin.get("/payments").text.replace("\xa0", " ")
    assert "−€ 0.12" in text
    assert "€ 50.00" not in text
    assert "€ 50.00" in admin.get("/payments?from=2016-01-01&to=").text.replace("\xa0", " ")
    assert admin.get("/payments?before=99999999999999999999999").status == 200


def test_without_a_query_the_period_is_this_month() -> None:
    """Nobody reads all rows unasked."""
    period = read_period({}, date(2016, 7, 7))
    assert (period.first, period.last) == (date(2016, 7, 1), date(2016, 7, 7))
    assert (period.bounds_us("Europe/Riga")[0] or 0) < NOW_US


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "2016-02-30", "tomorrow", "²"])
def test_days_outside_the_calendar_are_errors(text: str) -> None:
    """Not exceptions."""
    assert "from" in read_filter({"from": text}, date(2016, 7, 7)).period.errors


def test_the_period_must_not_end_before_it_begins() -> None:
    """It says so."""
    period = read_period({"from": "2016-07-02", "to": "2016-07-01"}, date(2016, 7, 7))
    assert "to" in period.errors


def test_addresses_of_filters_can_be_kept() -> None:
    """The address is the state: reading it again gives the same filter."""
    query = {"from": "2016-07-01", "to": "", "who": "number:+371200", "direction": "in"}
    chosen = read_filter(query, date(2016, 7, 7))
    assert chosen.address() == (
        "/reports/calls?from=2016-07-01&to=&who=number%3A%2B371200&direction=in"
    )
