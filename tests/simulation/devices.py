"""Phones and carriers of the campaigns, and the company that they belong to.

A phone of each kind (by its address, by a login over UDP and over TCP), a carrier that believes the
switch, and one that it registers with and that wants every request proved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from billing.tariff import Rate, TariffIndex
from sip import digest
from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request
from sip.transaction import ServerTransaction
from softswitch.call.challenges import proved
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
from tests.simulation.phone import Answering, Caller, Party, Phone
from tests.simulation.switch import REALM
from tests.simulation.test_calls import trunk
from tests.simulation.wire import Wire

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
