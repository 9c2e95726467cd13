"""Certificates for tests: made when they run, with keys that nobody else has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

WEEK = timedelta(days=7)
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as a file has it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: bytes = b"") -> bytes:
        """The key as a file has it."""
        protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Both files, in place of those that were there."""
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        for path, data in ((certificate, self.pem), (key, self.key_pem())):
            new = path.with_suffix(".new")
            new.write_bytes(data)
            new.replace(path)
        return certificate, key


def general_name(text: str) -> x509.GeneralName:
    """``sip:...`` is a URI, an address an address, everything else a DNS name."""
    if text.startswith(("sip:", "sips:", "http:")):
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def issue(*names: str, by: Issued | None = None, lasts: timedelta = YEAR) -> Issued:
    """A certificate for these names, signed by a CA or by itself (and then a CA)."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "test")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - WEEK - max(-lasts, timedelta()))
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName(map(general_name, names))
        builder = builder.add_extension(alternatives, critical=False)
    return Issued(builder.sign(by.key if by else key, SHA256()), key)
