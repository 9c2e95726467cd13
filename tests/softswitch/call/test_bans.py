"""Who is banned, for how long, and who never is; with bounded memory whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.call import bans as module
from softswitch.call.bans import (
    BAN_MAX_S,
    MANY_LOGINS,
    SCANNER,
    WRONG_PASSWORDS,
    BanRules,
    Bans,
    is_scanner,
)
from softswitch.call.failures import WINDOW_S, Tried

HOME = "203.0.113.7"
AFTER = 3
RULES = BanRules(after=AFTER, first_s=100.0)


def banned_login(bans: Bans, login: str = "1", now_s: float = 0.0, source: str = HOME) -> None:
    """Wrong passwords of one login until it is banned."""
    for _ in range(AFTER):
        bans.failed(source, login, now_s)
    assert bans.of_login(source, login, now_s)


def swept(bans: Bans, now_s: float = 0.0, source: str = HOME) -> None:
    """A wrong password for each of several logins."""
    for number in range(AFTER):
        bans.failed(source, f"login {number}", now_s)


def test_wrong_passwords_ban_the_login_at_its_source_alone() -> None:
    """Others there, and the same login elsewhere, go on."""
    bans = Bans(RULES)
    assert [bans.failed(HOME, "1", 5.0) for _ in range(AFTER)] == [1, 2, 3]
    (ban,) = bans.all()
    assert (ban.kind, ban.source, ban.login, ban.reason) == ("login", HOME, "1", WRONG_PASSWORDS)
    assert (ban.since_s, ban.until_s) == (5.0, 105.0)
    assert bans.of_login(HOME, "1", 104.9)
    assert not bans.of_login(HOME, "2", 5.0)
    assert not bans.of_login("203.0.113.8", "1", 5.0)
    assert not bans.silenced


def test_so_many_tries_within_seconds_are_so_many() -> None:
    """What is forgiven meanwhile does not make one more of them free."""
    bans = Bans(RULES)
    for second in range(AFTER):
        bans.failed(HOME, "1", float(second))
    assert bans.of_login(HOME, "1", 3.0)


def test_many_logins_without_a_success_ban_the_source() -> None:
    """Its requests are not read any more."""
    bans = Bans(RULES)
    swept(bans)
    assert bans.silenced[HOME].reason == MANY_LOGINS
    assert bans.silenced[HOME].proved


def test_one_success_saves_the_source() -> None:
    """For as long as a phone's registration and a little; afterwards it is a stranger again."""
    bans = Bans(RULES)
    bans.proved(HOME, "9", 0.0)
    swept(bans, WINDOW_S - 1)
    assert not bans.silenced
    swept(bans, 2 * WINDOW_S)
    assert HOME in bans.silenced


def test_a_user_known_by_his_address_saves_the_source() -> None:
    """A static IP user never authenticates."""
    bans = Bans(RULES, homes=HOME.__eq__)
    swept(bans)
    bans.probed(HOME, "x", "friendly-scanner", 0.0)
    assert not bans.silenced


def test_trusted_sources_are_neither_counted_nor_banned() -> None:
    """Whatever comes from them; and a ban ends when its source becomes trusted."""
    bans = Bans(RULES, trusted=HOME.__eq__)
    swept(bans)
    assert [bans.failed(HOME, "1", 0.0) for _ in range(9)] == [0] * 9
    bans.probed(HOME, "x", "friendly-scanner", 0.0)
    assert not bans.all()

    trusted: set[str] = set()
    bans = Bans(RULES, trusted=trusted.__contains__)
    banned_login(bans)
    swept(bans)
    trusted.add(HOME)
    bans.lift_trusted()
    assert not bans.all()


def test_slow_failures_are_forgiven() -> None:
    """A phone that tries its wrong password once a minute is no attack."""
    bans = Bans(RULES)
    for minute in range(100):
        bans.failed(HOME, "1", minute * 60.0)
    assert not bans.all()


def test_requests_for_strangers_ban_a_source_without_phones() -> None:
    """Different names only: one phone that is set up wrongly asks for the same one again."""
    bans = Bans(RULES)
    for _ in range(100):
        bans.probed(HOME, "old", "", 0.0)
    assert not bans.silenced
    bans.probed(HOME, "100", "", 1.0)
    bans.probed(HOME, "101", "", 1.0)
    assert not bans.silenced[HOME].proved


@pytest.mark.parametrize("agent", ["friendly-scanner", "SIPVicious 0.3", "pplsip", "sipcli/v1.8"])
def test_scanner_that_asks_for_a_stranger_is_banned_at_once(agent: str) -> None:
    """By its name; but not where phones are."""
    bans = Bans(RULES)
    bans.probed(HOME, "100", agent, 0.0)
    assert bans.silenced[HOME].reason == SCANNER
    bans = Bans(RULES)
    bans.proved(HOME, "1", 0.0)
    bans.probed(HOME, "100", agent, 0.0)
    assert not bans.silenced
    assert is_scanner(agent)
    assert not is_scanner("Yealink SIP-T46S 66.84.0.15")


