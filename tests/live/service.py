"""The real service as a process, with a configuration and a store of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.live.namespaces import Namespace
from tests.live.world import Document

Row = dict[str, Any]
T = TypeVar("T")

DOMAIN = "login.smarttelplus.eu"
READY = b"softswitch ready"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0  # the contract's drain_s (0) + 10, and a slow machine
COMMAND_TIMEOUT_S = 30.0
BIN = Path(sys.executable).parent


class ServiceError(AssertionError):
    """The service or a command of it did not do what the test asked; the text has its output."""


def eventually(
    look: Callable[[], T], until: Callable[[T], bool] = bool, *, within_s: float = 10
) -> T:
    """Look again until what is seen satisfies ``until``; the last sight in any case."""
    deadline_s = time.monotonic() + within_s
    while True:
        seen = look()
        if until(seen) or time.monotonic() > deadline_s:
            return seen
        time.sleep(0.1)


def toml(sections: dict[str, dict[str, Any]]) -> str:
    """A configuration as TOML. JSON's strings, numbers, booleans and lists are TOML's too."""
    lines: list[str] = []
    for name, section in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


class Service:
    """One installation: configuration, store, and the process when it runs."""

    def __init__(
        self,
        folder: Path,
        host: str,
        namespace: Namespace | None = None,
        **changes: dict[str, Any],
    ) -> None:
        """``changes`` are sections of the configuration that replace keys of the default one; the
        process runs in ``namespace`` if there is one (commands reach it through its folder)."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = host
        self._namespace = namespace
        self.server = f"{host}:5060"
        self.url = f"http://{host}:8080"
        self.log = folder / "service.log"
        self.config = folder / "softswitch.toml"
        self._process: subprocess.Popen[bytes] | None = None
        sections: dict[str, dict[str, Any]] = {
            "store": {
                "url": f"sqlite:///{folder}/softswitch.db",
                "state_dir": str(folder / "state"),
            },
            "sip": {
                "udp": [self.server],
                "tcp": [self.server],
                "domain": DOMAIN,
                "phone_probe_s": 0,  # SIPp takes an OPTIONS for the call that it waits for
            },
            "media": {"workers": 0},
            "limits": {"per_source_requests_s": 0, "calls_per_second": 0},
            "web": {"listen": [f"{host}:8080"], "public_url": self.url},
        }
        self._sections = sections
        self.configure("store")
        for name, keys in changes.items():
            self.configure(name, **keys)

    def configure(self, section: str, **keys: Any) -> None:
        """Set keys of the configuration, for the next start."""
        self._sections.setdefault(section, {}).update(keys)
        self.config.write_text(toml(self._sections))

    # --- the process ----------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the process without waiting."""
        command = [str(BIN / "twistd"), "-n", "softswitch", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._namespace.command(command) if self._namespace else command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Start and wait until it says that it is ready."""
        already = self.log.stat().st_size if self.log.exists() else 0
        self.launch()
        assert self._process is not None
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while READY not in self.log.read_bytes()[already:]:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise ServiceError(f"not ready:\n{self.output()}")
            time.sleep(0.05)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait until the process has ended and return its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"still running after {timeout_s} s:\n{self.output()}") from None

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """``kill -9``, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it in order when it still runs; at a test's end."""
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            finally:
                self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def output(self, *, everything: bool = False) -> str:
        """The end of what the service has printed and logged, or all of it."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text if everything else text[-8000:]

    # --- the commands ---------------------------------------------------------------------------

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``softswitch --config ... WORDS`` and return what it said and its exit code."""
        return subprocess.run(
            [str(BIN / "softswitch"), "--config", str(self.config), *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def ok(self, *words: str) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.command(*words)
        if done.returncode != 0:
            said = f"exit {done.returncode}\n{done.stderr[:3000]}"
            raise ServiceError(f"{words}: {said}\n{self.output()}")
        return done.stdout

    def write_state(self, state: Document) -> Path:
        """Write a state file beside the configuration."""
        path = self.folder / "state.yaml"
        path.write_text(yaml.safe_dump(state, allow_unicode=True, sort_keys=False))
        return path

    def apply(self, state: Document) -> str:
        """``softswitch apply`` of a state; must succeed."""
        return self.ok("apply", str(self.write_state(state)))

    def show(self, what: str, account: str | None = None) -> list[Row]:
        """``softswitch show WHAT --json``."""
        chosen = ["--account", account] if account else []
        rows: list[Row] = json.loads(self.ok("show", what, *chosen, "--json"))
        return rows

    def status(self) -> Row:
        """``softswitch status --json``."""
        found: Row = json.loads(self.ok("status", "--json"))
        return found

    def balance(self, account: str) -> Decimal:
        """What the account has."""
        return Decimal(self.show("balance", account)[0]["balance"])

    def reserved(self, account: str) -> Decimal:
        """What running calls hold of it."""
        return Decimal(self.show("balance", account)[0]["reserved"])

    def cdrs(self, account: str, count: int = 1, *, within_s: float = 10) -> list[Row]:
        """The account's CDRs, waited for until there are at least ``count``."""
        return eventually(
            lambda: self.show("cdrs", account), lambda rows: len(rows) >= count, within_s=within_s
        )
