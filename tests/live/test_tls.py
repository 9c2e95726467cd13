"""Phones over TLS: registration, calls, a certificate that is replaced, and connections by the
thousand."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.live.conftest import Stage
from tests.live.linphone import Linphone
from tests.live.ports import claimed_block
from tests.live.service import DOMAIN, Service, eventually
from tests.live.test_speech import SAME, TALK_S, heard
from tests.live.world import Document, account, login, password, rate, trunk, world
from tests.sip.certificates import WEEK, Issued, issue

ACCOUNT = "000000212"
NUMBER = "+37070044961"
CONNECTIONS = 3000
CONNECTIONS_AT_ONCE = 100


class Secure:
    """A service with a TLS listener beside the others, and its certificate files."""

    def __init__(self, stage: Stage, state: Document | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self.service = stage.installed()
        self.folder = self.service.folder
        self.server = f"{self.service.host}:5061"
        certificate, key = issue(DOMAIN, self.service.host).write(self.folder)
        files = {"certificate": str(certificate), "private_key": str(key)}
        self.service.configure("sip", tls=[self.server], **files)
        if state is not None:
            self.service.apply(state)

    def renew(self, issued: Issued) -> None:
        """Put another certificate in its place."""
        issued.write(self.folder)

    def shown(self) -> bytes:
        """The certificate that a new connection sees."""
        with self.connect() as connection:
            shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        return shown

    def connect(self) -> ssl.SSLSocket:
        """A new connection."""
        host, port = self.server.split(":")
        return self._context.wrap_socket(socket.create_connection((host, int(port)), timeout=10))


@pytest.fixture
def secure(stage: Stage) -> Iterator[Secure]:
    """Started, with one account."""
    made = Secure(stage, world(account()))
    made.service.start()
    yield made
    assert "Traceback" not in made.service.log.read_text()


def test_phones_over_tls_talk(stage: Stage, secure: Secure) -> None:
    """Registered, called and heard over TLS; the other phone uses UDP."""
    anna = stage.phone(
        secure.service, ACCOUNT, "101", says="first", transport="tls", server=secure.server
    )
    gate = stage.phone(secure.service, ACCOUNT, "102", says="second")
    assert {row["transport"] for row in secure.service.show("registrations")} == {"tls", "udp"}
    for caller, called, number in ((anna, gate, "102"), (gate, anna, "101")):
        caller.dial(number)
        caller.wait_for("CALL_ESTABLISHED")
        called.wait_for("CALL_ESTABLISHED")
        time.sleep(TALK_S)
        called.hang_up()
        caller.wait_for("CALL_CLOSED")
        assert heard(gate, "first", stage) >= SAME
        assert heard(anna, "second", stage) >= SAME
    assert len(secure.service.cdrs(ACCOUNT, 2)) == 2


def test_linphone_over_tls_is_called_and_heard(stage: Stage, secure: Secure) -> None:
    """It has verified our certificate, which baresip does not."""
    port = stage.stack.enter_context(claimed_block())
    folder = stage.folder / "linphone"
    folder.mkdir()
    stage.stack.enter_context(
        Linphone(
            folder,
            stage.speech["first"],
            ca=secure.folder / "certificate.pem",
            server=secure.server,
            login=login(ACCOUNT, "101"),
            password=password("101"),
            domain=DOMAIN,
            rtp_port=port,
        )
    )
    (row,) = eventually(lambda: secure.service.show("registrations"), within_s=20)
    assert row["transport"] == "tls"
    gate = stage.phone(secure.service, ACCOUNT, "102", says="second")
    gate.dial("101")
    gate.wait_for("CALL_ESTABLISHED")
    time.sleep(TALK_S)
    gate.hang_up()
    (cdr,) = secure.service.cdrs(ACCOUNT)
    assert cdr["cause"] == "answered"
    assert heard(gate, "first", stage) >= SAME


def test_a_new_certificate_is_used_without_a_restart(stage: Stage, secure: Secure) -> None:
    """The connection of a registered phone lives on: it is called over it afterwards."""
    anna = stage.phone(secure.service, ACCOUNT, "101", transport="tls", server=secure.server)
    gate = stage.phone(secure.service, ACCOUNT, "102")
    before = secure.service.show("registrations", ACCOUNT)
    first = secure.shown()
    secure.renew(issue(DOMAIN))
    second = secure.shown()
    assert second != first
    (secure.folder / "key.pem").write_text("half a fi")
    assert secure.shown() == second
    (line,) = [line for line in secure.service.output().splitlines() if "stays in use" in line]
    assert f"sip.private_key {secure.folder}/key.pem: holds no private key" in line

    gate.dial("101")
    gate.wait_for("CALL_ESTABLISHED")
    anna.hang_up()
    gate.wait_for("CALL_CLOSED")
    sources = [row["source"] for row in secure.service.show("registrations", ACCOUNT)]
    assert sources == [row["source"] for row in before]


def test_thousands_of_connections_leave_nothing(secure: Secure) -> None:
    """A quarter over TLS, a quarter that never shakes hands, half over TCP."""
    host, port = secure.server.split(":")
    before = descriptors(secure.service)
    for _ in range(0, CONNECTIONS, CONNECTIONS_AT_ONCE):
        with ExitStack() as stack:
            for _ in range(CONNECTIONS_AT_ONCE // 4):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            for _ in range(CONNECTIONS_AT_ONCE // 4):
                stack.enter_context(secure.connect())
            for _ in range(CONNECTIONS_AT_ONCE // 2):
                stack.enter_context(socket.create_connection((host, 5060), timeout=10))
    assert eventually(lambda: descriptors(secure.service) <= before, within_s=20)
    status = secure.service.ok("status", "--json")
    assert '"sip_connections": 0' in status


@pytest.mark.parametrize("trusts", [True, False])
def test_a_trunk_over_tls_has_to_prove_who_it_is(stage: Stage, trusts: bool) -> None:
    """Another switch is the carrier; one whose certificate nobody vouches for gets no call."""
    here, carrier = Secure(stage), Secure(stage)
    if trusts:
        here.service.configure("sip", tls_ca=str(carrier.folder / "certificate.pem"))
    destination = f"sip:{carrier.server};transport=tls"
    outgoing = trunk("carrier", carrier.service.host, destination=destination)
    here.service.apply(world(account(), trunks=(outgoing,), rates=(rate("370"),)))
    incoming = trunk("customer", here.service.host)
    carrier.service.apply(world(account("000000213", numbers=(NUMBER,)), trunks=(incoming,)))
    here.service.start()
    carrier.service.start()
    called = stage.phone(carrier.service, "000000213", "101")
    caller = stage.phone(here.service, ACCOUNT, "101")
    caller.dial(NUMBER)
    if trusts:
        caller.wait_for("CALL_ESTABLISHED")
        called.wait_for("CALL_ESTABLISHED")
        called.hang_up()
    caller.wait_for("CALL_CLOSED")
    (cdr,) = here.service.cdrs(ACCOUNT)
    assert (cdr["cause"] == "answered") is trusts
    untrusted = f"tls to {carrier.server}: certificate verify failed"
    assert (untrusted in here.service.output()) is not trusts


def descriptors(service: Service) -> int:
    """How many files and sockets the service has open."""
    return len(os.listdir(f"/proc/{service.pid}/fd"))


@pytest.mark.parametrize("wrong", ["missing", "other key"])
def test_wrong_files_are_one_line(stage: Stage, wrong: str) -> None:
    """The start ends with 1, and ``check`` says the same."""
    secure = Secure(stage)
    key = secure.folder / "key.pem"
    if wrong == "missing":
        key.unlink()
        said = f"sip.private_key {key}: no such file or directory"
    else:
        key.write_bytes(issue("other").key_pem())
        said = f"sip.private_key {key}: is not the key of {secure.folder / 'certificate.pem'}"
    checked = secure.service.command("check")
    assert (checked.returncode, checked.stderr.strip()) == (1, said)
    secure.service.launch()
    assert secure.service.wait(30) == 1
    output = secure.service.output()
    assert said in output.splitlines()
    assert "Traceback" not in output


def test_a_certificate_that_ends_soon_is_told(stage: Stage) -> None:
    """In the log at start, in ``check`` and in ``status``; when it has ended, ``check`` fails."""
    secure = Secure(stage)
    secure.renew(issue(DOMAIN, lasts=WEEK))
    secure.service.start()
    said = f"sip.certificate {secure.folder / 'certificate.pem'}: expires on "
    assert said in secure.service.output()
    assert said in secure.service.ok("check")
    assert f"warning: {said}" in secure.service.ok("status")
    secure.renew(issue(DOMAIN, lasts=-WEEK))
    checked = secure.service.command("check")
    assert checked.returncode == 1
    assert checked.stderr.startswith(said.replace("expires", "expired"))
