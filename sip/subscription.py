"""One subscription from the notifier's side (RFC 6665 4.2): when a NOTIFY goes out, what it says.

``TABLE`` is all it does. One NOTIFY is in flight at a time; what changes meanwhile, or too soon
after the last one, is told by the next NOTIFY as it stands then, so a subscriber who is slow, or a
state that flickers, costs one remembered fact and no queue.

    RESTED      the subscriber knows all; what is new goes out at once
    RESTING     told a moment ago: what is new waits for ``NOTIFY_INTERVAL_S``
    BEHIND      there is news, and it waits for the interval or for what Retry-After said
    IN_FLIGHT   a NOTIFY is out
    OVERTAKEN   a NOTIFY is out, and there is news already
    LAST_DUE    a NOTIFY is out, and the one that ends the subscription follows it
    LAST        the NOTIFY that ends the subscription is out
    OVER        nothing is left
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import NamedTuple

from sip.abnf import is_token
from sip.dialog import Dialog
from sip.errors import RemoteError
from sip.message import Request, Response
from sip.params import parse_params
from sip.values import split_commas

EXPIRES_DEFAULT_S = 3600
"""RFC 3842 3.4, RFC 4235 3.4, RFC 3856 6.4 name an hour or leave it open; RFC 3680's 3761 is no
other thing."""
EXPIRES_MAX_S = 3600
"""Longer wishes are shortened (RFC 6665 4.2.1.1): so long do we remember a phone that is gone and
whose state never changes."""
EXPIRES_MIN_S = 60
"""423 below: a refresh is authenticated traffic, and 0 asks once without a subscription."""
NOTIFY_INTERVAL_S = 0.5
"""Between the NOTIFYs of one subscription, those that answer a SUBSCRIBE excepted. RFC 4235 and RFC
3842 recommend a second: half of it, so that a lamp follows its telephone within one."""
SUSPENDED_S = 60.0
"""Until the next try after an error that may pass and names no time (RFC 6665 4.2.2, RFC 5057)."""
RETRY_MAX_S = 600.0
"""What Retry-After may ask for."""
DIALOG_CHARS_MAX = 2048
"""Of all that is remembered of a subscriber's requests: it bounds memory and rows."""
EVENT_ID_CHARS_MAX = 64

GONE = frozenset({404, 405, 408, 410, 416, *range(480, 486), 489, 501, 604})
"""Answers to NOTIFY that end a subscription (RFC 6665 4.2.2), and 408, which is no answer."""
NO_SUBSCRIPTION = 481


class State(Enum):
    """See the head of this file."""

    RESTED = "rested"
    RESTING = "resting"
    BEHIND = "behind"
    IN_FLIGHT = "in flight"
    OVERTAKEN = "overtaken"
    LAST_DUE = "last due"
    LAST = "last"
    OVER = "over"


class Input(Enum):
    """What happens to a subscription."""

    SUBSCRIBED = "subscribed"  # begun or refreshed: to be told all, whether it is news or not
    NEWS = "news"  # the state is not the one that was told
    TIMER = "timer"  # the interval, or what Retry-After said, is over
    DELIVERED = "delivered"
    SUSPENDED = "suspended"  # the NOTIFY was refused for now
    ENDED = "ended"  # unsubscribed, run out, or ended by us
    VANISHED = "vanished"  # the subscriber does not know it, or is not there


class Action(Enum):
    """What the owner has to do."""

    NOTIFY = "notify"
    FORGET = "forget"


class Reason(Enum):
    """Why a subscription ended (RFC 6665 4.1.3), for Subscription-State."""

    TIMEOUT = "timeout"  # run out, unsubscribed or asked once
    NO_RESOURCE = "noresource"  # the user is not there any more
    REJECTED = "rejected"  # the subscriber may not see it any more


_NOTIFY, _FORGET = Action.NOTIFY, Action.FORGET

