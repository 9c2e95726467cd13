"""Digest authentication of phones: who gets in, who is asked again, what is counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import digest
from sip.flow import Flow
from sip.message import Request
from softswitch.call.authentication import Authenticated, Authenticator, Challenged, Denied
from softswitch.call.failures import FailureCounts
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Login
from tests.softswitch.call.phones import DOMAIN, LOGIN, PASSWORD, answered, flow, invite, register

ALGORITHMS = ("MD5", "SHA-256")


def login(name: str = LOGIN, *algorithms: str) -> Login:
    """A login with the HA1 of these algorithms, of all by default."""
    secrets = {a: digest.ha1(a, name, DOMAIN, PASSWORD) for a in algorithms or ALGORITHMS}
    return Login(name, AccountId("000000212"), Extension("101"), secrets)


class Door:
    """An authenticator and its clock."""

    def __init__(self, *logins: Login, key: bytes = b"k" * 32) -> None:
        self.logins = {one.login: one for one in logins or (login(),)}
        self.authenticator = Authenticator(DOMAIN, digest.Nonces(key), ALGORITHMS)
        self.now_s = 1000.0

    def check(self, request: Request, host: str = "203.0.113.7") -> object:
        """One request."""
        return self.authenticator.check(request, flow(host=host), self.logins, self.now_s)

    def challenged(self, request: Request, host: str = "203.0.113.7") -> Challenged:
        """One request that is challenged."""
        outcome = self.check(request, host)
        assert isinstance(outcome, Challenged)
        return outcome


def is_stale(outcome: Challenged) -> bool:
    """Whether every challenge says that only the nonce was too old."""
    stale = {"stale=true" in value for _, value in outcome.headers}
    assert len(stale) == 1
    return stale.pop()


def but_for_nonces(outcome: Challenged) -> Challenged:
    """The challenges with a nonce that is the same in all."""
    headers = [(name, re.sub('nonce="[^"]+"', 'nonce="n"', text)) for name, text in outcome.headers]
    return outcome._replace(headers=tuple(headers))


@pytest.mark.parametrize(
    ("request_", "status", "name"),
    [
        (register(), 401, "WWW-Authenticate"),
        (invite(), 407, "Proxy-Authenticate"),
    ],
)
def test_first_request_is_challenged_in_the_configured_order(
    request_: Request, status: int, name: str
) -> None:
    """One header per algorithm (RFC 8760), nothing counted, nothing stale."""
    outcome = Door().challenged(request_)
    assert (outcome.status, outcome.failures, is_stale(outcome)) == (status, 0, False)
    asked = [digest.parse_challenge(value) for _, value in outcome.headers]
    assert {name for name, _ in outcome.headers} == {name}
    assert [one.algorithm for one in asked] == ["MD5", "SHA-256"]
    assert {(one.realm, one.qop) for one in asked} == {(DOMAIN, "auth")}


@pytest.mark.parametrize("choice", [0, 1])
@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("request_", [register(), invite()])
def test_right_answer_is_accepted_at_once(request_: Request, choice: int, header: str) -> None:
    """By either algorithm and in either header: never challenged twice for one good answer."""
    door = Door()
    challenges = door.challenged(request_).headers
    outcome = door.check(answered(request_, challenges, choice=choice, header=header))
    assert outcome == Authenticated(login())


def test_a_phone_that_stumbles_over_sha_256_is_asked_for_md5_only() -> None:
    """Debian's baresip 1.0 gives up at the second challenge; others get both."""
    old, new = register(), register()
    old.set("user-agent", "baresip v1.0.0 (x86_64/linux)")
    new.set("user-agent", "baresip v3.10.1 (x86_64/linux)")
    assert ["MD5" in value for _, value in Door().challenged(old).headers] == [True]
    assert len(Door().challenged(new).headers) == 2


def test_one_nonce_serves_many_requests_but_no_replay() -> None:
    """The count must be new; a used one is stale, and the password is not held against anybody."""
    door = Door()
    challenges = door.challenged(register()).headers
    for count in (1, 2, 5, 4):
        outcome = door.check(answered(register(), challenges, nc=count))
        assert isinstance(outcome, Authenticated)
    replayed = door.challenged(answered(register(), challenges, nc=2))
    assert is_stale(replayed)
    assert replayed.failures == 0


