"""MESSAGE between users, from one phone's stack through a switch to the other's."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from itertools import count

import pytest

from billing.tariff import TariffIndex
from sip.digest import ha1
from sip.events import Event, RequestFailed, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.stack import Stack
from sip.timers import Timers
from softswitch.call.instant_messages import MESSAGES_PER_USER_S
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import (
    Account,
    Login,
    RoutingSnapshot,
    StaticAddress,
    Trunk,
    User,
)
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.wire import StackNode, Wire
from tests.softswitch.call.phones import answered

ACCOUNT = AccountId("000000212")
SWITCH = Address("10.0.0.1", 5060)
DESK, GATE, CARRIER = "10.1.0.1", "10.1.0.2", "10.0.0.9"
LOGIN, SECRET = "883140000000103", "Sip-secret-103"
TEXT = ("Content-Type", "text/plain;charset=UTF-8")


def snapshot(status: str = "active") -> RoutingSnapshot:
    """101 and 102 have static addresses, 103 registers; a carrier."""
    users = {
        Extension(number): User(
            Extension(number), f"User {number}", "default", static=StaticAddress("udp", host, 5060)
        )
        for number, host in (("101", DESK), ("102", GATE))
    }
    users[Extension("103")] = User(Extension("103"), "User 103", "default", LOGIN)
    account = Account(
        ACCOUNT, status, "LV", "UTC", TariffIndex("t", "EUR", []), "EUR", None, 0, users
    )
    secrets = {"MD5": ha1("MD5", LOGIN, "switch", SECRET)}
    return RoutingSnapshot(
        accounts={ACCOUNT: account},
        static_users={
            ("udp", host): (ACCOUNT, Extension(number))
            for number, host in (("101", DESK), ("102", GATE))
        },
        logins={LOGIN: Login(LOGIN, ACCOUNT, Extension("103"), secrets)},
        trunks={"carrier": Trunk("carrier", (ip_network(CARRIER),), f"sip:{CARRIER}", "e164", 0)},
        trunk_hosts={CARRIER: "carrier"},
    )


class Chatter:
    """A phone that sends messages and answers those that come with ``status`` (0: not at all)."""

    def __init__(self, wire: Wire, host: str, status: int = 200, port: int = 5060) -> None:
        self.wire = wire
        self.status = status
        self.address = Address(host, port)
        self.got: list[Request] = []
        self.answers: list[Response | str] = []
        numbers = count(1)
        self._numbers = count(1)
        self.stack = Stack(
            token=lambda: f"{host}p{port}n{next(numbers)}", server_name="phone", allow=("MESSAGE",)
        )
        wire.attach(StackNode(self.stack, self._told), self.address)

    def ask(self, request: Request) -> Response:
        """Send a request to the switch; its final answer."""
        before = len(self.answers)
        self.stack.request(request, Flow("udp", self.address, SWITCH), self.wire.now_s)
        self.wire.run(self.wire.now_s + 40)
        (answer,) = self.answers[before:]
        assert isinstance(answer, Response)
        return answer

    def message(self, number: str, body: bytes = b"hello", *fields: tuple[str, str]) -> Request:
        """A MESSAGE to a user of the switch."""
        return Request.build(
            "MESSAGE",
            f"sip:{number}@{SWITCH.host}",
            [
                ("From", "<sip:somebody@elsewhere>;tag=f"),
                ("To", f"<sip:{number}@switch>"),
                ("Call-ID", f"{self.address}-{next(self._numbers)}"),
                ("CSeq", "1 MESSAGE"),
                *(fields or (TEXT,)),
            ],
            body,
        )

    def say(self, number: str, body: bytes = b"hello", *fields: tuple[str, str]) -> Response:
        """Send a message and wait for what comes of it."""
        return self.ask(self.message(number, body, *fields))

    def register(self, call_id: str = "r") -> None:
        """Register as 103, with the answer to the challenge."""
        address = f"<sip:{LOGIN}@switch>"
        fields = [
            ("From", f"{address};tag=f"),
            ("To", address),
            ("Call-ID", call_id),
            ("CSeq", "1 REGISTER"),
            ("Contact", f"<sip:103@{self.address}>"),
        ]
        request = Request.build("REGISTER", "sip:switch", fields)
        again = self.authenticated(request)
        again.set("cseq", "2 REGISTER")
        assert self.ask(again).status == 200

    def authenticated(self, request: Request) -> Request:
        """The request with credentials of 103, after the challenge to it."""
        challenged = self.ask(request)
        name = "www-authenticate" if challenged.status == 401 else "proxy-authenticate"
        spelled = {"www-authenticate": "WWW-Authenticate"}.get(name, "Proxy-Authenticate")
        challenges = ((spelled, challenged.required(name)),)
        return answered(request, challenges, login=LOGIN, password=SECRET)

    def _told(self, event: Event, now_s: float) -> None:
        if isinstance(event, RequestReceived):
            self.got.append(event.request)
            if self.status:
                self.stack.respond(event.transaction, self.status, now_s=now_s)
        elif isinstance(event, ResponseReceived):
            self.answers.append(event.response)
        elif isinstance(event, RequestFailed):
            self.answers.append(event.cause)


class World:
    """A switch, the desk of 101 and the gate of 102."""

    def __init__(self, status: str = "active") -> None:
        self.wire = Wire()
        self.switch = SimulatedSwitch(self.wire, SWITCH, snapshot(status))
        self.desk = Chatter(self.wire, DESK)
        self.gate = Chatter(self.wire, GATE)


def test_message_goes_to_the_extensions_phone_with_what_it_says() -> None:
    """From names the sender's extension, whatever the phone wrote; the body is untouched."""
    world = World()
    text = b"labdien, cik pulkstenis?"
    answer = world.desk.say("102", text, TEXT, ("Subject", "Time"), ("X-Other", "1"))
    assert answer.status == 200
    (message,) = world.gate.got
    assert (message.body, message.required("content-type")) == (text, TEXT[1])
    assert message.from_.uri.user == "101"
    assert message.required("subject") == "Time"
    assert message.first("x-other") is None
    assert message.first("contact") is None
    assert message.required("max-forwards") == "69"


