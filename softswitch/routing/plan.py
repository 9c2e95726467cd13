"""What routing decides: the steps of a call, who pays, what is recorded, and why (the trace)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from billing.tariff import Rate
from softswitch.ids import AccountId, Extension


class PhoneCaller(NamedTuple):
    """A user of an account, known by digest or static address."""

    account: AccountId
    extension: Extension


class TrunkCaller(NamedTuple):
    """A carrier, known by its source address."""

    trunk: str


class RouteRequest(NamedTuple):
    """The question. ``dialled`` is the user part as sent; ``presented`` the caller number that the
    equipment or carrier sent (A22), "" if none; ``at`` aware, UTC; ``private``: the caller does not
    want to be shown (RFC 3323)."""

    caller: PhoneCaller | TrunkCaller
    dialled: str
    presented: str
    at: datetime
    private: bool = False


class RouteState(Protocol):
    """What is true right now, as far as routing asks."""

    def reachable(self, account: AccountId, extension: Extension) -> bool:
        """Whether the user has a contact that could ring (registered or static)."""

    def account_calls(self, account: AccountId) -> int:
        """Calls of the account that are up or being set up, without the one that is asked about."""

    def number_calls(self, number: str) -> int:
        """Calls on a number of ours."""

    def trunk_calls(self, trunk: str) -> int:
        """Calls on a trunk."""

    def trunk_busy(self, trunk: str) -> str | None:
        """Why the trunk cannot take one more call in this second; ``None`` when it can."""

    def trunk_down(self, trunk: str) -> str | None:
        """Since when the trunk does not answer, in words; ``None`` when it does."""


class Payment(NamedTuple):
    """A leg that costs money: which account, at which rate. The rate may be free."""

    account: AccountId
    rate: Rate


class RingUser(NamedTuple):
    """Fork to all contacts of a user. ``caller`` is what their phones show, "" for withheld.

    ``joins``: CDRs of other accounts that the call reaches only by this step, through a forward to
    a number of theirs; they are written when the step was tried.
    """

    account: AccountId
    extension: Extension
    caller: str
    caller_name: str
    timeout_s: int
    joins: tuple[Record, ...] = ()


class DialTrunks(NamedTuple):
    """Call a number outside through the first trunk that takes it. ``private``: only trunks that
    are trusted learn who calls."""

    number: str  # E.164 with "+", or an emergency number as dialled
    trunks: tuple[str, ...]
    caller: str  # E.164 with "+", "" for withheld
    payment: Payment | None  # None: emergency, never charged
    timeout_s: int
    emergency: bool = False
    private: bool = False
    joins: tuple[Record, ...] = ()  # as RingUser's


class Refuse(NamedTuple):
    """Answer this and end. ``cause`` is the CDR's, ``reason`` for the trace and Reason header."""

    status: int
    cause: str
    reason: str


Step = RingUser | DialTrunks | Refuse


class Record(NamedTuple):
    """One CDR: an account's view of the call."""

    account: AccountId
    direction: str  # in | out | internal
    caller: str
    called: str
    caller_extension: str = ""
    called_extension: str = ""


class Plan(NamedTuple):
    """The answer. Steps are tried in order until one is answered; if none is, the caller gets the
    last step's failure. A ``Refuse`` ends the list. ``incoming`` is what the owner of a toll-free
    number pays while the call is up. ``number`` is the account's number that was called, for its
    channel limit. ``free`` is the zero row of a call that costs its caller nothing (internal,
    on-net, emergency: billing rule 10), for the CDR of ``free.account``."""

    steps: tuple[Step, ...]
    trace: tuple[str, ...]
    records: tuple[Record, ...] = ()
    incoming: Payment | None = None
    number: str | None = None
    free: Payment | None = None

    def shown_to_phones(self, caller: str) -> Plan:
        """The same plan, with another caller on the phones that ring; what trunks are shown is a
        matter of who pays."""
        steps = tuple(
            step._replace(caller=caller, caller_name="") if isinstance(step, RingUser) else step
            for step in self.steps
        )
        return self._replace(steps=steps)
