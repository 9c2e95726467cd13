"""What one REGISTER changes of its login's bindings (RFC 3261 10.3 steps 6 and 7), decided before
anything is done. Pure.

Which bindings a contact takes the place of, so that one phone stays one phone:

- the one with its URI (RFC 3261 19.1.4);
- for a new URI, those of the same device: the same instance and flow number (RFC 5626 6); or, when
  one of them has no instance, the same user and Call-ID (RFC 3261 10.2) from elsewhere, or the same
  user at the same host and port behind the same source address: what differs then is a parameter
  that some phones make up anew whenever they start.

What still adds up, a phone without an instance that has another address and Call-ID after each
start, is bounded: beyond ``Limits.contacts_max`` the binding that was not refreshed for longest
goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sip.abnf import parse_number, without_controls
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from sip.values import parse_name_addr
from softswitch.call.bindings import Bound
from softswitch.call.contacts import AskedContact, read_contacts

CONTACTS_MAX = 10  # phones of one login; also bounds the forks of a call
EXPIRES_MIN_S = 60  # shorter would be a REGISTER storm (RFC 3261 10.3 step 7)
EXPIRES_MAX_S = 3600  # a phone that vanished is called in vain for so long
EXPIRES_DEFAULT_S = 3600

CALL_ID_CHARS_MAX = 255  # as the store keeps it
USER_AGENT_CHARS_MAX = 128  # longer ones are cut
TEXTS_CACHED = 256  # User-Agent and Expires values; a message is at most 64 kB
PATH_CHARS_MAX = 1024  # as the store keeps it; a proxy writes some 60

EXTENSIONS = frozenset({"outbound", "path"})
"""What a REGISTER may require (RFC 5626, RFC 3327)."""


class Limits(NamedTuple):
    """What the registrar grants, in seconds and in contacts of a login."""

    contacts_max: int = CONTACTS_MAX
    expires_min_s: int = EXPIRES_MIN_S
    expires_max_s: int = EXPIRES_MAX_S
    expires_default_s: int = EXPIRES_DEFAULT_S


class Answer(NamedTuple):
    """The response to a REGISTER. ``reason`` is "" for the status's usual phrase."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


class Change(NamedTuple):
    """What is removed, then what is bound anew or again."""

    removed: Sequence[Bound]
    added: Sequence[Bound]


class Asked(NamedTuple):
    """What a REGISTER says that holds for all its contacts."""

    login: str
    flow: Flow
    call_id: str
    cseq: int
    expires_s: int
    user_agent: str
    path: str
    outbound: bool  # the device knows RFC 5626, and its flow can be kept alive
    now_us: int

    def bind(self, contact: AskedContact, seconds: int) -> Bound:
        """The binding of one contact."""
        return Bound(
            self.login,
            contact,
            self.flow,
            self.call_id,
            self.cseq,
            self.now_us + seconds * 1_000_000,
            self.user_agent,
            self.path,
            self.outbound and contact.reg_id != "" and contact.instance != "",
        )

    def outdated_by(self, bound: Bound) -> bool:
        """Whether a binding is of a later request of the same device (10.3 step 7)."""
        return bound.call_id == self.call_id and bound.cseq >= self.cseq


def decide(
    login: str,
    current: Sequence[Bound],
    request: Request,
    flow: Flow,
    limits: Limits,
    now_us: int,
) -> Change | Answer:
    """What an authenticated REGISTER with Contact does to its login's current bindings, the one
    refreshed last at the end; or the refusal: 403 too many contacts, 421 a Path that the phone does
    not know of, 423 too brief, 500 older than what is bound. Raises RemoteError on what is
    malformed."""
    lines = request.headers["contact"]
    asked = _asked(login, request, flow, limits, now_us)
    if asked.path and "path" not in request.tokens("supported"):
        return Answer(421, (("Require", "path"),))
    if len(lines) == 1 and lines[0]:
        for bound in current:
            if bound.asked.header == lines[0]:  # a refresh as nearly all are: nothing to be read
                return _refresh(bound, asked, limits)
    contacts = read_contacts(lines, limits.expires_default_s)
    if contacts is None:
        return _remove_all(current, request, asked)
    return _rebind(contacts, current, asked, limits)


def _asked(login: str, request: Request, flow: Flow, limits: Limits, now_us: int) -> Asked:
    call_id, headers = request.call_id, request.headers
    if len(call_id) > CALL_ID_CHARS_MAX:
        raise RemoteError(f"Call-ID: {len(call_id)} characters, at most {CALL_ID_CHARS_MAX}")
    path = _path(request) if "path" in headers else ""
    return Asked(
        login,
        flow,
        call_id,
        request.cseq.number,
        _seconds(headers["expires"][0], limits)
        if "expires" in headers
        else limits.expires_default_s,
        _user_agent(headers["user-agent"][0]) if "user-agent" in headers else "",
        path,
        "reg-id" in headers["contact"][0].lower() and _knows_outbound(request, flow, path),
        now_us,
    )


