"""REGISTER from its bytes to the answer's, and to the rows that outlive the process."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine
from twisted.internet.defer import Deferred, succeed

from sip.digest import Nonces, ha1
from sip.events import RequestReceived
from sip.message import Request, Response
from sip.parser import parse_message
from sip.stack import Stack
from softswitch.call.authentication import Authenticator
from softswitch.call.identify import Domains
from softswitch.call.legs import ALLOW
from softswitch.call.rebinding import EXTENSIONS
from softswitch.call.registrar import Registrar
from softswitch.call.registrations import Registrations
from softswitch.call.view import LiveCalls
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Login, RoutingSnapshot
from softswitch.snapshot import SnapshotHolder
from tests.softswitch.call.phones import (
    DOMAIN,
    LOGIN,
    PASSWORD,
    SWITCH,
    answered,
    flow,
    register,
)

ACCOUNT = AccountId("000000212")
CONTACT = "<sip:anna@192.0.2.3:5062>"


class Immediate:
    """The database, at once and in this thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run_call(self, fn: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """One transaction."""
        with self._engine.begin() as connection:
            return succeed(fn(connection, *args))


class Front:
    """Stack, registrar and store, with a phone's view of them."""

    def __init__(self, engine: Engine) -> None:
        tokens = count(1)
        self.stack = Stack(
            token=lambda: f"t{next(tokens)}",
            server_name="switch",
            allow=ALLOW,
            supported=EXTENSIONS,
        )
        self.live = LiveCalls()
        secrets = {"MD5": ha1("MD5", LOGIN, DOMAIN, PASSWORD)}
        logins = {LOGIN: Login(LOGIN, ACCOUNT, Extension("101"), secrets)}
        self.registrations = Registrations(
            self.stack,
            Registrar(),
            Authenticator(DOMAIN, Nonces(bytes(32)), ("MD5",)),
            Domains(DOMAIN, "static", []),
            SnapshotHolder(RoutingSnapshot(logins=logins)),
            self.live,
            Immediate(engine),
            now_us=lambda: 0,
        )
        self._branches = count(1)

    def ask(self, request: Request) -> Response:
        """Send a request as bytes; the answer as it comes back."""
        again = request.copy()
        again.set("via", f"SIP/2.0/UDP 192.0.2.3:5062;rport;branch=z9hG4bK{next(self._branches)}")
        self.stack.receive(bytes(again), flow(), 0.0)
        for event in self.stack.take_events():
            assert isinstance(event, RequestReceived)
            self.registrations.received(event.transaction, event.request, event.flow, 0.0)
        ((data, _),) = self.stack.take_outgoing()
        answer = parse_message(data)
        assert isinstance(answer, Response)
        return answer

    def register(self, request: Request) -> Response:
        """With the answer to the challenge."""
        challenge = self.ask(request)
        assert challenge.status == 401
        (value,) = challenge.all("www-authenticate")
        cseq = request.cseq.number + 1
        again = answered(request, (("WWW-Authenticate", value),))
        again.set("cseq", f"{cseq} REGISTER")
        return self.ask(again)


def test_phone_is_challenged_then_bound_and_kept(engine: Engine) -> None:
    """401, 200 with its contact; the account's board is told; the row is there after a restart."""
    front, told = Front(engine), list[str]()
    front.live.subscribe(ACCOUNT, lambda: told.append("changed"))
    answer = front.register(register(CONTACT))
    assert (answer.status, answer.all("contact")) == (200, [f"{CONTACT};expires=3600"])
    assert told == ["changed"]
    front.registrations.tick()
    restarted = Front(engine)
    assert loaded(restarted) == 1
    (view,) = restarted.registrations.views(ACCOUNT)
    assert view.state == "registered"
    assert (view.login, view.contact, view.source) == (LOGIN, CONTACT[1:-1], "203.0.113.7:5062")


def loaded(front: Front) -> int:
    """How many bindings a start finds."""
    found: list[int] = []
    Deferred.fromCoroutine(front.registrations.load()).addCallback(found.append)
    (number,) = found
    return number


def test_proxy_may_require_that_its_path_is_kept(engine: Engine) -> None:
    """``Require: path`` is no reason for 420 (RFC 3327 5.2); an unknown extension is."""
    path = (("Path", "<sip:p@192.0.2.9;lr>"), ("Supported", "path"))
    front = Front(engine)
    answer = front.register(register(CONTACT, extra=(*path, ("Require", "path"))))
    assert (answer.status, answer.all("path")) == (200, ["<sip:p@192.0.2.9;lr>"])
    refused = front.ask(register(CONTACT, extra=(("Require", "gruu"),), call_id="b"))
    assert (refused.status, refused.first("unsupported")) == (420, "gruu")


def test_request_for_another_domain_is_not_found(engine: Engine) -> None:
    """RFC 3261 10.3 step 1: this registrar has no such domain."""
    request = register(CONTACT)
    request.uri = "sip:elsewhere.example"
    assert Front(engine).ask(request).status == 404


@pytest.mark.parametrize(
    ("to", "status"),
    [
        (f"<sip:{LOGIN}@elsewhere.example>", 404),
        (f"<sip:{LOGIN}@elsewhere.example>;x=<a@{DOMAIN}>", 400),
        (f"<sip:{LOGIN}@{DOMAIN.upper()}:5060;transport=udp>", 401),
        (f"sip:{LOGIN}@{SWITCH.host}", 401),
    ],
)
def test_address_of_another_domain_is_not_found(engine: Engine, to: str, status: int) -> None:
    """RFC 3261 10.3 step 5: the address of record must be of one of our domains."""
    request = register(CONTACT)
    request.set("to", to)
    assert Front(engine).ask(request).status == status