def test_bans_get_longer_up_to_a_day_and_are_forgotten_in_time() -> None:
    """Twice as long each time; a right password or a lift begins anew."""
    bans = Bans(RULES)
    now_s, lengths = 0.0, []
    for _ in range(14):
        banned_login(bans, now_s=now_s)
        (ban,) = bans.all()
        lengths.append(ban.until_s - ban.since_s)
        now_s = ban.until_s
        bans.expire(now_s)
    assert lengths[:3] == [100.0, 200.0, 400.0]
    assert lengths[-1] == BAN_MAX_S
    banned_login(bans, now_s=now_s)
    assert len(bans.lift(HOME, "1")) == 1
    banned_login(bans, now_s=now_s)
    assert bans.all()[0].until_s == now_s + 100.0
    bans.expire(now_s + 100.0)
    later_s = now_s + 2 * BAN_MAX_S
    banned_login(bans, now_s=later_s)
    assert bans.all()[0].until_s == later_s + 100.0


def test_lift_ends_at_once_and_counts_from_nothing() -> None:
    """One login, or all of the source."""
    bans = Bans(RULES)
    banned_login(bans, "1")
    banned_login(bans, "2")
    assert [ban.login for ban in bans.lift(HOME, "1")] == ["1"]
    assert not bans.of_login(HOME, "1", 0.0)
    assert bans.failed(HOME, "1", 0.0) == 1
    bans.probed(HOME, "x", "friendly-scanner", 0.0)
    assert {ban.login for ban in bans.lift(HOME)} == {"", "2"}
    assert not bans.silenced
    assert not bans.all()
    assert bans.failed(HOME, "7", 0.0) == 1
    assert not bans.silenced
    assert bans.lift(HOME) == []


def test_off_means_off() -> None:
    """``ban_after = 0``: counted, never banned."""
    bans = Bans(BanRules(after=0))
    assert [bans.failed(HOME, "1", 0.0) for _ in range(3)] == [1, 2, 3]
    swept(bans)
    bans.probed(HOME, "x", "friendly-scanner", 0.0)
    assert not bans.all()


def test_news_tell_each_beginning_and_end_once() -> None:
    """What is logged, written and shown; not one for each packet."""
    bans = Bans(RULES)
    banned_login(bans, "1")
    for _ in range(10):
        bans.failed(HOME, "1", 1.0)
    bans.probed("198.51.100.9", "x", "friendly-scanner", 0.0)
    bans.probed("198.51.100.9", "x", "friendly-scanner", 0.0)
    bans.lift("198.51.100.9")
    bans.expire(100.0)
    told = [(news.what, news.ban.source, news.ban.login) for news in bans.take_news()]
    assert told == [
        ("began", HOME, "1"),
        ("began", "198.51.100.9", ""),
        ("lifted", "198.51.100.9", ""),
        ("ended", HOME, "1"),
    ]
    assert bans.take_news() == []
    assert bans.begun == 2


def test_bans_outlive_a_restart() -> None:
    """With their end and their place in the row; what is over or trusted meanwhile is ended."""
    before = Bans(RULES)
    banned_login(before, "1")
    swept(before)
    banned_login(before, "2", source="203.0.113.8", now_s=-90.0)
    banned_login(before, "2", source="203.0.113.9")
    kept = before.all()
    after = Bans(RULES, trusted="203.0.113.9".__eq__)
    after.load(kept, 50.0)
    assert {(ban.source, ban.login) for ban in after.all()} == {(HOME, "1"), (HOME, "")}
    ended = {news.ban.source for news in after.take_news() if news.what == "ended"}
    assert ended == {"203.0.113.8", "203.0.113.9"}
    after.expire(100.0)
    banned_login(after, "1", 100.0)
    assert after.all()[0].times == 2


def test_forged_sources_push_no_real_ban_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They fill their own tables, and then nothing more happens."""
    monkeypatch.setattr(module, "PROBER_BANS_MAX", 50)
    bans = Bans(RULES)
    banned_login(bans, "1")
    swept(bans, source="198.51.100.9")
    for number in range(1000):
        bans.probed(f"forged {number}", "x", "friendly-scanner", 0.0)
    assert len(bans) == 52
    assert bans.without_room == 950
    assert "198.51.100.9" in bans.silenced
    swept(bans, source="198.51.100.10")
    assert "198.51.100.10" in bans.silenced
    bans.expire(100.0)
    bans.probed("later", "x", "friendly-scanner", 100.0)
    assert "later" in bans.silenced


def test_one_source_cannot_fill_the_table_of_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own oldest ban gives way."""
    monkeypatch.setattr(module, "LOGIN_BANS_PER_SOURCE_MAX", 5)
    bans = Bans(RULES)
    bans.proved(HOME, "good", 0.0)
    for number in range(20):
        banned_login(bans, f"{number}")
    assert [ban.login for ban in bans.all()] == ["15", "16", "17", "18", "19"]


