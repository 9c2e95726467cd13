"""The registrar: which contacts a login has, and what a REGISTER changes (RFC 3261 10.3).

Pure: requests and the time go in, answers and changed rows come out. Behind NAT a Contact names an
address that nobody can reach, so a binding keeps the flow that its REGISTER came by: calls go to the
flow's remote end with the contact's URI as Request-URI.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sip.flow import Flow
from sip.message import Request

CONTACTS_MAX = 10  # phones of one login; also bounds the forks of a call
EXPIRES_MIN_S = 60  # shorter would be a REGISTER storm; RFC 3261 10.3 step 6
EXPIRES_MAX_S = 3600
EXPIRES_DEFAULT_S = 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """What the registrar grants, in seconds and contacts a login."""

    contacts_max: int = CONTACTS_MAX
    expires_min_s: int = EXPIRES_MIN_S
    expires_max_s: int = EXPIRES_MAX_S
    expires_default_s: int = EXPIRES_DEFAULT_S


@dataclass(frozen=True, slots=True)
class Bound:
    """A registered contact. ``contact`` is its URI, the Request-URI of calls; ``instance`` the
    device's ``+sip.instance`` or ""."""

    login: str
    contact: str
    flow: Flow
    call_id: str
    cseq: int
    expires_us: int
    q_thousandths: int
    user_agent: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class BindingRow:
    """The row of ``softswitch.store.models.Binding`` with the same field names."""

    login: str
    contact: str
    call_id: str
    cseq: int
    expires_us: int
    q_thousandths: int
    transport: str
    local: str
    source: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last ``take_changes``: rows to write and (login, contact) to delete."""

    upserts: tuple[BindingRow, ...]
    deletes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a REGISTER. ``reason`` is "" for the status's usual phrase."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


class Registrar:
    """All bindings of the switch, in memory."""

    def __init__(self, limits: Limits | None = None) -> None: ...

    def register(self, login: str, request: Request, flow: Flow, now_us: int) -> Answer:
        """Do what an authenticated REGISTER asks, wholly or not at all."""
        raise NotImplementedError

    def bindings(self, login: str, now_us: int) -> tuple[Bound, ...]:
        """Where to call a login: by q from high to low, then the newest first."""
        raise NotImplementedError

    def reachable(self, login: str, now_us: int) -> bool:
        """Whether the login has a binding."""
        raise NotImplementedError

    def everything(self, now_us: int) -> list[Bound]:
        """All bindings, for ``show registrations``."""
        raise NotImplementedError

    def forget(self, login: str) -> tuple[Bound, ...]:
        """Remove a login's bindings: its user was deleted or its password changed."""
        raise NotImplementedError

    def flow_lost(self, flow: Flow) -> tuple[Bound, ...]:
        """Remove what was registered over a stream connection that is gone."""
        raise NotImplementedError

    def expire(self, now_us: int) -> tuple[Bound, ...]:
        """Remove what is over; call it every few seconds."""
        raise NotImplementedError

    def take_changes(self) -> Changes:
        """What to write to the store since the last call."""
        raise NotImplementedError

    def load(self, rows: Iterable[BindingRow], now_us: int) -> int:
        """Fill an empty registrar from the store at start; the number of bindings kept."""
        raise NotImplementedError
