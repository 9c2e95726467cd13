"""a=crypto lines: what is used, and what is passed over."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp_crypto import SUITES, Crypto, parse_crypto

KEY = b64encode(bytes(range(30))).decode()


@given(st.integers(0, 999_999_999), st.sampled_from(sorted(SUITES)), st.binary(min_size=44))
def test_lines_survive_the_round_trip(tag: int, suite: str, octets: bytes) -> None:
    """What we show is what we would read."""
    crypto = Crypto.fresh(tag, suite, octets[: SUITES[suite]])
    assert parse_crypto(crypto.line().removeprefix("a=crypto:")) == crypto


@pytest.mark.parametrize("more", ["", "|2^20", "|1048576", " WSH=64", "|2^31 WSH=128"])
def test_lifetime_and_window_are_hints(more: str) -> None:
    """A call is shorter than either matters."""
    value = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{more}"
    assert parse_crypto(value) == Crypto(1, "AES_CM_128_HMAC_SHA1_80", KEY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 prompt:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-4]}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-1]}!",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1 WSH=64",
    ],
)
def test_what_we_cannot_do_is_passed_over(value: str) -> None:
    """Unknown suites, MKI, several keys, parameters that switch protection off, junk."""
    assert parse_crypto(value) is None


@given(st.text(max_size=300))
def test_any_text_is_a_line_or_none(text: str) -> None:
    """Nothing raises."""
    parse_crypto(text)
