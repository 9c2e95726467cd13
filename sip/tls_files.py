"""The PEM files of SIP over TLS: reading them again, and saying which one is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sip.certificate import (
    CertificateError,
    Identity,
    expiry_warning,
    fits,
    read_chain,
    read_key,
)

CA_OFF = "off"
"""In place of a CA file: peers that we connect to are not verified."""

Parsed = TypeVar("Parsed")
FileState = tuple[tuple[int, int, int], ...]  # of each file: time of change in ns, size, inode


class TlsFailed(Exception):
    """TLS cannot be had with these files; one line that names the key and the file."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files that a site has: PEM, and ``ca`` "" (the system's), ``CA_OFF`` or a file."""

    certificate: Path
    private_key: Path
    ca: str = ""

    def read(self) -> Identity:
        """Certificate and key; the CA file is looked at too. Raises TlsFailed."""
        for path in self._ca_files():
            _parsed("tls_ca", path, read_chain)
        chain = _parsed("certificate", self.certificate, read_chain)
        key = _parsed("private_key", self.private_key, read_key)
        if not fits(chain, key):
            raise TlsFailed(
                f"sip.private_key {self.private_key}: is not the key of {self.certificate}"
            )
        return Identity(chain, key)

    def warning(self, identity: Identity, now: datetime) -> str | None:
        """A sentence about a certificate that ends soon or has ended."""
        said = expiry_warning(identity.expires_at, now)
        return said and f"sip.certificate {self.certificate}: {said}"

    def state(self) -> FileState:
        """What changes when a file is replaced; zeros for one that is not there."""
        paths = (self.certificate, self.private_key, *self._ca_files())
        return tuple(map(_file_state, paths))

    def _ca_files(self) -> tuple[Path, ...]:
        return () if self.ca in ("", CA_OFF) else (Path(self.ca),)


def _file_state(path: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _parsed(key: str, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise TlsFailed(f"sip.{key} {path}: {reason}") from None
    except CertificateError as error:
        raise TlsFailed(f"sip.{key} {path}: {error}") from None