def test_tried_names_are_bounded_and_slide() -> None:
    """So many names of so many sources; what is older than the window does not count."""
    tried = Tried(sources_max=2)
    for source in "abc":
        for name in range(10):
            tried.add(source, f"{name}", AFTER, 0.0)
    assert len(tried) == 2 * AFTER
    assert tried.add("c", "new", AFTER, WINDOW_S) == 1


def test_a_flood_of_ends_is_taken_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no second stands still; what is lifted or gives way leaves nothing behind."""
    monkeypatch.setattr(module, "STEP_MAX", 10)
    bans = Bans(RULES)
    for number in range(25):
        bans.probed(f"{number}", "x", "friendly-scanner", 0.0)
    assert [len(bans.take_news()) for _ in range(4)] == [10, 10, 5, 0]
    left = []
    for _ in range(3):
        bans.expire(100.0)
        left.append(len(bans))
    assert left == [15, 5, 0]
    for number in range(200):
        bans.probed(f"{number}", "x", "friendly-scanner", 200.0)
        bans.lift(f"{number}")
    assert len(bans._ends) <= 11


# Whatever comes

SOURCES = st.sampled_from(["a", "b", "c", "d"])
LOGINS = st.sampled_from([f"{number}" for number in range(12)])
STEPS = st.one_of(
    st.tuples(st.just("failed"), SOURCES, LOGINS),
    st.tuples(st.just("probed"), SOURCES, LOGINS),
    st.tuples(st.just("scanned"), SOURCES, LOGINS),
    st.tuples(st.just("proved"), SOURCES, LOGINS),
    st.tuples(st.just("lift"), SOURCES, st.one_of(st.just(""), LOGINS)),
    st.tuples(st.just("expire"), SOURCES, LOGINS),
)


@given(st.lists(st.tuples(STEPS, st.floats(0, 4000)), max_size=120))
def test_whatever_comes_the_promises_hold(steps: list[tuple[tuple[str, str, str], float]]) -> None:
    """A source with a success within the window is never banned as a whole; a lift works at once;
    counts and tables agree; trusted sources stay out of it."""
    bans = Bans(RULES, trusted="d".__eq__)
    now_s, successes = 0.0, dict[str, float]()
    for (what, source, login), pause_s in steps:
        now_s += pause_s
        match what:
            case "failed":
                bans.failed(source, login, now_s)
            case "probed":
                bans.probed(source, login, "", now_s)
            case "scanned":
                bans.probed(source, login, "friendly-scanner", now_s)
            case "proved":
                bans.proved(source, login, now_s)
                successes[source] = now_s
            case "lift":
                bans.lift(source, login)
                assert not [
                    ban
                    for ban in bans.all()
                    if ban.source == source and login in ("", ban.login)
                ]  # fmt: skip
            case _:
                bans.expire(now_s)
        for good, at_s in successes.items():
            assert good not in bans.silenced or now_s - at_s >= WINDOW_S
        found = bans.all()
        assert len(found) == len(bans) == len({(ban.source, ban.login) for ban in found})
        assert "d" not in {ban.source for ban in found}
        assert all(ban.until_s - ban.since_s <= BAN_MAX_S for ban in found)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from("fps")), max_size=300
    )
)
def test_memory_is_bounded_whatever_comes(steps: list[tuple[int, int, str]]) -> None:
    """With small caps each table is at most full."""
    with pytest.MonkeyPatch.context() as patch:
        caps = {"LOGIN_BANS_MAX": 4, "SOURCE_BANS_MAX": 3, "PROBER_BANS_MAX": 2, "PAST_MAX": 3,
                "PROVED_SOURCES_MAX": 3, "LOGIN_BANS_PER_SOURCE_MAX": 2}  # fmt: skip
        for name, cap in caps.items():
            patch.setattr(module, name, cap)
        bans = Bans(BanRules(after=2, first_s=5.0))
        bans._tried, bans._asked = Tried(3), Tried(3)
        for now_s, (source, login, what) in enumerate(steps):
            if what == "f":
                bans.failed(f"{source % 9}", f"{login % 5}", float(now_s))
            elif what == "p":
                bans.probed(f"{source}", f"{login}", "", float(now_s))
            else:
                bans.proved(f"{source % 9}", f"{login}", float(now_s))
            bans.expire(float(now_s))
            bans.take_news()
            assert len(bans) <= 4 + 3 + 2
            assert len(bans._past) <= 3
            assert len(bans._proved) <= 3
            assert max(len(bans._tried), len(bans._asked)) <= 6
