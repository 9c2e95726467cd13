"""Forms that the portal, the API and imports share. Texts as spec/portal.md 3.6 U2."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from softswitch.admin.refusal import Problem
from softswitch.fields import (
    EQUIPMENT_PASSWORD_MAX,
    EQUIPMENT_PASSWORD_MIN,
    DesignatedNumber,
    Email,
    ExtensionText,
    Name,
    OptionalAddress,
    OptionalName,
)
from softswitch.validation import sentences

_TEXTS = {
    ("name", "too_short"): "Enter a name.",
    ("name", "string_too_short"): "Enter a name.",
    ("name", "missing"): "Enter a name.",
    ("email", "missing"): "Enter an e-mail address.",
    ("extension", "missing"): "Enter an extension.",
    ("static_port", "int_parsing"): "A port is from 1 to 65535.",
    ("static_port", "greater_than_equal"): "A port is from 1 to 65535.",
    ("static_port", "less_than_equal"): "A port is from 1 to 65535.",
}


class UserForm(BaseModel):
    """User setup (S72, S75 to S77, S79). ``extension`` "" is refused, suggest the next free one.

    ``equipment_password`` "" keeps the stored one, and generates one for a new SIP ID user.
    ``may_sign_in`` false takes a portal password away; the hash of a new one is given beside the
    form, because hashing is too slow for where forms are parsed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    last_name: OptionalName = ""
    position: OptionalName = ""
    email: Email
    extension: ExtensionText
    designated_number: DesignatedNumber = "default"
    equipment: Literal["sip", "static"] = "sip"
    equipment_password: Annotated[str, Field(max_length=EQUIPMENT_PASSWORD_MAX)] = ""
    static_transport: Literal["udp", "tcp"] = "udp"
    static_address: OptionalAddress = ""
    static_port: Annotated[int, Field(ge=1, le=65_535)] = 5060
    role: Literal["administrator", "user"] = "user"
    may_sign_in: bool = False

    @model_validator(mode="after")
    def _equipment(self) -> Self:
        password = self.equipment_password
        if self.equipment == "static" and not self.static_address:
            raise ValueError("static_address|Use the form 203.0.113.7.")
        if password and len(password) < EQUIPMENT_PASSWORD_MIN:
            raise ValueError(
                "equipment_password|A password has at least "
                f"{EQUIPMENT_PASSWORD_MIN} characters, or let us generate one."
            )
        return self


def parse_user_form(data: dict[str, Any]) -> UserForm | tuple[Problem, ...]:
    """The form, or everything that is wrong with it, each problem naming its field."""
    try:
        return UserForm.model_validate(data)
    except ValidationError as error:
        return form_problems(error, UserForm)


def form_problems(error: ValidationError, form: type[BaseModel]) -> tuple[Problem, ...]:
    """pydantic's findings as form problems, one a field.

    A form's own check of two fields together names the field before a bar ("field|message").
    """
    problems: dict[str, Problem] = {}
    findings = zip(error.errors(include_url=False), sentences(error, form), strict=True)
    for finding, (place, sentence) in findings:
        field = str(place[0]) if place else ""
        text = _TEXTS.get((field, finding["type"])) or sentence.removeprefix(f"{field}: ")
        if not place and "|" in text:
            field, text = text.split("|", 1)
        problems.setdefault(field, Problem(field, text))
    return tuple(problems.values())
