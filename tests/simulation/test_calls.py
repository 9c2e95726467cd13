"""Thousands of calls through two switches over a bad network; at the end nothing is left over.

Phones of one company call through their switch, whose carriers are a second switch, one that always
fails and one that is dead. The second switch's customers answer, refuse, ring for ever, hang up or
change the media, each by the number that was called.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from billing.tariff import Rate, TariffIndex
from sip.events import Event, RequestReceived
from sip.flow import Address
from softswitch.call import service
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import (
    Account,
    CallFlow,
    Number,
    RoutingSnapshot,
    StaticAddress,
    Trunk,
    User,
)
from tests.simulation.phone import Answering, Caller, Calling, Phone
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.wire import StackNode, Weather, Wire, make_stack

CALLS = int(os.environ.get("SOFTSWITCH_SIMULATED_CALLS", "10000"))
SEED = int(os.environ.get("SOFTSWITCH_SIMULATION_SEED", "20261123"))
CALLS_PER_S = 20.0
STORM = Weather(loss=0.10, duplication=0.05, delay_min_s=0.005, delay_max_s=0.205)

NEAR, FAR = Address("10.0.0.1", 5060), Address("10.0.0.2", 5060)
BROKEN, DEAD = Address("10.0.0.8", 5060), Address("10.0.0.9", 5060)
RICH, CALLEES = AccountId("000000001"), AccountId("000000900")
POOR = [AccountId(f"{100 + index:09d}") for index in range(40)]
PLENTY_MICROS = 10_000_000_000
LITTLE_MICROS = 150_000  # two minutes and a half at 0.06, so two intervals of a minute

RELIABLE = ("Require", "100rel")
TIMED = (("Supported", "timer"), ("Session-Expires", "90;refresher=uac"))
KEPT_BY_US = ("Session-Expires", "90;refresher=uac")

RATE = Rate("standard", 1, "EUR", "out", "371", "Latvia", 60_000, 60, 60)
TARIFF = TariffIndex("standard", "EUR", [RATE])

# What is called decides the way it takes: by its digits the carriers, by its end the callee.
VIA_FAR, VIA_BROKEN, VIA_DEAD = "+37120", "+37121", "+37122"
ENDINGS = {
    "answers": "0001",
    "busy": "0002",
    "declines": "0003",
    "rings for ever": "0004",
    "hangs up": "0005",
    "re-invites": "0006",
    "talks and leaves": "0007",
    "rings reliably": "0008",
    "keeps time": "0009",
}


@dataclass(frozen=True)
class Kind:
    """A kind of call: how many of a hundred, whether it is one of the unusual third."""

    share: int
    unusual: bool


KINDS = {
    "plain": Kind(20, False),
    "busy": Kind(6, False),
    "declined": Kind(4, False),
    "no answer": Kind(4, False),
    "callee hangs up": Kind(8, False),
    "cancelled": Kind(12, True),
    "cancel against answer": Kind(8, True),
    "crossing BYE": Kind(8, True),
    "hold": Kind(6, True),
    "crossing holds": Kind(4, True),
    "failover": Kind(6, True),
    "dead trunk": Kind(4, True),
    "transfer": Kind(3, True),
    "transfer to nobody": Kind(2, True),
    "attended transfer": Kind(3, True),
    "out of money": Kind(2, True),
    "reliable": Kind(3, True),
    "cancelled reliable": Kind(2, True),
    "session timer": Kind(3, True),
    "forgotten session": Kind(2, True),
}


def number(prefix: str, ending: str) -> str:
    """E.164 of eight national digits."""
    return f"{prefix}00{ENDINGS[ending]}"


def near_snapshot() -> RoutingSnapshot:
    """The callers' side: a static IP phone and a number for each account, three carriers."""
    accounts, static, numbers = {}, {}, {}
    for index, account in enumerate([RICH, *POOR]):
        own, host = f"+3706{index:07d}", caller_address(account).host
        extension = Extension("101")
        accounts[account] = Account(
            id=account,
            status="active",
            country="LV",
            time_zone="UTC",
            tariff=TARIFF,
            currency="EUR",
            default_number=own,
            channels=0,
            users={
                extension: User(
                    extension, "Caller", "default", static=StaticAddress("udp", host, 5060)
                )
            },
            numbers=frozenset({own}),
        )
        static["udp", host] = (account, extension)
        numbers[own] = Number(own, account, "city", "active")
    trunks = [trunk("far", FAR), trunk("broken", BROKEN), trunk("dead", DEAD)]
    return RoutingSnapshot(
        accounts=accounts,
        static_users=static,
        numbers=numbers,
        trunks={each.name: each for each in trunks},
        routes={
            VIA_FAR[1:]: ("far",),
            VIA_BROKEN[1:]: ("broken", "far"),
            VIA_DEAD[1:]: ("dead", "far"),
        },
    )


