"""Reading what browsers send: bounded, never raising on bad bytes, errors beside their fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ValidationError

from softswitch.admin.forms import form_problems
from softswitch.admin.refusal import Problem

M = TypeVar("M", bound=BaseModel)

FIELDS_MAX = 200  # our largest form has a tenth of it

Fields = dict[str, list[str]]


class BadForm(Exception):
    """Not a form that a page of ours sends; answered by 400."""


def parse_urlencoded(body: bytes) -> Fields:
    """The fields of a form or query string, every value of a repeated one. Bytes that are not UTF-8
    become U+FFFD and controls are dropped: the field's own rule then speaks, not a traceback.
    Raises ``BadForm`` above ``FIELDS_MAX`` fields."""
    pairs = body.split(b"&", FIELDS_MAX) if body else []
    if len(pairs) > FIELDS_MAX:
        raise BadForm(f"more than {FIELDS_MAX} fields")
    fields: Fields = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        fields.setdefault(_text(name), []).append(_text(value))
    return fields


def _text(raw: bytes) -> str:
    text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")
    return "".join(c for c in text if c >= " " and c != "\x7f")


def single_values(fields: Fields) -> dict[str, str]:
    """The last value of each field, as browsers mean it for a field that is there once."""
    return {name: values[-1] for name, values in fields.items()}


@dataclass(frozen=True, slots=True)
class Form:
    """What a form template fills in: the input as it was, and errors by field ("": the whole)."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)

    def refused(self, problems: Iterable[Problem]) -> Form:
        """The same input, with what is wrong with it; the first problem of each field."""
        errors: dict[str, str] = {}
        for problem in problems:
            errors.setdefault(problem.field, problem.message)
        return Form(self.values, errors)


def parse(model: type[M], values: Mapping[str, str]) -> M | tuple[Problem, ...]:
    """Check the values that the model knows; others (a token, a button) are passed over."""
    known = {name: text for name, text in values.items() if name in model.model_fields}
    try:
        return model.model_validate(known)
    except ValidationError as error:
        return form_problems(error, model)
