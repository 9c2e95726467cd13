"""TLS over connections in memory: who is let in, who is believed, and what a new file changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from sip import stream_transport
from sip.flow import Address, Flow
from sip.stream_connection import CONNECT_TIMEOUT_S, FIRST_MESSAGE_TIMEOUT_S, UNSENT_BYTES_MAX
from sip.stream_transport import StreamTransport
from sip.tls import Tls
from sip.tls_files import CA_OFF, TlsFailed, TlsFiles
from sip.transport import Listener, ListenFailed
from tests.sip.certificates import WEEK, Issued, issue
from tests.sip.fakes import FakeTcp
from tests.sip.peers import request, wire_bytes

LOCAL = Address("192.0.2.2", 5061)
PHONE = Address("192.0.2.1", 49152)
CARRIER = Flow("tls", LOCAL, Address("192.0.2.9", 5061), host="sip.carrier.example")
MESSAGE = wire_bytes(request("OPTIONS"), transport="TLS")


class Peer:
    """The other end of a TLS connection, which nobody but OpenSSL has written."""

    def __init__(self, context: SSL.Context, *, accepts: bool = False) -> None:
        self.connection = SSL.Connection(context, None)
        self.received = b""
        self.failure: SSL.Error | None = None
        if accepts:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()

    def step(self, data: bytes) -> bytes:
        """Take bytes of the wire, and give those that are to go there."""
        if data:
            self.connection.bio_write(data)
        try:
            self.connection.do_handshake()
            self.received += self.connection.recv(65536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        except SSL.Error as error:
            self.failure = error
        try:
            return self.connection.bio_read(65536)
        except SSL.WantReadError:
            return b""

    def names(self) -> str:
        """The common name that the other end has shown."""
        shown = self.connection.get_peer_certificate(as_cryptography=True)
        assert shown is not None
        return shown.subject.rfc4514_string().removeprefix("CN=")


class Secure:
    """A transport with TLS, what it delivered and which flows it lost. It shows a certificate for
    "first", of an authority of its own, which it believes too."""

    def __init__(self, folder: Path, ca: str | None = None) -> None:
        self.folder = folder
        self.authority = issue("authority")
        known = folder / "authority.pem"
        known.write_bytes(self.authority.pem)
        own = issue("first", by=self.authority)
        ca = str(known) if ca is None else ca
        self.reactor = MemoryReactorClock()
        self.tls = Tls(TlsFiles(*own.write(folder), ca))
        self.delivered: list[tuple[bytes, Flow]] = []
        self.lost: list[Flow] = []
        self.streams = StreamTransport(
            self.reactor,
            self.delivered.extend,
            self.lost.append,
            lambda head, flow, error: None,
            is_needed=lambda flow: False,
            tls=self.tls,
        )
        self.streams.listen(Listener("tls", LOCAL))

    def accept(self) -> tuple[Any, FakeTcp]:
        """A phone's TCP connection."""
        factory = self.reactor.tcpServers[0][1]
        wire = factory.buildProtocol(IPv4Address("TCP", *PHONE))
        return wire, joined(wire, FakeTcp(LOCAL, PHONE))

    def opened(self) -> tuple[Any, FakeTcp]:
        """The TCP connection that we asked for last."""
        host, port, factory, _, _ = self.reactor.tcpClients[-1]
        wire = factory.buildProtocol(IPv4Address("TCP", host, port))
        return wire, joined(wire, FakeTcp(LOCAL, Address(host, port)))

    def phone(self, version: int = SSL.TLS1_3_VERSION) -> tuple[Any, FakeTcp, Peer]:
        """A phone whose handshake is done, or failed."""
        wire, tcp = self.accept()
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(0)
        context.set_max_proto_version(version)
        peer = Peer(context)
        self.talk(wire, tcp, peer)
        return wire, tcp, peer

    def carrier(self, shown: Issued) -> tuple[Any, FakeTcp, Peer]:
        """A carrier that shows this certificate to our request, and asks for ours."""
        self.streams.send(MESSAGE, CARRIER)
        wire, tcp = self.opened()
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate(shown.certificate)
        context.use_privatekey(shown.key)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        peer = Peer(context, accepts=True)
        self.talk(wire, tcp, peer)
        return wire, tcp, peer

    def talk(self, wire: Any, tcp: FakeTcp, peer: Peer) -> None:
        """Carry bytes both ways until none are left, or somebody hangs up."""
        for _ in range(20):
            sent, tcp.written = tcp.written, b""
            back = peer.step(sent)
            if back and not tcp.aborted:
                wire.dataReceived(back)
            self.reactor.advance(0)
            if not back and not tcp.written:
                return


