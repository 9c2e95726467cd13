"""rtpengine in user space with one thread: the peer for relayed packets.

Calls are set up over its control protocol "ng": a cookie, a space and a bencoded dictionary in a
UDP datagram each way.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import running
from bench.rtp_load import SOCKETS, Call
from bench.sip_messages import Address, sdp

HOST = "127.7.0.1"
CONTROL_PORT = 2223
ANSWER_TIMEOUT_S = 3.0
TRIES = 3


def encode(value: Any) -> bytes:
    """Bencode of text, integers, lists and dictionaries."""
    match value:
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case int():
            return b"i%de" % value
        case list():
            return b"l%se" % b"".join(map(encode, value))
        case dict():
            pairs = (encode(key) + encode(value[key]) for key in sorted(value))
            return b"d%se" % b"".join(pairs)
    raise TypeError(f"{type(value).__name__} has no bencode")


def decode(data: bytes) -> Any:
    """The value of a bencoded text; dictionary keys as text, other strings as bytes."""
    value, end = _decode(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the value")
    return value


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _decode(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        keys = (key.decode() for key in items[::2])
        return dict(zip(keys, items[1::2], strict=True)), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class Control:
    """The ng socket."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((HOST, CONTROL_PORT))
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._asked = 0

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its answer; it must be a good one."""
        self._asked += 1
        cookie = b"%d " % self._asked
        for _ in range(TRIES):
            self._socket.send(cookie + encode(question))
            try:
                received = self._socket.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if received.startswith(cookie):
                answer: dict[str, Any] = decode(received[len(cookie) :])
                if answer["result"] not in (b"ok", b"pong"):
                    raise RuntimeError(f"rtpengine: {answer}")
                return answer
        raise RuntimeError(f"rtpengine does not answer {question['command']}")


def _wanted(answer: dict[str, Any]) -> Address:
    text = answer["sdp"].decode()
    host, port = re.search(r"c=IN IP4 (\S+)", text), re.search(r"m=audio (\d+)", text)
    assert host, text
    assert port, text
    return host[1], int(port[1])


def calls(count: int, caller: Address, called: Address) -> list[Call]:
    """Set up so many calls between the generator's sockets."""
    control = Control()
    control.ask({"command": "ping"})
    return [_call(control, number, caller, called) for number in range(count)]


def _call(control: Control, number: int, caller: Address, called: Address) -> Call:
    shift = 2 * (number % SOCKETS)
    common = {
        "call-id": f"bench{number}",
        "from-tag": "a",
        "ICE": "remove",
        "flags": ["trust-address", "asymmetric"],
        "replace": ["origin"],
    }
    offer = {"command": "offer", "sdp": sdp(caller[0], caller[1] + shift)}
    to_called = control.ask(common | offer)
    answer = {"command": "answer", "to-tag": "b", "sdp": sdp(called[0], called[1] + shift)}
    to_caller = control.ask(common | answer)
    return Call(caller_to=_wanted(to_caller), called_to=_wanted(to_called))


@contextmanager
def started(core: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running rtpengine: one media thread, no kernel module, all on one core."""
    command = [
        *("rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1"),
        *(f"--interface={HOST}", f"--listen-ng={HOST}:{CONTROL_PORT}"),
        *("--port-min=20000", "--port-max=59998", "--num-threads=1", "--timeout=3600"),
        *("--tos=0", "--delete-delay=0", f"--pidfile={folder / 'rtpengine.pid'}"),
    ]
    with running(command, core, folder / "rtpengine.log") as process:
        yield process