# Phones of one kind say the same for ever.
@lru_cache(maxsize=TEXTS_CACHED)
def _user_agent(text: str) -> str:
    return without_controls(text)[:USER_AGENT_CHARS_MAX]


@lru_cache(maxsize=TEXTS_CACHED)
def _seconds(text: str, limits: Limits) -> int:
    """An Expires value (10.3 step 7: a malformed one is the default)."""
    try:
        return parse_number(text, "Expires")
    except RemoteError:
        return limits.expires_default_s


def _path(request: Request) -> str:
    """The proxies between us and the phone (RFC 3327 5.3), as one Route value."""
    values = request.values("path")
    for value in values:
        parse_name_addr(value, "Path").uri  # noqa: B018  # parsed for its errors
    path = ", ".join(values)
    if len(path) > PATH_CHARS_MAX:
        raise RemoteError(f"Path: {len(path)} characters, at most {PATH_CHARS_MAX}")
    return path


def _knows_outbound(request: Request, flow: Flow, path: str) -> bool:
    """Whether RFC 5626 holds: the phone knows it, and so does its first hop.

    That is the proxy that says so in the last Path, or we; then over a connection only, since on
    UDP the phone would want answers to STUN, and take our silence for a dead flow.
    """
    if "outbound" not in request.tokens("supported"):
        return False
    if path:
        return "ob" in parse_name_addr(request.values("path")[-1], "Path").uri.params
    return flow.reliable and len(request.values("via")) == 1


def _granted_s(contact: AskedContact, asked: Asked, limits: Limits) -> int | None:
    """How long, 0 to remove, ``None`` for too brief."""
    seconds = asked.expires_s if contact.expires_s is None else contact.expires_s
    if 0 < seconds < limits.expires_min_s:
        return None
    return min(seconds, limits.expires_max_s)


def _refresh(bound: Bound, asked: Asked, limits: Limits) -> Change | Answer:
    seconds = _granted_s(bound.asked, asked, limits)
    if seconds is None:
        return _too_brief(limits)
    if asked.outdated_by(bound):
        return _out_of_order(bound)
    return Change((), (asked.bind(bound.asked, seconds),)) if seconds else Change((bound,), ())


def _remove_all(current: Sequence[Bound], request: Request, asked: Asked) -> Change | Answer:
    """Step 6: ``*`` removes all, if Expires is 0 and nothing newer is bound."""
    if (request.first("expires") or "").strip() != "0":
        raise RemoteError("Contact: * needs Expires: 0")
    for old in current:
        if asked.outdated_by(old):
            return _out_of_order(old)
    return Change(current, ())


def _rebind(
    contacts: list[AskedContact], current: Sequence[Bound], asked: Asked, limits: Limits
) -> Change | Answer:
    """Step 7, contact by contact."""
    if len(contacts) > 2 * limits.contacts_max:  # all that can be bound, and as many to be removed
        return _too_many(limits)
    kept = {bound.contact: bound for bound in current}
    added: dict[str, Bound] = {}
    named = {contact.uri for contact in contacts}
    for contact in contacts:
        seconds = _granted_s(contact, asked, limits)
        if seconds is None:
            return _too_brief(limits)
        for old in _replaced(contact, named, list(kept.values()), asked):
            if asked.outdated_by(old):
                return _out_of_order(old)
            del kept[old.contact]
        for twin in [new for new in added.values() if contact.equals(new.asked)]:
            del added[twin.contact]
        if seconds:
            added[contact.uri] = asked.bind(contact, seconds)
    for oldest in list(kept)[: max(0, len(kept) + len(added) - limits.contacts_max)]:
        del kept[oldest]
    if len(added) > limits.contacts_max:
        return _too_many(limits)
    removed = [old for old in current if old.contact not in kept and old.contact not in added]
    return Change(removed, list(added.values()))


def _replaced(
    contact: AskedContact, named: set[str], kept: list[Bound], asked: Asked
) -> list[Bound]:
    """The bindings whose place a contact takes; for a new URI those of the same device, unless
    the request names them too."""
    same = [bound for bound in kept if contact.equals(bound.asked)]
    if same:
        return same
    return [
        bound
        for bound in kept
        if bound.contact not in named and _same_device(contact, bound, asked)
    ]


def _same_device(contact: AskedContact, bound: Bound, asked: Asked) -> bool:
    if contact.instance and bound.asked.instance:
        return contact.same_device(bound.asked)
    if asked.call_id == bound.call_id and contact.user == bound.asked.user:
        return asked.flow != bound.flow
    return asked.flow.remote.host == bound.flow.remote.host and contact.same_place(bound.asked)


def _too_brief(limits: Limits) -> Answer:
    return Answer(423, (("Min-Expires", str(limits.expires_min_s)),))


def _too_many(limits: Limits) -> Answer:
    # 403: the phone must not try again by itself, as it would after a 5xx.
    return Answer(403, reason=f"More Than {limits.contacts_max} Contacts")


def _out_of_order(old: Bound) -> Answer:
    return Answer(500, reason=f"CSeq Not Above {old.cseq}")
