"""``export``: a state file that says all that the store has."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from softswitch.problems import FileProblems
from softswitch.secrets import Vault
from softswitch.state.export import export_state, text_of, write_files
from softswitch.store.base import Base
from tests.softswitch.conftest import Applies, silence

DEMO = Path(__file__).parents[3] / "demo" / "state.yaml"


@pytest.fixture
def second_store() -> Engine:
    """Another, empty store."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    return engine


@pytest.mark.parametrize("with_secrets", [False, True])
@pytest.mark.parametrize("account", [None, "000000212"])
@pytest.mark.parametrize("source", ["example", "demo"])
def test_the_round_trip_gives_the_same_text(
    applies: Applies,
    session: Session,
    second_store: Engine,
    vault: Vault,
    example: Path,
    state_dir: Path,
    source: str,
    account: str | None,
    with_secrets: bool,
) -> None:
    """Export, apply to an empty store, export again: byte for byte, with the audio files."""
    applies(example if source == "example" else DEMO)
    first = export_state(session, vault, account, with_secrets=with_secrets)
    path = write_files(first, state_dir.parent / "out", state_dir)
    with Session(second_store) as other:
        applies(path, into=other)
        second = export_state(other, vault, account, with_secrets=with_secrets)
        assert text_of(second) == path.read_text() == text_of(first)
    assert applies(path).lines() == ["nothing to change"]


def test_secrets_are_written_only_when_asked(
    applies: Applies, session: Session, vault: Vault, example: Path
) -> None:
    """The portal password is always a hash."""
    applies(example)
    plain = text_of(export_state(session, vault))
    assert "Sip-secret" not in plain
    assert "password_hash: $argon2id$" in plain
    assert "correct horse" not in plain
    assert "password: Sip-secret-101" in text_of(export_state(session, vault, with_secrets=True))


def test_the_opening_balance_is_written_as_first_posted(
    applies: Applies, session: Session, vault: Vault, example: Path
) -> None:
    """The ledger is not part of the form."""
    applies(example)
    session.execute(text("UPDATE balance SET balance_micros = 1"))
    assert export_state(session, vault).accounts[0].opening_balance == 50_000_000


def test_audio_files_come_along(
    applies: Applies, session: Session, vault: Vault, example: Path, state_dir: Path
) -> None:
    """Under their stored names, which the text refers to."""
    applies(example)
    folder = state_dir.parent / "out"
    path = write_files(export_state(session, vault), folder, state_dir)
    document = yaml.safe_load(path.read_text())
    prompt = document["accounts"][0]["ivrs"][0]["prompt"]
    assert (folder / prompt).read_bytes() == silence()
    assert path.stat().st_mode & 0o777 == 0o600


def test_any_yaml_reader_reads_the_same(
    applies: Applies, session: Session, vault: Vault, example: Path
) -> None:
    """What plain YAML would take for numbers and switches is quoted."""
    example.write_text(example.read_text().replace("city: Vilnius", 'city: "no"'))
    applies(example)
    document = yaml.safe_load(text_of(export_state(session, vault)))
    assert document["accounts"][0]["id"] == "000000212"
    assert document["catalogue"]["numbers"][0]["city"] == "no"


def test_an_account_that_does_not_exist_is_one_line(session: Session, vault: Vault) -> None:
    """Not an empty file."""
    with pytest.raises(FileProblems, match="account 000000999 does not exist"):
        export_state(session, vault, "000000999")


def test_a_folder_that_cannot_be_written_is_one_line(
    session: Session, vault: Vault, tmp_path: Path
) -> None:
    """The file in the way is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FileProblems, match=r"file.*: (File exists|Not a directory)"):
        write_files(export_state(session, vault), tmp_path / "file", tmp_path)


CARRIER = """\
trunks:
- name: lines
  registrar: "sip:sip.example.net;transport=tcp"
  username: u
  password: Trunk-secret
  realm: example
  auth_username: a
  expires_s: 600
  contact_user: c
  country: LV
  number_format: national
  outbound_numbers: [{match: "+371", of: called, preset: national, strip: 1, prepend: "9"}]
  inbound_numbers: [{prepend: "0"}]
  trusted: true
  remote_party_id: true
  calls_per_second_max: 5
  probe_s: 10
"""


def test_a_trunk_keeps_all_its_keys_and_its_secret(
    applies: Applies, session: Session, vault: Vault
) -> None:
    """Written and read back the same; the password is sealed, and exported only when asked."""
    applies(CARRIER)
    assert applies(CARRIER).lines() == ["nothing to change"]
    with_secrets = text_of(export_state(session, vault, with_secrets=True))
    (said,) = yaml.safe_load(CARRIER)["trunks"]
    (kept,) = yaml.safe_load(with_secrets)["trunks"]
    rule = kept["inbound_numbers"][0]
    assert {key: rule[key] for key in ("match", "prepend")} == {"match": "", "prepend": "0"}
    assert {key: kept[key] for key in said if key != "inbound_numbers"} == {
        key: said[key] for key in said if key != "inbound_numbers"
    }
    assert "Trunk-secret" not in text_of(export_state(session, vault))
    (sealed,) = session.execute(text("SELECT password_sealed FROM trunk")).one()
    assert "Trunk-secret" not in sealed
    changed = applies(CARRIER.replace("Trunk-secret", "Trunk-hidden")).lines()
    assert changed == ["~ trunk lines: password changed -> changed"]


def test_a_trunk_of_before_its_options_reads_as_the_defaults(
    applies: Applies, session: Session, vault: Vault
) -> None:
    """The migration leaves the column empty."""
    applies('trunks: [{name: old, destination: "sip:192.0.2.9"}]')
    session.execute(text("UPDATE trunk SET options = NULL"))
    session.expire_all()
    (trunk,) = export_state(session, vault).trunks
    assert (trunk.probe_s, trunk.outbound_numbers, trunk.trusted) == (30, (), False)
