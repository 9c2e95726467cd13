"""Any interleaving of calls, top-ups, repeated events and crashes leaves the same money as adding
up serially (billing rules 58 and 59), against a model of a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from billing import work
from billing.credit import CreditRefused, HoldGranted
from billing.rating import charge, next_slice, opening_slice, paid_until_s
from billing.repository import verify
from billing.tariff import Rate
from tests.billing.samples import (
    START_US,
    Pool,
    add_accounts,
    make_rate,
    make_request,
    make_settlement,
    pool,
    top_up,
)

RATES = (
    make_rate((60, 60)),
    make_rate((1, 1)),
    make_rate((30, 6), connect_fee_micros=50_000),
    make_rate((60, 1), per_minute_micros=700_000, minimum_micros=100_000, free_s=7),
    make_rate((1, 1), per_minute_micros=0),
)
CALLS = 4


@dataclass
class ModelCall:
    """What the model knows of a call that is up."""

    rate: Rate
    reserved: int
    answered_us: int | None = None
    seen_us: int = START_US

    def lasted_s(self) -> int:
        """Seconds to its last journal entry, rounded up (rule 5). A call that was answered was up
        for a part of a second at least, whether or not anything was journaled since (rule 22)."""
        if self.answered_us is None:
            return 0
        return max(1, -((self.answered_us - self.seen_us) // 1_000_000))


@dataclass
class Model:
    """One pool, kept as a book-keeper with one pencil would."""

    balance: int = 0
    calls: dict[str, ModelCall] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    @property
    def reserved(self) -> int:
        """All that calls have reserved."""
        return sum(call.reserved for call in self.calls.values())

    def grant(self, first: int, want: int) -> int | None:
        """How much a request for credit gets."""
        available = self.balance - self.reserved
        return None if available < first else min(want, available)

    def end(self, call_id: str, duration_s: int) -> None:
        """Charge the time, at most to where it was paid for."""
        call = self.calls.pop(call_id)
        paid_s = paid_until_s(call.rate, call.reserved)
        covered_s = duration_s if paid_s is None else min(duration_s, paid_s)
        self.balance -= charge(call.rate, covered_s).price_micros
        self.ended.add(call_id)


class Scenario:
    """Does every step to the database and to the model, and compares."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.model = Model(balance=pool(connection).balance)
        self.payments = 0

    def hold(self, call: int, argument: int) -> None:
        """A call starts; one that was asked for before is not asked again once it has ended."""
        call_id, rate = f"c{call}", RATES[argument % len(RATES)]
        if call_id in self.model.ended:
            return
        outcome = work.hold(self.connection, make_request(call_id, rate))
        if call_id in self.model.calls:
            held = self.model.calls[call_id]
            assert outcome == HoldGranted(f"{call_id}:b1", held.reserved)
            return
        amounts = opening_slice(rate)
        granted = self.model.grant(amounts.first_micros, amounts.want_micros)
        if granted is None:
            assert isinstance(outcome, CreditRefused)
        else:
            assert outcome == HoldGranted(f"{call_id}:b1", granted)
            self.model.calls[call_id] = ModelCall(rate, granted)

    def extend(self, call: int, argument: int) -> None:
        """A call wants its next slice."""
        call_id = f"c{call}"
        held = self.model.calls.get(call_id)
        amounts = next_slice(held.rate, held.reserved) if held else None
        if held is None or amounts is None:
            return
        outcome = work.extend(
            self.connection, f"{call_id}:b1", amounts.want_micros, amounts.first_micros
        )
        granted = self.model.grant(amounts.first_micros, amounts.want_micros)
        if granted is None:
            assert isinstance(outcome, CreditRefused)
        else:
            held.reserved += granted
            assert outcome == HoldGranted(f"{call_id}:b1", held.reserved)

    def answered(self, call: int, argument: int) -> None:
        """A call is answered, perhaps again."""
        at_us = START_US + argument * 100_000
        work.answered(self.connection, f"c{call}:b1", at_us)
        held = self.model.calls.get(f"c{call}")
        if held and held.answered_us is None:
            held.answered_us = held.seen_us = at_us

    def seen(self, call: int, argument: int) -> None:
        """The journal's beat."""
        at_us = START_US + argument * 1_000_000
        work.seen(self.connection, [f"c{call}:b1"], at_us)
        held = self.model.calls.get(f"c{call}")
        if held:
            held.seen_us = max(held.seen_us, at_us)

    def void(self, call: int, argument: int) -> None:
        """A leg that nobody took."""
        work.void(self.connection, f"c{call}:b1")
        self.model.calls.pop(f"c{call}", None)

    def settle(self, call: int, argument: int) -> None:
        """A call ends, perhaps for the second time, perhaps later than it was paid for."""
        call_id = f"c{call}"
        held = self.model.calls.get(call_id)
        if held is None and call_id not in self.model.ended:
            return
        rate = held.rate if held else RATES[0]
        settled = work.settle(self.connection, make_settlement(call_id, argument, rate))
        assert bool(settled.charges) == (held is not None)
        if held is not None:
            self.model.end(call_id, argument)

    def top_up(self, call: int, argument: int) -> None:
        """Money comes in."""
        self.payments += 1
        top_up(self.connection, argument * 1_000 + 1, key=f"payment{self.payments}")
        self.model.balance += argument * 1_000 + 1

    def crash(self, call: int, argument: int) -> None:
        """The service dies and closes what it finds at the next start."""
        assert work.close_open(self.connection) == sorted(self.model.calls)
        for call_id in list(self.model.calls):
            self.model.end(call_id, self.model.calls[call_id].lasted_s())

    def check(self) -> None:
        """Balance and reservations are the model's, and never below zero."""
        assert pool(self.connection) == Pool(self.model.balance, self.model.reserved)
        assert self.model.balance >= self.model.reserved >= 0


STEPS = (
    "hold",
    "hold",
    "extend",
    "extend",
    "answered",
    "seen",
    "void",
    "settle",
    "top_up",
    "crash",
)
steps = st.tuples(st.sampled_from(STEPS), st.integers(0, CALLS - 1), st.integers(0, 200))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 500_000), st.lists(steps, max_size=40), st.booleans())
# A crash right after the answer, before any beat of the journal: the first second is charged.
@example(0, [("top_up", 0, 60), ("hold", 0, 0), ("answered", 0, 0), ("crash", 0, 0)], False)
def test_any_order_of_events_leaves_what_a_serial_book_keeper_has(
    engine: Engine, start_micros: int, script: list[tuple[str, int, int]], doubled: bool
) -> None:
    """After every step balance and reservations agree with the model; repeated steps change
    nothing that the model does not change; at the end the ledger verifies."""
    with engine.connect() as connection, connection.begin() as transaction:
        add_accounts(connection, start_micros)
        scenario = Scenario(connection)
        for name, call, argument in script:
            for _ in range(1 + (doubled and name in ("answered", "seen", "void", "settle"))):
                getattr(scenario, name)(call, argument)
            scenario.check()
        assert verify(connection) == []
        scenario.crash(0, 0)
        assert pool(connection).reserved == 0
        assert verify(connection) == []
        transaction.rollback()
