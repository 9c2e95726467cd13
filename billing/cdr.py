"""What is written about a call when it ends: its records, and what each paying leg used.

A ``Settlement`` is everything that the end of a call changes in the database, as one value: it can
be written in one transaction, kept in a spool file when the database is away, and repeated without
effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from billing.tariff import Rate

Json = dict[str, Any]  # JSON objects as the columns keep them


class CallRecord(NamedTuple):
    """One account's view of a call. Price and billed seconds are filled in at the settlement.

    ``direction`` in, out or internal. Times are UTC microseconds. ``cause`` and ``hangup_by`` are
    the contract's words; they, ``ended_us`` and ``duration_s`` are only meaningful once it ended.
    ``legs`` and ``trace`` are kept as JSON.
    """

    account: str
    direction: str
    caller: str
    called: str
    currency: str
    started_us: int
    caller_extension: str = ""
    called_extension: str = ""
    answered_us: int | None = None
    ended_us: int = 0
    duration_s: int = 0
    cause: str = "failed"
    hangup_by: str = "switch"
    recording_id: str | None = None
    legs: Sequence[Json] = ()
    trace: Sequence[Any] = ()

    def as_json(self) -> Json:
        """For the hold row and the spool. Not ``asdict``, which copies legs and trace deeply: 40 us
        of the call path."""
        return self._asdict()

    @classmethod
    def from_json(cls, data: Json) -> CallRecord:
        """The inverse of ``as_json``."""
        return cls(**data)


class Charge(NamedTuple):
    """A leg that costs money: its hold, who pays, and for how many whole seconds.

    A leg that the switch ended because the money did gives the seconds that were paid, not the
    few milliseconds that BYE took beyond them. ``trusted``: the store was away when more had to be
    reserved, so the call went on; what is missing is taken from the pool as far as it goes.
    """

    hold_id: str
    account: str
    rate: Rate
    duration_s: int
    trusted: bool = False

    def as_json(self) -> Json:
        """For the spool."""
        return {
            "hold_id": self.hold_id,
            "account": self.account,
            "rate": self.rate.as_json(),
            "duration_s": self.duration_s,
            "trusted": self.trusted,
        }

    @classmethod
    def from_json(cls, data: Json) -> Charge:
        """The inverse of ``as_json``."""
        return cls(**{**data, "rate": Rate.from_json(data["rate"])})


class Settlement(NamedTuple):
    """The end of a call: charges of every leg that had a hold, a record for every account."""

    call_id: str
    ended_us: int
    charges: tuple[Charge, ...]
    records: tuple[CallRecord, ...]

    def as_json(self) -> Json:
        """For the spool."""
        return {
            "call_id": self.call_id,
            "ended_us": self.ended_us,
            "charges": [charge.as_json() for charge in self.charges],
            "records": [record.as_json() for record in self.records],
        }

    @classmethod
    def from_json(cls, data: Json) -> Settlement:
        """The inverse of ``as_json``."""
        return cls(
            call_id=data["call_id"],
            ended_us=data["ended_us"],
            charges=tuple(Charge.from_json(charge) for charge in data["charges"]),
            records=tuple(CallRecord.from_json(record) for record in data["records"]),
        )
