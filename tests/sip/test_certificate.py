"""Whom a certificate is for, and how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sip.certificate import (
    EXPIRY_WARNING,
    CertificateError,
    Identity,
    expiry_warning,
    fits,
    is_for,
    names_of,
    read_chain,
    read_key,
)
from tests.sip.certificates import WEEK, issue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sip.example.net", "example.net"], {"sip.example.net", "example.net"}),
        (["sip:example.net", "other.net"], {"example.net"}),  # RFC 5922 7.1: DNS names count not
        (["sip:bob@example.net", "sip.example.net"], {"sip.example.net"}),  # a user's, no domain's
        (["http://example.net", "sips:example.net"], set()),
        (["192.0.2.1", "2001:db8::1"], {"192.0.2.1", "2001:db8::1"}),
        ([], set()),  # the common name counts for nothing
    ],
)
def test_names_are_sip_uris_or_else_dns_names(names: list[str], expected: set[str]) -> None:
    """And addresses, for targets without a name."""
    assert names_of(issue(*names).certificate) == expected


@pytest.mark.parametrize(
    ("name", "host", "matches"),
    [
        ("sip.example.net", "SIP.Example.Net.", True),
        ("example.net", "sip.example.net", False),
        ("*.example.net", "sip.example.net", False),  # RFC 5922 7.2
        ("2001:db8::1", "2001:db8::1", True),
    ],
)
def test_a_host_matches_a_whole_name(name: str, host: str, matches: bool) -> None:
    """Without regard to case, and without wildcards."""
    assert is_for(issue(name).certificate, host) is matches


def test_a_chain_and_its_key() -> None:
    """The chain ends when its first certificate does."""
    authority = issue("ca", lasts=WEEK)
    own = issue("sip.example.net", by=authority)
    chain = read_chain(own.pem + authority.pem)
    assert fits(chain, read_key(own.key_pem()))
    assert not fits(chain, read_key(authority.key_pem()))
    assert Identity(chain, own.key).expires_at == authority.certificate.not_valid_after_utc


def test_an_rsa_key_does_not_fit_an_elliptic_certificate() -> None:
    """Different kinds are just different."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert not fits((issue("x").certificate,), read_key(pem))


def test_files_that_hold_something_else_say_so() -> None:
    """In words for the one line that an operator reads."""
    own = issue("x")
    with pytest.raises(CertificateError, match="holds no certificate in PEM form"):
        read_chain(own.key_pem())
    with pytest.raises(CertificateError, match="holds no certificate in PEM form"):
        read_chain(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(CertificateError, match="holds no private key in PEM form"):
        read_key(own.pem)
    with pytest.raises(CertificateError, match="passphrase"):
        read_key(own.key_pem(b"secret"))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (EXPIRY_WARNING + timedelta(seconds=1), None),
        (EXPIRY_WARNING, "expires on 2026-03-15 12:00 UTC"),
        (timedelta(), "expired on 2026-03-01 12:00 UTC"),
    ],
)
def test_an_end_that_is_near_is_told(left: timedelta, said: str | None) -> None:
    """In time for a person to renew it."""
    assert expiry_warning(NOW + left, NOW) == said
