"""Secrets at rest: SIP passwords sealed with a key file, portal passwords as argon2id hashes.

SIP passwords are shown to the customer again (S76), so they cannot be hashed; the key lies outside
the database, so a copy of the database alone opens nothing.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D 8.2: 96 bits for random nonces
KEY_FILE = "secrets.key"
PORTAL_PASSWORD_MAX = 256  # portal.md 2.8; argon2 would take more, at the caller's cost
_VERSION = "1:"  # of the sealed form, so that a later one can be told apart


class SecretsError(Exception):
    """The key file is missing, damaged or not the one that sealed the value; one line says so."""


class Vault:
    """Seals and opens short texts with AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        """``key``: ``KEY_BYTES`` random bytes."""
        self._cipher = AESGCM(key)

    def seal(self, text: str) -> str:
        """A text form for the database; "" stays "" (nothing to hide). Differs every time."""
        if not text:
            return ""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str) -> str:
        """What was sealed. Raises ``SecretsError`` if this key did not seal it."""
        if not sealed:
            return ""
        try:
            raw = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
        except (ValueError, InvalidTag):
            raise SecretsError("a sealed password does not open with the key file") from None


def load_vault(state_dir: Path) -> Vault:
    """The vault of ``state_dir/keys/secrets.key`` (mode 0600), created at the first start."""
    folder = state_dir / "keys"
    path = folder / KEY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = path.read_bytes() if path.exists() else _create_key(path)
    except OSError as error:
        raise SecretsError(f"{path}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise SecretsError(f"{path}: a key has {KEY_BYTES} bytes, this file has {len(key)}")
    return Vault(key)


def _create_key(path: Path) -> bytes:
    # Written beside and linked into place: two processes that start at once agree on one key.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # the other process was first, its key is the one
    finally:
        draft.unlink()
    return path.read_bytes()


_hasher = PasswordHasher()  # argon2id with the library's RFC 9106 low-memory profile


def hash_password(password: str) -> str:
    """The argon2id hash of a portal password. Takes tens of milliseconds: never on the reactor."""
    assert len(password) <= PORTAL_PASSWORD_MAX, "forms and the state file limit passwords"
    return _hasher.hash(password)


def verify_password(password_hash: str, password: str) -> bool:
    """Whether the password fits. As slow as ``hash_password``: never on the reactor."""
    if len(password) > PORTAL_PASSWORD_MAX:
        return False
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_password_hash(text: str) -> bool:
    """Whether ``text`` is a hash that ``verify_password`` can use."""
    try:
        _hasher.check_needs_rehash(text)
    except InvalidHashError:
        return False
    return text.startswith("$argon2id$")
