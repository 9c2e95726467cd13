"""Digest authentication, both sides."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import digest
from sip.digest import NC_WINDOW, NonceCounts, Nonces, NonceState
from sip.errors import RemoteError

KEY = b"0123456789abcdef"
readable = st.text(st.characters(exclude_categories=["C"]), max_size=20)


def answered(algorithm: str = "MD5", **changes: str) -> str:
    """Credentials for alice with the password "secret", some parts replaced afterwards."""
    asked = digest.parse_challenge(digest.challenge("example.com", "n1", algorithm))
    text = digest.answer(asked, "REGISTER", "sip:example.com", "alice", "secret", "c1", 1)
    for old, new in changes.items():
        text = text.replace(f"{old}=", f"{new}=")
    return text


def test_example_of_rfc_7616() -> None:
    """3.9.1: the response of the RFC itself, for both algorithms."""
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        text = (
            'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
            f'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
            'nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
            f'response="{response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )
        secret = digest.ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
        assert digest.verify(digest.parse_authorization(text), "GET", secret)


def test_example_of_rfc_2617_without_qop_is_accepted() -> None:
    """The RFC 2069 form, computed by hand: H(HA1:nonce:HA2)."""
    text = (
        'Digest username="a", realm="r", nonce="n", uri="sip:u", '
        'response="' + hashed("MD5", "a:r:p", "n", "REGISTER:sip:u") + '"'
    )
    credentials = digest.parse_authorization(text)
    assert (credentials.qop, credentials.nc) == ("", 1)
    assert digest.verify(credentials, "REGISTER", digest.ha1("MD5", "a", "r", "p"))


def hashed(algorithm: str, a1: str, middle: str, a2: str) -> str:
    """H(H(a1):middle:H(a2)) by hashlib alone."""
    name = algorithm.replace("-", "").lower()

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    return h(f"{h(a1)}:{middle}:{h(a2)}")


@given(readable, readable, readable, st.sampled_from(digest.ALGORITHMS), st.integers(1, 2**32 - 1))
def test_our_answer_satisfies_our_challenge(
    realm: str, login: str, password: str, algorithm: str, nc: int
) -> None:
    """Any realm, login and password; another password, method or nonce does not."""
    asked = digest.parse_challenge(digest.challenge(realm, "nonce", algorithm))
    text = digest.answer(asked, "INVITE", "sip:h", login, password, "cn", nc)
    credentials = digest.parse_authorization(text)
    assert (credentials.username, credentials.realm, credentials.nc) == (login, realm, nc)
    secret = digest.ha1(algorithm, login, realm, password)
    assert digest.verify(credentials, "INVITE", secret)
    assert not digest.verify(credentials, "BYE", secret)
    wrong = digest.ha1(algorithm, login, realm, password + "x")
    assert not digest.verify(credentials, "INVITE", wrong)
    replayed = text.replace('nonce="nonce"', 'nonce="other"', 1)
    assert not digest.verify(digest.parse_authorization(replayed), "INVITE", secret)


def test_response_is_compared_without_case() -> None:
    """Some phones send capital hex digits."""
    text = answered()
    response = text.partition('response="')[2][:32]
    credentials = digest.parse_authorization(text.replace(response, response.upper()))
    assert digest.verify(
        credentials, "REGISTER", digest.ha1("MD5", "alice", "example.com", "secret")
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("Digest", 400),
        ("Basic YWxpY2U6c2VjcmV0", 400),
        ("Basic x=1", 401),
        (answered(username="user"), 400),
        (answered(nonce="none"), 400),
        (answered(response="r"), 400),
        (answered(cnonce="c"), 400),
        (answered().replace("algorithm=MD5", "algorithm=MD5-sess"), 401),
        (answered().replace("algorithm=MD5", "algorithm=SHA-512-256"), 401),
        (answered().replace("qop=auth", "qop=auth-int"), 401),
        (answered().replace("nc=00000001", "nc=000000001"), 400),
        (answered().replace("nc=00000001", "nc=-1"), 400),
        (answered().replace('"alice"', '"' + "a" * 513 + '"'), 400),
        (answered() + ', username="bob"', 400),
    ],
)
def test_unusable_credentials_are_refused(text: str, status: int) -> None:
    """401 where a new challenge helps, 400 where it is broken."""
    with pytest.raises(RemoteError) as caught:
        digest.parse_authorization(text)
    assert caught.value.status_hint == status


@given(st.text(max_size=60) | st.text('Digest =",;\\x1', max_size=60).map("Digest ".__add__))
def test_any_text_gives_credentials_or_a_remote_error(text: str) -> None:
    """On both sides."""
    for parse in (digest.parse_authorization, digest.parse_challenge):
        try:
            parse(text)
        except RemoteError:
            continue


@given(st.floats(0, 1e9), st.floats(0, 1000))
def test_nonces_prove_themselves_until_they_expire(now_s: float, age_s: float) -> None:
    """Valid up to their life, stale after it, forged under another key."""
    nonce = Nonces(KEY, life_s=300).issue(now_s)
    expected = NonceState.VALID if age_s <= 300 else NonceState.STALE
    if abs(age_s - 300) > 0.01:  # the stamp counts milliseconds
        assert Nonces(KEY, life_s=300).check(nonce, now_s + age_s) is expected
    assert Nonces(KEY[::-1]).check(nonce, now_s) is NonceState.FORGED


@given(st.integers(0, 60), st.characters(codec="ascii"))
def test_a_changed_nonce_is_forged(at: int, char: str) -> None:
    """Any change is found."""
    nonce = Nonces(KEY).issue(1000.0)
    at %= len(nonce)
    changed = nonce[:at] + char + nonce[at + 1 :]
    state = Nonces(KEY).check(changed, 1000.0)
    assert (state is NonceState.VALID) == (changed == nonce)


@pytest.mark.parametrize("nonce", ["", "x", "é" * 8, "=" * 8, "A" * 97, "A" * 40, "é" * 60])
def test_foreign_nonces_are_forged(nonce: str) -> None:
    """Whatever they look like."""
    assert Nonces(KEY).check(nonce, 0.0) is NonceState.FORGED


def test_a_nonce_from_the_future_is_forged() -> None:
    """The clock is monotonic: after a restart old stamps may lie ahead, and must not live on."""
    assert Nonces(KEY).check(Nonces(KEY).issue(5000.0), 10.0) is NonceState.FORGED


def test_a_nonce_is_good_at_its_source_alone() -> None:
    """Nor, cut short, at one whose address begins with the last figure of what was cut."""
    nonce = Nonces(KEY).issue(1000.0, "192.0.2.1")
    assert Nonces(KEY).check(nonce, 1000.0, "192.0.2.1") is NonceState.VALID
    for source in ("", "192.0.2.2", "92.0.2.1"):
        assert Nonces(KEY).check(nonce, 1000.0, source) is NonceState.FORGED
    text, seal = nonce[:-32], nonce[-32:]
    assert Nonces(KEY).check(text[:-1] + seal, 1000.0, text[-1] + "192.0.2.1") is NonceState.FORGED


def test_nonces_of_one_moment_differ() -> None:
    """Each has its own count of uses."""
    nonces = Nonces(KEY)
    assert len({nonces.issue(1000.0) for _ in range(100)}) == 100


def test_keys_of_a_wrong_length_are_bugs() -> None:
    """They come from our own code."""
    for key in (b"short", bytes(65)):  # BLAKE2 takes no longer ones
        with pytest.raises(ValueError, match="16 to 64"):
            Nonces(key)


def test_counts_may_overtake_each_other_but_not_come_twice() -> None:
    """Two parallel requests in the wrong order are both good; a replay is not."""
    counts = NonceCounts()
    assert counts.accept("n", 2)
    assert counts.accept("n", 1)
    assert not counts.accept("n", 1)
    assert not counts.accept("n", 2)
    assert counts.accept("n", 2 + NC_WINDOW)
    assert not counts.accept("n", 1)
    assert not counts.accept("n", 0)
    assert counts.accept("other", 1)


@given(st.lists(st.integers(0, 80), max_size=60))
def test_counts_agree_with_a_set_that_remembers_all(sequence: list[int]) -> None:
    """Accepted: not used before, at least 1, and less than the window behind the highest."""
    counts, used, highest = NonceCounts(), set[int](), 0
    for count in sequence:
        expected = count >= 1 and count not in used and count > highest - NC_WINDOW
        assert counts.accept("n", count) == expected
        if expected:
            used.add(count)
            highest = max(highest, count)


def test_memory_of_counts_is_bounded_and_forgets_the_longest_unused() -> None:
    """An attacker with many nonces cannot grow it."""
    counts = NonceCounts(nonces_max=2)
    for nonce in ("a", "b", "a", "c"):
        counts.accept(nonce, 1)
    assert len(counts) == 2
    assert not counts.accept("a", 1)
    assert counts.accept("b", 1)


def test_challenge_says_what_we_take() -> None:
    """qop=auth, the algorithm, and stale only when it is."""
    text = digest.challenge('my "realm"', "n", "SHA-256", stale=True)
    assert digest.parse_challenge(text) == digest.Challenge(
        'my "realm"', "n", "SHA-256", "auth", None, True
    )
    assert "stale" not in digest.challenge("r", "n", "MD5")


def test_the_first_challenge_that_we_can_answer_is_chosen() -> None:
    """RFC 8760 2.4: the server's order, less what we do not know."""
    offers = [
        digest.challenge("r", "n", "SHA-512-256"),
        digest.challenge("r", "n", "SHA-256"),
        digest.challenge("r", "n", "MD5"),
    ]
    assert digest.choose_challenge(offers).algorithm == "SHA-256"
    with pytest.raises(RemoteError, match="SHA-512-256"):
        digest.choose_challenge(offers[:1])
    with pytest.raises(RemoteError, match="missing"):
        digest.choose_challenge([])


