"""TLS under SIP (RFC 3261 26.3, RFC 5922): contexts of OpenSSL and the certificate files. Rim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from sip.certificate import Identity, is_for
from sip.tls_files import CA_OFF, TlsFailed, TlsFiles

log = Logger()

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!aDSS"
"""For TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others anyway."""

_OPTIONS = (
    SSL.OP_CIPHER_SERVER_PREFERENCE
    | SSL.OP_NO_COMPRESSION
    | SSL.OP_NO_RENEGOTIATION
    | SSL.OP_SINGLE_DH_USE
)
_SESSION_CONTEXT = b"sip"


@implementer(IOpenSSLServerConnectionCreator)
class Tls:
    """What listeners and outgoing connections need. Raises TlsFailed when the files are not right.

    New connections look at the files' times: a changed certificate is used from the next one on,
    a broken one is told once and the old stays. Connections that are there keep theirs.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._state = files.state()
        self._identity = files.read()
        self._accepting = _server_context(self._identity)
        self._opening = _client_context(self._identity, files.ca)

    @property
    def verifies(self) -> bool:
        """Whether peers that we connect to have to prove who they are."""
        return self._files.ca != CA_OFF

    def warnings(self) -> tuple[str, ...]:
        """A sentence about a certificate that ends soon or has ended, or none."""
        said = self._files.warning(self._identity, datetime.now(UTC))
        return () if said is None else (said,)

    # Any: mypy does not know who provides which of zope's interfaces.

    def accepting(self, factory: Any, reactor: Any) -> Any:
        """A listener's factory with TLS around it."""
        creator: Any = self
        return _TlsFactory(creator, False, factory, reactor)

    def opening(self, factory: Any, reactor: Any, host: str) -> Any:
        """A factory for one connection of ours, to the host that its certificate has to name."""
        creator: Any = _Opening(self, host)
        return _TlsFactory(creator, True, factory, reactor)

    def refusal(self, certificate: crypto.X509 | None, host: str) -> str | None:
        """Why the peer of a connection of ours is not ``host``; ``None`` when it is."""
        if not self.verifies:
            return None
        if certificate is None or not is_for(certificate.to_cryptography(), host):
            return f"its certificate does not name {host}"
        return None

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """For Twisted, at each accepted connection."""
        del tlsProtocol
        self._reload_if_changed()
        return SSL.Connection(self._accepting, None)

    def connection_to(self, host: str) -> SSL.Connection:
        """A connection of ours, which says whom it wants (SNI) unless that is a bare address."""
        self._reload_if_changed()
        connection = SSL.Connection(self._opening, None)
        if not _is_numeric(host):
            connection.set_tlsext_host_name(host.encode("ascii", "ignore"))
        return connection

    def _reload_if_changed(self) -> None:
        state = self._files.state()
        if state == self._state:
            return
        self._state = state
        try:
            identity = self._files.read()
            accepting = _server_context(identity)
            opening = _client_context(identity, self._files.ca)
        except TlsFailed as error:
            log.warn("{error}; the certificate before it stays in use", error=error)
            return
        self._identity, self._accepting, self._opening = identity, accepting, opening
        log.info("new certificate, valid until {until}", until=identity.expires_at)


@implementer(IOpenSSLClientConnectionCreator)
class _Opening:
    """One connection of ours."""

    def __init__(self, tls: Tls, host: str) -> None:
        self._tls = tls
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        del tlsProtocol
        return self._tls.connection_to(self._host)


class _TlsFactory(TLSMemoryBIOFactory):
    """TLS around what a factory builds; a peer that it refuses stays refused."""

    def buildProtocol(self, addr: Any) -> Any:
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


def failure_text(error: object) -> str:
    """Why a TLS connection ended, in OpenSSL's words or Twisted's."""
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        return str(error.args[0][0][-1])
    return str(error) or type(error).__name__


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_cipher_list(CIPHERS)
    own, *others = identity.chain
    try:
        context.use_certificate(own)
        for other in others:
            context.add_extra_chain_cert(other)
        context.use_privatekey(identity.key)  # type: ignore[arg-type]  # refused: a foreign kind
    except (SSL.Error, crypto.Error, TypeError) as error:
        raise TlsFailed(f"sip.certificate: cannot be used: {failure_text(error)}") from None
    return context


def _server_context(identity: Identity) -> SSL.Context:
    """Session tickets stay on, as OpenSSL has them: a phone that comes back is cheap."""
    context = _context(identity)
    context.set_session_id(_SESSION_CONTEXT)
    return context


def _client_context(identity: Identity, ca: str) -> SSL.Context:
    """Shows our certificate to a peer that asks for it."""
    context = _context(identity)
    if ca == CA_OFF:
        context.set_verify(SSL.VERIFY_NONE)
        return context
    if ca:
        try:
            context.load_verify_locations(ca)
        except SSL.Error:
            raise TlsFailed(f"sip.tls_ca {ca}: holds no certificate in PEM form") from None
    else:
        context.set_default_verify_paths()
    context.set_verify(SSL.VERIFY_PEER)
    return context
