"""Certificates of SIP over TLS: reading them, and whom they are for (RFC 5922 7). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sip.errors import RemoteError
from sip.uri import parse_uri

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

EXPIRY_WARNING = timedelta(days=14)
"""Automatic renewal has long been due by then (ACME clients renew 30 days before), and a person
still has time."""

_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


class CertificateError(Exception):
    """A file is no certificate or key that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with those that lead to its CA, and its private key."""

    chain: tuple[x509.Certificate, ...]  # the own one first
    key: PrivateKeyTypes

    @property
    def expires_at(self) -> datetime:
        """When the first certificate of the chain ends, in UTC."""
        return min(certificate.not_valid_after_utc for certificate in self.chain)


def read_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file. Raises CertificateError when it has none."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise CertificateError("holds no certificate in PEM form") from None


def read_key(pem: bytes) -> PrivateKeyTypes:
    """The private key of a PEM file. Raises CertificateError: none, or one with a passphrase."""
    try:
        # Reading an RSA key with its self-test takes some 50 ms, on the reactor.
        return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise CertificateError("is protected by a passphrase, which nobody can type in") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("holds no private key in PEM form") from None


def fits(chain: tuple[x509.Certificate, ...], key: Any) -> bool:
    """Whether the key is the one of the first certificate. Any: every kind has its own type."""
    return bool(chain[0].public_key() == key.public_key())


def expiry_warning(expires_at: datetime, now: datetime) -> str | None:
    """A sentence when a certificate has ended or ends within EXPIRY_WARNING."""
    if expires_at - now > EXPIRY_WARNING:
        return None
    verb = "expired" if expires_at <= now else "expires"
    return f"{verb} on {expires_at:%Y-%m-%d %H:%M} UTC"


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """The domains and addresses that a certificate speaks for, in lower case (RFC 5922 7.1).

    Those of its SIP URIs; without any, its DNS names; and its IP addresses for targets that have no
    name. The common name is not looked at (RFC 9525 2).
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return frozenset()
    uris = found.get_values_for_type(x509.UniformResourceIdentifier)
    domains = {host for uri in uris if (host := _domain_of(uri))}
    dns = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    addresses = {str(address) for address in found.get_values_for_type(x509.IPAddress)}
    return frozenset((domains or dns) | addresses)


def _domain_of(text: str) -> str | None:
    """The host of a SIP URI that stands for a domain, not for a user."""
    try:
        uri = parse_uri(text)
    except RemoteError:
        return None
    return uri.host if uri.scheme == "sip" and uri.user is None else None


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate speaks for a host. Wildcards match nothing (RFC 5922 7.2)."""
    return host.lower().rstrip(".") in names_of(certificate)