TABLE: dict[tuple[State, Input], tuple[State, Action | None]] = {
    (State.RESTED, Input.SUBSCRIBED): (State.IN_FLIGHT, _NOTIFY),
    (State.RESTED, Input.NEWS): (State.IN_FLIGHT, _NOTIFY),
    (State.RESTED, Input.ENDED): (State.LAST, _NOTIFY),
    (State.RESTED, Input.VANISHED): (State.OVER, _FORGET),
    (State.RESTING, Input.SUBSCRIBED): (State.IN_FLIGHT, _NOTIFY),
    (State.RESTING, Input.NEWS): (State.BEHIND, None),
    (State.RESTING, Input.TIMER): (State.RESTED, None),
    (State.RESTING, Input.ENDED): (State.LAST, _NOTIFY),
    (State.RESTING, Input.VANISHED): (State.OVER, _FORGET),
    (State.BEHIND, Input.SUBSCRIBED): (State.IN_FLIGHT, _NOTIFY),
    (State.BEHIND, Input.TIMER): (State.IN_FLIGHT, _NOTIFY),
    (State.BEHIND, Input.ENDED): (State.LAST, _NOTIFY),
    (State.BEHIND, Input.VANISHED): (State.OVER, _FORGET),
    (State.IN_FLIGHT, Input.SUBSCRIBED): (State.OVERTAKEN, None),
    (State.IN_FLIGHT, Input.NEWS): (State.OVERTAKEN, None),
    (State.IN_FLIGHT, Input.DELIVERED): (State.RESTING, None),
    (State.IN_FLIGHT, Input.SUSPENDED): (State.BEHIND, None),
    (State.IN_FLIGHT, Input.ENDED): (State.LAST_DUE, None),
    (State.IN_FLIGHT, Input.VANISHED): (State.OVER, _FORGET),
    (State.OVERTAKEN, Input.DELIVERED): (State.BEHIND, None),
    (State.OVERTAKEN, Input.SUSPENDED): (State.BEHIND, None),
    (State.OVERTAKEN, Input.ENDED): (State.LAST_DUE, None),
    (State.OVERTAKEN, Input.VANISHED): (State.OVER, _FORGET),
    (State.LAST_DUE, Input.DELIVERED): (State.LAST, _NOTIFY),
    (State.LAST_DUE, Input.SUSPENDED): (State.LAST, _NOTIFY),
    (State.LAST_DUE, Input.VANISHED): (State.OVER, _FORGET),
    (State.LAST, Input.DELIVERED): (State.OVER, _FORGET),
    (State.LAST, Input.SUSPENDED): (State.OVER, _FORGET),
    (State.LAST, Input.VANISHED): (State.OVER, _FORGET),
}
"""Every pair that does something; any other one is late, or says what is known."""

_ENDING = frozenset({State.LAST_DUE, State.LAST, State.OVER})
_PAUSED = frozenset({State.RESTING, State.BEHIND})


class Asked(NamedTuple):
    """What a SUBSCRIBE asks for: the package, the ``id`` that tells it from others in its dialog
    ("" for none), and for how long (0: once, or no more)."""

    package: str
    id: str
    expires_s: int

    @property
    def event(self) -> str:
        """The Event value of its NOTIFYs."""
        return f"{self.package};id={self.id}" if self.id else self.package


def parse_subscribe(request: Request) -> Asked:
    """Read a SUBSCRIBE (RFC 6665 8.2.1, 4.2.1.1). Raises RemoteError: 489 without an event, 423 for
    less than ``EXPIRES_MIN_S``, 400 malformed."""
    package, _, rest = (request.first("event") or "").partition(";")
    package = package.strip(" \t").lower()
    if not is_token(package):
        raise RemoteError("a SUBSCRIBE names one event", 489)
    event_id = parse_params(f";{rest}" if rest else "", "Event").get("id") or ""
    if len(event_id) > EVENT_ID_CHARS_MAX or not (event_id == "" or is_token(event_id)):
        raise RemoteError(f"Event: id {event_id[:20]!r} is no token, or too long")
    expires_s = request.expires
    if expires_s is None:
        expires_s = EXPIRES_DEFAULT_S
    if 0 < expires_s < EXPIRES_MIN_S:
        raise RemoteError(f"a subscription lasts {EXPIRES_MIN_S} s or more", 423)
    return Asked(package, event_id, min(expires_s, EXPIRES_MAX_S))


def accepts(request: Request, content_type: str) -> bool:
    """Whether the subscriber takes such bodies; no Accept means the package's own type (RFC 6665
    4.1.2.1). Raises RemoteError."""
    if "accept" not in request.headers:
        return True
    ranges = {
        value.partition(";")[0].strip(" \t").lower()
        for line in request.all("accept")
        for value in (split_commas(line, "Accept") if line.strip(" \t") else ())
    }
    return bool(ranges & {content_type, content_type.partition("/")[0] + "/*", "*/*"})


