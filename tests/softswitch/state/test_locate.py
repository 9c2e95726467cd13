"""Reading YAML with lines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.problems import FileProblems
from softswitch.state.locate import parse

HERE = Path()


def problem(text: str) -> str:
    """What is said about a text, which must be refused."""
    with pytest.raises(FileProblems) as refused:
        parse(text, "f.yaml", HERE)
    return str(refused.value)


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("NO", "NO"),
        ("18:00", "18:00"),
        ("+37120000000", "+37120000000"),
        ("2016-01-01", "2016-01-01"),
        ("000000212", "000000212"),
        ("0x10", "0x10"),
        ("on", True),
        ("off", False),
        ("12", 12),
        ("~", None),
        ("", None),
    ],
)
def test_plain_words_mean_what_they_look_like(plain: str, value: object) -> None:
    """No Norway problem, no sexagesimal times, no octal customer numbers."""
    assert parse(f"a: {plain}", "f", HERE).value == {"a": value}


def test_every_place_has_its_line() -> None:
    """Elements of named lists are found by name, others by index."""
    document = parse(
        'accounts:\n- id: "1"\n  users:\n  - extension: "101"\n    email: x\n  numbers:\n  - "a"\n',
        "f",
        HERE,
    )
    assert document.line(("accounts", "1")) == 2
    assert document.line(("accounts", "1", "users", "101", "email")) == 5
    assert document.line(("accounts", "1", "users", "101", "sip", "login")) == 4
    assert document.line(("accounts", "1", "numbers", 0)) == 7
    assert document.line(("trunks",)) == 1


def test_a_key_that_is_given_twice_is_refused() -> None:
    """YAML would silently take the second."""
    assert problem("a: 1\nb: 2\na: 3\n") == 'f.yaml:3: "a" is given twice'


def test_what_is_not_yaml_is_told_with_its_line() -> None:
    """The parser's own words, on one line."""
    assert problem("a: [1,\nb: 2\n").startswith("f.yaml:")
    assert "\n" not in problem("a: {b\n- c")


def test_a_small_file_cannot_stand_for_a_huge_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases of aliases are cut off by a count."""
    monkeypatch.setattr("softswitch.state.locate.NODES_MAX", 1000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "more than 1000 values" in problem("\n".join(lines))


def test_depth_is_limited() -> None:
    """A recursion of ours must not meet Python's limit."""
    assert "more than 20 levels deep" in problem("[" * 100 + "]" * 100)


def test_an_alias_to_itself_ends() -> None:
    """The depth limit also ends what never would."""
    assert "levels deep" in problem("a: &a [*a]")


@given(st.text(max_size=300))
def test_any_text_is_a_document_or_refused(text: str) -> None:
    """Never another exception than the one that names the file."""
    with suppress(FileProblems):
        assert parse(text, "f", HERE).problems == []