def test_answer_without_qop_is_good_once() -> None:
    """Old phones have no count (RFC 2069)."""
    door = Door()
    ((name, value), _) = door.challenged(register()).headers
    old = ((name, value.replace(', qop="auth"', "")),)
    assert isinstance(door.check(answered(register(), old)), Authenticated)
    assert is_stale(door.challenged(answered(register(), old)))
    invited = answered(invite(), old, header="Authorization")
    assert isinstance(door.check(invited), Authenticated)


def test_nonce_that_is_too_old_is_stale() -> None:
    """A refresh after the nonce's life gets a new one without being counted."""
    door = Door()
    request = answered(register(), door.challenged(register()).headers)
    door.now_s += digest.NONCE_LIFE_S + 1
    outcome = door.challenged(request)
    assert is_stale(outcome)
    assert outcome.failures == 0
    again = answered(register(), outcome.headers)
    assert isinstance(door.check(again), Authenticated)


def test_nonce_of_the_service_before_its_restart_is_stale() -> None:
    """Another key: the phones' passwords are right, so they are just asked again."""
    challenges = Door(key=b"o" * 32).challenged(register()).headers
    assert is_stale(Door().challenged(answered(register(), challenges)))


def test_wrong_password_and_unknown_login_get_the_same_answer() -> None:
    """Both are challenged anew with the same words, and both are counted."""
    door = Door()
    challenges = door.challenged(register()).headers
    wrong = door.challenged(answered(register(), challenges, password="wrong"))
    unknown = door.challenged(answered(register(), challenges, login="883140000000999"))
    assert but_for_nonces(wrong) == but_for_nonces(unknown)
    assert (wrong.status, wrong.failures, is_stale(wrong)) == (401, 1, False)


def test_nobodys_secret_opens_nothing() -> None:
    """What an unknown login is checked against is no password: not for it, nor for a login that
    lacks the algorithm."""
    door = Door(login(LOGIN, "SHA-256"))
    challenges = door.challenged(register()).headers
    for name in (LOGIN, "883140000000999"):
        asked = digest.parse_challenge(challenges[0][1])
        nobody = digest.Credentials(
            name, DOMAIN, asked.nonce, "sip:x", "", "MD5", "auth", "c", 1, "00000001"
        )
        response = digest._response(nobody, "REGISTER", digest.ha1("MD5", "", DOMAIN, ""))
        value = (
            f'Digest username="{name}", realm="{DOMAIN}", nonce="{asked.nonce}", uri="sip:x", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"'
        )
        request = register(extra=(("Authorization", value),))
        assert door.challenged(request).failures == 1


def test_failures_are_counted_by_source_and_login() -> None:
    """Another source and another login count for themselves; the right password ends it."""
    door = Door(login(), login("883140000000102"))
    challenges = door.challenged(register()).headers
    wrong = answered(register(), challenges, password="wrong")
    other = answered(register(), challenges, password="wrong", login="883140000000102")
    assert [door.challenged(wrong).failures for _ in range(3)] == [1, 2, 3]
    elsewhere = door.challenged(register(), host="203.0.113.8").headers
    wrong_elsewhere = answered(register(), elsewhere, password="wrong")
    assert door.challenged(wrong_elsewhere, host="203.0.113.8").failures == 1
    assert door.challenged(other).failures == 1
    assert isinstance(door.check(answered(register(), challenges)), Authenticated)
    assert door.challenged(wrong).failures == 1


def test_nonce_of_another_source_is_stale_and_counts_nothing() -> None:
    """So nobody can have an address banned at which he cannot receive."""
    door = Door()
    challenges = door.challenged(register()).headers
    for password in ("wrong", PASSWORD):
        forged = answered(register(), challenges, password=password)
        outcome = door.challenged(forged, host="203.0.113.8")
        assert (outcome.failures, is_stale(outcome)) == (0, True)


