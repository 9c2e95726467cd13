"""The usual form of an address: the whole grammar is the judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import RemoteError
from sip.usual_address import read_address, read_whole
from tests.sip.samples import name_addrs, quoted, sip_uris, tokens

Read = tuple[str, str, str | None]


def told(read: Callable[[str, str], Read], text: str) -> object:
    """What a reader says of an address, or how it refuses it."""
    try:
        return read(text, "From")
    except RemoteError as error:
        return str(error), error.status_hint


def written(display: str, space: str, uri: object, tag: str) -> str:
    """An address by its parts."""
    return f"{display}{space}<{uri}>{tag}"


addresses = st.builds(
    written,
    quoted | st.just("") | st.sampled_from(["Bob", '"Bob"', '"é\x85"', '"\x01"', '""', '" "']),
    st.sampled_from(["", " ", "  ", "\t"]),
    sip_uris() | st.sampled_from(["*", "sip", ":", "tel:+371", "sip:a>;tag=b", 'sip:"', "sip: a"]),
    tokens.map(";tag={}".format)
    | st.sampled_from(
        ["", ";tag", ";tag=", ";TAG=a", ";tag=a;x", ";x;tag=a", ' ;tag="a"', ";tag=é"]
    ),
)


@given(addresses | name_addrs.map(str), st.integers(0, 30), st.text(max_size=2))
def test_the_usual_form_is_read_as_the_grammar_reads_it(text: str, at: int, junk: str) -> None:
    """Value, URI, tag and refusal are the same, whatever is in it."""
    for sent in (text, text[:at] + junk + text[at + 1 :]):
        assert told(read_address, sent) == told(read_whole, sent)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<sip:101@h>;tag=a", ("<sip:101@h>", "sip:101@h", "a")),
        ('"Bob" <sip:101@h>', ('"Bob" <sip:101@h>', "sip:101@h", None)),
        ("Bob <sip:101@h>;tag=a", ('"Bob" <sip:101@h>', "sip:101@h", "a")),
        ("sip:101@h;tag=a", ("<sip:101@h>", "sip:101@h", "a")),
    ],
)
def test_prints_in_brackets_without_parameters(text: str, read: Read) -> None:
    """What goes back into From and To of a dialog's requests."""
    assert read_address(text, "From") == read