def check_size(request: Request, dialog: Dialog | None = None) -> None:
    """Raise RemoteError(400) when what a subscription would remember is too long, or has characters
    that not every database takes."""
    texts = [*request.headers.get("contact", ()), request.headers["call-id"][0]]
    if dialog is not None:
        texts += (dialog.local, dialog.remote, dialog.remote_tag, *dialog.route_set)
    text = "".join(texts)
    if len(text) > DIALOG_CHARS_MAX:
        raise RemoteError(f"{len(text)} characters to remember, at most {DIALOG_CHARS_MAX}")
    if not text.isprintable():
        raise RemoteError("a control character in what names the dialog")


class Subscription:
    """The machine with its dialog. ``step`` takes an input and says what is to be done.

    ``expires_s`` and ``due_s`` are monotonic seconds. ``told`` is the owner's: the state that the
    latest NOTIFY told.
    """

    __slots__ = ("_pause_until_s", "dialog", "event", "expires_s", "reason", "state", "told")

    def __init__(self, dialog: Dialog, event: str, expires_s: float) -> None:
        self.dialog = dialog
        self.event = event
        self.expires_s = expires_s
        self.state = State.RESTED
        self.reason = Reason.TIMEOUT
        self.told: object = None
        self._pause_until_s = 0.0

    @property
    def is_ending(self) -> bool:
        """Whether it is over but for its last NOTIFY: a refresh comes too late."""
        return self.state in _ENDING

    @property
    def version(self) -> int:
        """The number of the next NOTIFY, from 0: one more each time, since CSeq is."""
        return self.dialog.local_cseq

    @property
    def due_s(self) -> float | None:
        """When ``wake`` is to be called, ``None`` while only an answer is awaited."""
        if self.state in _ENDING:
            return None
        if self.state in _PAUSED:
            return min(self._pause_until_s, self.expires_s)
        return self.expires_s

    def step(self, cause: Input, now_s: float, pause_s: float = NOTIFY_INTERVAL_S) -> Action | None:
        """Take one input. ``pause_s``: how long nothing is sent after an answer to a NOTIFY."""
        found = TABLE.get((self.state, cause))
        if found is None:
            return None
        self.state, action = found
        if cause in (Input.DELIVERED, Input.SUSPENDED):
            self._pause_until_s = now_s + pause_s
        return action

    def subscribe(self, asked_s: int, now_s: float) -> Action | None:
        """A SUBSCRIBE, the first one or a refresh; 0 ends it (RFC 6665 4.2.1.2, 4.2.1.4)."""
        self.expires_s = now_s + asked_s
        return self.step(Input.SUBSCRIBED if asked_s else Input.ENDED, now_s)

    def end(self, reason: Reason, now_s: float) -> Action | None:
        """End it and tell the subscriber why."""
        self.reason = reason
        return self.step(Input.ENDED, now_s)

    def vanish(self, now_s: float) -> Action | None:
        """The subscriber does not answer any more, or has begun anew: nothing is to be told."""
        return self.step(Input.VANISHED, now_s)

    def wake(self, now_s: float) -> Action | None:
        """``due_s`` has come: it has run out, or its pause is over."""
        if now_s >= self.expires_s:
            return self.end(Reason.TIMEOUT, now_s)
        return self.step(Input.TIMER, now_s)

    def answered(self, response: Response, now_s: float) -> Action | None:
        """The final answer to a NOTIFY (RFC 6665 4.2.2)."""
        status = response.status
        if status < 300:
            return self.step(Input.DELIVERED, now_s)
        retry_s = _retry_after_s(response)
        if status == NO_SUBSCRIPTION or (status in GONE and retry_s is None):
            return self.step(Input.VANISHED, now_s)
        return self.step(Input.SUSPENDED, now_s, SUSPENDED_S if retry_s is None else retry_s)

    def notify(self, content_type: str, body: bytes, now_s: float) -> Request:
        """The NOTIFY of the present state (RFC 6665 4.2.2); the last one when it ends."""
        if self.is_ending:
            state = f"terminated;reason={self.reason.value}"
        else:
            state = f"active;expires={max(0, ceil(self.expires_s - now_s))}"
        headers = [("Event", self.event), ("Subscription-State", state)]
        if body:
            headers.append(("Content-Type", content_type))
        return self.dialog.request("NOTIFY", headers, body)


def _retry_after_s(response: Response) -> float | None:
    """What Retry-After asks for, bounded; ``None`` when there is none that can be read."""
    digits = (response.first("retry-after") or "").partition("(")[0].partition(";")[0].strip(" \t")
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(float(digits[:10]), RETRY_MAX_S)
