"""baresip as a phone: its files, its control connection, its recordings.

Every phone plays one WAV file as its microphone and records what it hears. It is driven over the
ctrl_tcp module: netstrings of JSON, commands one way, answers and events the other.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.live.namespaces import Namespace

MODULES = "/usr/lib/baresip/modules"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0  # unregistering from a switch that is gone takes it a while
EVENTS_MAX = 10_000

CONFIG = """\
poll_method epoll
sip_listen {listen}
call_max_calls 4
audio_source aufile,{microphone}
audio_player nil,nil
audio_alert nil,nil
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_tos 0
rtp_ports {rtp_first}-{rtp_last}
jitter_buffer_delay 2-10
net_interface {host}
snd_path {recordings}
ctrl_tcp_listen 127.0.0.1:{control_port}
module_path {modules}
module g711.so
module g722.so
module opus.so
module srtp.so
module sndfile.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
{modules_more}
ringback_disabled yes
statmode_default off
"""


class PhoneError(AssertionError):
    """The phone did not do what the test asked of it."""


@dataclass(frozen=True)
class Account:
    """What is typed into a phone: ``server`` is host:port, ``domain`` what its address shows."""

    login: str
    password: str
    server: str
    domain: str
    transport: str = "udp"
    codecs: str = "PCMA/8000/1"
    answer: str = "auto"  # auto | manual
    expires_s: int = 120  # 0: no registration
    modules: tuple[str, ...] = ()  # of baresip's applications, beyond what every phone needs
    contacts: str = ""  # its address book, a line each
    encryption: str = ""  # of media: srtp | srtp-mand (refuses calls without it)

    def line(self) -> str:
        """The account as baresip's accounts file has it."""
        encryption = f";mediaenc={self.encryption}" if self.encryption else ""
        return (
            f"<sip:{self.login}@{self.domain};transport={self.transport}>"
            f";auth_user={self.login};auth_pass={self.password}"
            f';outbound="sip:{self.server};transport={self.transport}"'
            f";regint={self.expires_s};answermode={self.answer}"
            f";audio_codecs={self.codecs};ptime=20{encryption}\n"
        )


class Control:
    """The ctrl_tcp connection: asks, waits for answers, keeps events."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS_MAX)
        self._answers: dict[str, dict[str, Any]] = {}
        self._asked = 0

    def ask(self, command: str, params: str = "", timeout_s: float = 10.0) -> str:
        """Run a command of baresip's menu and return what it printed."""
        self._asked += 1
        token = str(self._asked)
        message = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._socket.sendall(b"%d:%s," % (len(message), message))
        deadline_s = time.monotonic() + timeout_s
        while token not in self._answers:
            if not self.receive(deadline_s - time.monotonic()):
                raise PhoneError(f"no answer to {command} {params} within {timeout_s} s")
        answer = self._answers.pop(token)
        if not answer["ok"]:
            raise PhoneError(f"{command} {params}: {answer['data']}")
        return str(answer["data"])

    def receive(self, timeout_s: float) -> bool:
        """Take in one message; False when none came in time or the phone is gone."""
        while True:
            message = self._take_message()
            if message is not None:
                break
            self._socket.settimeout(max(timeout_s, 0.001))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return False
            if not data:
                return False
            self._buffer += data
        if message.get("response"):
            self._answers[message["token"]] = message
        else:
            self.events.append(message)
        return True

    def _take_message(self) -> dict[str, Any] | None:
        length, colon, rest = self._buffer.partition(b":")
        if not colon or len(rest) < int(length) + 1:
            return None
        text, self._buffer = rest[: int(length)], rest[int(length) + 1 :]
        message: dict[str, Any] = json.loads(text)
        return message

    def close(self) -> None:
        self._socket.close()


