"""Who calls, may they, and where to: from an INVITE to a plan, or to the answer that refuses it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.uri import SipUri, parse_uri
from sip.usual_address import read_address
from sip.values import parse_name_addr
from softswitch.call.authentication import Authenticated, Authenticator, Challenged
from softswitch.call.bans import is_scanner
from softswitch.call.identify import Domains, identify
from softswitch.call.legs import Headers
from softswitch.call.registrar import Registrar
from softswitch.call.view import LiveCalls, forwarded_ends
from softswitch.clock import to_datetime
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import PhoneCaller, Plan, RouteRequest, TrunkCaller
from softswitch.routing.route import route

ASSERTED = ("p-asserted-identity", "remote-party-id")
LOOP_TURNS = 100  # calls between the same two numbers at once; Max-Forwards mostly ends it before
RATE_ENTRIES_MAX = 10_000  # counted within one second

Who = TypeVar("Who", bound=Hashable)


class Admitted(NamedTuple):
    """The call may be tried. ``trunk``: it came from this one, ``user``: from a phone of theirs."""

    plan: Plan
    trunk: str | None
    user: PhoneCaller | None


class TakesOver(NamedTuple):
    """The phone of a user takes the place of another one (RFC 3891); nothing is routed."""

    user: PhoneCaller


class Answered(NamedTuple):
    """The INVITE gets this final answer and no call begins."""

    status: int
    reason: str = ""
    headers: Headers = ()


ASSERTED = ("p-asserted-identity", "remote-party-id")  # the first that says a number (A22)
HIDDEN = frozenset(("id", "user"))  # priv-values that ask not to be shown (RFC 3323 4.2, 3325 9.3)


def presented_number(request: Request, *, trusted: bool = True) -> str:
    """The caller number in a request (A22): P-Asserted-Identity, else Remote-Party-ID, else the
    user part of From. "" when none. Of a carrier that is not ``trusted`` only From counts (RFC 3325
    5). Raises RemoteError on a From that is none."""
    for name in ASSERTED if trusted else ():
        for value in request.values(name) if name in request.headers else ():
            try:
                user = parse_uri(parse_name_addr(value, name).uri_text).user
            except RemoteError:
                continue  # optional headers: a broken one is as good as none
            if user:
                return user
    _, uri_text, _ = read_address(request.required("from"), "From")
    return parse_uri(uri_text).user or ""


def wants_privacy(request: Request) -> bool:
    """Whether the caller asks not to be shown: ``Privacy: id`` or ``user``."""
    lines = request.all("privacy")
    return bool(lines) and not HIDDEN.isdisjoint(
        value.strip().lower() for line in lines for value in line.split(";")
    )


class CallRate(Generic[Who]):
    """Calls, or messages, begun in the current second by each account or user."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._begun: dict[Who, int] = {}

    def allows(self, who: Who, now_s: float) -> bool:
        """Count one; whether it is within the limit (0: none)."""
        if not self._per_second:
            return True
        if int(now_s) != self._second or len(self._begun) >= RATE_ENTRIES_MAX:
            self._second, self._begun = int(now_s), {}
        begun = self._begun[who] = self._begun.get(who, 0) + 1
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

    def trunk_busy(self, trunk: str) -> str | None:
        """Why the trunk cannot take one more call in this second."""
        return self._live.trunks.busy(trunk, self._now_us)

    def trunk_down(self, trunk: str) -> str | None:
        """Since when the trunk does not answer."""
        return self._live.trunks.down(trunk)


