"""Who is on the phone and whose phone is there: the live view joined with the account's users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from softswitch.ids import AccountId
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.model import User as RoutedUser
from web.deps import CallView, LiveView, RegistrationView, Snapshots

BUSY = "busy"
FREE = "free"
OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Person:
    """A user right now. ``state``: busy | free | offline. ``phones`` are those registered; a user
    with a static address needs none and is never offline."""

    extension: str
    name: str
    state: str
    phones: tuple[RegistrationView, ...]
    static: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """How many users are busy, free and offline (S56, A10)."""

    busy: int
    free: int
    offline: int

    @property
    def users(self) -> int:
        """All of them."""
        return self.busy + self.free + self.offline


def people(live: LiveView, snapshots: Snapshots, account: str) -> list[Person]:
    """Every user of the account by extension."""
    users = users_of(snapshots.current, account)
    on_the_phone = _extensions_in(live.calls(account))
    phones = [phone for phone in live.registrations(account) if phone.state != "dead"]
    return [
        _person(user, on_the_phone, tuple(p for p in phones if p.extension == user.extension))
        for user in sorted(users, key=lambda user: (len(user.extension), user.extension))
    ]


def usage(everybody: Iterable[Person]) -> Usage:
    """The counts for the meter."""
    states = [person.state for person in everybody]
    return Usage(states.count(BUSY), states.count(FREE), states.count(OFFLINE))


def users_of(snapshot: RoutingSnapshot, account: str) -> list[RoutedUser]:
    """The users that calls know of."""
    found = snapshot.accounts.get(AccountId(account))
    return list(found.users.values()) if found else []


def _extensions_in(calls: Iterable[CallView]) -> set[str]:
    return {
        extension
        for call in calls
        for extension in (call.caller_extension, call.called_extension)
        if extension
    }


def _person(
    user: RoutedUser, on_the_phone: set[str], phones: tuple[RegistrationView, ...]
) -> Person:
    static = user.static is not None
    if user.extension in on_the_phone:
        state = BUSY
    else:
        state = FREE if phones or static else OFFLINE
    return Person(user.extension, user.name, state, phones, static)
