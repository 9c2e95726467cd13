"""A campaign of spoilt messages against one whole switch, in the middle of true calls.

True phones and carriers register, call, hold, transfer, cancel and hang up through the switch. A
garbler between them and the switch passes on what they send, and sends spoilt copies of it along:
so mutations meet live dialogs and transactions, with credentials that are good. Strangers send what
no phone here does. Equal seeds give equal campaigns.
"""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import _lru_cache_wrapper
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from billing.tariff import Rate, TariffIndex
from sip import digest
from sip.dns_records import Failed, Question
from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request
from sip.parser import parse_message
from sip.transaction import ServerTransaction
from softswitch.call.challenges import proved
from softswitch.call.dns_client import Answered
from softswitch.call.trunks import Trunks
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import (
    Account,
    CallFlow,
    Login,
    Number,
    RoutingSnapshot,
    StaticAddress,
    TrunkLogin,
    TrunkRegistration,
    User,
)
from tests.simulation.mutation import Mutations
from tests.simulation.phone import Answering, Caller, Calling, Party, Phone
from tests.simulation.rim import RimNode
from tests.simulation.switch import NONCE_SECRET, REALM, SimulatedSwitch
from tests.simulation.test_calls import trunk
from tests.simulation.wire import Node, Wire

OURS = ("sip", "rtp", "billing", "softswitch")

VECTORS = Path(__file__).parent.parent / "sip" / "vectors"

SWITCH = Address("10.0.0.1", 5060)
CARRIER, PICKY = Address("10.0.0.2", 5060), Address("10.0.0.3", 5060)
STATIC, UDP_PHONE, TCP_PHONE = (Address(f"10.1.0.{last}", 5060) for last in (2, 3, 4))
ACCOUNT = AccountId("000000001")
TARIFF = TariffIndex(
    "standard", "EUR", [Rate("standard", 1, "EUR", "out", "371", "Latvia", 60_000, 60, 60)]
)
PASSWORD = "secret"
LOGINS = {UDP_PHONE: "100000000010102", TCP_PHONE: "100000000010103"}
NUMBERS = {"101": "+37060000001", "102": "+37060000002", "103": "+37060000003"}

CALLS_PER_S = 4.0
SPOILT_PER_MESSAGE = 4
"""Copies of each true message: with more hardly a call lives to be held, transferred, ended."""

NONCE_USES = 200

END_S = 4_600.0
"""After this long bindings (an hour), transactions (32 s) and calls without an end are over, and
connections that nobody needs any more (15 minutes after the hour)."""


def snapshot() -> RoutingSnapshot:
    """One company with a phone of each kind, a carrier that believes it and one that asks back."""
    users = {
        Extension("101"): User(
            Extension("101"), "Static", "default", static=StaticAddress("udp", STATIC.host, 5060)
        ),
        Extension("102"): User(Extension("102"), "Udp", "default", LOGINS[UDP_PHONE]),
        Extension("103"): User(Extension("103"), "Tcp", "default", LOGINS[TCP_PHONE]),
    }
    account = Account(
        id=ACCOUNT,
        status="active",
        country="LV",
        time_zone="UTC",
        tariff=TARIFF,
        currency="EUR",
        default_number=NUMBERS["101"],
        channels=0,
        users=users,
        flows={
            number: CallFlow(number, {"user": Extension(extension)}, timeout_s=8)
            for extension, number in NUMBERS.items()
        },
        numbers=frozenset(NUMBERS.values()),
    )
    picky = replace(
        trunk("picky", PICKY),
        login=TrunkLogin("line", PASSWORD),
        registration=TrunkRegistration(f"sip:{PICKY}", "line", "line", 60),
    )
    return RoutingSnapshot(
        accounts={ACCOUNT: account},
        logins={
            login: Login(
                login, ACCOUNT, extension, {"MD5": digest.ha1("MD5", login, REALM, PASSWORD)}
            )
            for login, extension in zip(
                LOGINS.values(), (Extension("102"), Extension("103")), strict=True
            )
        },
        static_users={("udp", STATIC.host): (ACCOUNT, Extension("101"))},
        numbers={each: Number(each, ACCOUNT, "city", "active") for each in NUMBERS.values()},
        trunks={"far": replace(trunk("far", CARRIER), probe_s=30), "picky": picky},
        trunk_hosts={CARRIER.host: "far", PICKY.host: "picky"},
        routes={"": ("far",), "3712": ("picky", "far")},
    )


