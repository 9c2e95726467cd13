"""Who calls, may they, and where to: from an INVITE to a plan, or to the answer that refuses it."""

from __future__ import annotations

from typing import NamedTuple

from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.uri import parse_uri
from sip.usual_address import read_address
from sip.values import parse_name_addr
from softswitch.call.authentication import Authenticated, Authenticator, Challenged
from softswitch.call.identify import Domains, identify
from softswitch.call.legs import Headers
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls
from softswitch.clock import to_datetime
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import PhoneCaller, Plan, RouteRequest, TrunkCaller
from softswitch.routing.route import route

ASSERTED = ("p-asserted-identity", "remote-party-id")
RATE_ENTRIES_MAX = 10_000  # accounts counted within one second


class Admitted(NamedTuple):
    """The call may be tried. ``trunk``: it came from this one, ``user``: from a phone of theirs."""

    plan: Plan
    trunk: str | None
    user: PhoneCaller | None


class Answered(NamedTuple):
    """The INVITE gets this final answer and no call begins."""

    status: int
    reason: str = ""
    headers: Headers = ()


def presented_number(request: Request) -> str:
    """The caller number in a request (A22): P-Asserted-Identity, else Remote-Party-ID, else the
    user part of From. "" when none. Raises RemoteError on a From that is none."""
    for name in ASSERTED:
        for value in request.values(name) if name in request.headers else ():
            try:
                user = parse_uri(parse_name_addr(value, name).uri_text).user
            except RemoteError:
                continue  # optional headers: a broken one is as good as none
            if user:
                return user
    _, uri_text, _ = read_address(request.required("from"), "From")
    return parse_uri(uri_text).user or ""


class CallRate:
    """Calls begun in the current second, by account (``limits.calls_per_second``)."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._begun: dict[AccountId, int] = {}

    def allows(self, account: AccountId, now_s: float) -> bool:
        """Count one call; whether it is within the limit (0: none)."""
        if not self._per_second:
            return True
        if int(now_s) != self._second or len(self._begun) >= RATE_ENTRIES_MAX:
            self._second, self._begun = int(now_s), {}
        begun = self._begun[account] = self._begun.get(account, 0) + 1
        return begun <= self._per_second


class CurrentState:
    """``RouteState``: what is registered and up right now, for one decision."""

    __slots__ = ("_live", "_now_us", "_registrar", "_snapshot")

    def __init__(
        self, snapshot: RoutingSnapshot, registrar: Registrar, live: LiveCalls, now_us: int
    ) -> None:
        self._snapshot = snapshot
        self._registrar = registrar
        self._live = live
        self._now_us = now_us

    def reachable(self, account: AccountId, extension: Extension) -> bool:
        """Whether the user has a contact that could ring."""
        user = self._snapshot.accounts[account].users.get(extension)
        if user is None:
            return False
        if user.static is not None:
            return True
        return self._registrar.reachable(user.login or "", self._now_us)

    def account_calls(self, account: AccountId) -> int:
        """Calls of the account that are up or being set up."""
        return self._live.account_calls(account)

    def number_calls(self, number: str) -> int:
        """Calls to a number of ours."""
        return self._live.number_calls(number)

    def trunk_calls(self, trunk: str) -> int:
        """Calls on a trunk."""
        return self._live.trunk_calls(trunk)


class Admission:
    """Identity, authentication, rates and routing of a new INVITE."""

    def __init__(
        self,
        authenticator: Authenticator,
        domains: Domains,
        registrar: Registrar,
        live: LiveCalls,
        rate: CallRate,
    ) -> None:
        self._authenticator = authenticator
        self._domains = domains
        self._registrar = registrar
        self._live = live
        self._rate = rate

    def decide(
        self, request: Request, flow: Flow, snapshot: RoutingSnapshot, *, now_s: float, now_us: int
    ) -> Admitted | Answered:
        """Admit or answer one INVITE."""
        try:
            uri = parse_uri(request.uri)
            presented = presented_number(request)
        except RemoteError as error:
            return Answered(error.status_hint, str(error))
        if not self._domains.accepts(uri.host, flow):
            return Answered(404, f"{uri.host} is not a domain of this switch")
        caller = self.caller(request, flow, snapshot, now_s)
        if isinstance(caller, Answered):
            return caller
        if isinstance(caller, PhoneCaller) and not self._rate.allows(caller.account, now_s):
            return Answered(503, "too many calls a second", (("Retry-After", "1"),))
        question = RouteRequest(caller, uri.user or "", presented, to_datetime(now_us))
        state = CurrentState(snapshot, self._registrar, self._live, now_us)
        plan = route(question, snapshot, state)
        if isinstance(caller, TrunkCaller):
            return Admitted(plan, caller.trunk, None)
        return Admitted(plan, None, caller)

    def onward(
        self, user: PhoneCaller, dialled: str, snapshot: RoutingSnapshot, now_us: int
    ) -> Plan:
        """Where a call goes that a user's phone sends on, by transfer or redirection: as if that
        user had dialled, and at their expense (billing rule 12)."""
        state = CurrentState(snapshot, self._registrar, self._live, now_us)
        return route(RouteRequest(user, dialled, "", to_datetime(now_us)), snapshot, state)

    def caller(
        self, request: Request, flow: Flow, snapshot: RoutingSnapshot, now_s: float
    ) -> PhoneCaller | TrunkCaller | Answered:
        """Who sends a request, or the answer that asks for credentials or refuses."""
        known = identify(request, flow, self._domains, snapshot)
        if known is not None:
            return known
        outcome = self._authenticator.check(request, flow, snapshot.logins, now_s)
        if isinstance(outcome, Authenticated):
            return PhoneCaller(outcome.login.account, outcome.login.extension)
        if isinstance(outcome, Challenged):
            return Answered(outcome.status, "", outcome.headers)
        return Answered(outcome.status, outcome.reason)
