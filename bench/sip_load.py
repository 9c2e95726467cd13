"""A SIP load generator: caller and called side in one process and on one clock, over UDP.

    python -m bench.sip_load call --target 127.7.0.1:5060 --rate 200 --seconds 10
    python -m bench.sip_load register --target 127.7.0.1:5060 --rate 1000 --seconds 10

It starts a fixed number of calls or registrations a second whatever the server does, and prints
what came of them as one JSON object. ``lag_ms`` is its own worst lateness: when it is large, the
figures say more of the generator than of the server.
"""

from __future__ import annotations

import argparse
import heapq
import json
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, replace

from bench.sip_messages import (
    Address,
    answer,
    contact_uri,
    credentials,
    header,
    media_address,
    routes,
    sdp,
    tagged,
)
from bench.sip_wire import READS_MAX, T1_S, Outcome, Plan, Wire

INVITE = (
    "INVITE sip:{number}@{domain} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{token}-{cseq}-i{unit}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{caller}@{domain}>;tag=f{unit}\r\n"
    "To: <sip:{number}@{domain}>\r\n"
    "Call-ID: lg{unit}.{token}\r\n"
    "CSeq: {cseq} INVITE\r\n"
    "Contact: <sip:{caller}@{here}>\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY\r\n"
    "Supported: replaces\r\n"
    "User-Agent: softswitch-bench\r\n"
    "{more}"
    "Content-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n"
)
IN_DIALOG = (
    b"%(method)s %(uri)s SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP %(here)s;rport;branch=z9hG4bK%(token)s-%(cseq)d-%(method)s%(unit)d\r\n"
    b"Max-Forwards: 70\r\n%(routes)s"
    b"From: %(from)s\r\nTo: %(to)s\r\nCall-ID: %(call)s\r\nCSeq: %(cseq)d %(method)s\r\n"
    b"Content-Length: 0\r\n\r\n"
)
REGISTER = (
    "REGISTER sip:{domain} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{token}-{cseq}-r{unit}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{login}@{domain}>;tag=f{unit}\r\n"
    "To: <sip:{login}@{domain}>\r\n"
    "Call-ID: lg{unit}.{token}\r\n"
    "CSeq: {cseq} REGISTER\r\n"
    "Contact: <sip:{login}@{contact}>\r\n"
    "Expires: {expires}\r\n"
    "User-Agent: softswitch-bench\r\n"
    "{more}"
    "Content-Length: 0\r\n\r\n"
)