class Registering(Party):
    """A phone's registration, which asks for nothing more."""

    def __init__(self, phone: Phone) -> None:
        super().__init__(phone, hang_up_s=0, reinvite_s=0)

    def answered(self, event: ResponseReceived) -> None:
        """As it comes."""


class Device(Phone):
    """A phone with a login: it registers and answers challenges. ``transport``: udp or tcp."""

    def __init__(
        self,
        wire: Wire,
        address: Address,
        behaviour: Callable[[], Answering],
        transport: str = "udp",
    ) -> None:
        super().__init__(wire, address, SWITCH, behaviour)
        self.flow = Flow(transport, address, SWITCH, int(transport == "tcp"))
        self.login = LOGINS[address]
        self._registrations = count(1)

    def register(self) -> None:
        """Once more."""
        own = f"<sip:{self.login}@{SWITCH.host}>"
        number = next(self._registrations)
        request = Request.build(
            "REGISTER",
            f"sip:{SWITCH.host}",
            [
                ("From", f"{own};tag=r{number}"),
                ("To", own),
                ("Call-ID", f"r@{self.address.host}"),
                ("CSeq", f"{2 * number} REGISTER"),
                ("Contact", f"<sip:{self.login}@{self.address};transport={self.flow.transport}>"),
                ("Supported", "path, outbound"),
                ("Expires", "3600"),
            ],
        )
        self.send(request, Registering(self), self.flow)

    def _told(self, event: Event, now_s: float) -> None:
        if not (isinstance(event, ResponseReceived) and self._proved(event)):
            super()._told(event, now_s)

    def _proved(self, event: ResponseReceived) -> bool:
        owner, request = event.transaction.owner, event.transaction.request
        login = TrunkLogin(self.login, PASSWORD)
        again = proved(request, event.response, login, f"c{self.wire.random.random()}")
        if again is None or not isinstance(owner, Party):
            return False
        tx = self.send(again, owner, self.flow)
        if isinstance(owner, Caller) and owner.invite is event.transaction:
            owner.invite = tx
        return True


class PickyCarrier(Phone):
    """A carrier that lets us register and wants every request proved."""

    METHODS = (*Phone.METHODS, "REGISTER")

    def _told(self, event: Event, now_s: float) -> None:
        if not isinstance(event, RequestReceived):
            super()._told(event, now_s)
        elif event.request.first("proxy-authorization") is None:
            self._challenge(event.transaction, now_s)
        elif event.request.method == "REGISTER":
            contact = event.request.first("contact") or "<sip:x@y>"
            headers = (("Contact", f"{contact};expires=60"),)
            self.stack.respond(event.transaction, 200, headers=headers, now_s=now_s)
        else:
            super()._told(event, now_s)

    def _challenge(self, tx: ServerTransaction, now_s: float) -> None:
        asks = ("Proxy-Authenticate", digest.challenge("picky", "n", "MD5"))
        self.stack.respond(tx, 407, headers=(asks,), now_s=now_s)


