"""Reading the files of TLS, and what is said when one is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sip.tls_files import TlsFailed, TlsFiles
from tests.sip.certificates import issue


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """Good files."""
    return TlsFiles(*issue("sip.example.net").write(tmp_path))


def test_good_files_are_read(files: TlsFiles) -> None:
    """And nothing is said about a certificate that lasts a year."""
    now = datetime.now(UTC)
    identity = files.read()
    assert files.warning(identity, now) is None
    said = files.warning(identity, now + timedelta(days=364))
    assert said is not None
    assert said.startswith(f"sip.certificate {files.certificate}: expires on ")


def test_a_wrong_file_is_named_with_its_key(files: TlsFiles, tmp_path: Path) -> None:
    """One line each."""
    missing = tmp_path / "missing.pem"
    other = tmp_path / "other.pem"
    other.write_bytes(issue("other").key_pem())
    broken = tmp_path / "broken.pem"
    broken.write_bytes(b"nothing")
    for wrong, said in [
        (TlsFiles(missing, files.private_key), f"sip.certificate {missing}: no such file or dir"),
        (TlsFiles(files.certificate, tmp_path), f"sip.private_key {tmp_path}: is a directory"),
        (TlsFiles(files.certificate, other), f"sip.private_key {other}: is not the key of"),
        (TlsFiles(broken, other), f"sip.certificate {broken}: holds no certificate"),
        (TlsFiles(files.certificate, files.private_key, str(broken)), f"sip.tls_ca {broken}: ho"),
    ]:
        with pytest.raises(TlsFailed) as caught:
            wrong.read()
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)


def test_a_replaced_file_changes_the_state(files: TlsFiles) -> None:
    """So does one that is gone; CAs count too."""
    with_ca = TlsFiles(files.certificate, files.private_key, str(files.certificate))
    assert len(with_ca.state()) == len(files.state()) + 1
    before = files.state()
    assert files.state() == before
    issue("x").write(files.certificate.parent)
    replaced = files.state()
    files.certificate.unlink()
    assert len({before, replaced, files.state()}) == 3