def test_registered_users_authenticate_as_for_calls() -> None:
    """407 first; the messages to them go to all their phones, and the first 2xx wins."""
    world = World()
    home, mobile = Chatter(world.wire, "10.1.0.3", 486), Chatter(world.wire, "10.1.0.4")
    home.register("home")
    mobile.register("mobile")
    assert world.desk.say("103").status == 200
    assert (len(home.got), len(mobile.got)) == (1, 1)
    again = mobile.authenticated(mobile.message("101"))
    again.set("cseq", "2 MESSAGE")
    assert mobile.ask(again).status == 200
    assert world.desk.got[0].from_.uri.user == "103"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((486, 415), 415), ((0, 486), 486), ((0, 0), 480), ((603, 0), 603), ((401, 503), 502)],
)
def test_best_refusal_of_all_phones_goes_back(statuses: tuple[int, int], status: int) -> None:
    """As for calls; a phone that is silent is as good as not there."""
    world = World()
    world.desk.stack = _patient(world)
    for port, refusal in enumerate(statuses):
        Chatter(world.wire, f"10.1.0.{10 + port}", refusal).register(f"r{port}")
    assert world.desk.say("103").status == status


def _patient(world: World) -> Stack:
    """A sender that waits longer than the switch does."""
    numbers = count(1)
    stack = Stack(
        token=lambda: f"patient{next(numbers)}",
        timers=Timers(t1_s=0.6),
        server_name="phone",
        allow=("MESSAGE",),
    )
    world.wire.attach(StackNode(stack, world.desk._told), world.desk.address)
    return stack


REFUSED: Mapping[str, tuple[str, bytes, tuple[str, str], int]] = {
    "nobody": ("199", b"x", TEXT, 404),
    "nobody's name": ("bob", b"x", TEXT, 404),
    "a number outside": ("+37120000000", b"x", TEXT, 403),
    "a user without a phone": ("103", b"x", TEXT, 480),
    "a picture": ("102", b"x", ("Content-Type", "image/png"), 415),
    "a body of no type": ("102", b"x", ("Subject", "x"), 415),
    "a body in pieces": ("102", b"x", ("Content-Encoding", "gzip"), 415),
    "a book": ("102", b"x" * 1301, TEXT, 413),
    "too much for the other's datagram": ("102", b"x" * 1290, TEXT, 413),
    "the end of the way": ("102", b"x", ("Max-Forwards", "0"), 483),
}


@pytest.mark.parametrize(("number", "body", "field", "status"), REFUSED.values(), ids=REFUSED)
def test_message_is_refused(number: str, body: bytes, field: tuple[str, str], status: int) -> None:
    """And nothing is delivered."""
    world = World()
    assert world.desk.say(number, body, field).status == status
    assert world.gate.got == []


@pytest.mark.parametrize(
    "kind", ["text/html", "message/cpim", "application/im-iscomposing+xml", "message/imdn+xml"]
)
def test_chats_send_other_kinds_too(kind: str) -> None:
    """ "Is typing", receipts, wrapped messages."""
    world = World()
    assert world.desk.say("102", b"<x/>", ("Content-Type", kind)).status == 200


def test_carriers_and_strangers_send_no_messages() -> None:
    """403 to a trunk, a challenge to everybody else, 404 for other domains."""
    world = World()
    assert Chatter(world.wire, CARRIER).say("101").status == 403
    assert Chatter(world.wire, "10.9.9.9").say("101").status == 407
    elsewhere = world.desk.message("102")
    elsewhere.uri = "sip:102@elsewhere.example"
    assert world.desk.ask(elsewhere).status == 404
    assert world.desk.got == world.gate.got == []


def test_blocked_account_sends_none() -> None:
    """As its internal calls."""
    assert World("blocked_operator").desk.say("102").status == 403


def test_user_may_send_so_many_a_second() -> None:
    """Another user of the account is not held back."""
    world = World()
    flow = Flow("udp", world.desk.address, SWITCH)
    for _ in range(MESSAGES_PER_USER_S + 3):
        world.desk.stack.request(world.desk.message("102"), flow, world.wire.now_s)
    assert world.gate.say("101").status == 200
    statuses = [answer.status for answer in world.desk.answers if isinstance(answer, Response)]
    assert sorted(statuses) == [200] * MESSAGES_PER_USER_S + [503] * 3


def test_messages_leave_nothing_behind() -> None:
    """No call, no dialog, no transaction, no money."""
    world = World()
    world.desk.say("102")
    world.wire.run(world.wire.now_s + 60)
    assert not any(world.switch.leaks().values())
    assert world.switch.store.rows("SELECT * FROM cdr") == []