def test_old_and_opaque_challenges_are_answered() -> None:
    """Without qop the RFC 2069 form; opaque goes back as it came."""
    asked = digest.parse_challenge('Digest realm="r", nonce="n", opaque="o\\"p"')
    text = digest.answer(asked, "REGISTER", "sip:u", "a", "p", "c", 1)
    assert 'opaque="o\\"p"' in text
    assert "qop" not in text
    credentials = digest.parse_authorization(text)
    assert credentials.response == hashed("MD5", "a:r:p", "n", "REGISTER:sip:u")


@pytest.mark.parametrize(
    "text", ['Digest realm="r"', 'Basic realm="r"', 'Digest realm="r", nonce="n", qop="auth-int"']
)
def test_challenges_that_we_cannot_answer_are_refused(text: str) -> None:
    """The trunk is then down, not the switch."""
    with pytest.raises(RemoteError):
        digest.parse_challenge(text)


def test_uri_check_compares_hosts() -> None:
    """Proxies rewrite users and parameters, not the host."""
    credentials = digest.parse_authorization(answered())
    assert digest.uri_fits(credentials, "sip:alice@EXAMPLE.com;transport=tcp")
    assert not digest.uri_fits(credentials, "sip:example.net")
    assert not digest.uri_fits(credentials, "nonsense")
