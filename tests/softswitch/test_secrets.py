"""Sealed SIP passwords, the key file, portal password hashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.secrets import (
    PORTAL_PASSWORD_MAX,
    SecretsError,
    Vault,
    hash_password,
    is_password_hash,
    load_vault,
    verify_password,
)


@given(st.text(max_size=200))
def test_what_is_sealed_opens_again(text: str) -> None:
    """The round trip of any password."""
    vault = Vault(b"k" * 32)
    assert vault.open(vault.seal(text)) == text


def test_sealing_hides_the_text_and_differs_every_time() -> None:
    """Two users with one password cannot be told from the database."""
    vault = Vault(b"k" * 32)
    first, second = vault.seal("Sip-secret-100"), vault.seal("Sip-secret-100")
    assert first != second
    assert "secret" not in first


@pytest.mark.parametrize("sealed", ["1:AAAA", "1:", "nonsense", "1:" + "A" * 80])
def test_what_another_key_sealed_is_refused(sealed: str) -> None:
    """A damaged or foreign value is one error, whatever is wrong with it."""
    with pytest.raises(SecretsError, match="does not open with the key file"):
        Vault(b"k" * 32).open(sealed)
    with pytest.raises(SecretsError):
        Vault(b"k" * 32).open(Vault(b"o" * 32).seal("x"))


def test_the_key_file_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, and the second start reads the same key."""
    sealed = load_vault(tmp_path).seal("x")
    path = tmp_path / "keys" / "secrets.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_vault(tmp_path).open(sealed) == "x"
    assert [file.name for file in path.parent.iterdir()] == ["secrets.key"]


def test_a_damaged_key_file_is_told_in_one_line(tmp_path: Path) -> None:
    """It is never replaced by a new key: every password would be lost."""
    load_vault(tmp_path)
    path = tmp_path / "keys" / "secrets.key"
    path.write_bytes(b"short")
    with pytest.raises(SecretsError, match="a key has 32 bytes, this file has 5"):
        load_vault(tmp_path)
    assert path.read_bytes() == b"short"


def test_portal_passwords_are_argon2id_hashes() -> None:
    """The right password fits, no other does, and an overlong one is no exception."""
    hashed = hash_password("correct horse battery")
    assert is_password_hash(hashed)
    assert not is_password_hash("correct horse battery")
    assert verify_password(hashed, "correct horse battery")
    assert not verify_password(hashed, "correct horse batter")
    assert not verify_password(hashed, "x" * (PORTAL_PASSWORD_MAX + 1))
    assert not verify_password("", "correct horse battery")