class Garbler:
    """Stands before the switch: what comes goes through, with spoilt copies, until ``left`` is 0."""

    def __init__(self, rim: RimNode, mutations: Mutations) -> None:
        self.rim = rim
        self.left = 0
        self.slowest_s = 0.0
        self.current = b""  # what the switch is given, for who looks at a failure
        self._mutations = mutations
        self._nonces = digest.Nonces(NONCE_SECRET)
        self._nonce, self._nonce_until_s = "", 0.0
        self._proofs = count()
        self._numbers = count(1)

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None:
        """A true message."""
        pick = self._mutations.random
        self._mutations.learn(data)
        before = pick.randrange(SPOILT_PER_MESSAGE) if pick.random() < 0.2 else 0
        for _ in range(before):
            self.spoil(data, flow, now_s)
        self._give(data, flow, now_s)
        for _ in range(SPOILT_PER_MESSAGE - before):
            self.spoil(data, flow, now_s)

    def spoil(self, data: bytes, flow: Flow, now_s: float) -> None:
        """Send a spoilt copy, as the same peer or over a connection of its own."""
        if self.left == 0:
            return
        self.left -= 1
        spoilt = self._mutations.spoil(self._renewed(data, now_s))
        if flow.transport == "tcp" and self._mutations.random.random() < 0.8:
            aside = flow.remote._replace(port=20_000 + self._mutations.random.randrange(64))
            flow = flow._replace(remote=aside)
        self._give(spoilt, flow, now_s)
        if flow.transport == "tcp" and self._mutations.random.random() < 0.3:
            self.rim.hang_up(flow.remote)

    def _give(self, data: bytes, flow: Flow, now_s: float) -> None:
        self.current = data
        begun_s = time.thread_time()
        self.rim.receive(data, flow, now_s)
        self.slowest_s = max(self.slowest_s, time.thread_time() - begun_s)

    def _renewed(self, data: bytes, now_s: float) -> bytes:
        """Of a request often another one, or it would be taken for a repetition: with a branch, a
        CSeq number or a Call-ID of its own, and with credentials that hold."""
        if data.startswith(b"SIP/2.0 "):
            return data
        pick, number = self._mutations.random.random, b"%d" % next(self._numbers)
        if pick() < 0.75:
            data = data.replace(b";branch=z9hG4bK", b";branch=z9hG4bKm" + number, 1)
        if pick() < 0.5:
            data = re.sub(rb"(?m)^CSeq: ([0-9]+)", rb"CSeq: " + b"%d" % (1000 + int(number)), data)
        if b";tag=" not in data.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0] and pick() < 0.3:
            data = data.replace(b"\r\nCall-ID: ", b"\r\nCall-ID: m" + number, 1)
        if b"uthorization: Digest " in data and pick() < 0.75:
            data = self._proved_again(data, now_s)
        return data

    def _proved_again(self, data: bytes, now_s: float) -> bytes:
        line = re.search(rb'uthorization: (Digest username="([0-9]+)"[^\r\n]*)', data)
        method, uri, _ = data.split(b" ", 2)
        if line is None:
            return data
        value = self._credentials(method.decode(), uri.decode(), line[2].decode(), now_s)
        return data[: line.start(1)] + value.encode() + data[line.end(1) :]

    def _credentials(self, method: str, uri: str, login: str, now_s: float) -> str:
        """With a nonce that is used some hundred times, as a phone does."""
        used = next(self._proofs) % NONCE_USES
        if used == 0 or now_s > self._nonce_until_s:
            self._nonce, self._nonce_until_s = self._nonces.issue(now_s), now_s + 60
        asked = digest.Challenge(REALM, self._nonce, "MD5", "auth", None, False)
        return digest.answer(asked, method, uri, login, PASSWORD, "c", used + 1)

    # What the wire asks of a node

    def advance(self, now_s: float) -> None:
        """Time passes."""
        self.current = b""
        self.rim.advance(now_s)

    def next_deadline_s(self) -> float | None:
        """The rim's."""
        return self.rim.next_deadline_s()

    def take_outgoing(self) -> list[tuple[bytes, Flow]]:
        """What the switch sends must be SIP, whatever was in what it answers."""
        outgoing = self.rim.take_outgoing()
        for data, _ in outgoing:
            if data.startswith(b"SIP/2.0 "):
                assert_framed(data)
            else:
                parse_message(data)
        return outgoing


