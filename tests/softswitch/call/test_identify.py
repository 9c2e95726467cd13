"""Known by address: static IP users and trunks; and which hosts are ours."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from sip.flow import Address, Flow
from softswitch.call.identify import Domains, identify
from softswitch.ids import AccountId, Extension
from softswitch.routing.model import RoutingSnapshot, Trunk, TrunkRegistration
from softswitch.routing.plan import PhoneCaller, TrunkCaller
from softswitch.snapshot import hosts_of, networks_of
from tests.softswitch.call.phones import DOMAIN, SWITCH, invite, register

STATIC_DOMAIN = "static.smarttelplus.eu"
DOMAINS = Domains(DOMAIN, STATIC_DOMAIN, ["192.0.2.80", "2001:db8::80"])
GATE = PhoneCaller(AccountId("000000212"), Extension("102"))


def trunk(name: str, *networks: str) -> Trunk:
    """A carrier that calls from these networks."""
    return Trunk(name, tuple(map(ip_network, networks)), "sip:x", "e164", 0)


TRUNKS = (
    trunk("wide", "198.18.0.0/15", "2001:db8:1::/48"),
    trunk("narrow", "198.18.5.0/24"),
    trunk("single", "203.0.113.9/32"),
)
SNAPSHOT = RoutingSnapshot(
    static_users={
        ("udp", "203.0.113.21"): (GATE.account, GATE.extension),
        ("tcp", "203.0.113.22"): (GATE.account, GATE.extension),
    },
    trunks={each.name: each for each in TRUNKS},
    trunk_hosts=hosts_of(TRUNKS),
    trunk_networks=networks_of(TRUNKS),
)


def came(host: str, transport: str = "udp", port: int = 5060) -> Flow:
    """A flow from a host."""
    return Flow(transport, SWITCH, Address(host, port), 0 if transport == "udp" else 1)


@pytest.mark.parametrize(
    ("host", "transport", "caller"),
    [
        ("203.0.113.21", "udp", GATE),
        ("203.0.113.21", "tcp", None),  # its row says UDP (S77)
        ("203.0.113.22", "tcp", GATE),
        ("203.0.113.22", "tls", GATE),
        ("203.0.113.22", "udp", None),
        ("203.0.113.9", "udp", TrunkCaller("single")),
        ("203.0.113.9", "tcp", TrunkCaller("single")),
        ("198.19.255.255", "udp", TrunkCaller("wide")),
        ("198.18.5.1", "udp", TrunkCaller("narrow")),
        ("2001:db8:1::5", "udp", TrunkCaller("wide")),
        ("198.20.0.1", "udp", None),
        ("203.0.113.99", "udp", None),
        ("fe80::1%eth0", "udp", None),
        ("no address", "udp", None),
    ],
)
def test_callers_known_by_address(
    host: str, transport: str, caller: PhoneCaller | TrunkCaller | None
) -> None:
    """Transport and address for static users, address or narrowest network for trunks."""
    request = invite("sip:101@198.51.100.1")
    for port in (5060, 40000):  # A20: the source port does not matter
        assert identify(request, came(host, transport, port), DOMAINS, SNAPSHOT) == caller


@pytest.mark.parametrize("host", ["203.0.113.21", "203.0.113.9", "198.18.5.1"])
def test_register_is_never_known_by_address(host: str) -> None:
    """Phones at such an address still prove who they are."""
    assert identify(register(), came(host), DOMAINS, SNAPSHOT) is None


@pytest.mark.parametrize(
    ("uri", "caller"),
    [
        (f"sip:101@{STATIC_DOMAIN}", GATE),
        ("sip:101@198.51.100.1", GATE),
        (f"sip:101@{DOMAIN}", None),
    ],
)
def test_phone_beside_a_static_user_authenticates(uri: str, caller: PhoneCaller | None) -> None:
    """They share an address behind NAT; the phone calls at the phones' domain (S69, S70)."""
    assert identify(invite(uri), came("203.0.113.21"), DOMAINS, SNAPSHOT) == caller


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
def test_credentials_make_a_phone(name: str) -> None:
    """Whoever shows credentials wants to be known by them."""
    request = invite(f"sip:101@{STATIC_DOMAIN}", extra=((name, "Digest x=y"),))
    assert identify(request, came("203.0.113.21"), DOMAINS, SNAPSHOT) is None


def test_one_domain_for_both_kinds_is_no_phones_domain() -> None:
    """Where the operator uses one name or an address for all, static users are known there."""
    for domains in (Domains(DOMAIN, DOMAIN, []), Domains("198.51.100.1", STATIC_DOMAIN, [])):
        for uri in (f"sip:101@{DOMAIN}", "sip:101@198.51.100.1"):
            assert identify(invite(uri), came("203.0.113.21"), domains, SNAPSHOT) == GATE


def test_trunks_never_need_digest() -> None:
    """Credentials in a carrier's request change nothing."""
    request = invite(f"sip:101@{DOMAIN}", extra=(("Authorization", "Digest x=y"),))
    assert identify(request, came("203.0.113.9"), DOMAINS, SNAPSHOT) == TrunkCaller("single")


def test_trunk_at_a_static_users_address_gets_what_is_no_phone() -> None:
    """A misconfiguration that must not lock the trunk out where the static user is not meant."""
    shared = replace(SNAPSHOT, trunk_hosts={"203.0.113.21": "single"})
    request = invite(f"sip:101@{DOMAIN}")
    assert identify(request, came("203.0.113.21"), DOMAINS, shared) == TrunkCaller("single")


def registering(name: str, contact_user: str) -> Trunk:
    """A carrier at whose registrar we have this contact."""
    registration = TrunkRegistration("sip:203.0.113.50", "user", contact_user, 3600)
    return replace(trunk(name), registration=registration)


REGISTERING = replace(
    SNAPSHOT, trunks={"one": registering("one", "line1"), "two": registering("two", "line2")}
)


@pytest.mark.parametrize(
    ("host", "user", "caller"),
    [
        ("203.0.113.50", "line1", TrunkCaller("one")),
        ("203.0.113.50", "line2", TrunkCaller("two")),
        ("203.0.113.50", "+37167000001", TrunkCaller("one")),  # from the registrar all the same
        ("203.0.113.51", "line1", TrunkCaller("two")),
        ("203.0.113.66", "line1", None),  # a stranger who knows the contact
        ("203.0.113.66", "+37167000001", None),
    ],
)
def test_calls_of_a_carrier_that_we_register_with(
    host: str, user: str, caller: TrunkCaller | None
) -> None:
    """The registrar's address says that it is the carrier, our contact which of its trunks."""
    registrars = {"203.0.113.50": ("one", "two"), "203.0.113.51": ("two",)}
    request = invite(f"sip:{user}@198.51.100.1")
    assert identify(request, came(host), DOMAINS, REGISTERING, registrars) == caller


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (DOMAIN, True),
        (DOMAIN.upper(), True),
        (f"{DOMAIN}.", True),
        (STATIC_DOMAIN, True),
        ("192.0.2.80", True),
        ("2001:db8::80", True),
        ("[2001:db8::80]", True),
        ("198.51.100.1", True),  # the address that it was sent to
        ("198.51.100.2", False),
        ("smarttelplus.eu", False),
        ("", False),
    ],
)
def test_hosts_that_are_ours(host: str, ours: bool) -> None:
    """Both domains and every local or advertised address (the contract's configuration)."""
    assert DOMAINS.accepts(host, came("203.0.113.7")) is ours
