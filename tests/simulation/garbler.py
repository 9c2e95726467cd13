"""Stands between true devices and the switch, and sends spoilt copies of what passes along."""

from __future__ import annotations

import re
import time
from itertools import count

from sip import digest
from sip.flow import Flow
from sip.parser import parse_message
from tests.simulation.devices import PASSWORD
from tests.simulation.mutation import Mutations
from tests.simulation.rim import RimNode
from tests.simulation.switch import NONCE_SECRET, REALM

SPOILT_PER_MESSAGE = 4
"""Copies of each true message: with more hardly a call lives to be held, transferred, ended."""

NONCE_USES = 200


class Garbler:
    """A node of the wire: what comes goes through, with spoilt copies, until ``left`` is 0."""

    def __init__(self, rim: RimNode, mutations: Mutations) -> None:
        self.rim = rim
        self.left = 0
        self.slowest_s = 0.0
        self.current = b""  # what the switch is given, for who looks at a failure
        self._mutations = mutations
        self._nonces = digest.Nonces(NONCE_SECRET)
        self._asked: dict[str, tuple[str, float, count[int]]] = {}  # by source: nonce, end, uses
        self._numbers = count(1)

    def receive(self, data: bytes, flow: Flow, now_s: float) -> None:
        """A true message."""
        pick = self._mutations.random
        self._mutations.learn(data)
        before = pick.randrange(SPOILT_PER_MESSAGE) if pick.random() < 0.2 else 0
        for _ in range(before):
            self.spoil(data, flow, now_s)
        self._give(data, flow, now_s)
        for _ in range(SPOILT_PER_MESSAGE - before):
            self.spoil(data, flow, now_s)

    def spoil(self, data: bytes, flow: Flow, now_s: float) -> None:
        """Send a spoilt copy, as the same peer or over a connection of its own."""
        if self.left == 0:
            return
        self.left -= 1
        spoilt = self._mutations.spoil(self._renewed(data, flow.remote.host, now_s))
        if flow.transport == "tcp" and self._mutations.random.random() < 0.8:
            aside = flow.remote._replace(port=20_000 + self._mutations.random.randrange(64))
            flow = flow._replace(remote=aside)
        self._give(spoilt, flow, now_s)
        if flow.transport == "tcp" and self._mutations.random.random() < 0.3:
            self.rim.hang_up(flow.remote)

    def _give(self, data: bytes, flow: Flow, now_s: float) -> None:
        self.current = data
        begun_s = time.thread_time()
        self.rim.receive(data, flow, now_s)
        self.slowest_s = max(self.slowest_s, time.thread_time() - begun_s)

    def _renewed(self, data: bytes, host: str, now_s: float) -> bytes:
        """Of a request often another one, or it would be taken for a repetition: with a branch, a
        CSeq number or a Call-ID of its own, and with credentials that hold."""
        if data.startswith(b"SIP/2.0 "):
            return data
        pick, number = self._mutations.random.random, b"%d" % next(self._numbers)
        if pick() < 0.75:
            data = data.replace(b";branch=z9hG4bK", b";branch=z9hG4bKm" + number, 1)
        if pick() < 0.5:
            data = re.sub(rb"(?m)^CSeq: ([0-9]+)", rb"CSeq: " + b"%d" % (1000 + int(number)), data)
        if b";tag=" not in data.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0] and pick() < 0.3:
            data = data.replace(b"\r\nCall-ID: ", b"\r\nCall-ID: m" + number, 1)
        if b"uthorization: Digest " in data and pick() < 0.75:
            data = self._proved_again(data, host, now_s)
        return data

    def _proved_again(self, data: bytes, host: str, now_s: float) -> bytes:
        line = re.search(rb'uthorization: (Digest username="([0-9]+)"[^\r\n]*)', data)
        method, uri, _ = data.split(b" ", 2)
        if line is None:
            return data
        nonce, number = self._proof(host, now_s)
        asked = digest.Challenge(REALM, nonce, "MD5", "auth", None, False)
        login = line[2].decode()
        value = digest.answer(asked, method.decode(), uri.decode(), login, PASSWORD, "c", number)
        return data[: line.start(1)] + value.encode() + data[line.end(1) :]

    def _proof(self, host: str, now_s: float) -> tuple[str, int]:
        """A nonce that was issued to this source, and the number of its use: some hundred of each,
        as a phone does."""
        nonce, until_s, uses = self._asked.get(host, ("", 0.0, count(NONCE_USES)))
        number = next(uses)
        if number >= NONCE_USES or now_s > until_s:
            nonce, number, uses = self._nonces.issue(now_s, host), 0, count(1)
            self._asked[host] = nonce, now_s + 60, uses
        return nonce, number + 1

    # What the wire asks of a node

    def advance(self, now_s: float) -> None:
        """Time passes."""
        self.current = b""
        self.rim.advance(now_s)

    def next_deadline_s(self) -> float | None:
        """The rim's."""
        return self.rim.next_deadline_s()

    def take_outgoing(self) -> list[tuple[bytes, Flow]]:
        """What the switch sends must be SIP, whatever was in what it answers."""
        outgoing = self.rim.take_outgoing()
        for data, _ in outgoing:
            if data.startswith(b"SIP/2.0 "):
                assert_framed(data)
            else:
                parse_message(data)
        return outgoing


def assert_framed(answer: bytes) -> None:
    """An answer is one message with the five fields by which it is matched, each but Via once. They
    are the request's, so they may be what is refused: a broken From, a number that is too large."""
    head, _, body = answer.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    for name in (b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length"):
        assert names.count(name) == 1, answer
    assert b"Via" in names
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"), answer
