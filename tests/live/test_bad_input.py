"""A flood of spoilt messages at the running service, while two people talk through it."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from sip.message import Request
from tests.live import audio
from tests.live.conftest import Stage
from tests.live.service import DOMAIN, Service, eventually
from tests.live.world import account, login, world
from tests.simulation.mutation import Mutations

ACCOUNT = "000000212"
VECTORS = Path(__file__).parent.parent / "sip" / "vectors"
METHODS = (
    *("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "NOTIFY", "REFER", "BYE", "UPDATE"),
    *("CANCEL", "ACK", "PRACK", "INFO", "PUBLISH"),
)

SEED = 4475
MESSAGES = 4_000  # of each transport
PER_S = 400  # what a phone's worth of rtp on one core leaves room for
PER_CONNECTION = 8
COMPARED_S = 8
SETTLED_S = 60.0  # the last transactions are kept for 32 s, connections for 30 s


def spoilt(host: str, transport: str) -> Iterator[bytes]:
    """What a stranger sends who knows the domain, the users and the standards."""
    mutations = Mutations(SEED)
    pick: random.Random = mutations.random
    true = [path.read_bytes() for path in sorted(VECTORS.glob("*/*.dat"))]
    for message in true:
        mutations.learn(message)
    for number in range(MESSAGES):
        message = pick.choice(true) if number % 3 == 0 else request(pick, number, host, transport)
        yield mutations.spoil(message)


def request(pick: random.Random, number: int, host: str, transport: str) -> bytes:
    """One that is well-formed."""
    method = pick.choice(METHODS)
    user = login(ACCOUNT, pick.choice(("101", "102")))
    headers = [
        ("Via", f"SIP/2.0/{transport.upper()} {host}:5060;branch=z9hG4bKx{number};rport"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{user}@{DOMAIN}>;tag=x{number}"),
        ("To", f"<sip:{user}@{DOMAIN}>" + pick.choice(("", ";tag=y"))),
        ("Call-ID", f"x{number}@{host}"),
        ("CSeq", f"{number} {method}"),
        ("Contact", f"<sip:{user}@{host}:5060>"),
        ("Authorization", f'Digest username="{user}", realm="{DOMAIN}", nonce="x", response="y"'),
        ("Expires", "600"),
        ("Event", "presence"),
        ("Content-Type", "application/sdp"),
    ]
    body = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    body += "m=audio 4000 RTP/AVP 8\r\n"
    return Request.build(method, f"sip:102@{DOMAIN}", headers, body.encode()).to_bytes()


def flood(host: str, service: Service) -> None:
    """Both transports in turn, paced, from one address."""
    streams: list[socket.socket] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((host, 5060))
        pairs = zip(spoilt(host, "udp"), spoilt(host, "tcp"), strict=True)
        begun_s = time.monotonic()
        for number, (datagram, frame) in enumerate(pairs):
            datagrams.sendto(datagram, (service.host, 5060))
            if number % PER_CONNECTION == 0:
                streams.append(socket.create_connection((service.host, 5060), 5, (host, 0)))
            with contextlib.suppress(OSError):  # the service closes what it cannot frame
                streams[-1].sendall(frame)
            if len(streams) > 20:
                streams.pop(0).close()
            time.sleep(max(0.0, begun_s + number / PER_S - time.monotonic()))
    for stream in streams:
        stream.close()


def test_a_call_survives_a_flood_of_spoilt_messages(stage: Stage) -> None:
    """Both hear each other through it, new calls are taken, no bug is logged, nothing is kept."""
    service = stage.service(world(account()))
    anna = stage.phone(service, ACCOUNT, "101", says="first", transport="udp")
    gate = stage.phone(service, ACCOUNT, "102", says="second", transport="tcp")
    anna.dial("102")
    anna.wait_for("CALL_ESTABLISHED")
    gate.wait_for("CALL_ESTABLISHED")

    flood(stage.network.host(), service)

    assert service.status()["calls"] == 1
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    (cdr,) = service.cdrs(ACCOUNT)
    assert (cdr["cause"], cdr["hangup_by"]) == ("answered", "caller")
    for phone, other in ((gate, "first"), (anna, "second")):
        played = audio.read_wav(stage.speech[other])[: COMPARED_S * audio.RATE_HZ]
        assert audio.correlation(audio.read_wav(phone.recording()), played) >= 0.9

    gate.dial("101")
    gate.wait_for("CALL_ESTABLISHED")
    gate.hang_up()
    anna.wait_for("CALL_CLOSED")
    left = eventually(service.status, settled, within_s=SETTLED_S)
    assert settled(left), left
    assert "Traceback" not in service.output(everything=True)


def settled(status: dict[str, object]) -> bool:
    """Nothing is up but the two phones' registrations, one of which has a connection."""
    used = ("calls", "dialogs", "call_timers", "media_calls", "sip_transactions", "sip_timers")
    return not any(status[name] for name in used) and status["sip_connections"] == 1