def far_snapshot() -> RoutingSnapshot:
    """The called side: one account whose numbers ring one phone each."""
    users, flows, numbers = {}, {}, {}
    for index, ending in enumerate(ENDINGS):
        extension = Extension(str(200 + index))
        address = callee_address(ending)
        users[extension] = User(
            extension, ending, "default", static=StaticAddress("udp", address.host, 5060)
        )
        for prefix in (VIA_FAR, VIA_BROKEN, VIA_DEAD):
            called = number(prefix, ending)
            numbers[called] = Number(called, CALLEES, "city", "active")
            flows[called] = CallFlow(called, {"user": extension}, timeout_s=8)
    account = Account(
        id=CALLEES,
        status="active",
        country="LV",
        time_zone="UTC",
        tariff=TARIFF,
        currency="EUR",
        default_number=None,
        channels=0,
        users=users,
        flows=flows,
        numbers=frozenset(numbers),
    )
    return RoutingSnapshot(
        accounts={CALLEES: account},
        numbers=numbers,
        trunks={"near": trunk("near", NEAR)},
        trunk_hosts={NEAR.host: "near"},
    )


def trunk(name: str, address: Address) -> Trunk:
    """A carrier at an address."""
    return Trunk(name, (ip_network(address.host),), f"sip:{address}", "e164", 0)


def caller_address(account: AccountId) -> Address:
    """The phone of a calling account."""
    return Address(f"10.1.{int(account) // 250}.{int(account) % 250 + 1}", 5060)


def callee_address(ending: str) -> Address:
    """The phone that a number's end leads to."""
    return Address(f"10.2.0.{list(ENDINGS).index(ending) + 1}", 5060)


class World:
    """Everything on one wire."""

    def __init__(self, seed: int) -> None:
        self.wire = Wire(seed, STORM)
        self.near = SimulatedSwitch(self.wire, NEAR, near_snapshot())
        self.far = SimulatedSwitch(self.wire, FAR, far_snapshot())
        self.near.store.fund(RICH, PLENTY_MICROS)
        for account in POOR:
            self.near.store.fund(account, LITTLE_MICROS)
        self.far.store.fund(CALLEES, PLENTY_MICROS)
        self._attach_broken_carrier()
        self.callers = {
            account: Phone(self.wire, caller_address(account), NEAR, Answering)
            for account in [RICH, *POOR]
        }
        self.callees = {
            ending: Phone(self.wire, callee_address(ending), FAR, self._behaviour(ending))
            for ending in ENDINGS
        }
        self.placed: list[tuple[str, Caller]] = []
        self._poor = 0

    def _attach_broken_carrier(self) -> None:
        stack = make_stack("broken")

        def refuse(event: Event, now_s: float) -> None:
            if isinstance(event, RequestReceived):
                stack.respond(event.transaction, 503, now_s=now_s)

        self.wire.attach(StackNode(stack, refuse), BROKEN)

    def _behaviour(self, ending: str):  # type: ignore[no-untyped-def]
        pick = self.wire.random.uniform
        return {
            "answers": lambda: Answering(ring_s=pick(0.1, 2)),
            "busy": lambda: Answering(486, pick(0.01, 0.5)),
            "declines": lambda: Answering(603, pick(0.5, 2)),
            "rings for ever": lambda: Answering(0),
            "hangs up": lambda: Answering(ring_s=0.5, hang_up_s=pick(1, 6)),
            "re-invites": lambda: Answering(ring_s=0.5, reinvite_s=2.0),
            "talks and leaves": lambda: Answering(ring_s=0.5, hang_up_s=pick(20, 30)),
            "rings reliably": lambda: Answering(ring_s=pick(0.1, 2), reliable=True),
            "keeps time": lambda: Answering(ring_s=0.5, fields=(KEPT_BY_US,)),
        }[ending]

    def place(self, kind: str) -> None:
        """Start one call of a kind."""
        account = RICH
        if kind == "out of money":
            account = POOR[self._poor % len(POOR)]
            self._poor += 1
        script = self._script(kind)
        self.placed.append((kind, self.callers[account].call(script)))

    def _script(self, kind: str) -> Calling:
        pick = self.wire.random.uniform
        pick_one = lambda *of: self.wire.random.choice(of)  # noqa: E731
        far, talk_s = VIA_FAR, pick(1, 8)
        match kind:
            case "plain":
                return Calling(number(far, "answers"), kind, talk_s=talk_s)
            case "busy":
                return Calling(number(far, "busy"), kind)
            case "declined":
                return Calling(number(far, "declines"), kind)
            case "no answer":
                return Calling(number(far, "rings for ever"), kind)
            case "callee hangs up":
                return Calling(number(far, "hangs up"), kind)
            case "cancelled":
                ending = "rings for ever"
                return Calling(number(far, ending), kind, cancel_s=pick(0.05, 5))
            case "cancel against answer":
                return Calling(number(far, "answers"), kind, talk_s=1.0, cancel_s=pick(0.3, 3))
            case "crossing BYE":
                return Calling(number(far, "hangs up"), kind, talk_s=pick(1, 6))
            case "hold":
                return Calling(number(far, "answers"), kind, talk_s=8, reinvite_s=pick(1, 7.9))
            case "crossing holds":
                return Calling(number(far, "re-invites"), kind, talk_s=6, reinvite_s=2.0)
            case "failover":
                return Calling(number(VIA_BROKEN, "answers"), kind, talk_s=talk_s)
            case "dead trunk":
                return Calling(number(VIA_DEAD, "answers"), kind, talk_s=talk_s)
            case "transfer" | "transfer to nobody" | "attended transfer":
                return Calling(
                    number(far, "talks and leaves"),
                    kind,
                    transfer_s=pick(1, 5),
                    transfer_to=number(far, "busy" if "nobody" in kind else "talks and leaves"),
                    attended="attended" in kind,
                )
            case "reliable":
                ending = pick_one("rings reliably", "answers")
                return Calling(number(far, ending), kind, talk_s=talk_s, fields=(RELIABLE,))
            case "cancelled reliable":
                ending, cancel_s = "rings reliably", pick(0.3, 3)
                return Calling(
                    number(far, ending), kind, talk_s=1.0, cancel_s=cancel_s, fields=(RELIABLE,)
                )
            case "session timer":
                return Calling(
                    number(far, "keeps time"), kind, talk_s=100, fields=TIMED, refresh_s=40
                )
            case "forgotten session":
                return Calling(number(far, "keeps time"), kind, talk_s=100, fields=TIMED)
            case _:
                return Calling(number(far, "answers"), kind)  # talks until the money ends

    def causes(self, switch: SimulatedSwitch) -> Counter[str]:
        """How the calls of a switch ended."""
        rows = switch.store.rows("SELECT cause, count(*) FROM cdr GROUP BY cause")
        return Counter({str(cause): int(found) for cause, found in rows})


