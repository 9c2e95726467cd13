"""A carrier behind one SRV name: a dead server, and a name server that dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sip.dns_cache import TTL_MIN_S
from tests.live.conftest import Stage
from tests.live.service import eventually
from tests.live.world import account, trunk, world
from tests.name_server import Zone

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"
ROOT = Path(__file__).parents[2]
DNS_PORT = 5353


@contextmanager
def name_server(host: str, zone: Zone, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running name server."""
    path = folder / "zone.json"
    path.write_text(json.dumps(zone))
    command = [sys.executable, "-m", "tests.name_server", host, str(DNS_PORT), str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def test_the_second_server_of_a_name_takes_the_calls_with_and_without_dns(stage: Stage) -> None:
    """The first is silent, so each call goes to the second after 4 s; that goes on when nobody
    answers DNS any more and every answer is past its TTL."""
    dead, alive, dns = (stage.network.host() for _ in range(3))
    zone: Zone = {
        "SRV _sip._udp.carrier.example": [[10, 1, 5060, "a.example"], [20, 1, 5070, "b.example"]],
        "A a.example": [dead],
        "A b.example": [alive],
    }
    server = stage.stack.enter_context(name_server(dns, zone, stage.folder))
    carrier = trunk("carrier", alive, ip=[dead, alive], destination="sip:carrier.example")
    service = stage.service(
        world(account(balance="50.00"), trunks=(carrier,)), sip={"dns": [f"{dns}:{DNS_PORT}"]}
    )
    answering = stage.peer("answer", alive, port=5070, calls=2, timeout_s=90)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    (first,) = service.cdrs(ACCOUNT)
    assert first["cause"] == "answered"

    server.kill()
    server.wait()
    eventually(lambda: "no name server answers" in service.output(), within_s=TTL_MIN_S + 20)
    assert "no name server answers" in service.output()
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    answering.finish()
    rows = service.cdrs(ACCOUNT, 2)
    assert [row["cause"] for row in rows] == ["answered", "answered"]
    assert answering.messages().count("INVITE sip:+37120000001@carrier.example SIP/2.0") >= 2
    service.ok("ledger", "verify")


def test_a_start_without_dns_calls_over_the_next_trunk(stage: Stage) -> None:
    """The name was never answered: it is passed over at once, and the log says why."""
    host, nobody = stage.network.host(), stage.network.host()
    trunks = (
        trunk("named", nobody, destination="sip:carrier.example"),
        trunk("fixed", host),
    )
    service = stage.service(world(account(), trunks=trunks), sip={"dns": [f"{nobody}:{DNS_PORT}"]})
    answering = stage.peer("answer", host)
    stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE).finish()
    answering.finish()
    assert service.cdrs(ACCOUNT)[0]["cause"] == "answered"
    assert eventually(lambda: "sip:carrier.example: " in service.output(), within_s=20)
