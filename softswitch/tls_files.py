"""The files of TLS as the configuration names them."""

from __future__ import annotations

from pathlib import Path

from sip.tls_files import TlsFiles
from softswitch.config import SipConfig


def tls_files(sip: SipConfig) -> TlsFiles | None:
    """``None`` when no TLS listener is configured."""
    if not sip.tls:
        return None
    return TlsFiles(Path(sip.certificate), Path(sip.private_key), sip.tls_ca)
