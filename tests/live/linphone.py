"""linphonec as a phone: a second implementation, driven by its standard input."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Self

STOP_TIMEOUT_S = 10.0

CONFIG = """\
[sip]
sip_port={udp_port}
sip_tcp_port=0
sip_tls_port={tls_port}
bind_address=127.0.0.1
use_ipv6=0
root_ca={ca}
verify_server_certs=1
verify_server_cn=0
default_proxy=0
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_route=<sip:{server};transport={transport}>
reg_identity=<sip:{login}@{domain}>
reg_expires=120
reg_sendregister=1
[auth_info_0]
username={login}
passwd={password}
realm={domain}
domain={domain}
[rtp]
audio_rtp_port={rtp_port}
"""


class Linphone:
    """One running linphonec, which answers every call and plays a WAV file into it.

    It believes the certificates of ``ca`` only; names it compares with its server's address in
    a way of its own, so that is off.
    """

    def __init__(self, folder: Path, microphone: Path, **settings: str | int | Path) -> None:
        """``settings`` are the names in ``CONFIG``; the transport is TLS unless they say UDP."""
        udp = settings.get("transport") == "udp"
        usual: dict[str, str | int | Path] = {
            "transport": "tls",
            "ca": "none",
            "udp_port": -1 if udp else 0,  # -1: any, 0: none
            "tls_port": 0 if udp else -1,
        }
        self._folder = folder
        self._microphone = microphone
        self._config = folder / "linphonerc"
        self._config.write_text(CONFIG.format(**(usual | settings)))
        for needed in (".local/share/linphone", ".config/linphone"):
            (folder / needed).mkdir(parents=True)

    def __enter__(self) -> Self:
        log = self._folder / "debug.log"
        with (self._folder / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                ["linphonec", "-a", "-c", str(self._config), "-d", "6", "-l", str(log)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self._folder)},
            )
        self._say("soundcard use files")
        self._say(f"play {self._microphone}")
        self._say(f"record {self._folder / 'heard.wav'}")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._say("quit")
            self._process.wait(STOP_TIMEOUT_S)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def call(self, number: str, domain: str) -> None:
        """Call a number."""
        self._say(f"call sip:{number}@{domain}")

    def hold(self, call: int) -> None:
        """Put one of its calls, counted from 1, on hold, before it can make another."""
        self._say(f"pause {call}")

    def join(self, first: int, second: int) -> None:
        """Hand the other side of one of its calls to that of another one: REFER
        with Replaces."""
        self._say(f"transfer {first} --to-call {second}")

    def hang_up(self) -> None:
        """End all its calls."""
        self._say("terminate all")

    def recording(self) -> Path:
        """What it heard in all its calls, as ``audio`` reads it."""
        telephone = self._folder / "telephone.wav"
        heard = ["sox", self._folder / "heard.wav", "-r", "8000", "-c", "1", "-b", "16", telephone]
        subprocess.run(heard, check=True)
        return telephone

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        time.sleep(0.1)