def test_stale_nonce_does_not_tell_whether_the_password_is_right() -> None:
    """Nothing is counted then, so it must not be a way to guess."""
    door = Door()
    challenges = door.challenged(register()).headers
    door.now_s += digest.NONCE_LIFE_S + 1
    outcomes = [
        door.challenged(answered(register(), challenges, password=password))
        for password in (PASSWORD, "wrong")
    ]
    assert is_stale(outcomes[0])
    told = [re.sub('nonce="[^"]+"', "", str(outcome)) for outcome in outcomes]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", [LOGIN, "883140000000999"])
def test_banned_login_is_told_why_and_until_when(name: str) -> None:
    """403 with both, known or not, and the right password does not help before the end."""
    door = Door()
    challenges = door.challenged(register()).headers
    for _ in range(10):
        door.challenged(answered(register(), challenges, login=name, password="wrong"))
    denied = door.check(answered(register(), challenges, login=name))
    assert denied == Denied(403, "Banned For 600 s: wrong passwords")
    assert door.challenged(register()).status == 401
    door.now_s += 600.0
    again = answered(register(), door.challenged(register()).headers)
    assert isinstance(door.check(again), Authenticated)


def test_registered_phone_outlives_the_ban_of_its_own_login() -> None:
    """Two phones with one login behind one address, and one of them has an old password."""
    door = Door()
    good, old = flow(port=5062), flow(port=5064)
    door.authenticator = Authenticator(
        DOMAIN, digest.Nonces(b"k" * 32), ALGORITHMS, is_bound=lambda name, at: at == good
    )
    challenges = door.challenged(register()).headers
    for _ in range(10):
        door.challenged(answered(register(), challenges, password="old"))

    def asked(at: Flow) -> object:
        again = answered(register(), challenges)
        return door.authenticator.check(again, at, door.logins, door.now_s)

    assert isinstance(asked(old), Denied)
    assert isinstance(asked(good), Authenticated)


def test_good_phones_at_the_same_address_are_not_touched() -> None:
    """One phone with a wrong password, for hours, beside one with the right one."""
    door = Door(login(), login("883140000000102"))
    denied = 0
    for _ in range(500):
        door.now_s += 30
        challenges = door.challenged(register()).headers
        wrong = answered(register(), challenges, login="883140000000102", password="wrong")
        denied += isinstance(door.check(wrong), Denied)
        good = answered(register(), door.challenged(register()).headers)
        assert isinstance(door.check(good), Authenticated)
        assert {ban.login for ban in door.authenticator.bans.all()} <= {"883140000000102"}
    assert denied > 100
    assert not door.authenticator.bans.silenced


def test_sweep_without_credentials_bans_its_source() -> None:
    """Each 401 tells nothing, and after ten unknown logins no more is read."""
    door = Door()
    for number in range(10):
        assert not door.authenticator.bans.silenced
        door.challenged(register(login=f"{number}"))
    (ban,) = door.authenticator.bans.silenced.values()
    assert (ban.source, ban.kind, ban.reason) == (
        "203.0.113.7", "source", "many unknown logins or hosts",
    )  # fmt: skip


def test_sweep_with_wrong_passwords_bans_its_source() -> None:
    """Known logins and unknown ones alike; one of them right, and it is an office."""
    for right in (False, True):
        door = Door()
        for number in range(12):
            challenges = door.challenged(register()).headers
            name, secret = f"{number}", "wrong"
            if right and number == 3:
                name, secret = LOGIN, PASSWORD
            door.check(answered(register(), challenges, login=name, password=secret))
        assert bool(door.authenticator.bans.silenced) is not right


def test_first_requests_of_known_logins_never_count() -> None:
    """However many, and whatever else goes wrong with the phone."""
    door = Door()
    for _ in range(1000):
        door.challenged(register())
        door.challenged(invite())
    assert not door.authenticator.bans.all()


@pytest.mark.parametrize(
    "value",
    [
        "Basic dXNlcjpwYXNz",
        f'Digest username="{LOGIN}", realm="elsewhere", nonce="n", uri="sip:x", response="0"',
        f'Digest username="{LOGIN}", realm="{DOMAIN}", nonce="n", uri="sip:x", response="0",'
        " algorithm=MD5-sess",
        f'Digest username="{LOGIN}", realm="{DOMAIN}", nonce="n", uri="sip:x", response="0",'
        " qop=auth-int, nc=00000001, cnonce=c",
    ],
)
def test_answers_to_what_we_did_not_ask_are_none(value: str) -> None:
    """Another scheme, realm, algorithm or qop: a challenge as at first, nothing counted."""
    outcome = Door().challenged(register(extra=(("Authorization", value),)))
    assert (outcome.failures, is_stale(outcome)) == (0, False)


