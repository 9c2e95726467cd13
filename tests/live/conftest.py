"""Fixtures of the live tests: a network, speech, the service, phones and carriers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.live import audio, baresip, browser, sipp
from tests.live.ports import Network, claimed_block, claimed_network
from tests.live.service import DOMAIN, Service
from tests.live.world import Document, login, password

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a live test."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture
def network() -> Iterator[Network]:
    """Loopback addresses of this test alone."""
    with claimed_network() as claimed:
        yield claimed


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two recordings of different speakers and texts, more than ten seconds each."""
    folder = tmp_path_factory.mktemp("speech")
    return {name: audio.synthesize(name, folder) for name in audio.SPEECH}


@dataclass
class Stage:
    """What a test puts on: services, phones, carriers; all ended when the test ends."""

    network: Network
    folder: Path
    speech: dict[str, Path]
    stack: ExitStack
    numbers: Iterator[int]

    def service(self, state: Document | None = None, **changes: dict[str, Any]) -> Service:
        """A started service that knows ``state``; ``changes`` are configuration sections."""
        service = self.installed(**changes)
        if state is not None:
            service.apply(state)
        service.start()
        return service

    def installed(self, **changes: dict[str, Any]) -> Service:
        """A service that has a configuration and is not started."""
        service = Service(self._new_folder("service"), self.network.host(), **changes)
        self.stack.callback(service.close)
        return service

    def phone(
        self,
        service: Service,
        account: str,
        extension: str,
        *,
        says: str = "first",
        registered: bool = True,
        host: str = "127.0.0.1",
        **more: Any,
    ) -> baresip.Phone:
        """A running baresip of a user; by default it waits until it is registered."""
        known: dict[str, Any] = {
            "login": login(account, extension),
            "password": password(extension),
            "server": service.server,
            "domain": DOMAIN,
        }
        port = self.stack.enter_context(claimed_block())
        folder = self._new_folder(f"phone-{extension}")
        account_line = baresip.Account(**(known | more))
        phone = baresip.Phone(account_line, self.speech[says], folder, port, host)
        self.stack.enter_context(phone)
        if registered:
            phone.wait_registered()
        return phone

    def peer(self, scenario: str, host: str | None = None, **more: Any) -> sipp.Sipp:
        """A running SIPp at an address (a new one by default)."""
        peer = sipp.Peer(scenario, host or self.network.host(), domain=DOMAIN)
        running = sipp.Sipp(replace(peer, **more), self._new_folder(f"sipp-{scenario}"))
        return self.stack.enter_context(running)

    def caller(
        self, service: Service, account: str, extension: str, scenario: str, **more: Any
    ) -> sipp.Sipp:
        """A running SIPp that calls with the login of a user."""
        known = {
            "remote": service.server,
            "user": login(account, extension),
            "password": password(extension),
        }
        return self.peer(scenario, **(known | more))

    def carrier_call(self, service: Service, host: str, scenario: str, **more: Any) -> sipp.Sipp:
        """A running SIPp that brings a call from a carrier's address."""
        return self.peer(scenario, host, remote=service.server, **more)

    def _new_folder(self, name: str) -> Path:
        folder = self.folder / f"{next(self.numbers)}-{name}"
        folder.mkdir()
        return folder


@pytest.fixture
def stage(network: Network, speech: dict[str, Path], tmp_path: Path) -> Iterator[Stage]:
    """An empty stage."""
    with ExitStack() as stack:
        yield Stage(network, tmp_path, speech, stack, count(1))
