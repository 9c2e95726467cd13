"""The branches of a trunk step: a target for each address of each trunk, in order."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from sip.dns_records import Answer, Srv
from sip.flow import Address, Flow
from softswitch.call.events import Found
from softswitch.call.hosts import Hosts
from softswitch.call.registrar import Registrar
from softswitch.call.targets import TargetFinder
from softswitch.call.view import LiveCalls
from softswitch.routing.model import RoutingSnapshot, Trunk
from softswitch.routing.plan import DialTrunks
from tests.softswitch.call.fake_dns import FakeDns

LOCAL = Address("192.0.2.100", 5060)
ZONE: dict[str, Answer] = {
    "SRV _sip._udp.carrier.example": (Srv(1, 3, 5062, "a.example"), Srv(1, 1, 5063, "b.example")),
    "A a.example": ("192.0.2.1",),
    "A b.example": ("192.0.2.2",),
}
STEP = DialTrunks("+37120000000", ("named", "fixed"), "+37070044960", None, 60)


def flow_to(remote: Address, transport: str) -> Flow | None:
    """UDP only."""
    return Flow(transport, LOCAL, remote) if transport == "udp" else None


def finder(
    named: str = "sip:carrier.example",
    *,
    dns: FakeDns | None = None,
    live: LiveCalls | None = None,
    seed: int = 1,
) -> TargetFinder:
    """With one trunk by name and one by address."""
    rng = Random(seed)
    hosts = Hosts(
        (dns or FakeDns(ZONE)).ask,
        {"udp": ("A",), "tcp": ("A",)},
        now_s=lambda: 0.0,
        draw=lambda most: rng.randint(0, most),
    )
    trunks = (
        Trunk("named", (), named, "plain", 1),
        Trunk("fixed", (), "sip:192.0.2.9:5070;transport=udp", "e164", 0),
    )
    hosts.keep([each.destination for each in trunks])
    return TargetFinder(
        RoutingSnapshot(trunks={each.name: each for each in trunks}),
        Registrar(),
        LiveCalls() if live is None else live,
        flow_to=flow_to,
        now_us=lambda: 0,
        domain="switch.example",
        advertised="",
        random_octets=bytes,
        where=hosts.where,
    )


def remotes(found: Found) -> list[str]:
    """Where the targets go."""
    return [str(target.flow.remote) for target in found.targets]


def test_every_address_of_a_trunk_comes_before_the_next_trunk() -> None:
    """Each is named with its address; all are of the one trunk, and the URI is as written."""
    found = finder().targets(STEP)
    assert sorted(remotes(found)[:2]) == ["192.0.2.1:5062", "192.0.2.2:5063"]
    assert remotes(found)[2:] == ["192.0.2.9:5070"]
    assert [target.trunk for target in found.targets] == ["named", "named", "fixed"]
    assert {target.name for target in found.targets} == {
        "trunk named at 192.0.2.1:5062",
        "trunk named at 192.0.2.2:5063",
        "trunk fixed",
    }
    assert [target.uri for target in found.targets] == [
        "sip:37120000000@carrier.example",
        "sip:37120000000@carrier.example",
        "sip:+37120000000@192.0.2.9:5070",
    ]
    assert found.targets[0].to == "<sip:37120000000@carrier.example>"


def test_each_call_draws_anew() -> None:
    """Three of four calls begin at the server of weight 3."""
    directory = finder()
    begun = Counter(remotes(directory.targets(STEP))[0] for _ in range(1000))
    assert begun["192.0.2.1:5062"] == pytest.approx(750, abs=60)


def test_a_name_that_is_not_known_is_passed_over_and_told() -> None:
    """The next trunk gets the call; the trace says the name."""
    dns = FakeDns(ZONE)
    dns.slow = True
    found = finder(dns=dns).targets(STEP)
    assert remotes(found) == ["192.0.2.9:5070"]
    assert found.notes == ["trunk named: carrier.example is not looked up yet"]


@pytest.mark.parametrize(
    ("destination", "note"),
    [
        ("sip:nowhere.example", "nowhere.example has no address that can be sent to"),
        ("sip:192.0.2.1;transport=tcp", "no listener can send to its address"),
        ("sips:192.0.2.1", "no listener for tls"),
    ],
)
def test_why_a_trunk_cannot_be_tried(destination: str, note: str) -> None:
    """A sentence for the trace."""
    found = finder(destination).targets(STEP)
    assert found.notes == [f"trunk named: {note}"]


def test_a_trunk_without_room_is_left_out() -> None:
    """With all its addresses."""
    live = LiveCalls()
    live.trunk_taken("named")
    assert remotes(finder(live=live).targets(STEP)) == ["192.0.2.9:5070"]
