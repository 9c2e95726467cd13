"""What the portal is given: the seams to the switch, the store and the workers.

Everything arrives as one ``PortalDeps``, built by the assembly or by a test. Nothing here knows how
the things behind the protocols are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from softswitch.clock import monotonic_s, utc_us
from softswitch.routing.model import RoutingSnapshot

T = TypeVar("T")

# S46 shows this number in the top menu; a provider section may name its own (A26).
SUPPORT_PHONE = "+442037699299"


class Timer(Protocol):
    """A delayed call."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The part of the reactor that the portal needs."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


class Database(Protocol):
    """Units of work in the portal's database threads."""

    def run(self, fn: Callable[..., T], /, *args: Any) -> Deferred[T]:
        """Call ``fn(session, *args)`` in a thread and one writing transaction."""

    def read(self, fn: Callable[..., T], /, *args: Any) -> Deferred[T]:
        """The same for a function that only reads."""


class Commands(Protocol):
    """Write commands: a transaction, then the routing snapshot of what changed."""

    def run(self, fn: Callable[..., T], /, *args: Any, account: str) -> Deferred[T]:
        """Call ``fn(session, *args)``; fires when the next call obeys the change. Cancelling the
        Deferred must not stop the command."""


class WorkPool(Protocol):
    """Processor time away from the reactor and the interpreter lock."""

    def run(self, fn: Callable[..., T], /, *args: Any) -> Deferred[T]:
        """Call the importable ``fn`` with picklable arguments in another process."""


class CallView(Protocol):
    """A call that is being set up or is up, as one account sees it."""

    @property
    def call_id(self) -> str: ...
    @property
    def direction(self) -> str:
        """in | out | internal"""

    @property
    def caller(self) -> str:
        """Extension or E.164."""

    @property
    def called(self) -> str: ...
    @property
    def caller_extension(self) -> str:
        """Of the account's own user, "" if none; likewise ``called_extension``."""

    @property
    def called_extension(self) -> str: ...
    @property
    def state(self) -> str:
        """ringing | talking"""

    @property
    def started_us(self) -> int: ...
    @property
    def answered_us(self) -> int | None: ...


class RegistrationView(Protocol):
    """A phone that is registered."""

    @property
    def extension(self) -> str: ...
    @property
    def source(self) -> str:
        """host:port that it registered from."""

    @property
    def transport(self) -> str: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def expires_us(self) -> int: ...
    @property
    def state(self) -> str:
        """registered | dead: it is called no more until it answers."""


class LiveView(Protocol):
    """What is going on right now, from memory; asked on the reactor only."""

    def calls(self, account: str) -> Sequence[CallView]: ...

    def registrations(self, account: str) -> Sequence[RegistrationView]: ...

    def subscribe(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on every change of the account's calls or phones; returns the way to stop."""


class Snapshots(Protocol):
    """The routing snapshot in force."""

    @property
    def current(self) -> RoutingSnapshot: ...


class Vault(Protocol):
    """Opens secrets that are sealed with the key file."""

    def open(self, sealed: str) -> str: ...


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """A one-click sign-in of the demo. ``key`` is random and new at every start: the address is the
    credential, so it must not be guessed."""

    key: str
    label: str
    account: str
    extension: str


@dataclass(frozen=True, slots=True)
class PortalDeps:
    """All that the portal is built from. ``public_url`` as configured, without a slash at the end;
    ``sip_domain`` and ``static_domain`` are what users are told to enter in their phones."""

    database: Database
    commands: Commands
    live: LiveView
    snapshots: Snapshots
    vault: Vault
    work: WorkPool
    reactor: Timers
    public_url: str
    sip_domain: str
    static_domain: str
    demo_logins: tuple[DemoLogin, ...] = ()
    monotonic_s: Callable[[], float] = field(default=monotonic_s)
    utc_us: Callable[[], int] = field(default=utc_us)
