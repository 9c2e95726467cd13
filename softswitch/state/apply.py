"""``softswitch apply``: the store becomes what the files say about the objects that they name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from softswitch.admin.history import Actor
from softswitch.problems import FileProblem, FileProblems
from softswitch.secrets import Vault, hash_password, verify_password
from softswitch.state.check import findings
from softswitch.state.difference import Difference, compare
from softswitch.state.locate import Document, read
from softswitch.state.merge import Wish, overlay, wish_of
from softswitch.state.model import Account, Ivr, State, User
from softswitch.state.pieces import in_pieces
from softswitch.state.prompts import PromptFile, copy_in, prompt_file
from softswitch.state.read import NAMED_MAX, among, read_elsewhere, read_state
from softswitch.state.write import Writing, write
from softswitch.state.write_provider import PROVIDER_WRITERS
from softswitch.store import models

FILES_MAX = 1000  # of one apply
# A call that asks for credit waits while a piece is written and a little longer.
BETWEEN_PIECES_S = 0.03

T = TypeVar("T", State, Account)
PasswordHashes = Mapping[tuple[str, str], str]  # (account, extension) to argon2id hash


def read_files(paths: Sequence[Path]) -> Wish:
    """Read, check and join files. Raises ``FileProblems`` with everything wrong in all of them;
    what is left when only single values are wrong is a wish that ``apply`` refuses."""
    problems: list[FileProblem] = []
    documents: list[Document] = []
    for path in paths:
        try:
            documents.append(read(path))
        except FileProblems as error:
            problems += error.problems
    try:
        wish = wish_of(documents)
    except FileProblems as error:
        raise FileProblems([*problems, *error.problems]) from None
    if problems:
        raise FileProblems([*problems, *wish.problems])
    return wish


def hash_passwords(session: Session, wish: Wish) -> dict[tuple[str, str], str]:
    """The hashes of all portal passwords in the files; a stored one that fits is kept.

    Apart from ``apply`` because it takes some 50 ms of processor time each, which must not pass
    inside a writing transaction. argon2 lets other threads run.
    """
    said = {
        (account.id, user.extension): user.password
        for account in wish.state.accounts
        for user in account.everyone()
        if user.password is not None
    }
    if not said or wish.problems:
        return {}
    user = models.User
    accounts = {account for account, _ in said}
    query = among(select(user.account, user.extension, user.password_hash), user.account, accounts)
    rows = session.execute(query)
    stored = {(account, extension): text for account, extension, text in rows}

    def fitting(key: tuple[str, str]) -> str:
        old = stored.get(key, "")
        return old if old and verify_password(old, said[key]) else hash_password(said[key])

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(said, pool.map(fitting, said), strict=True))


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole wish, checked, as pieces that are each written in a transaction of their own.

    ``history_id``: of the newest row of History that was seen; every command writes one.
    """

    difference: Difference
    pieces: tuple[Difference, ...]
    prompts: tuple[PromptFile, ...]
    history_id: int

    @property
    def changes_provider(self) -> bool:
        """Whether something changes that belongs to no account."""
        return any(change.kind in PROVIDER_WRITERS for change in self.difference.changes)


def plan(
    session: Session, wish: Wish, hashes: PasswordHashes, vault: Vault, state_dir: Path
) -> Plan:
    """What makes the store equal to the wish; reads only.

    Raises ``FileProblems`` with everything that stands against it. ``hashes``: of
    ``hash_passwords``.
    """
    history_id = _history_id(session)  # first: what others write from now on is behind it
    said, prompts, problems = _with_prompts(wish, _with_hashes(wish.state, hashes))
    names = [account.id for account in said.accounts]
    stored = read_state(session, vault, names if len(names) <= NAMED_MAX else None)
    wanted = overlay(stored, said)
    elsewhere = read_elsewhere(session, wanted)
    found = findings(wanted, elsewhere, stored, complete=not wish.problems)
    problems += [*wish.problems, *(wish.problem(place, text) for place, text in found)]
    if problems:
        raise FileProblems(problems)
    difference = compare(stored, wanted)
    return Plan(difference, tuple(in_pieces(difference)), tuple(prompts), history_id)


def write_piece(
    session: Session, vault: Vault, by: Actor, piece: Difference, history_id: int
) -> int | None:
    """Write one piece of a plan in the caller's transaction, unless somebody else has written since
    ``history_id``: then ``None``. Otherwise the newest row of History, for the next piece."""
    # No transaction has begun yet: whoever waits for SQLite's writer looks again every 25 ms.
    time.sleep(BETWEEN_PIECES_S)
    if _history_id(session) != history_id:
        return None
    write(Writing(session, vault, by), piece)
    session.flush()
    return _history_id(session)


def apply(
    session: Session,
    wish: Wish,
    hashes: PasswordHashes,
    vault: Vault,
    state_dir: Path,
    by: Actor,
    *,
    dry_run: bool = False,
) -> Difference:
    """Make the store equal to the wish, in the caller's transaction; say what changes.

    Raises as ``plan`` does, and has written nothing then.
    """
    planned = plan(session, wish, hashes, vault, state_dir)
    if not dry_run:
        copy_in(planned.prompts, state_dir)
        write(Writing(session, vault, by), planned.difference)
    return planned.difference


def _history_id(session: Session) -> int:
    return session.scalar(select(func.max(models.History.id))) or 0


def _with_hashes(state: State, hashes: PasswordHashes) -> State:
    """The wish with hashes in place of portal passwords."""

    def hashed(account: Account, user: User) -> User:
        found = hashes.get((account.id, user.extension))
        if found is None:
            return user
        return user.model_copy(update={"password": None, "password_hash": found})

    accounts = tuple(
        _replaced(
            account,
            administrator=hashed(account, account.administrator),
            users=tuple(hashed(account, user) for user in account.users),
        )
        for account in state.accounts
    )
    return _replaced(state, accounts=accounts)


def _with_prompts(wish: Wish, state: State) -> tuple[State, list[PromptFile], list[FileProblem]]:
    """The wish with stored names in place of prompt paths, the files to copy, what is wrong."""
    prompts: list[PromptFile] = []
    problems: list[FileProblem] = []

    def stored(account: Account, ivr: Ivr) -> Ivr:
        if not ivr.prompt:
            return ivr
        at = wish.problem(("accounts", account.id, "ivrs", ivr.name, "prompt"), "")
        folder = next(d.folder for d in wish.documents if d.file == at.file)
        try:
            prompts.append(prompt_file(folder / ivr.prompt, account.id))
        except ValueError as error:
            problems.append(FileProblem(at.file, at.line, f"prompt: {error}"))
            return ivr
        return ivr.model_copy(update={"prompt": prompts[-1].name})

    accounts = tuple(
        _replaced(account, ivrs=tuple(stored(account, ivr) for ivr in account.ivrs))
        for account in state.accounts
    )
    return _replaced(state, accounts=accounts), prompts, problems


def _replaced(item: T, **values: object) -> T:
    """A copy in which only keys that the file has are replaced: absent ones stay absent."""
    said = {key: value for key, value in values.items() if key in item.model_fields_set}
    return item.model_copy(update=said)
