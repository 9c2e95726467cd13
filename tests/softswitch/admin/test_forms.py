"""The user form's own rules, in the portal's words."""

from __future__ import annotations

from typing import Any

import pytest

from softswitch.admin.forms import UserForm, parse_user_form
from softswitch.admin.refusal import Problem

GOOD = {"name": "Anna", "email": "anna@example.com", "extension": "101"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": ""}, Problem("name", "Enter a name.")),
        ({"name": "x" * 81}, Problem("name", "has more than 80 characters")),
        ({"email": "anna"}, Problem("email", "anna is not an e-mail address")),
        ({"extension": "1"}, Problem("extension", "An extension has 2 to 6 digits.")),
        (
            {"extension": "112"},
            Problem("extension", "An extension cannot begin with the emergency number 112."),
        ),
        (
            {"designated_number": "123"},
            Problem("designated_number", "123 is not a number like +37070044960"),
        ),
        ({"equipment": "static"}, Problem("static_address", "Use the form 203.0.113.7.")),
        (
            {"equipment": "static", "static_address": "10.0.0.300"},
            Problem("static_address", "Use the form 203.0.113.7."),
        ),
        ({"static_port": "x"}, Problem("static_port", "A port is from 1 to 65535.")),
        ({"static_port": "70000"}, Problem("static_port", "A port is from 1 to 65535.")),
        (
            {"equipment_password": "short"},
            Problem(
                "equipment_password",
                "A password has at least 12 characters, or let us generate one.",
            ),
        ),
        ({"position": "a\nb"}, Problem("position", "must not contain control characters")),
    ],
)
def test_a_bad_field_is_told_in_words(changed: dict[str, Any], problem: Problem) -> None:
    """One problem, at its field."""
    assert parse_user_form({**GOOD, **changed}) == (problem,)


def test_an_empty_form_tells_every_required_field() -> None:
    """S72."""
    problems = parse_user_form({})
    assert not isinstance(problems, UserForm)
    assert [problem.field for problem in problems] == ["name", "email", "extension"]


def test_text_from_a_browser_becomes_values() -> None:
    """A port comes as text, a check box as a word."""
    parsed = parse_user_form({**GOOD, "static_port": "5070", "may_sign_in": "true"})
    assert isinstance(parsed, UserForm)
    assert (parsed.static_port, parsed.may_sign_in) == (5070, True)
