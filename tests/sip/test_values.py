"""Via, name-addr, CSeq, credentials, comma lists."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip.errors import RemoteError
from sip.values import (
    CSEQ_MAX,
    VALUES_MAX,
    CSeq,
    NameAddr,
    Via,
    _parse_any_auth,
    parse_auth,
    parse_cseq,
    parse_name_addr,
    parse_tokens,
    parse_via,
    split_commas,
)
from tests.sip.samples import name_addrs, tokens, vias

odd_text = st.text('SIP/2.0UDP <>"\\,;=:@[]*x1\t\0é', max_size=40)


@given(vias)
def test_via_round_trip(via: Via) -> None:
    """What was printed is read back the same."""
    assert parse_via(str(via)) == via


@given(name_addrs)
def test_name_addr_round_trip(name_addr: NameAddr) -> None:
    """Display names with quotes, backslashes and any script survive."""
    assert parse_name_addr(str(name_addr)) == name_addr


@given(st.integers(0, CSEQ_MAX), tokens)
def test_cseq_round_trip(number: int, method: str) -> None:
    """What was printed is read back the same."""
    assert parse_cseq(str(CSeq(number, method))) == CSeq(number, method)


@given(st.lists(name_addrs, min_size=1, max_size=4))
def test_joined_values_are_split_where_they_were_joined(values: list[NameAddr]) -> None:
    """Commas in display names, URIs and quoted parameters do not split."""
    texts = [str(value) for value in values]
    assert split_commas(", ".join(texts)) == texts


@given(odd_text)
def test_any_text_gives_a_value_or_a_remote_error(text: str) -> None:
    """Every parser of a value raises RemoteError or nothing."""
    for parse in (parse_via, parse_name_addr, parse_cseq, parse_auth, split_commas):
        try:
            parse(text)
        except RemoteError:
            continue


def test_via_reads_ipv6_and_odd_spacing() -> None:
    """White space is allowed around each sign of a Via (RFC 3261 25.1)."""
    via = parse_via("SIP  /  2.0 / udp  [2001:DB8::9] : 5070 ; branch = z9hG4bK1;rport")
    assert (via.transport, via.host, via.port) == ("UDP", "2001:db8::9", 5070)
    assert (via.branch, via.sent_by) == ("z9hG4bK1", "[2001:db8::9]:5070")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP h:99999",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP ;",
    ],
)
def test_malformed_vias_are_refused(text: str) -> None:
    """The error begins with the field's name."""
    with pytest.raises(RemoteError, match=r"^Via"):
        parse_via(text)


def test_name_addr_without_brackets_owns_its_parameters() -> None:
    """RFC 3261 20.10: parameters after a bare URI are the header's."""
    address = parse_name_addr("sip:bob@example.com;tag=a48s", "To")
    assert (address.uri_text, address.tag) == ("sip:bob@example.com", "a48s")
    bracketed = parse_name_addr("<sip:bob@example.com;lr>;tag=a48s", "To")
    assert bracketed.uri.loose_routing
    assert list(bracketed.params) == ["tag"]


def test_unquoted_names_that_cannot_be_misread_are_taken() -> None:
    """Phones send names that RFC 3261 wants quoted."""
    assert parse_name_addr("Bob (Sales) é <sip:b@h>").display == "Bob (Sales) é"
    assert parse_name_addr("caller<sip:b@h>").display == "caller"


def test_wildcard_contact() -> None:
    """The star by which a REGISTER removes every binding."""
    assert parse_name_addr("*").is_wildcard
    assert str(parse_name_addr("*")) == "*"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        "<>",
        "<bob>",
        '"Bob <sip:b@h>',
        "Bell, A <sip:b@h>",
        "< sip:b@h >",
        "<sip:b@h> x",
        "sip:b@h?Route=x",
        "<sip:b@h>;tag=a;tag=b",
        "sip:a@b <sip:c@d",
    ],
)
def test_malformed_addresses_are_refused(text: str) -> None:
    """The error begins with the field's name."""
    with pytest.raises(RemoteError, match=r"^From: "):
        parse_name_addr(text, "From")


def test_a_tag_without_value_is_no_tag() -> None:
    """As good as absent."""
    assert parse_name_addr("<sip:b@h>;tag").tag is None


@pytest.mark.parametrize(
    "text", ["", "INVITE", "1", "1INVITE", "-1 INVITE", f"{2**31} INVITE", "1 a b"]
)
def test_malformed_cseqs_are_refused(text: str) -> None:
    """Numbers from 2**31 on are refused too (RFC 3261 8.1.1.5)."""
    with pytest.raises(RemoteError, match=r"^CSeq"):
        parse_cseq(text)


def test_credentials_are_read_without_quotes_and_escapes() -> None:
    """Names in lower case."""
    value = parse_auth('Digest username="a,\\"b", realm="x;y", NC=00000001, uri="sip:h"')
    assert value.scheme == "Digest"
    assert value.params == {"username": 'a,"b', "realm": "x;y", "nc": "00000001", "uri": "sip:h"}


auth_pieces = st.sampled_from(
    ["a=", "b=", "B=", '"x"', '"x,b=y"', '""', '"', "y", "=", ",", ", ", " ", "\t", "\\", "\n"]
)


@given(st.lists(auth_pieces, max_size=12).map(lambda pieces: "Digest " + "".join(pieces)))
@example("Digest a=y,")
@example('Digest a="", b=y')
def test_usual_credentials_are_read_as_the_grammar_reads_them(text: str) -> None:
    """The quick way only decides what the grammar decides alike."""
    assert parsed(parse_auth, text) == parsed(lambda text: _parse_any_auth(text, "x"), text)


def parsed(parse: Callable[[str], object], text: str) -> object:
    """What a parser reads, ``None`` when it refuses."""
    try:
        return parse(text)
    except RemoteError:
        return None


@pytest.mark.parametrize(
    "text", ["", "Digest a", 'Digest a="b', "Digest a=b c=d", "Digest a=1, A=2", "Di gest"]
)
def test_malformed_credentials_are_refused(text: str) -> None:
    """Also a parameter that stands twice."""
    with pytest.raises(RemoteError):
        parse_auth(text)


@pytest.mark.parametrize("text", ["a,", ",a", "a,,b", ' ,"a"', '"a,b', "<a,b"])
def test_empty_and_unbalanced_lists_are_refused(text: str) -> None:
    """An empty value is no value (RFC 4475 "badinv01")."""
    with pytest.raises(RemoteError):
        split_commas(text)


def test_lists_end_at_their_limit() -> None:
    """One value more than VALUES_MAX is refused."""
    assert len(split_commas(",".join("a" * VALUES_MAX))) == VALUES_MAX
    with pytest.raises(RemoteError, match="at most"):
        split_commas(",".join("a" * (VALUES_MAX + 1)))


def test_token_lists_may_be_empty() -> None:
    """An empty Supported is legal and means none (RFC 3261 20.37)."""
    assert parse_tokens(" ", "Supported") == []
    assert parse_tokens("100rel,timer", "Supported") == ["100rel", "timer"]
    with pytest.raises(RemoteError, match=r"^Require"):
        parse_tokens("a b", "Require")