@pytest.mark.timeout(1500)
def test_ten_thousand_calls_on_a_bad_wire_leave_nothing_behind() -> None:
    """10 % lost, 5 % doubled, reordered by up to 200 ms; half of the calls are unusual ones."""
    world = World(SEED)
    choose = world.wire.random.choices
    weights = [kind.share for kind in KINDS.values()]
    for index in range(CALLS):
        kind = choose(list(KINDS), weights)[0]
        world.wire.call_later(index / CALLS_PER_S, lambda kind=kind: world.place(kind))
    world.wire.run()

    assert len(world.placed) == CALLS
    unusual = sum(KINDS[kind].unusual for kind, _ in world.placed)
    assert unusual >= CALLS / 3
    for switch in (world.near, world.far):
        assert switch.leaks() == dict.fromkeys(switch.leaks(), 0)
        assert not any(switch.live.trunk_calls(name) for name in ("near", "far", "broken", "dead"))
        assert switch.media.opened > 0
    assert all(phone.stack.transactions == 0 for phone in world.callers.values())
    assert all(phone.stack.transactions == 0 for phone in world.callees.values())
    assert_every_party_knows_that_it_is_over(world)
    assert_outcomes(world)
    assert_money(world)


def assert_every_party_knows_that_it_is_over(world: World) -> None:
    """Each phone that was in a call was told of its end: one BYE lost for good is one too many, but
    seven losses in a row do happen to one request in ten million."""
    phones = [*world.callers.values(), *world.callees.values()]
    open_ends = [party for phone in phones for party in phone.parties if not party.closed()]
    assert len(open_ends) <= CALLS // 1000


