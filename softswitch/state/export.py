"""``softswitch export``: the store as a state file and its audio files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from softswitch.problems import FileProblem, FileProblems
from softswitch.secrets import Vault
from softswitch.state.model import Account, State, User
from softswitch.state.read import read_state

STATE_FILE = "state.yaml"
PROMPTS = "prompts"

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def export_state(
    session: Session,
    vault: Vault,
    account: str | None = None,
    *,
    with_secrets: bool = False,
) -> State:
    """What ``export`` writes. With ``account``: it and what it refers to, fit for an empty store.

    Raises ``FileProblems`` if there is no such account.
    """
    state = read_state(session, vault, None if account is None else [account])
    if account is not None:
        if not state.accounts:
            raise FileProblems([FileProblem("export", 0, f"account {account} does not exist")])
        state = _around(state, state.accounts[0])
    return state if with_secrets else _without_secrets(state)


def write_files(state: State, folder: Path, state_dir: Path) -> Path:
    """Write ``state.yaml`` (mode 0600, it holds password hashes) and the prompts beside it.

    Raises ``FileProblems`` for what cannot be written or is missing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for ivr in (ivr for account in state.accounts for ivr in account.ivrs if ivr.prompt):
            target = folder / PROMPTS / ivr.prompt
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(state_dir / PROMPTS / ivr.prompt, target)
        path = folder / STATE_FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text_of(state))
    except OSError as error:
        name = error.filename or folder
        raise FileProblems([FileProblem(str(name), 0, error.strerror or "failed")]) from None
    return path


def text_of(state: State) -> str:
    """The YAML text of a state: its sections with all keys, in the model's order."""
    text: str = yaml.dump(
        _document(state),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )
    return text


def _document(state: State) -> dict[str, Any]:
    document = state.model_dump(mode="json", by_alias=True, include=state.model_fields_set)
    for trunk in document["trunks"]:
        if not trunk["password"]:
            del trunk["password"]
    for account in document["accounts"]:
        for user in (account["administrator"], *account["users"]):
            _tidy_user(user)
        for ivr in account["ivrs"]:
            ivr["keys"] = dict(sorted(ivr["keys"].items()))
            if ivr["prompt"]:
                ivr["prompt"] = f"{PROMPTS}/{ivr['prompt']}"
    return document


def _tidy_user(user: dict[str, Any]) -> None:
    """Of the pairs of which a user has one, the other is not written."""
    del user["password"]
    if user["sip"] is None:
        del user["sip"]
    else:
        del user["static_ip"]
        if user["sip"]["password"] is None:
            del user["sip"]["password"]


def _around(state: State, account: Account) -> State:
    """The account and what it refers to; the provider's own sections are not in it, so applying it
    to a store that is in use brings back this account and nothing else."""
    numbers = tuple(n for n in state.catalogue.numbers if n.number in account.numbers)
    trunks = {number.trunk for number in numbers}
    return State.model_construct(
        trunks=tuple(trunk for trunk in state.trunks if trunk.name in trunks),
        tariffs=tuple(tariff for tariff in state.tariffs if tariff.name == account.tariff),
        catalogue=state.catalogue.model_copy(update={"numbers": numbers}),
        accounts=(account,),
    )


def _without_secrets(state: State) -> State:
    def user(item: User) -> User:
        if item.sip is None:
            return item
        return item.model_copy(update={"sip": item.sip.model_copy(update={"password": None})})

    accounts = tuple(
        account.model_copy(
            update={
                "administrator": user(account.administrator),
                "users": tuple(user(item) for item in account.users),
            }
        )
        for account in state.accounts
    )
    trunks = tuple(trunk.model_copy(update={"password": ""}) for trunk in state.trunks)
    return state.model_copy(update={"accounts": accounts, "trunks": trunks})