class Phone:
    """One running baresip. Use as a context manager: leaving it ends the process."""

    def __init__(
        self,
        account: Account,
        microphone: Path,
        folder: Path,
        port: int,
        host: str = "127.0.0.1",
        namespace: Namespace | None = None,
    ) -> None:
        """``port`` is the first of a block of ``ports.BLOCK_PORTS`` ports; ``host`` 127.0.0.1 or
        ::1, or its address in a ``namespace``."""
        self.account = account
        self.folder = folder
        self._namespace = namespace
        self._family = "-6" if ":" in host else "-4"
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._control_port = port + 2  # port + 1 is taken by SIP over TLS
        self.log = folder / "phone.log"
        # Not below pytest's folder: baresip writes no recording whose path has over 127 characters.
        self._recordings = Path(tempfile.mkdtemp(prefix="phone-"))
        weakref.finalize(self, shutil.rmtree, self._recordings, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text(
            CONFIG.format(
                listen=self.address,
                host=host,
                control_port=self._control_port,
                rtp_first=port + 10,
                rtp_last=port + 39,
                microphone=microphone,
                recordings=self._recordings,
                modules=MODULES,
                modules_more="\n".join(f"module_app {name}.so" for name in account.modules),
            )
        )
        (folder / "accounts").write_text(account.line())
        (folder / "contacts").write_text(account.contacts)

    def __enter__(self) -> Self:
        command = ["baresip", self._family, "-s", "-v", "-f", str(self.folder)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._namespace.command(command) if self._namespace else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._control = Control(self._connect())
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._quit():
            self.kill()
        self._control.close()

    def _connect(self) -> socket.socket:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                address = ("127.0.0.1", self._control_port)
                if self._namespace:
                    return self._namespace.connect(address, 1.0)
                return socket.create_connection(address, timeout=1.0)
            except OSError:
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise PhoneError(f"baresip did not start:\n{self.log.read_text()}") from None
                time.sleep(0.05)

    def _quit(self) -> bool:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the phone as a power cut does: nothing is said to anyone."""
        self._process.kill()
        self._process.wait()

    def wait_for(self, *kinds: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """Wait for the next event of one of these types ("REGISTER_OK", "CALL_ESTABLISHED", ...);
        earlier events of other types are dropped."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            while self._control.events:
                event = self._control.events.popleft()
                if event["type"] in kinds:
                    return event
            if not self._control.receive(deadline_s - time.monotonic()):
                raise PhoneError(
                    f"{self.account.login}: no {' or '.join(kinds)} within {timeout_s} s\n"
                    + self._log_end()
                )

    def output(self) -> str:
        """Everything that it printed, SIP messages included."""
        return self.log.read_text(errors="replace")

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]

    def wait_registered(self, timeout_s: float = 15.0) -> None:
        """Wait until the switch has accepted the registration. Asked for, not waited for: the event
        may have come before the control connection stood."""
        deadline_s = time.monotonic() + timeout_s
        while "OK" not in self._control.ask("reginfo"):
            if time.monotonic() > deadline_s:
                raise PhoneError(f"{self.account.login} is not registered\n{self._log_end()}")
            time.sleep(0.05)

    def address_book(self) -> str:
        """Its contacts, each with the presence that it knows of (module contact)."""
        return self._control.ask("contacts")

    def dial(self, number: str) -> None:
        """Call a number at the account's domain."""
        self._control.ask("dial", f"sip:{number}@{self.account.domain}")

    def transfer(self, number: str) -> None:
        """Hand the other side on: REFER to a number at the account's domain."""
        self._control.ask("transfer", f"sip:{number}@{self.account.domain}")

    def answer(self) -> None:
        """Pick up the call that rings."""
        self._control.ask("accept")

    def hang_up(self) -> None:
        """End or refuse the current call."""
        self._control.ask("hangup")

    def hold(self) -> None:
        """Put the call on hold: a re-INVITE with sendonly."""
        self._control.ask("hold")

    def resume(self) -> None:
        """Take the call back from hold."""
        self._control.ask("resume")

    def press(self, digit: str) -> None:
        """Press and release a key: telephone events, if the call has them."""
        self._control.ask("sndcode", digit)

    def leave(self) -> None:
        """Switch the phone off: it takes its registration back and is gone."""
        if not self._quit():
            raise PhoneError(f"{self.account.login} did not stop")

    def calls_seen(self) -> int:
        """How many INVITEs this phone ever got or sent."""
        return self.log.read_text(errors="replace").count("\nINVITE sip:")

    def recording(self) -> Path:
        """What the phone heard in its last call, once that call has ended."""
        return max(
            self._recordings.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime_ns
        )