class Admission:
    """Identity, authentication, rates and routing of a new INVITE."""

    def __init__(
        self,
        authenticator: Authenticator,
        domains: Domains,
        registrar: Registrar,
        live: LiveCalls,
        rate: CallRate[AccountId],
    ) -> None:
        self._authenticator = authenticator
        self._domains = domains
        self._registrar = registrar
        self._live = live
        self._rate = rate

    def decide(
        self, request: Request, flow: Flow, snapshot: RoutingSnapshot, *, now_s: float, now_us: int
    ) -> Admitted | TakesOver | Answered:
        """Admit or answer one INVITE."""
        try:
            uri = parse_uri(request.uri)
            caller = self.caller(request, uri.host, flow, snapshot, now_s)
            if isinstance(caller, Answered):
                return caller
            if "replaces" in request.headers:
                if isinstance(caller, PhoneCaller):
                    return TakesOver(caller)
                return Answered(403, "only phones of this switch may take a call over")
            trunk = caller.trunk if isinstance(caller, TrunkCaller) else None
            question = RouteRequest(
                caller,
                _dialled(request, uri, trunk, snapshot),
                presented_number(request, trusted=trunk is None or _trusts(snapshot, trunk)),
                to_datetime(now_us),
                private=wants_privacy(request),
            )
        except RemoteError as error:
            return Answered(error.status_hint, str(error))
        if isinstance(caller, PhoneCaller) and not self._rate.allows(caller.account, now_s):
            return Answered(503, "too many calls a second", (("Retry-After", "1"),))
        state = CurrentState(snapshot, self._registrar, self._live, now_us)
        plan = route(question, snapshot, state)
        if not isinstance(caller, TrunkCaller):
            return Admitted(plan, None, caller)
        if self._goes_round(plan):
            return Answered(482, "the call goes round in a circle")
        return Admitted(plan, caller.trunk, None)

    def onward(
        self, user: PhoneCaller, dialled: str, snapshot: RoutingSnapshot, now_us: int
    ) -> Plan:
        """Where a call goes that a user's phone sends on, by transfer or redirection: as if that
        user had dialled, and at their expense (billing rule 12)."""
        state = CurrentState(snapshot, self._registrar, self._live, now_us)
        return route(RouteRequest(user, dialled, "", to_datetime(now_us)), snapshot, state)

    def _goes_round(self, plan: Plan) -> bool:
        """Whether a call of ours seems to come back through a carrier again and again: to a number
        that is forwarded outside and from there to itself. A carrier's B2BUA may begin with a new
        Max-Forwards and pass no header of ours on, so what counts is how many calls between the
        same two numbers are on their way outside at once."""
        ends = forwarded_ends(plan)
        return ends is not None and self._live.forwarded(ends) >= LOOP_TURNS

    def note_options(self, request: Request, flow: Flow, now_s: float) -> None:
        """Hold an OPTIONS against its source when it is not for us or a scanning tool's; others
        are how phones and carriers see whether we are there."""
        try:
            is_ours = self._domains.accepts(parse_uri(request.uri).host, flow)
        except RemoteError:
            is_ours = False
        if not is_ours or is_scanner(request.first("user-agent") or ""):
            self._authenticator.stranger(request, flow, now_s)

    def caller(
        self, request: Request, host: str, flow: Flow, snapshot: RoutingSnapshot, now_s: float
    ) -> PhoneCaller | TrunkCaller | Answered:
        """Who sends a request to this host. Raises RemoteError on a Request-URI that is none."""
        if not self._domains.accepts(host, flow):
            self._authenticator.stranger(request, flow, now_s)
            return Answered(404, f"{host} is not a domain of this switch")
        known = identify(request, flow, self._domains, snapshot, self._live.trunks.registrars)
        if known is not None:
            return known
        outcome = self._authenticator.check(request, flow, snapshot.logins, now_s)
        if isinstance(outcome, Authenticated):
            return PhoneCaller(outcome.login.account, outcome.login.extension)
        if isinstance(outcome, Challenged):
            return Answered(outcome.status, "", outcome.headers)
        return Answered(outcome.status, outcome.reason)


def _trusts(snapshot: RoutingSnapshot, trunk: str) -> bool:
    known = snapshot.trunks.get(trunk)
    return known is not None and known.trusted


def _dialled(request: Request, uri: SipUri, trunk: str | None, snapshot: RoutingSnapshot) -> str:
    """Whom the caller called. A registrar may call our contact, and the number is in To alone."""
    known = None if trunk is None else snapshot.trunks.get(trunk)
    registration = None if known is None else known.registration
    if registration is not None and uri.user == registration.contact_user:
        return request.to.uri.user or ""
    return uri.user or ""
