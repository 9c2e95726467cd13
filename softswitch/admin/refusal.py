"""How a write command says no."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``field`` is the form's field, "" when it is about the whole."""

    field: str
    message: str


class Refused(Exception):
    """The command changed nothing. ``problems`` are in words, for the person who asked."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class NotFound(Refused):
    """No such object in this account; another account's object looks the same (portal.md 4.2)."""

    def __init__(self, message: str = "There is no such object.") -> None:
        super().__init__([Problem("", message)])


class Conflict(Refused):
    """Somebody changed the object after it was read (its ``version`` differs)."""

    def __init__(self) -> None:
        super().__init__(
            [Problem("", "Somebody else has changed this meanwhile. Look at it again.")]
        )


def refuse(field: str, message: str) -> Refused:
    """A refusal with one problem."""
    return Refused([Problem(field, message)])