def assert_framed(answer: bytes) -> None:
    """An answer is one message with the five fields by which it is matched, each but Via once. They
    are the request's, so they may be what is refused: a broken From, a number that is too large."""
    head, _, body = answer.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    for name in (b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length"):
        assert names.count(name) == 1, answer
    assert b"Via" in names
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"), answer


class TorturedSwitch(SimulatedSwitch):
    """The switch with its rim and its trunks' side, behind a garbler."""

    def __init__(self, wire: Wire, mutations: Mutations, path: str) -> None:
        self._mutations = mutations
        super().__init__(wire, SWITCH, snapshot(), ask=_no_answer, path=path)
        self._trunks = self._make_trunks()

    def _node(self) -> Node:
        rim = RimNode(
            self.stack,
            self.address,
            self._told,
            on_flow_lost=lambda flow: self.registrations.flow_lost(flow),
            is_flow_needed=lambda flow: self.registrar.has_flow(flow) or self.calls.has_flow(flow),
        )
        self.rim = rim
        self.garbler = Garbler(rim, self._mutations)
        return self.garbler

    def _make_trunks(self) -> Trunks:
        tokens = count(1)
        return Trunks(
            reactor=self.reactor,
            stack=self.stack,
            sip=self,
            snapshots=self.snapshots,
            live=self.live,
            where=self.hosts.where,
            advertised="",
            now_s=self.now_s,
            now_us=self.now_us,
            token=lambda: f"k{self.wire.now_s:.3f}x{next(tokens)}",
            chance=self.wire.random.random,
        )

    def start(self) -> None:
        """Register with the carrier, and probe."""
        self._trunks = self._make_trunks()
        self._trunks.startService()

    def stop(self) -> None:
        """No more periodic work, so that the wire comes to rest."""
        self._trunks.stopService()

    def flush(self) -> None:
        """The rim tells and sends."""
        self.rim.service.flush()

    def leaks(self) -> dict[str, int]:
        """What should be zero when all is over."""
        return super().leaks() | {
            "bindings": len(self.registrar),
            "connections": self.rim.service.connections,
        }


def _no_answer(question: Question) -> Deferred[Answered]:
    """Names in spoilt Contacts are asked for, and nobody knows them."""
    return succeed(Answered(Failed(f"{question}: no name server answers")))


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    messages: int
    leaks: dict[str, int]
    slowest_s: float
    answered: int


class Campaign:
    """Rounds of spoilt messages; each ends when every timer has run."""

    def __init__(self, seed: int, path: Path) -> None:
        """``path``: where the records of so many calls go, to be no part of the memory measured."""
        self.wire = Wire(seed)
        self.mutations = Mutations(seed)
        self.switch = TorturedSwitch(self.wire, self.mutations, str(path))
        self.switch.store.fund(ACCOUNT, 10_000_000_000_000)
        pick = self.wire.random
        behaviours = (
            lambda: Answering(ring_s=pick.uniform(0.1, 2)),
            lambda: Answering(ring_s=0.2, hang_up_s=pick.uniform(1, 6)),
            lambda: Answering(ring_s=0.2, reinvite_s=1.0),
            lambda: Answering(pick.choice((302, 404, 486, 503, 603)), 0.2),
            lambda: Answering(480, 30.0),
        )

        def behave() -> Answering:
            return pick.choice(behaviours)()

        self.static = Phone(self.wire, STATIC, SWITCH, behave)
        self.udp = Device(self.wire, UDP_PHONE, behave)
        self.tcp = Device(self.wire, TCP_PHONE, behave, "tcp")
        self.carrier = Phone(self.wire, CARRIER, SWITCH, behave)
        self.picky = PickyCarrier(self.wire, PICKY, SWITCH, behave)
        self.phones: Sequence[Phone] = (
            self.static, self.udp, self.tcp, self.carrier, self.picky,
        )  # fmt: skip
        self._tick()
        self._strange = [path.read_bytes() for path in sorted(VECTORS.glob("*/*.dat"))]

    def run(self, messages: int) -> Round:
        """Send so many spoilt messages, then let everything come to its end."""
        garbler = self.switch.garbler
        garbler.left, garbler.slowest_s = messages, 0.0
        self.switch.start()
        self.wire.run(until_s=self.wire.now_s + 1)
        while garbler.left:
            self._act()
            self.wire.run(until_s=self.wire.now_s + 1 / CALLS_PER_S)
        self.switch.stop()
        self.wire.run(until_s=self.wire.now_s + END_S)
        for phone in self.phones:
            phone.parties.clear()
            phone.dialogs.clear()
        return Round(
            messages, self.switch.leaks(), garbler.slowest_s, self.switch.stack.transactions
        )

    def forget(self) -> None:
        """Empty what is remembered up to a cap and no further: parsed texts, used nonces, wrong
        passwords. What is left should not grow at all."""
        authenticator = self.switch.authenticator
        authenticator._counts._seen.clear()
        authenticator.failures._entries.clear()
        for each in gc.get_objects():
            if isinstance(each, _lru_cache_wrapper) and (each.__module__ or "").startswith(OURS):
                each.cache_clear()

    def _tick(self) -> None:
        """What the service does each second beside calls."""
        self.switch.registrations.tick()
        self.wire.call_later(1.0, self._tick)

    def _act(self) -> None:
        pick = self.wire.random
        if pick.random() < 0.15:
            self._strangers()
        elif pick.random() < 0.3:
            pick.choice((self.udp, self.tcp)).register()
        else:
            self._call()

    def _call(self) -> None:
        pick = self.wire.random
        caller = pick.choice(self.phones)
        if caller in (self.carrier, self.picky):
            number = pick.choice(list(NUMBERS.values()))
        else:
            number = pick.choice(("+37120000001", "+37060000002", "+35780000000", "102", "103"))
        caller.call(
            Calling(
                number,
                "call",
                talk_s=pick.uniform(0.5, 6),
                cancel_s=pick.choice((0.0, 0.0, 0.0, pick.uniform(0.05, 2))),
                reinvite_s=pick.choice((0.0, pick.uniform(0.3, 3))),
                transfer_s=pick.choice((0.0, 0.0, pick.uniform(0.3, 3))),
                transfer_to=pick.choice(("103", "+37120000001", "nobody")),
            )
        )

    def _strangers(self) -> None:
        """What no phone of ours sends: the vectors, and each method out of the blue, from a stranger
        or from an address that is known."""
        pick = self.wire.random
        host = pick.choice(("10.66.0.1", STATIC.host, CARRIER.host, UDP_PHONE.host))
        transport = pick.choice(("udp", "tcp"))
        remote = Address(host, pick.choice((5060, 6000)))
        flow = Flow(transport, SWITCH, remote, int(transport == "tcp"))
        for data in pick.sample(self._strange, 4) + [self._unusual(host)]:
            for _ in range(SPOILT_PER_MESSAGE):
                self.switch.garbler.spoil(data, flow, self.wire.now_s)

    def _unusual(self, host: str) -> bytes:
        pick = self.wire.random
        method = pick.choice(
            ("SUBSCRIBE", "MESSAGE", "NOTIFY", "PUBLISH", "INFO", "UPDATE", "PRACK", "REFER", "BYE")
        )
        headers = [
            ("Via", f"SIP/2.0/UDP {host}:6000;branch=z9hG4bK{pick.random()};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{LOGINS[UDP_PHONE]}@{SWITCH.host}>;tag=s{pick.random()}"),
            ("To", f"<sip:102@{SWITCH.host}>" + pick.choice(("", ";tag=nobody"))),
            ("Call-ID", f"s{pick.random()}@{host}"),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<sip:102@{host}:6000>"),
            ("Event", pick.choice(("presence", "dialog", "message-summary", "reg"))),
            ("Expires", "600"),
            ("Content-Type", pick.choice(("text/plain", "application/pidf+xml", "a/b"))),
        ]
        return Request.build(method, f"sip:102@{SWITCH.host}", headers, b"hello").to_bytes()
