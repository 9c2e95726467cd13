"""Cuts a difference into pieces that can be written one by one, each in a short transaction.

An account is never cut: what belongs to it changes at once. Accounts between which a number or a
login changes hands stay together, so that it is never at two places nor at none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from softswitch.state import model
from softswitch.state.difference import Change, Difference
from softswitch.state.write_provider import PROVIDER_WRITERS

# Some 40 ms of SQLite's one writer; an account with more changes is a piece of its own.
PIECE_CHANGES_MAX = 40


def in_pieces(difference: Difference) -> Iterator[Difference]:
    """The provider's half first, which accounts refer to, then the accounts that exchange
    something, then the others."""
    provider = [change for change in difference.changes if change.kind in PROVIDER_WRITERS]
    accounts: defaultdict[str, list[Change]] = defaultdict(list)
    for change in difference.changes:
        if change.kind not in PROVIDER_WRITERS:
            accounts[_account_of(change)].append(change)
    linked = _exchanging(accounts)
    together = [change for account in sorted(linked) for change in accounts.pop(account)]
    yield from (Difference(tuple(piece)) for piece in (provider, together) if piece)
    yield from _filled(accounts.values())


def _filled(accounts: Iterable[list[Change]]) -> Iterator[Difference]:
    piece: list[Change] = []
    for changes in accounts:
        if piece and len(piece) + len(changes) > PIECE_CHANGES_MAX:
            yield Difference(tuple(piece))
            piece = []
        piece += changes
    if piece:
        yield Difference(tuple(piece))


def _exchanging(accounts: Mapping[str, list[Change]]) -> set[str]:
    """The accounts that get what another of them has, and those others."""
    had: dict[str, str] = {}
    for account, changes in accounts.items():
        had |= {thing: account for change in changes for thing in _things(change.old)}
    found: set[str] = set()
    for account, changes in accounts.items():
        gained = {thing for change in changes for thing in _things(change.new)}
        for owner in {had[thing] for thing in gained if thing in had} - {account}:
            found |= {owner, account}
    return found


def _things(item: model.Item | None) -> set[str]:
    """Numbers and logins, which one account at a time can have."""
    if isinstance(item, model.Account):
        return set(item.numbers)
    if isinstance(item, model.User) and item.sip is not None and item.sip.login:
        return {item.sip.login}
    return set()


def _account_of(change: Change) -> str:
    account = change.name if change.kind == "account" else change.owner
    assert account is not None, "what is not the provider's belongs to an account"
    return account
