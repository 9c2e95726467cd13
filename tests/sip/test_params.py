"""Parameters after semicolons."""

import pytest
from hypothesis import given

from sip.errors import RemoteError
from sip.params import PARAMS_MAX, Params, parse_params
from tests.sip.samples import params


@given(params)
def test_round_trip(original: Params) -> None:
    """What was printed is read back the same, quotes and order included."""
    read = parse_params(str(original), "X")
    assert read == original
    assert str(read) == str(original)
    assert hash(read) == hash(original)


def test_white_space_and_case_of_names_do_not_matter() -> None:
    """Names are compared in lower case, values keep theirs."""
    read = parse_params(" ; Tag  = aB ;lr".strip(), "To")
    assert dict(read) == {"tag": "aB", "lr": None}


def test_quoted_values_may_hold_semicolons_and_are_unquoted_on_demand() -> None:
    """A ;tag= inside quotes is text, not a parameter."""
    read = parse_params(r';a=">;tag=evil \"x\"";tag=good', "From")
    assert read["tag"] == "good"
    assert read.text("a") == '>;tag=evil "x"'
    assert read.text("missing") is None


@pytest.mark.parametrize(
    "text", [";", ";;a", ";a=", ";a=b c", ";=b", "a=b", ';a="b', ';a="b"c', ";a=1;A=2", ";a=b,c"]
)
def test_malformed_parameters_are_refused(text: str) -> None:
    """Empty, doubled and unbalanced parameters raise, naming the header."""
    with pytest.raises(RemoteError, match=r"^Via: "):
        parse_params(text, "Via")


def test_more_parameters_than_the_limit_are_refused() -> None:
    """The limit itself is allowed."""
    text = "".join(f";p{number}" for number in range(PARAMS_MAX))
    assert len(parse_params(text, "X")) == PARAMS_MAX
    with pytest.raises(RemoteError, match="at most"):
        parse_params(text + ";more", "X")


def test_changes_are_made_on_copies() -> None:
    """with_param keeps the place of a name, without removes it, the original stays."""
    original = parse_params(";rport;branch=1", "Via")
    assert str(original.with_param("rport", "5")) == ";rport=5;branch=1"
    assert repr(original.without("rport")) == "Params(';branch=1')"
    assert str(original) == ";rport;branch=1"
