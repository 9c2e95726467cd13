"""The registrar: which contacts a login has, and what a REGISTER changes (RFC 3261 10.3).

Pure: requests and the time go in, answers and changed rows come out. Behind NAT a Contact names an
address that nobody can reach, so a binding keeps the flow that its REGISTER came by: calls go to
the flow's remote end with the contact's URI as Request-URI.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sip.abnf import parse_number, without_controls
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from softswitch.call.bindings import BindingRow, Bound, revive, to_row
from softswitch.call.contacts import AskedContact, read_contacts, write_contact

__all__ = ["Answer", "BindingRow", "Bound", "Changes", "Limits", "Registrar"]

CONTACTS_MAX = 10  # phones of one login; also bounds the forks of a call
EXPIRES_MIN_S = 60  # shorter would be a REGISTER storm (RFC 3261 10.3 step 7)
EXPIRES_MAX_S = 3600  # a phone that vanished is called in vain for so long
EXPIRES_DEFAULT_S = 3600

CALL_ID_CHARS_MAX = 255  # as the store keeps it
USER_AGENT_CHARS_MAX = 128  # longer ones are cut

# Bindings are looked at together with others that end in the same ten seconds: a heap entry for
# each refresh would keep an hour of them.
SLOT_US = 10_000_000

Key = tuple[str, str]  # login and contact URI


@dataclass(frozen=True, slots=True)
class Limits:
    """What the registrar grants, in seconds and in contacts of a login."""

    contacts_max: int = CONTACTS_MAX
    expires_min_s: int = EXPIRES_MIN_S
    expires_max_s: int = EXPIRES_MAX_S
    expires_default_s: int = EXPIRES_DEFAULT_S


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last ``take_changes``: rows to write, keys of rows to delete."""

    upserts: tuple[BindingRow, ...]
    deletes: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a REGISTER. ``reason`` is "" for the status's usual phrase."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Change:
    """What one request does to its login's bindings, decided before anything is done."""

    removed: list[Bound]
    added: list[Bound]

    def note(self, bound: Bound | None, replaced: list[Bound]) -> None:
        """Bind, or ``None``, in place of others; one that keeps its URI is just overwritten."""
        uri = None if bound is None else bound.contact
        self.removed.extend(old for old in replaced if old.contact != uri)
        if bound is not None:
            self.added.append(bound)


