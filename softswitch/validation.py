"""pydantic's findings in words: what every file and form says when it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from softswitch.problems import unknown_key

Place = tuple[str | int, ...]

UNION_TAGS = ("int", "str", "always", "period_keys")
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a group of keys",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
}


def sentences(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Place, str]]:
    """Each finding as its place and one sentence that names the key."""
    for finding in error.errors(include_url=False):
        place = tuple(finding["loc"])
        if finding["type"] == "extra_forbidden":
            known = _keys_at(model, place[:-1])
            yield place, unknown_key(str(place[-1]), known)
        else:
            key = _key_name(place)
            yield place, f"{key}: {_words(finding)}" if key else _words(finding)


def _words(finding: Any) -> str:
    """The sentence of one finding, without its place."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{finding['input']!r} is not one of {context['expected']}"
    if kind in ("greater_than_equal", "greater_than"):
        return f"must be at least {context.get('ge', context.get('gt'))}"
    if kind in ("less_than_equal", "less_than"):
        return f"must be at most {context.get('le', context.get('lt'))}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return _length_words(context, text=isinstance(finding["input"], str))
    if kind == "multiple_of":
        return f"must be a multiple of {context['multiple_of']}"
    return str(finding["msg"])


def _length_words(context: dict[str, Any], *, text: bool) -> str:
    """The sentence about a text or list that is too short or too long."""
    unit = "characters" if text else "entries"
    if "max_length" in context:
        return f"has more than {context['max_length']} {unit}"
    if context["min_length"] == 1:
        return "must not be empty"
    return f"needs at least {context['min_length']} {unit}"


def _key_name(place: Place) -> str:
    """The innermost key of a place, with its index when it is in a list."""
    names = [part for part in place if isinstance(part, str) and not _is_branch(part)]
    return names[-1] if names else ""


def _is_branch(part: str) -> bool:
    """pydantic names the branch of a union in the place; no key of ours looks like that."""
    return part.startswith(("literal[", "function-", "constrained-")) or part in UNION_TAGS


def _keys_at(model: type[BaseModel], place: Place) -> set[str]:
    """The keys that the model at ``place`` knows."""
    current: Any = model
    for part in place:
        if isinstance(part, str) and isinstance(current, type) and issubclass(current, BaseModel):
            field = _field(current, part)
            current = _model_in(field) if field is not None else current
    if isinstance(current, type) and issubclass(current, BaseModel):
        return {info.alias or name for name, info in current.model_fields.items()}
    return set()


def _field(model: type[BaseModel], key: str) -> Any:
    for name, info in model.model_fields.items():
        if key in (name, info.alias):
            return info.annotation
    return None


def _model_in(annotation: Any) -> Any:
    """The model inside ``tuple[Model, ...]``, ``Model | None`` or ``Annotated``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
