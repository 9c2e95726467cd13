"""Who a phone is: digest authentication of its requests (RFC 3261 22, RFC 8760). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sip.digest import Nonces
from sip.flow import Flow
from sip.message import Request
from softswitch.routing.model import Login


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are good: the request is this login's."""

    login: Login


@dataclass(frozen=True, slots=True)
class Challenged:
    """Answer with this status (401 to REGISTER, 407 to others) and these headers.

    ``failures``: recent wrong answers of this source and login, 0 when none was counted for this
    request (no credentials yet, or a stale nonce).
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Denied:
    """The credentials are good but not for this request: answer with this status, no challenge."""

    status: int
    reason: str


class Authenticator:
    """Checks and challenges. One for the service."""

    def __init__(self, realm: str, nonces: Nonces, algorithms: Sequence[str]) -> None: ...

    def check(
        self,
        request: Request,
        flow: Flow,
        logins: Mapping[str, Login],
        *,
        now_s: float,
        salt: str,
    ) -> Authenticated | Challenged | Denied:
        """Decide about one request. ``logins`` is the snapshot's; ``salt`` fresh random hex for the
        nonce of a challenge."""
        raise NotImplementedError