def joined(wire: Any, tcp: FakeTcp) -> FakeTcp:
    """Both ends of TCP stand."""
    wire.makeConnection(tcp)
    return tcp


@pytest.fixture
def secure(tmp_path: Path) -> Secure:
    """A transport with TLS."""
    return Secure(tmp_path)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(str(event.get("log_format", "")).format(**event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_phone_talks_over_tls(secure: Secure, version: int) -> None:
    """Messages come in with a flow that leads back to it."""
    wire, tcp, phone = secure.phone(version)
    phone.connection.send(MESSAGE)
    secure.talk(wire, tcp, phone)
    ((data, flow),) = secure.delivered
    assert (data, flow) == (MESSAGE, Flow("tls", LOCAL, PHONE, flow.connection))
    secure.streams.send(b"SIP/2.0 200 OK", flow)
    secure.reactor.advance(0)
    secure.talk(wire, tcp, phone)
    assert phone.received == b"SIP/2.0 200 OK"
    assert phone.connection.get_cipher_name() in {
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_AES_256_GCM_SHA384",
    }


def test_tls_1_1_is_refused(secure: Secure) -> None:
    """RFC 8996."""
    _, _, phone = secure.phone(SSL.TLS1_1_VERSION)
    assert phone.failure is not None
    assert secure.delivered == []


def test_what_is_no_tls_is_cut_off(secure: Secure) -> None:
    """A phone that was told the wrong port."""
    wire, tcp = secure.accept()
    wire.dataReceived(MESSAGE)
    assert tcp.closing or tcp.aborted
    assert secure.delivered == []


def test_a_handshake_has_a_time(secure: Secure) -> None:
    """A connection without one is no phone."""
    _, tcp = secure.accept()
    secure.reactor.advance(FIRST_MESSAGE_TIMEOUT_S)
    assert tcp.aborted


def test_a_phone_that_does_not_read_is_cut_off(secure: Secure) -> None:
    """As over TCP: what waits for it is bounded."""
    wire, tcp, phone = secure.phone()
    phone.connection.send(MESSAGE)
    secure.talk(wire, tcp, phone)
    ((_, flow),) = secure.delivered
    tcp.producer.pauseProducing()
    for _ in range(3):
        secure.streams.send(b"x" * (UNSENT_BYTES_MAX // 2), flow)
    assert tcp.aborted


def test_one_too_many_is_refused(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the handshake costs anything."""
    monkeypatch.setattr(stream_transport, "CONNECTIONS_PER_SOURCE_MAX", 0)
    factory = secure.reactor.tcpServers[0][1]
    assert factory.buildProtocol(IPv4Address("TCP", *PHONE)) is None


def test_a_new_certificate_is_shown_to_new_connections(secure: Secure, said: list[str]) -> None:
    """Those that are there keep theirs and live on."""
    wire, tcp, old = secure.phone()
    issue("second").write(secure.folder)
    _, _, new = secure.phone()
    assert (old.names(), new.names()) == ("first", "second")
    old.connection.send(MESSAGE)
    secure.talk(wire, tcp, old)
    assert len(secure.delivered) == 1
    assert any(line.startswith("new certificate, valid until") for line in said)


def test_a_broken_new_certificate_is_told_once(secure: Secure, said: list[str]) -> None:
    """And the one before it stays in use, until there is a good one."""
    (secure.folder / "certificate.pem").write_bytes(b"half a fi")
    assert [secure.phone()[2].names() for _ in range(2)] == ["first", "first"]
    told = [line for line in said if "stays in use" in line]
    path = secure.folder / "certificate.pem"
    assert told == [
        f"sip.certificate {path}: holds no certificate in PEM form;"
        " the certificate before it stays in use"
    ]
    issue("third").write(secure.folder)
    assert secure.phone()[2].names() == "third"


def test_a_carrier_that_proves_who_it_is_gets_the_request(secure: Secure) -> None:
    """It learns by SNI whom we want, and who we are; the request waits for the handshake."""
    wire, tcp, carrier = secure.carrier(issue("sip.carrier.example", by=secure.authority))
    assert carrier.received == MESSAGE
    assert carrier.connection.get_servername() == b"sip.carrier.example"
    assert carrier.names() == "first"
    assert secure.lost == []
    secure.streams.send(b"again", CARRIER)
    secure.reactor.advance(0)
    secure.talk(wire, tcp, carrier)
    assert carrier.received == MESSAGE + b"again"
    assert len(secure.reactor.tcpClients) == 1


def test_a_carrier_with_another_name_gets_nothing(secure: Secure, said: list[str]) -> None:
    """The request fails at once, and the log says why."""
    wire, tcp, carrier = secure.carrier(issue("*.carrier.example", by=secure.authority))
    assert carrier.received == b""
    assert tcp.aborted
    wire.connectionLost(Failure(ConnectionDone()))
    assert secure.lost == [CARRIER]
    told = [line for line in said if line.startswith("tls to")]
    assert told == ["tls to 192.0.2.9:5061: its certificate does not name sip.carrier.example"]


def test_a_carrier_of_an_unknown_ca_gets_nothing(secure: Secure, said: list[str]) -> None:
    """Whatever name it shows."""
    wire, _, carrier = secure.carrier(issue("sip.carrier.example"))
    wire.connectionLost(Failure(ConnectionDone()))
    assert carrier.received == b""
    assert secure.lost == [CARRIER]
    assert any("tls to 192.0.2.9:5061: certificate verify failed" in line for line in said)


def test_a_site_may_believe_everybody(tmp_path: Path) -> None:
    """``tls_ca = "off"``."""
    made = Secure(tmp_path, CA_OFF)
    _, _, carrier = made.carrier(issue("somebody"))
    assert carrier.received == MESSAGE


def test_a_carrier_that_does_not_shake_hands_is_given_up(secure: Secure) -> None:
    """In time for the next trunk."""
    secure.streams.send(MESSAGE, CARRIER)
    _, tcp = secure.opened()
    secure.reactor.advance(CONNECT_TIMEOUT_S)
    assert tcp.aborted


def test_without_a_certificate_there_is_no_tls() -> None:
    """Neither in nor out."""
    reactor = MemoryReactorClock()
    lost: list[Flow] = []
    streams = StreamTransport(
        reactor, lambda batch: None, lost.append, lambda *args: None, is_needed=lambda flow: False
    )
    with pytest.raises(ListenFailed, match="no certificate"):
        streams.listen(Listener("tls", LOCAL))
    streams.send(MESSAGE, CARRIER)
    assert lost == [CARRIER]


def test_the_files_are_read_at_start(tmp_path: Path) -> None:
    """One line for whoever starts it."""
    certificate, key = issue("first").write(tmp_path)
    key.unlink()
    with pytest.raises(TlsFailed, match="no such file"):
        Tls(TlsFiles(certificate, key))


def test_an_end_that_is_near_is_a_warning(tmp_path: Path) -> None:
    """One sentence, or none."""
    near = Tls(TlsFiles(*issue("first", lasts=WEEK).write(tmp_path)))
    (sentence,) = near.warnings()
    assert "expires on" in sentence
    far = Tls(TlsFiles(*issue("first").write(tmp_path)))
    assert far.warnings() == ()
