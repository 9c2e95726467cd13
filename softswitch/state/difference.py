"""What changes between two states, object by object: what ``apply`` prints and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from softswitch.admin.history import differing
from softswitch.state.model import Account, Item, State, Tariff

# The keys of an account that are objects of their own in the difference.
PARTS_OF_ACCOUNT = {"administrator", "users", "groups", "ivrs", "call_flows"}
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One object that is added (``old`` is ``None``), changed or removed (``new`` is ``None``).

    ``kind`` as in ``softswitch.state.write``; ``owner``: the account or tariff it belongs to.
    """

    kind: str
    name: str
    owner: str | None
    old: Item | None
    new: Item | None

    @property
    def action(self) -> str:
        """added | changed | removed"""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    def fields(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Before and after, only what differs, secrets masked."""
        return differing(*self.documents())

    def documents(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Before and after, whole and with secrets: for History, which masks them itself."""
        return _document(self.old, self.kind), _document(self.new, self.kind)

    def as_json(self) -> dict[str, Any]:
        """For ``apply --json``."""
        before, after = self.fields() if self.action == "changed" else (None, None)
        return {
            "action": self.action,
            "object": self.kind,
            "name": self.name,
            "owner": self.owner,
            "before": before,
            "after": after,
        }

    def __str__(self) -> str:
        """One line: ``~ user 101 of 000000212: email a@x -> b@x``."""
        name = '""' if self.kind == "route" and not self.name else self.name  # of every number
        head = f"{_SIGNS[self.action]} {self.kind} {name}".rstrip()
        head += f" of {self.owner}" if self.owner else ""
        if self.action != "changed":
            return head
        before, after = self.fields()
        keys = {**(before or {}), **(after or {})}
        details = (f"{key} {_short(before, key)} -> {_short(after, key)}" for key in keys)
        return f"{head}: {', '.join(details)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes of one ``apply``, in the order of the file's sections."""

    changes: tuple[Change, ...]

    def lines(self) -> list[str]:
        """One line a change; one that says so when there is none."""
        return [str(change) for change in self.changes] or ["nothing to change"]

    def accounts(self) -> set[str]:
        """The accounts that anything changes in."""
        kinds = {"account"}
        own = {change.name for change in self.changes if change.kind in kinds}
        return own | {
            change.owner for change in self.changes if change.owner and change.kind != "rate"
        }


def compare(old: State, new: State) -> Difference:
    """The changes that make ``old`` into ``new``."""
    return Difference(tuple(_changes(old, new)))


def _changes(old: State, new: State) -> Iterator[Change]:
    yield from _single("provider", old.provider, new.provider)
    yield from _single("emergency", old.emergency, new.emergency)
    yield from _listed("trunk", None, old.trunks, new.trunks)
    yield from _listed("route", None, old.routes, new.routes)
    yield from _tariffs(old.tariffs, new.tariffs)
    sale = {"numbers": ()}
    yield from _single(
        "catalogue", old.catalogue.model_copy(update=sale), new.catalogue.model_copy(update=sale)
    )
    yield from _listed("number", None, old.catalogue.numbers, new.catalogue.numbers)
    accounts = {account.id: account for account in old.accounts}
    for account in new.accounts:
        yield from _account(accounts.get(account.id), account)


def _single(kind: str, old: Item, new: Item) -> Iterator[Change]:
    if old != new:
        yield Change(kind, "", None, old, new)


def _listed(
    kind: str, owner: str | None, old: Sequence[Item], new: Sequence[Item]
) -> Iterator[Change]:
    before = {item.name_in_list(): item for item in old}
    after = {item.name_in_list(): item for item in new}
    for name, item in before.items():
        if name not in after:
            yield Change(kind, name, owner, item, None)
    for name, item in after.items():
        if before.get(name) != item:
            yield Change(kind, name, owner, before.get(name), item)


def _tariffs(old: Sequence[Tariff], new: Sequence[Tariff]) -> Iterator[Change]:
    before = {tariff.name: tariff for tariff in old}
    for tariff in new:
        earlier = before.get(tariff.name)
        if earlier is None or earlier.currency != tariff.currency:
            yield Change("tariff", tariff.name, None, earlier, tariff)
        yield from _listed("rate", tariff.name, earlier.rates if earlier else (), tariff.rates)


def _account(old: Account | None, new: Account) -> Iterator[Change]:
    bare_old = _bare(old) if old is not None else None
    bare_new = _bare(new)
    if bare_old != bare_new:
        yield Change("account", new.id, None, bare_old, bare_new)
    if old is None or old.administrator != new.administrator:
        earlier = old.administrator if old else None
        extension = new.administrator.extension
        yield Change("administrator", extension, new.id, earlier, new.administrator)
    yield from _listed("user", new.id, old.users if old else (), new.users)
    yield from _listed("group", new.id, old.groups if old else (), new.groups)
    yield from _listed("menu", new.id, old.ivrs if old else (), new.ivrs)
    yield from _listed("call flow", new.id, old.call_flows if old else (), new.call_flows)


def _bare(account: Account) -> Account:
    """The account's own keys."""
    empty = Account.model_construct(id=account.id)
    return account.model_copy(update={key: getattr(empty, key) for key in PARTS_OF_ACCOUNT})


def _document(item: Item | None, kind: str) -> dict[str, Any] | None:
    if item is None:
        return None
    hidden = PARTS_OF_ACCOUNT if kind == "account" else {"rates"} if kind == "tariff" else set()
    document = item.model_dump(mode="json", by_alias=True, exclude=hidden)
    sip = document.get("sip")
    if isinstance(sip, dict):  # flat, so that History masks the password by its name
        document |= {"sip": sip["login"], "sip_password": sip["password"]}
    return document


def _short(side: dict[str, Any] | None, key: str) -> str:
    value = (side or {}).get(key)
    return "none" if value in (None, "", [], {}) else _words(value)


def _words(value: Any) -> str:
    """A value as a person would write it: ``carrier, second``, ``(user 101)``."""
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_words(child)}" for key, child in value.items()) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
