"""Where calls to a registered user go."""

from __future__ import annotations

from collections.abc import Sequence

from sip.resolution import Resolution
from sip.transaction import Headers
from softswitch.call.events import Target
from softswitch.call.legs import invite
from softswitch.call.registrar import Registrar
from softswitch.call.targets import TargetFinder
from softswitch.call.view import LiveCalls
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import Account, RoutingSnapshot, User
from softswitch.routing.plan import RingUser
from tests.softswitch.call.phones import DOMAIN, LOGIN, flow, register

ACCOUNT = AccountId("000000212")
ANNA = Extension("101")


def invited(contact: str, *fields: tuple[str, str]) -> tuple[str, Headers]:
    """Request-URI and Route of the INVITE to a phone that registered so."""
    registrar = Registrar()
    assert registrar.register(LOGIN, register(contact, extra=fields), flow(), 0).status == 200
    (target,) = targets(registrar)
    assert target.flow == flow()
    request = invite(target, contact="<sip:s@h>", call_id="c", tag="t", hops=70, sdp=b"")
    return request.uri, tuple(("Route", value) for value in request.all("route"))


def targets(registrar: Registrar) -> Sequence[Target]:
    """Where a call to the login's user goes."""
    users = {ANNA: User(ANNA, "Anna", "default", LOGIN)}
    account = Account(ACCOUNT, "active", "LV", "UTC", None, "EUR", None, 0, users)
    finder = TargetFinder(
        RoutingSnapshot({ACCOUNT: account}),
        registrar,
        LiveCalls(),
        flow_to=lambda address, transport: None,
        now_us=lambda: 0,
        domain=DOMAIN,
        advertised="",
        random_octets=bytes,
        where=lambda uri: Resolution(),
    )
    return finder.targets(RingUser(ACCOUNT, ANNA, "102", "", 20)).targets


def test_phone_is_called_at_its_contact() -> None:
    """Word for word, without a Route."""
    assert invited("<sip:anna@192.0.2.3;ob>") == ("sip:anna@192.0.2.3;ob", ())


def test_headers_and_method_of_a_contact_do_not_get_into_the_request_uri() -> None:
    """RFC 3261 19.1.5: a phone that registered them is called without."""
    contact = "<sip:anna@192.0.2.3;method=BYE;ob?Replaces=x>"
    assert invited(contact) == ("sip:anna@192.0.2.3;ob", ())


def test_phone_behind_proxies_is_called_through_them() -> None:
    """The Path of its registration is the Route (RFC 3327 5.4)."""
    path = "<sip:a@p1;lr>, <sip:b@p2;lr>"
    uri, route = invited("<sip:anna@192.0.2.3>", ("Path", path), ("Supported", "path"))
    assert (uri, route) == ("sip:anna@192.0.2.3", (("Route", path),))


def test_device_with_two_flows_is_called_over_the_latest_alone() -> None:
    """It would ring twice (RFC 5626 7); another device of the login is called, too."""
    registrar = Registrar()
    for number, (device, flow_id) in enumerate([("a", 1), ("a", 2), ("b", 1)]):
        contact = f'<sip:anna@192.0.2.{number}>;+sip.instance="<urn:{device}>";reg-id={flow_id}'
        registrar.register(LOGIN, register(contact, call_id=str(number)), flow(number), 0)
    assert [target.uri for target in targets(registrar)] == [
        "sip:anna@192.0.2.2",
        "sip:anna@192.0.2.1",
    ]