class Registrar:
    """All bindings of the switch, in memory."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._logins: dict[str, dict[str, Bound]] = {}  # login -> URI -> binding, oldest first
        self._slots: dict[int, set[Key]] = {}  # end of life / SLOT_US -> whom to look at then
        self._connections: dict[int, set[Key]] = {}
        self._changed: dict[Key, Bound | None] = {}

    def __len__(self) -> int:
        """Bindings held, those that are over but not yet swept included."""
        return sum(map(len, self._logins.values()))

    def register(self, login: str, request: Request, flow: Flow, now_us: int) -> Answer:
        """Do what an authenticated REGISTER asks, wholly or not at all; without a Contact it only
        asks what there is.

        400 malformed, 403 too many contacts, 423 too brief, 500 older than what is bound
        (RFC 3261 10.3 steps 6 to 8), otherwise 200 with all bindings.
        """
        lines = request.all("contact")
        if not lines:
            return self._list(login, now_us)
        try:
            change = self._decide(login, request, lines, flow, now_us)
        except RemoteError as error:
            return Answer(error.status_hint, reason=str(error))
        if isinstance(change, Answer):
            return change
        for bound in change.removed:
            self._remove(bound)
            self._unslot(bound)
        for bound in change.added:
            self._put(bound)
        return self._list(login, now_us)

    def bindings(self, login: str, now_us: int) -> tuple[Bound, ...]:
        """Where to call a login: by q from high to low, then the latest first."""
        found = self._live(login, now_us)
        found.reverse()
        found.sort(key=_preference)
        return tuple(found)

    def reachable(self, login: str, now_us: int) -> bool:
        """Whether the login has a binding."""
        return any(b.expires_us > now_us for b in self._logins.get(login, {}).values())

    def is_bound(self, login: str, flow: Flow, now_us: int) -> bool:
        """Whether the login has a binding that came from the remote end of this flow."""
        return any(bound.flow.remote == flow.remote for bound in self._live(login, now_us))

    def everything(self, now_us: int) -> list[Bound]:
        """All bindings, for people."""
        return [bound for login in self._logins for bound in self._live(login, now_us)]

    def forget(self, login: str) -> tuple[Bound, ...]:
        """Remove a login's bindings: its user is gone or has another password."""
        return self._remove_all(list(self._logins.get(login, {}).values()))

    def flow_lost(self, flow: Flow) -> tuple[Bound, ...]:
        """Remove what was registered over a stream connection that is gone.

        A phone that is not behind NAT stays registered: a new connection to its Contact's address
        reaches it (RFC 3261 18.1.1), and is opened when it is called.
        """
        keys = list(self._connections.get(flow.connection, ()))
        gone: list[Bound] = []
        for bound in [self._logins[login][uri] for login, uri in keys]:
            again = revive(to_row(bound))
            if again is None:
                gone.append(bound)
            else:
                self._put(replace(bound, flow=again.flow))
        return self._remove_all(gone)

    def expire(self, now_us: int) -> tuple[Bound, ...]:
        """Remove what is over; to be called every few seconds."""
        over: list[Bound] = []
        for slot in [slot for slot in self._slots if slot * SLOT_US <= now_us]:
            for login, uri in self._slots.pop(slot):
                bound = self._logins.get(login, {}).get(uri)
                if bound is None:
                    continue
                if bound.expires_us <= now_us:
                    over.append(bound)
                else:
                    self._slot(bound)
        return self._remove_all(over)

    def take_changes(self) -> Changes:
        """What to write to the store since the last call: the last state of each binding once."""
        changed, self._changed = self._changed, {}
        return Changes(
            tuple(to_row(bound) for bound in changed.values() if bound is not None),
            tuple(key for key, bound in changed.items() if bound is None),
        )

    def load(self, rows: Iterable[BindingRow], now_us: int) -> int:
        """Fill an empty registrar from the store at start; the number of bindings kept.

        What is over, and what nobody can reach any more, is deleted with the next changes.
        """
        for row in rows:
            bound = revive(row)
            if bound is None or row.expires_us <= now_us:
                self._changed[row.login, row.contact] = None
            else:
                self._put(bound)
                del self._changed[row.login, row.contact]
        return len(self)

    # Deciding

    def _decide(
        self, login: str, request: Request, lines: list[str], flow: Flow, now_us: int
    ) -> _Change | Answer:
        current = self._live(login, now_us)
        contacts = read_contacts(
            lines, self._limits.expires_default_s, [bound.asked for bound in current]
        )
        call_id, cseq = _sequence(request)
        if contacts is None:
            return _decide_wildcard(current, request, call_id, cseq)
        expires_s = self._header_expires_s(request)
        agent = without_controls(request.first("user-agent") or "")[:USER_AGENT_CHARS_MAX]
        change = _Change([], [])
        for asked in contacts:
            granted_s = self._granted_s(expires_s if asked.expires_s is None else asked.expires_s)
            if granted_s is None:
                return Answer(423, (("Min-Expires", str(self._limits.expires_min_s)),))
            replaced = _replaced(asked, contacts, current, call_id, flow)
            newer = next((b for b in replaced if b.call_id == call_id and b.cseq >= cseq), None)
            if newer is not None:
                return _out_of_order(newer)
            ends_us = now_us + granted_s * 1_000_000
            bound = Bound(login, asked, flow, call_id, cseq, ends_us, agent)
            change.note(bound if granted_s else None, replaced)
        return change if self._fits(current, change) else self._too_many()

    def _fits(self, current: list[Bound], change: _Change) -> bool:
        removed = {bound.contact for bound in change.removed}
        kept = {bound.contact for bound in current} - removed
        return len(kept | {bound.contact for bound in change.added}) <= self._limits.contacts_max

    def _too_many(self) -> Answer:
        # 403: the phone must not try again by itself, as it would after a 5xx.
        return Answer(403, reason=f"More Than {self._limits.contacts_max} Contacts")

    def _header_expires_s(self, request: Request) -> int:
        text = request.first("expires")
        if text is None:
            return self._limits.expires_default_s
        try:
            return parse_number(text, "Expires")
        except RemoteError:
            return self._limits.expires_default_s  # RFC 3261 10.3 step 7

    def _granted_s(self, asked_s: int) -> int | None:
        """How long, 0 to remove, ``None`` for too brief."""
        if 0 < asked_s < self._limits.expires_min_s:
            return None
        return min(asked_s, self._limits.expires_max_s)

    # Keeping

    def _live(self, login: str, now_us: int) -> list[Bound]:
        return [b for b in self._logins.get(login, {}).values() if b.expires_us > now_us]

    def _list(self, login: str, now_us: int) -> Answer:
        # Rounded up, so that a fresh hour is 3600 and nothing live is 0.
        values = [
            write_contact(b.contact, b.q_thousandths, -(-(b.expires_us - now_us) // 1_000_000))
            for b in self._live(login, now_us)
        ]
        return Answer(200, tuple(("Contact", value) for value in values))

    def _put(self, bound: Bound) -> None:
        key = bound.login, bound.contact
        bindings = self._logins.setdefault(bound.login, {})
        old = bindings.pop(bound.contact, None)  # so that the latest comes last
        if old is None:
            self._slot(bound)
        else:
            self._disconnect(old.flow, key)
        bindings[bound.contact] = bound
        if bound.flow.connection:
            self._connections.setdefault(bound.flow.connection, set()).add(key)
        self._changed[key] = bound

    def _slot(self, bound: Bound) -> None:
        slot = bound.expires_us // SLOT_US + 1
        self._slots.setdefault(slot, set()).add((bound.login, bound.contact))

    def _unslot(self, bound: Bound) -> None:
        """A phone that binds and unbinds again and again must leave nothing behind; where it was
        slotted is not kept, and there are as many slots as fit into the longest registration."""
        for keys in self._slots.values():
            keys.discard((bound.login, bound.contact))

    def _remove(self, bound: Bound) -> None:
        key = bound.login, bound.contact
        bindings = self._logins.get(bound.login, {})
        if bindings.pop(bound.contact, None) is None:
            return
        if not bindings:
            del self._logins[bound.login]
        self._disconnect(bound.flow, key)
        self._changed[key] = None

    def _disconnect(self, flow: Flow, key: Key) -> None:
        keys = self._connections.get(flow.connection)
        if keys is None:
            return
        keys.discard(key)
        if not keys:
            del self._connections[flow.connection]

    def _remove_all(self, gone: list[Bound]) -> tuple[Bound, ...]:
        for bound in gone:
            self._remove(bound)
        return tuple(gone)


def _sequence(request: Request) -> tuple[str, int]:
    call_id = request.call_id
    if len(call_id) > CALL_ID_CHARS_MAX:
        raise RemoteError(f"Call-ID: {len(call_id)} characters, at most {CALL_ID_CHARS_MAX}")
    return call_id, request.cseq.number


def _decide_wildcard(
    current: list[Bound], request: Request, call_id: str, cseq: int
) -> _Change | Answer:
    """RFC 3261 10.3 step 6: ``*`` removes all, if Expires is 0 and nothing newer is bound."""
    if (request.first("expires") or "").strip() != "0":
        raise RemoteError("Contact: * needs Expires: 0")
    for old in current:
        if old.call_id == call_id and cseq <= old.cseq:
            return _out_of_order(old)
    return _Change(current, [])


def _out_of_order(old: Bound) -> Answer:
    return Answer(500, reason=f"CSeq Not Above {old.cseq}")


def _replaced(
    asked: AskedContact,
    contacts: list[AskedContact],
    current: list[Bound],
    call_id: str,
    flow: Flow,
) -> list[Bound]:
    """The bindings whose place a contact takes: the one with its URI; for a new URI those of the
    same device (a new port behind NAT), unless the request names them too."""
    for bound in current:
        if bound.asked is asked:  # an unchanged refresh, found without reading URIs
            return [bound]
    same = [bound for bound in current if asked.equals(bound.asked)]
    if same:
        return same
    named = {contact.uri for contact in contacts}
    return [
        bound
        for bound in current
        if bound.contact not in named and _same_device(asked, bound, call_id, flow)
    ]


def _same_device(asked: AskedContact, bound: Bound, call_id: str, flow: Flow) -> bool:
    """By its instance; or by user and Call-ID, which a device keeps for all its registrations
    (RFC 3261 10.2), when it now sends from elsewhere."""
    if asked.instance and bound.asked.instance:
        return asked.same_device(bound.asked)
    return (call_id, asked.user) == (bound.call_id, bound.asked.user) and flow != bound.flow


def _preference(bound: Bound) -> int:
    return -bound.asked.q_thousandths
