"""SIP messages read and written per second, beside Sippy's parser in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import GENERATOR_CORE, median, pinned
from bench.peers.signalling import sippy_python
from bench.report import Row

ROUND_S = 1.0
ROUNDS = 3

INVITE = "\r\n".join(
    (
        "INVITE sip:+37120000001@login.example.net SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---0a1b2c3d4e5f6071;rport",
        "Max-Forwards: 70",
        "Contact: <sip:883140000000101@192.0.2.10:5060;transport=UDP>",
        "To: <sip:+37120000001@login.example.net>",
        'From: "Anna" <sip:883140000000101@login.example.net>;tag=8f3a6c41',
        "Call-ID: 81247f0b9d6a43e2b1c05f6e7d8c9ba0",
        "CSeq: 2 INVITE",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, MESSAGE",
        "Content-Type: application/sdp",
        'Proxy-Authorization: Digest username="883140000000101",realm="login.example.net",'
        'nonce="Zm9yIHRoZSBiZW5jaG1hcms",uri="sip:+37120000001@login.example.net",'
        'response="6629fae49393a05397450978507c4ef1",cnonce="0a4f113b",nc=00000001,qop=auth,'
        "algorithm=MD5",
        "User-Agent: A telephone 1.0",
        "Supported: replaces, timer",
        "Content-Length: 200",
        "",
        "",
    )
)
SDP = (
    "v=0\r\no=- 3744 3744 IN IP4 192.0.2.10\r\ns=talk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)
MESSAGE = INVITE.encode() + SDP.ljust(200).encode()

SIPPY_PROGRAM = """
import sys, time
from sippy.SipRequest import SipRequest
text = sys.stdin.read()
for seconds in ({round_s},) * {rounds}:
    for name, work in (("read", lambda: SipRequest(text)),
                       ("read and write", lambda: str(SipRequest(text)))):
        done, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(50):
                work()
            done += 50
        print(name, seconds / done * 1e6, sep="\\t")
"""


def us_each(work: Callable[[], object], round_s: float = ROUND_S) -> float:
    """Microseconds that one call of ``work`` takes, over one round."""
    done, began_s = 0, time.perf_counter()
    while (passed_s := time.perf_counter() - began_s) < round_s:
        for _ in range(50):
            work()
        done += 50
    return passed_s / done * 1e6


def own_rows() -> list[Row]:
    """Ours, in this process."""
    from sip.parser import parse_message

    def read_routing() -> object:
        message = parse_message(MESSAGE)
        return message.branch, message.cseq, message.from_tag, message.to_tag

    works: dict[str, Callable[[], object]] = {
        "read": lambda: parse_message(MESSAGE),
        "read, transaction keys": read_routing,
        "read and write": lambda: parse_message(MESSAGE).to_bytes(),
    }
    return [
        Row(
            f"INVITE of {len(MESSAGE)} bytes: {name}",
            "softswitch",
            "one core",
            median([us_each(work) for _ in range(ROUNDS)]),
            "us",
        )
        for name, work in works.items()
    ]


def sippy_rows(folder: Path) -> list[Row]:
    """Sippy's, in a process of its environment."""
    program = SIPPY_PROGRAM.format(round_s=ROUND_S, rounds=ROUNDS)
    command = [str(sippy_python(folder)), "-c", program]
    done = subprocess.run(
        pinned(command, GENERATOR_CORE),
        input=MESSAGE.decode(),
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, list[float]] = {}
    for line in done.stdout.splitlines():
        name, _, figure = line.partition("\t")
        figures.setdefault(name, []).append(float(figure))
    return [
        Row(f"INVITE of {len(MESSAGE)} bytes: {name}", "sippy", "one core", median(values), "us")
        for name, values in figures.items()
    ]


def measure(folder: Path) -> list[Row]:
    """All rows."""
    rows = own_rows()
    try:
        rows += sippy_rows(folder)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"sippy was not measured: {error}", file=sys.stderr)
    return rows
