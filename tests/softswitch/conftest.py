"""What the tests of the administration share: an operator, a vault, the contract's example."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from softswitch.admin.history import Actor
from softswitch.secrets import Vault
from softswitch.state.apply import apply, hash_passwords, read_files
from softswitch.state.difference import Difference

DATA = Path(__file__).parent / "data"
NOON_US = 1_769_860_800_000_000  # 2026-01-31 12:00 UTC

Applies = Callable[..., Difference]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on an empty database of each kind; nothing of it is kept."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def vault() -> Vault:
    """A vault with a key that tests know."""
    return Vault(b"k" * 32)


@pytest.fixture
def operator() -> Actor:
    """Somebody at noon."""
    return Actor("operator", "192.0.2.1", NOON_US)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The switch's folder."""
    return tmp_path / "var"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The contract's example state file, with its prompt beside it."""
    path = tmp_path / "state.yaml"
    path.write_text((DATA / "contract.yaml").read_text())
    (tmp_path / "welcome.wav").write_bytes(silence())
    return path


@pytest.fixture
def applies(session: Session, vault: Vault, state_dir: Path, operator: Actor) -> Applies:
    """Apply files, or the text of one, to the session's store."""

    def run(*said: Path | str, into: Session = session, dry_run: bool = False) -> Difference:
        wish = read_files([_file(state_dir.parent, item) for item in said])
        hashes = hash_passwords(into, wish)
        difference = apply(into, wish, hashes, vault, state_dir, operator, dry_run=dry_run)
        into.flush()
        into.expire_all()
        return difference

    return run


def silence() -> bytes:
    """A WAV file of a tenth of a second."""
    samples = b"\0\0" * 800
    form = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + 1600, b"WAVE") + form + samples


def _file(folder: Path, said: Path | str) -> Path:
    if isinstance(said, Path):
        return said
    path = folder / "said.yaml"
    path.write_text(said)
    return path