def test_our_answer_is_found_among_others() -> None:
    """A phone behind a proxy answers two realms (RFC 3261 22.3)."""
    door = Door()
    good = answered(register(), door.challenged(register()).headers)
    foreign = f'Digest username="{LOGIN}", realm="proxy", nonce="n", uri="sip:x", response="0"'
    good.set("authorization", foreign, *good.all("authorization"))
    assert isinstance(door.check(good), Authenticated)


def test_algorithm_that_is_not_configured_is_not_taken() -> None:
    """Only what is offered; SHA-256 alone cannot be talked down to MD5."""
    door = Door()
    door.authenticator = Authenticator(DOMAIN, digest.Nonces(b"k" * 32), ("SHA-256",))
    (name, value) = door.challenged(register()).headers[0]
    weaker = ((name, value.replace("SHA-256", "MD5")),)
    assert door.challenged(answered(register(), weaker)).failures == 0


def test_malformed_credentials_are_denied() -> None:
    """400, no challenge: the phone would only send them again."""
    outcome = Door().check(register(extra=(("Authorization", "Digest username=x"),)))
    assert isinstance(outcome, Denied)
    assert outcome.status == 400


@pytest.mark.parametrize("name", ["to", "from"])
def test_login_registers_only_itself(name: str) -> None:
    """Another address of record in To or From: 403 after a good answer, not another challenge."""
    door = Door()
    request = register()
    request.set(name, f"<sip:883140000000102@{DOMAIN}>;tag=f")
    outcome = door.check(answered(request, door.challenged(request).headers))
    assert outcome == Denied(403, f"{LOGIN} May Register Only Itself")


@pytest.mark.parametrize(
    "address",
    [f'"Anna" <sip:{LOGIN}@{DOMAIN}>', f"sip:{LOGIN}@{DOMAIN}", f"<sips:{LOGIN}@{DOMAIN}:5061>"],
)
def test_address_of_record_in_any_spelling(address: str) -> None:
    """Display names, bare addresses and ports make no difference."""
    door = Door()
    request = register()
    request.set("to", address)
    request.set("from", f"{address};tag=f")
    good = answered(request, door.challenged(request).headers)
    assert isinstance(door.check(good), Authenticated)


def test_from_of_an_invite_does_not_matter() -> None:
    """The login is who calls, whatever the phone shows."""
    door = Door()
    request = invite()
    request.set("from", "<sip:somebody@elsewhere.example>;tag=f")
    good = answered(request, door.challenged(request).headers)
    assert door.check(good) == Authenticated(login())


@given(st.text(max_size=200))
def test_no_authorization_raises(text: str) -> None:
    """Any text is a challenge or a denial."""
    outcome = Door().check(register(extra=(("Authorization", text),)))
    assert isinstance(outcome, Challenged | Denied)


# Counting


def test_failures_decay() -> None:
    """One is forgiven each minute."""
    counts = FailureCounts(decay_s=60)
    for _ in range(5):
        counts.add("h", "l", 0.0)
    assert counts.count("h", "l", 0.0) == 5
    assert counts.count("h", "l", 120.0) == 3
    assert counts.add("h", "l", 120.0) == 4
    assert counts.count("h", "l", 150.0) == 4
    assert counts.count("h", "l", 10_000.0) == 0
    assert counts.count("h", "never", 0.0) == 0


def test_failure_memory_is_bounded() -> None:
    """A scan pushes out the oldest, and what fails again stays."""
    counts = FailureCounts(entries_max=3)
    for name in ("a", "b", "c", "a", "d"):
        counts.add("h", name, 0.0)
    assert len(counts) == 3
    assert [counts.count("h", name, 0.0) for name in "abcd"] == [2, 0, 1, 1]
