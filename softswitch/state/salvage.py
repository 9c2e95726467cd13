"""What is left of a file when the values that are wrong are taken out of it.

All problems of a file are told at once: those of its form, and those of what refers to what, which
can only be looked for in values of the right form. So the wrong values are left out and the rest is
looked at. This is done only when a single value is missing then: without a whole object (or the key
that names it) everything that refers to it would seem wrong too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from softswitch.state.locate import IDENTITIES
from softswitch.state.model import State

_NAMES = frozenset(IDENTITIES.values())
_GONE = object()


def salvage(value: Any, error: ValidationError) -> State | None:
    """The state without the values that ``error`` names; ``None`` if more than values is wrong."""
    rest = deepcopy(value)
    for finding in error.errors(include_url=False, include_context=False, include_input=False):
        if finding["type"] == "missing" or not _take_out(rest, finding["loc"]):
            return None
    try:
        return State.model_validate(_swept(rest))
    except ValidationError:
        return None


def _take_out(value: Any, place: tuple[str | int, ...]) -> bool:
    """Take the innermost part of ``place`` that the value has out of it, if it is a plain one.
    Other parts of a place are pydantic's names for the branches of a union."""
    owner, key = None, None
    for part in place:
        if (isinstance(value, dict) and part in value) or _is_index(value, part):
            owner, key, value = value, part, value[part]
    if owner is None or key in _NAMES or isinstance(value, dict | list):
        return value is _GONE
    owner[key] = _GONE
    return True


def _is_index(value: Any, part: str | int) -> bool:
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _swept(value: Any) -> Any:
    """The value without what was taken out."""
    if isinstance(value, dict):
        return {key: _swept(child) for key, child in value.items() if child is not _GONE}
    if isinstance(value, list):
        return [_swept(child) for child in value if child is not _GONE]
    return value
