"""Tokens, numbers and quoted strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.abnf import is_token, parse_number, quote, unquote, without_controls
from sip.errors import RemoteError


@given(st.text(st.characters(exclude_characters="\r\n")))
def test_unquote_undoes_quote(text: str) -> None:
    """Any text without line breaks survives being quoted."""
    assert unquote(quote(text)) == text


def test_quote_never_lets_a_line_break_out() -> None:
    """A line break in a display name becomes a space instead of a new header."""
    assert quote("a\r\nVia: x") == '"a  Via: x"'


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1_0", "٣", "1 ", "0x1", "12345678901", "9" * 5000]
)
def test_refuses_what_int_would_take_but_no_grammar_does(text: str) -> None:
    """Signs, underscores, foreign digits and endless numerals are not numbers."""
    with pytest.raises(RemoteError, match=r"^Expires: "):
        parse_number(text, "Expires")


def test_number_may_have_leading_zeros_and_ends_at_its_limit() -> None:
    """RFC 4475 "wsinv" has 0068; one more than the limit is refused with the status asked for."""
    assert parse_number("000000000000068", "Max-Forwards", 255) == 68
    with pytest.raises(RemoteError, match="256 is more than 255") as caught:
        parse_number("256", "Max-Forwards", 255, 483)
    assert caught.value.status_hint == 483


def test_tokens_are_those_of_rfc_3261() -> None:
    """The marks of section 25.1 are part of tokens, separators are not."""
    assert is_token("!interesting-Method0123456789_*+`.%indeed'~")
    assert not any(is_token(text) for text in ("", "a b", "a/b", "a:b", "ä", "a\n"))


def test_controls_are_taken_out_of_shown_text() -> None:
    """What a quoted-pair may smuggle does not reach people or databases."""
    assert without_controls("BEL:\x07 NUL:\x00") == "BEL: NUL:"
    assert without_controls("Łukasz ☎") == "Łukasz ☎"
