"""Registering with somebody else's registrar: the client's half of RFC 3261 10.2, as a table.

Responses, silence and deadlines go in; REGISTERs and the next deadline come out. What is needed
from outside is handed in: where a URI leads (``reach``), tokens, and the chance that spreads the
retries of many clients.

    IDLE      not begun
    ASKING    a REGISTER is out
    BOUND     registered; it is refreshed before it expires
    RESTING   refused or unanswered everywhere; tried again after a back-off
    LEAVING   the binding is being removed
    ENDED     over
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from sip.abnf import parse_number
from sip.digest import Challenge, answer, choose_challenge
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request, Response
from sip.uri import SipUri, parse_uri

CHALLENGES_MAX = 3  # of one attempt: the first, and nonces that are stale at once
REDIRECTS_MAX = 3  # of one attempt; more are a circle
EXPIRES_MAX_S = 7 * 86_400  # a registrar that insists on more (423) is not obeyed
REFRESH_LEAD_MAX_S = 600.0  # a refresh that fails has time for several retries
BACK_OFF_S = 5.0  # after nobody answered; doubled each time
BACK_OFF_MAX_S = 300.0
REFUSED_BACK_OFF_S = 60.0  # a wrong password does not become right in seconds, and some ban

Reach = Callable[[str], Sequence[Flow]]


class State(Enum):
    """See the head of this file."""

    IDLE = "idle"
    ASKING = "asking"
    BOUND = "registered"
    RESTING = "resting"
    LEAVING = "leaving"
    ENDED = "ended"


class Input(Enum):
    """What happened, as far as the table tells it apart."""

    START = "start"
    DUE = "due"
    STOP = "stop"
    ACCEPTED = "2xx"
    CHALLENGED = "401 or 407 that we can answer"
    BRIEF = "423 with more seconds than we asked for"
    MOVED = "3xx to somewhere new"
    FAILED = "silence, 408 or 5xx, and another place is left"
    NOWHERE = "silence, 408 or 5xx, and none is"
    REFUSED = "any other answer"


class Register(NamedTuple):
    """A REGISTER to send. Its answers come back with its CSeq number."""

    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Binding:
    """What is registered where. ``registrar``: a URI without user; ``username`` is the address of
    record's and ``auth_username`` the digest's; ``realm`` "": any challenge is answered."""

    registrar: str
    username: str
    contact_user: str
    auth_username: str
    password: str = field(repr=False)
    realm: str = ""
    expires_s: int = 3600


class Registration:
    """One binding at one registrar. ``due_s``: when ``due`` is to be called, ``None``: never.

    ``until_s``: when the binding is over, 0 when there is none; ``error``: why the last attempt
    failed, "" after one that did not. ``contact(flow)``: our address for that flow as host:port
    with transport, ``token`` a string that never repeats, ``chance`` a number from 0 to 1.
    """

    def __init__(
        self,
        binding: Binding,
        reach: Reach,
        contact: Callable[[Flow], str],
        *,
        token: Callable[[], str],
        chance: Callable[[], float],
    ) -> None:
        self.binding = binding
        self.state = State.IDLE
        self.due_s: float | None = None
        self.until_s = 0.0
        self.error = ""
        self._reach = reach
        self._contact = contact
        self._token = token
        self._chance = chance
        self._call_id = token()
        self._tag = token()
        self._cseq = 0
        self._expires_s = binding.expires_s
        self._uri = binding.registrar
        self._places: list[Flow] = []  # still to be tried, the current one first
        self._good: Flow | None = None  # the one that accepted us last
        self._challenge: Challenge | None = None
        self._challenged_by = "www-authenticate"
        self._uses = 0  # of the nonce
        self._challenges = 0  # of this attempt, as are the next two
        self._redirects = 0
        self._retry_after_s = 0.0
        self._failures = 0  # attempts in a row

    # --- the ways in ------------------------------------------------------------------------------

    def start(self, now_s: float) -> list[Register]:
        """Begin."""
        return self._step(Input.START, now_s)

    def due(self, now_s: float) -> list[Register]:
        """The deadline came."""
        if self.due_s is None or now_s < self.due_s:
            return []
        return self._step(Input.DUE, now_s)

    def stop(self, now_s: float) -> list[Register]:
        """Remove the binding; over when ``state`` is ENDED."""
        return self._step(Input.STOP, now_s)

    def responded(self, response: Response, cseq: int, now_s: float) -> list[Register]:
        """A final response to the REGISTER of that number; an older one's is ignored."""
        if cseq != self._cseq:
            return []
        kind = self._kind_of(response)
        if kind is not Input.ACCEPTED:
            self.error = f"{response.status} {response.reason}".strip()
            self._retry_after_s = _seconds(response, "retry-after")
            return self._step(kind, now_s)
        return self._accepted(response, now_s)

    def failed(self, error: str, cseq: int, now_s: float) -> list[Register]:
        """No answer came to the REGISTER of that number."""
        if cseq != self._cseq:
            return []
        self.error = error
        return self._step(self._silence(), now_s)

    def _step(self, cause: Input, now_s: float) -> list[Register]:
        found = TABLE.get((self.state, cause))
        if found is None:
            return []
        self.state, action = found
        self.due_s = None
        return action(self, now_s)

    # --- what a response is -----------------------------------------------------------------------

    def _kind_of(self, response: Response) -> Input:
        status = response.status
        if 200 <= status < 300:
            return Input.ACCEPTED
        if status in (401, 407) and self._takes_challenge(response):
            return Input.CHALLENGED
        if status == 423 and self._takes_longer(response):
            return Input.BRIEF
        if 300 <= status < 400 and self._takes_move(response):
            return Input.MOVED
        if status == 408 or 500 <= status < 600:
            return self._silence()
        return Input.REFUSED

    def _silence(self) -> Input:
        return Input.FAILED if len(self._places) > 1 else Input.NOWHERE

    def _takes_challenge(self, response: Response) -> bool:
        """Keep the challenge if answering it may help: once, and then only stale ones (22.2)."""
        name = "www-authenticate" if response.status == 401 else "proxy-authenticate"
        try:
            asked = choose_challenge(response.all(name))
        except RemoteError as error:
            response.reason = f"{response.reason}: {error}"
            return False
        if self.binding.realm not in ("", asked.realm):
            return False
        if (self._challenges and not asked.stale) or self._challenges >= CHALLENGES_MAX:
            return False
        self._challenge, self._challenged_by, self._uses = asked, name, 0
        self._challenges += 1
        return True

    def _takes_longer(self, response: Response) -> bool:
        """RFC 3261 10.2.8: ask again for at least Min-Expires."""
        least = int(_seconds(response, "min-expires"))
        if not self._expires_s < least <= EXPIRES_MAX_S:
            return False
        self._expires_s = least
        return True

    def _takes_move(self, response: Response) -> bool:
        """The first Contact of a 3xx that leads anywhere."""
        if self._redirects >= REDIRECTS_MAX:
            return False
        try:
            uris = [contact.uri_text for contact in response.contacts if not contact.is_wildcard]
        except RemoteError:
            return False
        for uri in uris:
            places = list(self._reach(uri))
            if places:
                self._redirects += 1
                self._uri, self._places = _without_user(uri), places
                return True
        return False

    # --- what is done -----------------------------------------------------------------------------

    def _begin(self, now_s: float) -> list[Register]:
        """A new attempt, first where the last one went well."""
        self._challenges = self._redirects = 0
        self._uri = self.binding.registrar
        self._places = list(self._reach(self._uri))
        if self._good in self._places:
            self._places.remove(self._good)
            self._places.insert(0, self._good)
        if self._places:
            return self._ask(now_s)
        self.error = "the registrar's name leads nowhere"
        return self._step(Input.NOWHERE, now_s)

    def _ask(self, now_s: float) -> list[Register]:
        return [self._register(self._expires_s)]

    def _ask_next(self, now_s: float) -> list[Register]:
        """Another place; it has its own nonces."""
        self._places.pop(0)
        self._challenge, self._challenges = None, 0
        return self._ask(now_s)

    def _accepted(self, response: Response, now_s: float) -> list[Register]:
        granted_s = self._granted_s(response)
        if self.state is State.ASKING and granted_s <= 0:
            self.error = f"{response.status}, but without our contact"
            return self._step(Input.REFUSED, now_s)
        self._failures, self.error = 0, ""
        sent = self._step(Input.ACCEPTED, now_s)
        if self.state is State.BOUND:
            self.until_s = now_s + granted_s
            self.due_s = now_s + granted_s - refresh_lead_s(granted_s)
        return sent

    def _bind(self, now_s: float) -> list[Register]:
        self._good = self._places[0]
        return []

    def _rest(self, now_s: float) -> list[Register]:
        return self._back_off(BACK_OFF_S, now_s)

    def _rest_long(self, now_s: float) -> list[Register]:
        self._challenge = None
        return self._back_off(REFUSED_BACK_OFF_S, now_s)

    def _back_off(self, least_s: float, now_s: float) -> list[Register]:
        """Half of the wait is chance, so that a thousand clients do not come back together."""
        wait_s = min(BACK_OFF_MAX_S, least_s * 2.0 ** min(self._failures, 10))
        self._failures += 1
        wait_s *= 0.5 + 0.5 * self._chance()
        self.due_s = now_s + min(BACK_OFF_MAX_S, max(wait_s, self._retry_after_s))
        self._retry_after_s = 0.0
        return []

    def _leave(self, now_s: float) -> list[Register]:
        self._challenges = 0
        return [self._register(0)]

    def _leave_again(self, now_s: float) -> list[Register]:
        return [self._register(0)]

    def _end(self, now_s: float) -> list[Register]:
        self.until_s = 0.0
        return []

    # --- the request ------------------------------------------------------------------------------

    def _register(self, expires_s: int) -> Register:
        self._cseq += 1
        flow = self._places[0]
        binding = self.binding
        host = parse_uri(binding.registrar).host  # the address of record has no port
        address = f"<{SipUri('sip', binding.username, host)}>"
        headers = [
            ("To", address),
            ("From", f"{address};tag={self._tag}"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<sip:{binding.contact_user}@{self._contact(flow)}>;expires={expires_s}"),
            ("Expires", str(expires_s)),
        ]
        if self._challenge is not None:
            headers.append(self._credentials(self._challenge))
        return Register(Request.build("REGISTER", self._uri, headers), flow)

    def _credentials(self, asked: Challenge) -> tuple[str, str]:
        """Also unasked, with the nonce of before: it spares a refresh its 401 (22.2)."""
        self._uses += 1
        binding = self.binding
        value = answer(
            asked,
            "REGISTER",
            self._uri,
            binding.auth_username,
            binding.password,
            self._token(),
            self._uses,
        )
        www = self._challenged_by == "www-authenticate"
        return ("Authorization" if www else "Proxy-Authorization", value)

    def _granted_s(self, response: Response) -> float:
        """For how long (10.2.4): what our Contact says, else Expires, else what we asked for."""
        try:
            contacts = response.contacts
        except RemoteError:
            contacts = []
        for contact in contacts:
            try:
                ours = contact.uri.user == self.binding.contact_user
            except RemoteError:
                continue
            text = contact.params.get("expires") if ours else None
            if text and text.isascii() and text.isdigit() and len(text) <= 10:
                return min(float(text), EXPIRES_MAX_S)
        said_s = _seconds(response, "expires") if "expires" in response.headers else None
        return min(float(self._expires_s) if said_s is None else said_s, EXPIRES_MAX_S)


def refresh_lead_s(granted_s: float) -> float:
    """How long before its end a binding is refreshed: a quarter, at most ten minutes."""
    return min(granted_s / 4, REFRESH_LEAD_MAX_S)


def _seconds(response: Response, name: str) -> float:
    """A header of seconds, without the comment that Retry-After may have; 0 for none."""
    text = (response.first(name) or "0").partition("(")[0].partition(";")[0].strip()
    try:
        return float(parse_number(text, name))
    except RemoteError:
        return 0.0


def _without_user(uri: str) -> str:
    """RFC 3261 10.2: the Request-URI of REGISTER has no user."""
    parsed = parse_uri(uri)
    transport = "" if parsed.transport is None else f";transport={parsed.transport}"
    return f"sip:{parsed.host_port}{transport}"


_S, _I = State, Input

# Every pair that does something; all others are late and change nothing.
TABLE: dict[tuple[State, Input], tuple[State, Callable[[Registration, float], list[Register]]]] = {
    (_S.IDLE, _I.START): (_S.ASKING, Registration._begin),
    (_S.IDLE, _I.STOP): (_S.ENDED, Registration._end),
    (_S.ASKING, _I.ACCEPTED): (_S.BOUND, Registration._bind),
    (_S.ASKING, _I.CHALLENGED): (_S.ASKING, Registration._ask),
    (_S.ASKING, _I.BRIEF): (_S.ASKING, Registration._ask),
    (_S.ASKING, _I.MOVED): (_S.ASKING, Registration._ask),
    (_S.ASKING, _I.FAILED): (_S.ASKING, Registration._ask_next),
    (_S.ASKING, _I.NOWHERE): (_S.RESTING, Registration._rest),
    (_S.ASKING, _I.REFUSED): (_S.RESTING, Registration._rest_long),
    (_S.ASKING, _I.STOP): (_S.LEAVING, Registration._leave),
    (_S.BOUND, _I.DUE): (_S.ASKING, Registration._begin),
    (_S.BOUND, _I.STOP): (_S.LEAVING, Registration._leave),
    (_S.RESTING, _I.DUE): (_S.ASKING, Registration._begin),
    (_S.RESTING, _I.STOP): (_S.ENDED, Registration._end),
    (_S.LEAVING, _I.CHALLENGED): (_S.LEAVING, Registration._leave_again),
    **{
        (_S.LEAVING, cause): (_S.ENDED, Registration._end)
        for cause in (_I.ACCEPTED, _I.BRIEF, _I.MOVED, _I.FAILED, _I.NOWHERE, _I.REFUSED)
    },
}
