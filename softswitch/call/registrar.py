"""The registrar: which contacts each login has (RFC 3261 10.3).

Pure: requests and the time go in, answers and changed rows come out. Behind NAT a Contact names an
address that nobody can reach, so a binding keeps the flow that its REGISTER came by: calls go to
the flow's remote end with the contact's URI as Request-URI.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple

from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from softswitch.call.bindings import BindingRow, Bound, reconnected, revive
from softswitch.call.contacts import write_contact
from softswitch.call.rebinding import Answer, Limits, decide

# Bindings are looked at together with others that end in the same ten seconds, and by login: an
# entry for each refresh, or for each contact that ever was, would keep an hour of them.
SLOT_US = 10_000_000

Key = tuple[str, str]  # login and contact URI


class Changes(NamedTuple):
    """What happened since the last ``take_changes``: bindings to write, keys of rows to delete."""

    upserts: tuple[Bound, ...]
    deletes: tuple[Key, ...]


class Registrar:
    """All bindings of the switch, in memory."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._logins: dict[str, dict[str, Bound]] = {}  # login -> URI -> binding, oldest first
        self._slots: dict[int, set[str]] = {}  # end of life / SLOT_US -> logins to look at then
        self._connections: dict[int, set[Key]] = {}
        self._dead: set[Key] = set()  # bound, and known not to answer
        self._changed: dict[Key, Bound | None] = {}

    def __len__(self) -> int:
        """Bindings held, those that are over but not yet swept included."""
        return sum(map(len, self._logins.values()))

    def register(self, login: str, request: Request, flow: Flow, now_us: int) -> Answer:
        """Do what an authenticated REGISTER asks, wholly or not at all; without a Contact it only
        asks what there is.

        400 malformed, otherwise as ``rebinding.decide`` refuses, or 200 with all bindings.
        """
        if "contact" not in request.headers:
            return self._list(login, now_us)
        try:
            change = decide(login, self._live(login, now_us), request, flow, self._limits, now_us)
        except RemoteError as error:
            return Answer(error.status_hint, reason=str(error))
        if isinstance(change, Answer):
            return change
        for bound in change.removed:
            self._remove(bound)
        for bound in change.added:
            self._put(bound)
        return self._list(login, now_us, change.added)

    def bindings(self, login: str, now_us: int) -> tuple[Bound, ...]:
        """Where to call a login: by q from high to low, then the latest first. Dead phones are
        passed over."""
        found = self._live(login, now_us)
        if self._dead:
            found = [b for b in found if (login, b.contact) not in self._dead]
        found.reverse()
        found.sort(key=_preference)
        return tuple(found)

    def reachable(self, login: str, now_us: int) -> bool:
        """Whether the login has a phone that could ring."""
        return any(
            b.expires_us > now_us and (login, b.contact) not in self._dead
            for b in self._logins.get(login, {}).values()
        )

    def is_bound(self, login: str, flow: Flow, now_us: int) -> bool:
        """Whether the login has a binding that came from the remote end of this flow."""
        return any(bound.flow.remote == flow.remote for bound in self._live(login, now_us))

    def everything(self, now_us: int) -> list[Bound]:
        """All bindings, for people."""
        return [bound for login in self._logins for bound in self._live(login, now_us)]

    def get(self, key: Key) -> Bound | None:
        """One binding, if it is there."""
        login, contact = key
        return self._logins.get(login, {}).get(contact)

    @property
    def dead(self) -> frozenset[Key]:
        """The phones that are known not to answer, as things stand now."""
        return frozenset(self._dead)

    @property
    def any_dead(self) -> bool:
        """Whether a phone is known not to answer; nearly never."""
        return bool(self._dead)

    def dead_over(self, login: str, flow: Flow) -> list[Key]:
        """A login's dead phones that registered over a flow."""
        bindings = self._logins.get(login, {}).values()
        keys = [(login, bound.contact) for bound in bindings if bound.flow == flow]
        return [key for key in keys if key in self._dead]

    def mark_dead(self, key: Key) -> bool:
        """A phone does not answer: calls pass it over until it registers or ``mark_alive``. False
        when it is not bound."""
        if self.get(key) is None:
            return False
        self._dead.add(key)
        return True

    def mark_alive(self, key: Key) -> bool:
        """A dead phone answered; False when it is not dead."""
        is_back = key in self._dead
        self._dead.discard(key)
        return is_back

    def forget(self, login: str) -> tuple[Bound, ...]:
        """Remove a login's bindings: its user is gone or has another password."""
        return self._remove_all(list(self._logins.get(login, {}).values()))

    def has_flow(self, flow: Flow) -> bool:
        """Whether a phone is registered over a stream connection."""
        return flow.connection in self._connections

    def flow_lost(self, flow: Flow) -> tuple[Bound, ...]:
        """Remove what was registered over a stream connection that is gone.

        A phone that is not behind NAT stays registered: a new connection to its Contact's address
        reaches it (RFC 3261 18.1.1), and is opened when it is called.
        """
        keys = list(self._connections.get(flow.connection, ()))
        gone: list[Bound] = []
        for bound in [self._logins[login][uri] for login, uri in keys]:
            again = reconnected(bound)
            if again is None:
                gone.append(bound)
            else:
                self._put(again)
        return self._remove_all(gone)

    def expire(self, now_us: int) -> tuple[Bound, ...]:
        """Remove what is over; to be called every few seconds."""
        over: list[Bound] = []
        due = [slot for slot in self._slots if slot * SLOT_US <= now_us]
        for login in set().union(*map(self._slots.pop, due)):
            for bound in self._logins.get(login, {}).values():
                if bound.expires_us <= now_us:
                    over.append(bound)
                else:
                    self._slot(bound)
        return self._remove_all(over)

    def take_changes(self) -> Changes:
        """What to write to the store since the last call: the last state of each binding once."""
        changed, self._changed = self._changed, {}
        return Changes(
            tuple([bound for bound in changed.values() if bound is not None]),
            tuple([key for key, bound in changed.items() if bound is None]),
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

    # Keeping

    def _live(self, login: str, now_us: int) -> list[Bound]:
        return [b for b in self._logins.get(login, {}).values() if b.expires_us > now_us]

    def _list(self, login: str, now_us: int, added: Sequence[Bound] = ()) -> Answer:
        """Step 8: all bindings and the date; and what was agreed about those just made."""
        # Rounded up, so that a fresh hour is 3600 and nothing live is 0.
        headers = [
            ("Contact", write_contact(b.asked, -(-(b.expires_us - now_us) // 1_000_000)))
            for b in self._logins.get(login, {}).values()
            if b.expires_us > now_us
        ]
        headers.append(("Date", _date(now_us // 1_000_000)))
        if added and added[0].path:  # one request has one path
            headers.append(("Path", added[0].path))
        for bound in added:
            if bound.outbound:
                headers.append(("Require", "outbound"))
                break
        return Answer(200, tuple(headers))

    def _put(self, bound: Bound) -> None:
        login, contact = key = bound.login, bound.asked.uri
        bindings = self._logins.get(login)
        if bindings is None:
            bindings = self._logins[login] = {}
        old = bindings.pop(contact, None)  # so that the latest comes last
        if old is None or bound.expires_us < old.expires_us:
            self._slot(bound)
        if old is not None and old.flow.connection:
            self._disconnect(old.flow, key)
        bindings[contact] = bound
        self._dead.discard(key)
        if bound.flow.connection:
            self._connections.setdefault(bound.flow.connection, set()).add(key)
        self._changed[key] = bound

    def _slot(self, bound: Bound) -> None:
        slot = bound.expires_us // SLOT_US + 1
        self._slots.setdefault(slot, set()).add(bound.login)

    def _remove(self, bound: Bound) -> None:
        key = bound.login, bound.contact
        bindings = self._logins.get(bound.login, {})
        if bindings.pop(bound.contact, None) is None:
            return
        if not bindings:
            del self._logins[bound.login]
        self._disconnect(bound.flow, key)
        self._dead.discard(key)
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


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    """A Date value (RFC 3261 20.17), made once a second."""
    return formatdate(seconds, usegmt=True)


def _preference(bound: Bound) -> int:
    return -bound.asked.q_thousandths