class Load(Wire):
    """What calls and registrations share: one pending request per unit, final states."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.here = "{}:{}".format(*plan.caller)
        self._call_suffix = f".{self.token}".encode()
        self.started_s: dict[int, float] = {}
        self.unanswered: dict[int, bytes] = {}
        self.cseq: dict[int, int] = {}

    def ask(self, unit: int, request: bytes, now_s: float) -> None:
        """Send a request and repeat it until it is answered."""
        self.unanswered[unit] = request
        self.send(request)
        self.watch(unit, now_s)

    def repeat(self, unit: int) -> bool:
        request = self.unanswered.get(unit)
        if request is None:
            return False
        self.send(request)
        return True

    def pending(self) -> int:
        return len(self.started_s)

    def unit_of(self, message: bytes) -> int | None:
        """Which unit a message belongs to, by its Call-ID; ``None``: left over from another run."""
        call = header(message, b"Call-ID")
        return int(call[2 : call.index(b".")]) if call.endswith(self._call_suffix) else None

    def end(self, unit: int, *, good: bool) -> None:
        """The unit is over."""
        self.unanswered.pop(unit, None)
        self.cseq.pop(unit, None)
        if self.started_s.pop(unit, None) is not None:
            self.outcome.done += good
            self.outcome.failed += not good


class Registrations(Load):
    """REGISTER, the challenge, REGISTER with digest, 200; over ``plan.users`` logins in turn."""

    def begin(self, unit: int, now_s: float) -> None:
        self.started_s[unit] = now_s
        self.cseq[unit] = 1
        self.ask(unit, self._register(unit, 1, ""), now_s)

    def _login(self, unit: int) -> str:
        return self.plan.user_format.format(unit % self.plan.users)

    def _register(self, unit: int, cseq: int, more: str) -> bytes:
        return REGISTER.format(
            domain=self.plan.domain,
            here=self.here,
            token=self.token,
            cseq=cseq,
            unit=unit,
            login=self._login(unit),
            contact="{}:{}".format(*self.plan.called),
            expires=self.plan.expires_s,
            more=more,
        ).encode()

    def to_caller(self, message: bytes, now_s: float) -> None:
        unit = self.unit_of(message)
        cseq = None if unit is None else self.cseq.get(unit)
        if unit is None or cseq is None or header(message, b"CSeq") != b"%d REGISTER" % cseq:
            self.outcome.repeated += 1
            return
        code = message[8:11]
        self.codes[code.decode()] += 1
        if code == b"401" and cseq == 1:
            self._answer_challenge(unit, header(message, b"WWW-Authenticate"), now_s)
            return
        if code == b"200":
            self.latencies_s.append(now_s - self.started_s[unit])
        self.end(unit, good=code == b"200")

    def _answer_challenge(self, unit: int, challenge: bytes, now_s: float) -> None:
        self.cseq[unit] = 2
        value = credentials(
            challenge,
            self._login(unit),
            self.plan.password,
            "REGISTER",
            f"sip:{self.plan.domain}",
        )
        self.ask(unit, self._register(unit, 2, f"Authorization: {value.decode()}\r\n"), now_s)


class Calls(Load):
    """INVITE to 200 of BYE: the caller's side to ``plan.target``, the called side on a socket here.

    ``legs`` has, for every answered call, where the server wants RTP from the caller and from the
    called side.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.called = self._socket(plan.called)
        self.up: dict[int, bytes] = {}  # the 200 that answered the call
        self._hang_up_at: deque[tuple[float, int]] = deque()
        self._accepted: dict[bytes, tuple[bytes, Address] | None] = {}  # None: acknowledged
        self._accepted_order: list[bytes] = []
        self._wanted_by_server: dict[int, Address] = {}
        self.legs: dict[int, tuple[Address, Address]] = {}

    def called_sockets(self) -> list[socket.socket]:
        return [self.called]

    def close(self) -> None:
        """Close both sockets."""
        self.caller.close()
        self.called.close()

    # The caller's side.

    def begin(self, unit: int, now_s: float) -> None:
        self.started_s[unit] = now_s
        self.cseq[unit] = 1
        self.ask(unit, self._invite(unit, 1, ""), now_s)

    def _number(self, unit: int) -> str:
        return f"{self.plan.number_prefix}{unit:07d}"

    def _invite(self, unit: int, cseq: int, more: str) -> bytes:
        first, _, count = self.plan.media_ports
        body = sdp(self.plan.media_host or self.plan.caller[0], first + 2 * (unit % count))
        head = INVITE.format(
            number=self._number(unit),
            domain=self.plan.domain,
            here=self.here,
            token=self.token,
            cseq=cseq,
            unit=unit,
            caller=self.plan.caller_number,
            more=more,
            length=len(body),
        )
        return head.encode() + body

    def to_caller(self, message: bytes, now_s: float) -> None:
        if not message.startswith(b"SIP/2.0 "):
            self._refuse(message)
            return
        unit = self.unit_of(message)
        if unit is None:
            return
        cseq, _, method = header(message, b"CSeq").partition(b" ")
        if unit not in self.started_s or int(cseq) != self.cseq[unit]:
            self.outcome.repeated += 1
            if method == b"INVITE" and message[8:9] == b"2" and unit in self.up:
                self.send(self._in_dialog(b"ACK", unit, message))
            return
        if method == b"INVITE":
            self._invite_answered(unit, message, now_s)
        elif message[8:9] != b"1":
            self.end(unit, good=message[8:11] == b"200")

    def _invite_answered(self, unit: int, message: bytes, now_s: float) -> None:
        code = message[8:11]
        if code < b"200":
            self.unanswered.pop(unit, None)
        elif code == b"200":
            self._answered(unit, message, now_s)
        else:
            self.codes[code.decode()] += 1
            self.send(self._ack_failure(unit, message))
            if code == b"407" and self.cseq[unit] == 1:
                self._answer_challenge(unit, header(message, b"Proxy-Authenticate"), now_s)
            else:
                self.end(unit, good=False)

    def _answered(self, unit: int, message: bytes, now_s: float) -> None:
        if unit in self.up:
            self.outcome.repeated += 1
            self.send(self._in_dialog(b"ACK", unit, message))
            return
        self.unanswered.pop(unit, None)
        self.codes["200"] += 1
        self.latencies_s.append(now_s - self.started_s[unit])
        self.up[unit] = message
        if unit in self._wanted_by_server:
            self.legs[unit] = (media_address(message), self._wanted_by_server.pop(unit))
        self.send(self._in_dialog(b"ACK", unit, message))
        if self.plan.keep:
            self.end(unit, good=True)
        elif self.plan.hold_s:
            self._hang_up_at.append((now_s + self.plan.hold_s, unit))
        else:
            self._hang_up(unit, now_s)

    def due(self, now_s: float) -> None:
        waiting = self._hang_up_at
        while waiting and waiting[0][0] <= now_s:
            self._hang_up(waiting.popleft()[1], now_s)

    def _hang_up(self, unit: int, now_s: float) -> None:
        message = self.up.pop(unit)
        self.cseq[unit] += 1
        self.ask(unit, self._in_dialog(b"BYE", unit, message), now_s)

    def hang_up_all(self, seconds: float) -> None:
        """End the calls that were kept, evenly over so much time; answers are not waited for."""
        pause_s = seconds / max(1, len(self.up))
        for unit, message in self.up.items():
            self.cseq[unit] = 3
            self.send(self._in_dialog(b"BYE", unit, message))
            self._drain()
            time.sleep(pause_s)
        self.up.clear()
        deadline_s = time.monotonic() + 1.0
        while time.monotonic() < deadline_s:
            self._drain()
            time.sleep(0.01)

    def _drain(self) -> None:
        """Answer the server's BYEs while calls are ended; other messages need nothing more."""
        self.to_called(self.called, time.monotonic())
        try:
            while True:
                self.caller.recv(65536)
        except (BlockingIOError, ConnectionRefusedError):
            return

    def _in_dialog(self, method: bytes, unit: int, answered: bytes) -> bytes:
        cseq = self.cseq.get(unit, 2)
        return IN_DIALOG % {
            b"method": method,
            b"uri": contact_uri(answered),
            b"here": self.here.encode(),
            b"token": self.token.encode(),
            b"cseq": cseq,
            b"unit": unit,
            b"routes": routes(answered),
            b"from": header(answered, b"From"),
            b"to": header(answered, b"To"),
            b"call": header(answered, b"Call-ID"),
        }

    def _ack_failure(self, unit: int, refused: bytes) -> bytes:
        """The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 17.1.1.3)."""
        cseq = self.cseq[unit]
        here, token = self.here.encode(), self.token.encode()
        return (
            b"ACK sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s-%d-i%d\r\n"
            b"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d ACK\r\n"
            b"Content-Length: 0\r\n\r\n"
        ) % (
            self._number(unit).encode(),
            self.plan.domain.encode(),
            here,
            token,
            cseq,
            unit,
            header(refused, b"From"),
            header(refused, b"To"),
            header(refused, b"Call-ID"),
            cseq,
        )

    def _answer_challenge(self, unit: int, challenge: bytes, now_s: float) -> None:
        self.cseq[unit] = 2
        plan = self.plan
        uri = f"sip:{self._number(unit)}@{plan.domain}"
        value = credentials(challenge, plan.caller_number, plan.password, "INVITE", uri)
        more = f"Proxy-Authorization: {value.decode()}\r\n"
        self.ask(unit, self._invite(unit, 2, more), now_s)

    def _refuse(self, request: bytes) -> None:
        """Requests of the server inside our calls (BYE at the end of the money, OPTIONS)."""
        self.send(answer(request, b"200 OK", header(request, b"To"), b""))

    # The called side.

    def to_called(self, opened: socket.socket, now_s: float) -> None:
        for _ in range(READS_MAX):
            try:
                message, source = opened.recvfrom(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            method = message[: message.find(b" ")]
            if method == b"INVITE":
                self._ring(message, source, now_s)
            elif method == b"ACK":
                self._accepted[header(message, b"Call-ID")] = None
            elif not method.startswith(b"SIP/2.0"):
                opened.sendto(answer(message, b"200 OK", header(message, b"To"), b""), source)

    def _ring(self, invite: bytes, source: Address, now_s: float) -> None:
        call = header(invite, b"Call-ID")
        if call in self._accepted:
            self.outcome.repeated += 1
            return
        user = invite[invite.find(b"sip:") + 4 : invite.find(b"@")]
        unit = int(user[-7:])
        self._wanted_by_server[unit] = media_address(invite)
        to = tagged(header(invite, b"To"), b"t%d" % unit)
        contact = b"Contact: <sip:%s@%s:%d>\r\n" % (
            user,
            self.plan.called[0].encode(),
            self.plan.called[1],
        )
        _, first, count = self.plan.media_ports
        body = sdp(self.plan.media_host or self.plan.called[0], first + 2 * (unit % count))
        self.called.sendto(answer(invite, b"180 Ringing", to, contact), source)
        more = contact + b"Content-Type: application/sdp\r\n"
        accepted = answer(invite, b"200 OK", to, more, body)
        self.called.sendto(accepted, source)
        self._accepted[call] = (accepted, source)
        self._accepted_order.append(call)
        # Called sides are watched under negative names: -1 is the first.
        heapq.heappush(self._timers, (now_s + T1_S, -len(self._accepted_order), 1))

    def repeat(self, unit: int) -> bool:
        if unit >= 0:
            return super().repeat(unit)
        waiting = self._accepted.get(self._accepted_order[-unit - 1])
        if waiting is None:
            return False
        self.called.sendto(*waiting)
        return True


KINDS: dict[str, type[Load]] = {"call": Calls, "register": Registrations}


def run(plan: Plan) -> Outcome:
    """One run in this process."""
    return KINDS[plan.kind](plan).run()


def address(text: str) -> Address:
    """ "host:port" as a pair."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> int:
    """The command line: options are the fields of ``Plan``."""
    parser = argparse.ArgumentParser(description="a SIP load generator")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--target", type=address, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    for name in ("caller", "called"):
        parser.add_argument(f"--{name}", type=address)
    for name in ("domain", "number-prefix", "caller-number", "user-format", "password"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--hold-s", type=float)
    parser.add_argument("--users", type=int)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    required = {name: given.pop(name) for name in ("kind", "target", "rate", "seconds")}
    outcome = run(replace(Plan(**required), **given))
    print(json.dumps(asdict(outcome)))
    return 0 if outcome.clean else 1


if __name__ == "__main__":
    sys.exit(main())
