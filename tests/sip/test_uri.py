"""SIP, SIPS and tel URIs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import RemoteError
from sip.uri import (
    URI_CHARS_MAX,
    URI_HEADERS_MAX,
    URI_PARAMS_MAX,
    SipUri,
    parse_uri,
    request_uri,
    same_uri,
)
from tests.sip.samples import sip_uris


@given(sip_uris())
def test_round_trip(uri: SipUri) -> None:
    """What was printed is read back the same, and the print is plain ASCII without spaces."""
    text = str(uri)
    assert parse_uri(text) == uri
    assert text.isascii()
    assert " " not in text


@given(st.binary(max_size=12))
def test_any_escaped_bytes_survive_and_can_be_stored(raw: bytes) -> None:
    """Escapes of any bytes are kept without loss, and the text has no control characters."""
    escaped = "".join(f"%{byte:02x}" for byte in raw)
    uri = parse_uri(f"sip:u{escaped}@h")
    assert uri.user is not None
    assert uri.user.isprintable()
    uri.user.encode()  # no lone surrogates
    assert parse_uri(str(uri)) == uri


@given(st.text(max_size=40) | st.text("sip:@;?=&%[]0a.", max_size=40).map("sip:".__add__))
def test_any_text_gives_a_uri_or_a_remote_error(text: str) -> None:
    """Nothing else is raised, and what is read can be printed and read again."""
    try:
        uri = parse_uri(text)
    except RemoteError:
        return
    assert parse_uri(str(uri)) == uri


def test_reads_every_part() -> None:
    """User, password, host, port, parameters and headers (RFC 3261 19.1.1)."""
    uri = parse_uri("sips:ali%63e:se%20cret@Example.COM:5061;transport=TCP;lr?subject=a%26b&to=x")
    assert (uri.scheme, uri.user, uri.password) == ("sips", "alice", "se cret")
    assert (uri.host, uri.port, uri.transport, uri.loose_routing) == (
        "example.com",
        5061,
        "tcp",
        True,
    )
    assert uri.headers == (("subject", "a&b"), ("to", "x"))


def test_ipv6_hosts_lose_their_brackets_and_get_them_back() -> None:
    """Brackets belong to the wire, not to the address."""
    uri = parse_uri("sip:a@[2001:DB8::1]:5070")
    assert (uri.host, uri.port) == ("2001:db8::1", 5070)
    assert str(uri) == "sip:a@[2001:db8::1]:5070"


def test_unescaped_hash_of_a_feature_code_is_read_and_escaped_when_printed() -> None:
    """Phones dial *98# as it stands."""
    uri = parse_uri("sip:*98#@example.com")
    assert uri.user == "*98#"
    assert str(uri) == "sip:*98%23@example.com"


def test_percent_sign_and_controls_stay_escaped() -> None:
    """%25 and %00 would be ambiguous or unstorable if they were unescaped."""
    assert parse_uri("sip:100%25@h").user == "100%25"
    assert parse_uri("sip:null-%00-null@h").user == "null-%00-null"
    assert parse_uri("sip:caf%c3%a9@h").user == "café"
    assert parse_uri("sip:%ff@h").user == "%FF"


def test_tel_uri_gives_its_digits() -> None:
    """Visual separators are dropped (RFC 3966 3), parameters are kept."""
    uri = parse_uri("tel:+1-(201)-555.0123;phone-context=example.com")
    assert (uri.scheme, uri.user, uri.host) == ("tel", "+12015550123", "")
    assert uri.params["phone-context"] == "example.com"
    assert str(uri) == "tel:+12015550123;phone-context=example.com"
    assert parse_uri("TEL:112").user == "112"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("sip:", 400),
        ("sip:@host", 400),
        ("sip:a b@host", 400),
        ("sip:a@host:65536", 400),
        ("sip:a@host:", 400),
        ("sip:a@b@host", 400),
        ("sip:a%4@host", 400),
        ("sip:a@[::1", 400),
        ("sip:a@host;lr;lr", 400),
        ("sip:a@host;;lr", 400),
        ("sip:a@host?x", 400),
        ("sip:a@host" + ";p" * (URI_PARAMS_MAX + 1), 400),
        ("sip:a@host?x=y" + "&x=y" * URI_HEADERS_MAX, 400),
        ("sip:a@host,x", 400),
        ("sip:a@host>", 400),
        ("tel:hello", 400),
        ("no colon", 400),
        ("http://example.com", 416),
        ("nobodyKnowsThisScheme:totallyopaquecontent", 416),
        ("sip:" + "a" * URI_CHARS_MAX, 414),
    ],
)
def test_refusals_carry_their_status(text: str, status: int) -> None:
    """Malformed 400, foreign scheme 416, too long 414."""
    with pytest.raises(RemoteError) as caught:
        parse_uri(text)
    assert caught.value.status_hint == status


# The examples of RFC 3261 19.1.4.
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_uris_of_the_rfc(one: str, other: str) -> None:
    """RFC 3261 19.1.4, both ways round."""
    assert same_uri(parse_uri(one), parse_uri(other))
    assert same_uri(parse_uri(other), parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris_of_the_rfc(one: str, other: str) -> None:
    """RFC 3261 19.1.4, both ways round."""
    assert not same_uri(parse_uri(one), parse_uri(other))
    assert not same_uri(parse_uri(other), parse_uri(one))


def test_address_of_record_leaves_parameters_and_password_out() -> None:
    """The key of a registration (RFC 3261 10.3 step 5)."""
    assert parse_uri("sip:a%6Cice:x@H;transport=tcp?a=b").address_of_record == "sip:alice@h"


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("sip:anna@h:5062;transport=tcp;ob", "sip:anna@h:5062;transport=tcp;ob"),
        ("sip:anna@h;method=INVITE;ob?Subject=x", "sip:anna@h;ob"),
        ("sip:anna@h;Method=BYE", "sip:anna@h"),
        ("sip:an?na@h", "sip:an?na@h"),
    ],
)
def test_request_uri_has_neither_headers_nor_method(contact: str, expected: str) -> None:
    """RFC 3261 19.1.5; all else of a Contact stays as it is."""
    assert request_uri(contact) == expected