def assert_outcomes(world: World) -> None:
    """The histogram: what each kind of call came to, at the caller's phone and in the records."""
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for kind, caller in world.placed:
        outcomes[kind][caller.outcome or "none"] += 1
    nearly = {
        "plain": {"200"},
        "busy": {"486"},
        "declined": {"603"},
        "no answer": {"480"},
        "callee hangs up": {"200"},
        "cancelled": {"487"},
        "cancel against answer": {"200", "487"},
        "crossing BYE": {"200"},
        "hold": {"200"},
        "crossing holds": {"200"},
        "failover": {"200"},
        "dead trunk": {"200"},
        "transfer": {"200"},
        "transfer to nobody": {"200"},
        "attended transfer": {"200"},
        "out of money": {"200", "402"},
        "reliable": {"200"},
        "cancelled reliable": {"200", "487"},
        "session timer": {"200"},
        "forgotten session": {"200"},
    }
    for kind, expected in nearly.items():
        placed = sum(outcomes[kind].values())
        hit = sum(outcomes[kind][status] for status in expected)
        assert hit >= 0.98 * placed, (kind, outcomes[kind])
        if placed > 100:
            assert all(outcomes[kind][status] for status in expected), (kind, outcomes[kind])
    assert_transfers(world)
    assert_sessions(world)
    causes = world.causes(world.near)
    assert sum(causes.values()) == sum(len(phone.parties) for phone in world.callers.values())
    assert set(causes) <= {
        "answered", "busy", "rejected", "no_answer", "cancelled", "no_credit", "credit_exhausted",
        "failed",
    }, causes  # fmt: skip
    assert causes["failed"] <= 0.01 * CALLS, causes
    assert causes["credit_exhausted"] >= min(len(POOR), CALLS // 200), causes


def assert_transfers(world: World) -> None:
    """The transferor is told how it went, and leaves when it went well."""
    last = {"transfer": "200", "transfer to nobody": "486", "attended transfer": "200"}
    for kind, status in last.items():
        told = [caller.progress for placed, caller in world.placed if placed == kind]
        good = [progress for progress in told if progress[-1:] == [status]]
        assert len(good) >= 0.9 * len(told), (kind, Counter(map(tuple, told)))


def assert_sessions(world: World) -> None:
    """Who refreshes talks for 100 s and hangs up by itself; who does not is hung up on."""
    for kind, by_itself in {"session timer": True, "forgotten session": False}.items():
        ends = [each.has_hung_up for placed, each in world.placed if placed == kind]
        assert ends.count(by_itself) >= 0.97 * len(ends), (kind, Counter(ends))


def assert_money(world: World) -> None:
    """Every cent is accounted for: what left the pools is what the records say, at 0.06 for each
    minute begun, and nobody spent more than there was."""
    store = world.near.store
    for account, funded in [(RICH, PLENTY_MICROS), *((poor, LITTLE_MICROS) for poor in POOR)]:
        ((balance,),) = store.rows(
            f"SELECT balance_micros FROM balance WHERE account = '{account}'"
        )
        ((charged,),) = store.rows(
            f"SELECT coalesce(sum(price_micros), 0) FROM cdr WHERE account = '{account}'"
        )
        assert balance == funded - charged
        assert balance >= 0
    rows = store.rows("SELECT duration_s, price_micros, overrun_micros, cause, trace FROM cdr")
    for duration_s, price_micros, overrun_micros, cause, trace in rows:
        assert overrun_micros == 0
        if "transfer" not in trace:  # one paid leg, as long as the call
            assert price_micros == -(-duration_s // 60) * 60_000, (duration_s, price_micros, cause)
    assert not world.far.store.rows("SELECT id FROM cdr WHERE price_micros <> 0")


def test_all_calls_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever they are from."""
    monkeypatch.setattr(service, "CALLS_MAX", 1)
    world = World(SEED)
    parties: list[Caller] = []
    talk = Calling(number(VIA_FAR, "rings for ever"), "other")
    for at_s, account in ((0.0, RICH), (3.0, POOR[0]), (30.0, POOR[0])):
        caller = world.callers[account]
        world.wire.call_later(at_s, lambda caller=caller: parties.append(caller.call(talk)))
    world.wire.run()
    assert [caller.outcome for caller in parties] == ["480", "503", "480"]


def test_one_source_may_keep_only_so_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one gets 503, of a trunk as of a phone, and a call that ends makes room."""
    monkeypatch.setattr(service, "CALLS_PER_SOURCE_MAX", 2)
    world = World(SEED)
    poor = world.callers[POOR[0]]
    for at_s in (0.0, 0.1, 3.0, 30.0):
        world.wire.call_later(at_s, lambda: world.place("no answer"))
    talk = Calling(number(VIA_FAR, "answers"), "other", talk_s=1)
    parties: list[Caller] = []
    world.wire.call_later(3.0, lambda: parties.append(poor.call(talk)))
    world.wire.run()
    assert [caller.outcome for _, caller in world.placed] == ["480", "480", "503", "480"]
    assert [caller.outcome for caller in parties] == ["503"], "the near switch is one source too"
    assert not world.near.calls._per_source
    assert not world.far.calls._per_source
