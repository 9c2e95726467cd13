"""Session timers (RFC 4028): what two user agents agree on, and when what is due. Pure values.

A session lasts for an interval after each refresh (a re-INVITE or UPDATE that is answered by 2xx).
One side refreshes it at half of the interval; who hears no refresh in time hangs up.
"""

from __future__ import annotations

from typing import NamedTuple

from sip.abnf import parse_number
from sip.errors import RemoteError
from sip.message import Message, Request, Response
from sip.params import parse_params

OPTION = "timer"

INTERVAL_MIN_S = 90
"""The least that RFC 4028 4 lets anybody ask for, and what we take."""

INTERVAL_S = 1800
"""What we ask for, the RFC's recommendation: a peer that vanished costs half an hour at most."""

EARLY_S = 32
"""So long before the end of a session who waits for a refresh hangs up (10), or a third of it."""

RETRY_S = 10.0
"""When a refresh is tried again that the peer refused for the moment."""

_DELTA_MAX = 2**32 - 1
_REFRESHERS = ("uac", "uas")


class SessionExpires(NamedTuple):
    """A Session-Expires value; ``refresher`` is "uac", "uas" or "" where it is left open."""

    interval_s: int
    refresher: str = ""

    def __str__(self) -> str:
        """The value as it goes on the wire."""
        return f"{self.interval_s};refresher={self.refresher}" if self.refresher else str(self[0])


class Session(NamedTuple):
    """What was agreed: the interval, whether refreshing is up to us, and when it began anew."""

    interval_s: int
    is_ours: bool
    since_s: float

    @property
    def over_s(self) -> float:
        """When it is given up for want of a refresh (RFC 4028 10)."""
        return self.since_s + self.interval_s - min(EARLY_S, self.interval_s / 3)

    @property
    def due_s(self) -> float:
        """When something is to be done: our refresh (7.4, 10), or giving up."""
        return self.since_s + self.interval_s / 2 if self.is_ours else self.over_s

    def retry_s(self, now_s: float) -> float:
        """When to look again after an attempt of ours."""
        return min(now_s + RETRY_S, self.over_s)

    def asked(self, min_se_s: int) -> SessionExpires:
        """What a refresh of ours, or another request that refreshes, asks for: the same again."""
        role = "uac" if self.is_ours else "uas"
        return SessionExpires(max(self.interval_s, min_se_s), role)


class Answer(NamedTuple):
    """What our 2xx says, as UAS. ``is_required``: the peer knows timers, so it must obey."""

    expires: SessionExpires
    is_required: bool

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields of the 2xx (RFC 4028 9)."""
        expires = ("Session-Expires", str(self.expires))
        return (expires, ("Require", OPTION)) if self.is_required else (expires,)

    def begun(self, now_s: float) -> Session:
        """The session that begins when the 2xx goes out."""
        return Session(self.expires.interval_s, self.expires.refresher == "uas", now_s)


def read_session_expires(message: Message) -> SessionExpires | None:
    """Session-Expires, ``None`` when absent. Raises RemoteError."""
    text = message.first("session-expires")
    if text is None:
        return None
    digits, semicolon, rest = text.partition(";")
    interval_s = parse_number(digits.strip(" \t"), "Session-Expires", _DELTA_MAX)
    params = parse_params(semicolon + rest, "Session-Expires")
    refresher = (params.get("refresher") or "").lower()
    if refresher and refresher not in _REFRESHERS:
        raise RemoteError(f"Session-Expires: refresher {refresher[:20]!r}")
    return SessionExpires(interval_s, refresher)


def read_min_se(message: Message) -> int:
    """Min-SE in seconds, the RFC's minimum when absent or below it. Raises RemoteError."""
    text = message.first("min-se")
    if text is None:
        return INTERVAL_MIN_S
    digits = text.partition(";")[0].strip(" \t")
    return max(INTERVAL_MIN_S, parse_number(digits, "Min-SE", _DELTA_MAX))


def is_too_small(request: Request) -> bool:
    """Whether 422 is the answer (RFC 4028 9): only to who knows timers. Raises RemoteError."""
    if "session-expires" not in request.headers:
        return False
    asked = read_session_expires(request)
    return asked is not None and asked.interval_s < INTERVAL_MIN_S and _knows_timers(request)


def answer(request: Request) -> Answer | None:
    """What we agree to as UAS (RFC 4028 9, table 2); ``None``: no timer, as nobody wants one.

    A longer interval than ours is cut down to it where the request's Min-SE lets us. One below the
    minimum that cannot be refused with 422 is a proxy's mistake: the minimum it is. Raises
    RemoteError.
    """
    headers = request.headers
    if "session-expires" not in headers and OPTION not in "".join(headers.get("supported", ())):
        return None  # the usual call, found out without reading lists
    asked, knows = read_session_expires(request), _knows_timers(request)
    if asked is None:
        if not knows:
            return None
        asked = SessionExpires(max(INTERVAL_S, read_min_se(request)))
    most_s = max(INTERVAL_S, read_min_se(request))
    interval_s = max(INTERVAL_MIN_S, min(asked.interval_s, most_s))
    refresher = (asked.refresher or "uac") if knows else "uas"
    return Answer(SessionExpires(interval_s, refresher), knows)


def agreed(response: Response, now_s: float) -> Session | None:
    """The session after a 2xx to a request of ours (RFC 4028 7.2); ``None``: without a timer, also
    when what it says cannot be read. Who refreshes is left open by nobody who obeys the RFC; then
    it is us."""
    if "session-expires" not in response.headers:
        return None
    try:
        given = read_session_expires(response)
    except RemoteError:
        return None
    if given is None:
        return None
    return Session(max(INTERVAL_MIN_S, given.interval_s), given.refresher != "uas", now_s)


def wanted(response: Response) -> int | None:
    """The interval that a 422 asks for, ``None`` when it names none that can be read (7.3)."""
    if "min-se" not in response.headers:
        return None
    try:
        return read_min_se(response)
    except RemoteError:
        return None


def _knows_timers(request: Request) -> bool:
    return OPTION in request.tokens("supported") or OPTION in request.tokens("require")
