"""SIPp as a phone or as a carrier's gateway: one scenario, one call, one process.

The scenarios are the XML files beside this module. ``@NAME@`` in them is filled in here.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.live.namespaces import Namespace

SCENARIOS = Path(__file__).parent / "scenarios"
SIP_PORT = 5060
TRANSPORTS = {"udp": "u1", "tcp": "t1"}
MEDIA_PORT = 6000

SDP = """\
v=0
o=- 1 1 IN IP4 [media_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio {port} RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
PLAY = '  <nop><action><exec rtp_stream="{file},1,8,PCMA/8000"/></action></nop>'


class SippError(AssertionError):
    """The scenario did not run as written: what SIPp and its message log say."""


@dataclass(frozen=True)
class Peer:
    """One SIPp to start.

    ``host`` is its own address, ``remote`` whom it calls ("host:port"), for callers. ``number`` is
    what it dials, ``user`` its login or caller number, ``talk_ms`` how long the scenario pauses.
    ``sdp_lines`` are added to its description. ``event`` is what it subscribes to, ``until`` a
    pattern (without angle brackets and quotes) of the last NOTIFY that it waits for.
    ``play``: an A-law file to send; without one it sends back what it hears (``-rtp_echo``).
    ``more``: header fields of a phone's INVITE beside the usual ones.
    ``refer``: header fields of a REFER that it sends ``ring_ms`` after the answer and that gets
    ``code``; ``then``: it "waits" for the last NOTIFY, is "replaced" without one, "leaves" after
    ``talk_ms``, or "hurries" to hang up behind the first NOTIFY.
    """

    scenario: str
    host: str
    remote: str = ""
    domain: str = ""
    user: str = "caller"
    password: str = ""
    number: str = ""
    talk_ms: int = 1000
    ring_ms: int = 200
    code: int = 200
    expires_s: int = 120
    transport: str = "udp"
    play: Path | None = None
    calls: int = 1
    timeout_s: int = 30
    port: int = SIP_PORT
    sdp_lines: tuple[str, ...] = ()
    media_port: int = MEDIA_PORT
    namespace: Namespace | None = None
    refer: tuple[str, ...] = ()
    then: str = "waits"
    more: tuple[str, ...] = ()
    event: str = "dialog"
    until: str = "terminated;"

    def render(self) -> str:
        """The scenario with everything filled in."""
        port = "[rtpstream_audio_port]" if self.play else "[media_port]"
        values = {
            "DOMAIN": self.domain,
            "FROM": self.user,
            "CODE": str(self.code),
            "EXPIRES": str(self.expires_s),
            "EVENT": self.event,
            "UNTIL": self.until,
            "RING_MS": str(self.ring_ms),
            "SDP": (SDP.format(port=port) + "\n".join(self.sdp_lines)).rstrip("\n"),
            "PLAY": PLAY.format(file=self.play) if self.play else "",
            "REFER": "\n".join(self.refer),
            "MORE": "".join(f"\n{line}" for line in self.more),
            "THEN": self.then,
            "TALK_MS": str(self.talk_ms),
        }
        transfer = (SCENARIOS / "refer.part").read_text() if self.refer else ""
        text = (SCENARIOS / f"{self.scenario}.xml").read_text().replace("@TRANSFER@", transfer)
        return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)

    def command(self, scenario: Path, messages: Path) -> list[str]:
        """The command line."""
        echo = [] if self.play else ["-rtp_echo"]
        return [
            *("sipp", "-sf", str(scenario), "-nostdin", "-m", str(self.calls), "-l", "100"),
            *("-i", self.host, "-p", str(self.port), "-mi", self.host, "-mp", str(self.media_port)),
            *(
                "-t",
                TRANSPORTS[self.transport],
                "-s",
                self.number or "nobody",
                "-d",
                str(self.talk_ms),
            ),
            *("-au", self.user, "-ap", self.password, "-timeout", f"{self.timeout_s}s"),
            *("-timeout_error", "-trace_msg", "-message_file", str(messages)),
            *("-trace_err", "-error_file", str(messages.with_suffix(".errors"))),
            *("-recv_timeout", str(self.timeout_s * 1000)),
            *echo,
            *([self.remote] if self.remote else []),
        ]


class Sipp:
    """A running SIPp. Leaving the context ends it; ``finish`` waits for its scenario to succeed."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.peer = peer
        self._messages = folder / "messages.log"
        self._output = folder / "output.log"
        self._folder = folder
        scenario = folder / f"{peer.scenario}.xml"
        scenario.write_text(peer.render())
        command = peer.command(scenario, self._messages)
        self._command = peer.namespace.command(command) if peer.namespace else command

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TERM": "dumb"},
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def messages(self) -> str:
        """Every SIP message so far, sent and received."""
        return self._messages.read_text(errors="replace") if self._messages.exists() else ""

    def finish(self, timeout_s: float | None = None) -> str:
        """Wait until the scenario has ended as written; return its messages."""
        try:
            code = self._process.wait(timeout_s or self.peer.timeout_s + 5)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise SippError(
                f"SIPp {self.peer.scenario} at {self.peer.host}: exit {code}\n"
                f"{self._errors()}\n{self.messages()[-8000:]}"
            )
        return self.messages()

    def _errors(self) -> str:
        path = self._messages.with_suffix(".errors")
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""


def run(peer: Peer, folder: Path) -> str:
    """Run one scenario to its end and return its messages; raises ``SippError`` otherwise."""
    with Sipp(peer, folder) as sipp:
        return sipp.finish()
