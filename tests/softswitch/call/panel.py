"""A switch on the simulated wire with phones that subscribe: what they are told is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from sip import digest
from sip.events import Event, RequestReceived, ResponseReceived
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.transaction import ServerTransaction
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Account, Login, RoutingSnapshot, StaticAddress, Trunk, User
from tests.simulation.phone import Answering, Calling, Phone
from tests.simulation.switch import SimulatedSwitch
from tests.simulation.wire import StackNode, Weather, Wire, make_stack

ACCOUNT, OTHER = AccountId("000000001"), AccountId("000000002")
SWITCH = Address("10.0.0.1", 5060)
CARRIER = Address("10.0.0.9", 5060)
PASSWORD = "secret"
REGISTERING = "883140000000150"  # the login of user 150, who has no static address


def address(extension: str) -> Address:
    """Where the equipment of a static IP user is."""
    return Address(f"10.0.1.{int(extension) - 100}", 5060)


def _account(account: AccountId, users: dict[Extension, User]) -> Account:
    return Account(
        id=account,
        status="active",
        country="LV",
        time_zone="UTC",
        tariff=None,
        currency="EUR",
        default_number=None,
        channels=0,
        users=users,
    )


def snapshot(*extensions: str) -> RoutingSnapshot:
    """One account with static IP users, and 150 who registers; another one with 190."""
    users, static = {}, {}
    for extension in map(Extension, extensions):
        host = address(extension).host
        users[extension] = User(
            extension, "Anna & Co", "default", static=StaticAddress("udp", host, 5060)
        )
        static["udp", host] = (ACCOUNT, extension)
    users[Extension("150")] = User(Extension("150"), "Ivo", "default", login=REGISTERING)
    stranger = Extension("190")
    host = address(stranger).host
    static["udp", host] = (OTHER, stranger)
    theirs = {stranger: User(stranger, "X", "default", static=StaticAddress("udp", host, 5060))}
    ha1 = {"MD5": digest.ha1("MD5", REGISTERING, "switch", PASSWORD)}
    return RoutingSnapshot(
        accounts={ACCOUNT: _account(ACCOUNT, users), OTHER: _account(OTHER, theirs)},
        logins={REGISTERING: Login(REGISTERING, ACCOUNT, Extension("150"), ha1)},
        static_users=static,
        trunks={"carrier": Trunk("carrier", (), f"sip:{CARRIER}", "e164", 0)},
        trunk_hosts={CARRIER.host: "carrier"},
    )


@dataclass
class Lamp:
    """One subscription as its phone has it."""

    call_id: str
    tag: str
    resource: str
    event: str
    remote_tag: str = ""
    cseq: int = 0
    statuses: list[int] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    notifies: list[Request] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    @property
    def body(self) -> str:
        """The latest document."""
        return self.notifies[-1].body.decode()

    @property
    def state(self) -> str:
        """The latest Subscription-State."""
        return self.notifies[-1].required("subscription-state")


class Panel:
    """A phone that does nothing but subscribe. ``answer`` says what its NOTIFYs get."""

    def __init__(self, world: World, where: Address) -> None:
        self.world = world
        self.wire = world.wire
        self.flow = Flow("udp", where, SWITCH)
        self.stack = make_stack(f"panel{where.host.replace('.', 'x')}")
        self.answer: Callable[[Lamp], tuple[int, tuple[tuple[str, str], ...]]] = lambda _: (200, ())
        self.lamps: dict[str, Lamp] = {}
        self.unsolicited: list[Request] = []
        self._numbers = count(1)
        self.wire.attach(StackNode(self.stack, self._told), where)

    def subscribe(
        self, resource: str, event: str = "dialog", expires_s: int | None = None, **headers: str
    ) -> Lamp:
        """Begin one."""
        number = next(self._numbers)
        lamp = Lamp(f"s{number}@{self.flow.local.host}", f"t{number}", resource, event)
        self.lamps[lamp.call_id] = lamp
        self.again(lamp, expires_s, **headers)
        return lamp

    def again(self, lamp: Lamp, expires_s: int | None = None, **headers: str) -> None:
        """Refresh, or end with 0."""
        lamp.cseq += 1
        uri = f"sip:{lamp.resource}@{SWITCH.host}"
        to = f"<{uri}>" + (f";tag={lamp.remote_tag}" if lamp.remote_tag else "")
        fields = [
            ("From", f"<sip:me@{SWITCH.host}>;tag={lamp.tag}"),
            ("To", to),
            ("Call-ID", lamp.call_id),
            ("CSeq", f"{lamp.cseq} SUBSCRIBE"),
            ("Contact", f"<sip:me@{self.flow.local}>"),
            *headers.items(),
        ]
        if lamp.event:
            fields.append(("Event", lamp.event))
        if expires_s is not None:
            fields.append(("Expires", str(expires_s)))
        request = Request.build("SUBSCRIBE", uri, fields)
        self.stack.request(request, self.flow, self.wire.now_s, lamp)

    def _told(self, event: Event, now_s: float) -> None:
        if isinstance(event, ResponseReceived):
            self._answered(event)
        elif isinstance(event, RequestReceived):
            self._notified(event.transaction, event.request, now_s)

    def _answered(self, event: ResponseReceived) -> None:
        lamp, response = event.transaction.owner, event.response
        assert isinstance(lamp, Lamp)
        lamp.statuses.append(response.status)
        lamp.answers.append(response)
        if response.status == 407:
            self._authenticate(lamp, event.transaction.request, response)
        elif response.status < 300:
            lamp.remote_tag = response.to_tag or ""

    def _authenticate(self, lamp: Lamp, request: Request, response: Response) -> None:
        asked = digest.parse_challenge(response.required("proxy-authenticate"))
        answer = digest.answer(asked, "SUBSCRIBE", request.uri, REGISTERING, PASSWORD, "cnonce", 1)
        expires = request.expires
        self.again(lamp, expires, **{"Proxy-Authorization": answer})

    def _notified(self, tx: ServerTransaction, request: Request, now_s: float) -> None:
        assert request.method == "NOTIFY"
        lamp = self.lamps.get(request.call_id)
        if lamp is None:
            self.unsolicited.append(request)
            self.stack.respond(tx, 200, now_s=now_s)
            return
        lamp.notifies.append(request)
        lamp.times_s.append(now_s)
        status, headers = self.answer(lamp)
        self.stack.respond(tx, status, headers=headers, now_s=now_s)


class World:
    """A switch that runs, on a wire without faults unless ``weather`` says so."""

    def __init__(self, *extensions: str, weather: Weather | None = None, seed: int = 0) -> None:
        self.wire = Wire(seed, weather or Weather())
        self.snapshot = snapshot(*extensions)
        self.switch = SimulatedSwitch(self.wire, SWITCH, self.snapshot)
        self.subscriptions = self.switch.states.subscriptions
        self.switch.calls.startService()

    def panel(self, extension: str) -> Panel:
        """The equipment of a user, as a panel."""
        return Panel(self, address(extension))

    def phone(self, extension: str, answering: Answering | None = None) -> Phone:
        """The equipment of a user, as a telephone."""
        script = answering or Answering(ring_s=2.0)
        return Phone(self.wire, address(extension), SWITCH, lambda: script)

    def call(self, phone: Phone, number: str, talk_s: float) -> None:
        """Let a phone call, and hang up ``talk_s`` after the answer."""
        phone.call(Calling(number, "", talk_s=talk_s))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.wire.run(self.wire.now_s + seconds)


def register(panel: Panel, expires_s: int, *extra: tuple[str, str]) -> None:
    """Put a binding of user 150 through the registrar, as an authenticated REGISTER does."""
    request = Request.build(
        "REGISTER",
        "sip:switch",
        [
            ("From", f"<sip:{REGISTERING}@switch>;tag=r"),
            ("To", f"<sip:{REGISTERING}@switch>"),
            ("Call-ID", "r@150"),
            ("CSeq", f"{panel.wire.now_s:.0f} REGISTER"),
            ("Contact", f"<sip:ivo@{panel.flow.local}>;expires={expires_s}"),
            *extra,
        ],
    )
    world = panel.world
    flow = panel.flow._replace(local=panel.flow.remote, remote=panel.flow.local)
    world.switch.registrar.register(REGISTERING, request, flow, world.switch.now_us())
    login = world.snapshot.logins[REGISTERING]
    world.switch.states.registration_changed(login, request)
