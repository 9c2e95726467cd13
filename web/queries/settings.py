"""The provider's own words and prices, from the one-of-a-kind sections of the state file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from softswitch.state.model import Catalogue
from softswitch.store.models import Setting
from web.deps import SUPPORT_PHONE


@dataclass(frozen=True, slots=True)
class Prices:
    """What the catalogue says of users and recording. Amounts in micros a month."""

    included_users: int
    user_monthly_micros: int
    recording_monthly_micros: int


def section(session: Session, name: str) -> dict[str, Any]:
    """A section, empty when it was never applied."""
    row = session.get(Setting, name)
    return row.value if row is not None else {}


def brand(session: Session) -> tuple[str, str]:
    """The provider's brand and support phone."""
    provider = section(session, "provider")
    return (
        str(provider.get("brand") or "Softswitch"),
        str(provider.get("support_phone") or SUPPORT_PHONE),
    )


def prices(session: Session) -> Prices:
    """The catalogue's prices, read as the state file's model wrote them. What is missing costs
    nothing."""
    catalogue = Catalogue.model_validate(section(session, "catalogue"))
    return Prices(
        catalogue.included_users, catalogue.user_monthly_fee, catalogue.recording_monthly_fee
    )
