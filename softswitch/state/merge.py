"""Several files become one wish, and the wish is laid over what the store has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from softswitch.problems import FileProblem, FileProblems
from softswitch.state.locate import Document, Place, named
from softswitch.state.model import Account, Catalogue, Item, Rate, State, User
from softswitch.state.salvage import salvage
from softswitch.validation import sentences

I = TypeVar("I", bound=Item)  # noqa: E741  (an item of the state file)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the files say, as one, with the means to say in which file and line."""

    state: State
    documents: tuple[Document, ...]
    problems: tuple[FileProblem, ...] = ()  # of form: then ``state`` lacks the values they name

    def problem(self, place: Place, text: str) -> FileProblem:
        """A problem at a place, told to the file that goes deepest towards it."""
        return max(
            (document.problem(place, text) for document in self.documents),
            key=lambda problem: self._depth(problem.file, place),
        )

    def _depth(self, file: str, place: Place) -> int:
        document = next(document for document in self.documents if document.file == file)
        while place and place not in document.places:
            place = place[:-1]
        return len(place)


def wish_of(documents: Sequence[Document]) -> Wish:
    """Check each file by itself and join them. Raises ``FileProblems`` with all of them, unless
    they leave enough to look for more (``Wish.problems``)."""
    problems: list[FileProblem] = []
    states: list[State | None] = []
    for document in documents:
        try:
            states.append(State.model_validate(document.value or {}))
        except ValidationError as error:
            problems += [
                document.problem(named(place, document.value), text)
                for place, text in sentences(error, State)
            ]
            states.append(salvage(document.value, error))
    whole = [state for state in states if state is not None]
    if len(whole) < len(states):
        raise FileProblems(problems)
    joined, found = join(whole)
    wish = Wish(joined, tuple(documents), tuple(problems))
    if found:
        raise FileProblems([*problems, *(wish.problem(place, text) for place, text in found)])
    return wish


def join(states: Iterable[State]) -> tuple[State, list[tuple[Place, str]]]:
    """One state of several, and what they say twice. Accounts may be spread over files."""
    problems: list[tuple[Place, str]] = []
    whole = State()
    for state in states:
        whole = _joined(whole, state, (), problems)
    _repeated(whole, (), problems)
    return whole, problems


def _joined(first: I, second: I, place: Place, problems: list[tuple[Place, str]]) -> I:
    update: dict[str, Any] = {}
    for key in second.model_fields_set:
        old, new = getattr(first, key), getattr(second, key)
        if key not in first.model_fields_set:
            update[key] = new
        elif isinstance(new, Item) and isinstance(old, Item) and not place:
            update[key] = _joined(old, new, (key,), problems)
        elif _is_listing(new) and len(place) < 2 and "accounts" not in place:
            update[key] = _joined_lists(old, new, (*place, key), problems)
        elif key != type(first).identity:
            problems.append(((*place, key), f'"{key}" is given in two files'))
    return first.model_copy(update=update)


def _joined_lists(
    old: Sequence[Item], new: Sequence[Item], place: Place, problems: list[tuple[Place, str]]
) -> tuple[Item, ...]:
    """Both lists; accounts of one id are joined key by key, everything else stays apart."""
    if place != ("accounts",):
        return (*old, *new)
    accounts = {item.name_in_list(): item for item in old}
    for item in new:
        name = item.name_in_list()
        earlier = accounts.get(name)
        accounts[name] = (
            item if earlier is None else _joined(earlier, item, (*place, name), problems)
        )
    return tuple(accounts.values())


def _repeated(item: Item, place: Place, problems: list[tuple[Place, str]]) -> None:
    """Objects that stand twice in one list."""
    for key in item.model_fields_set:
        value = getattr(item, key)
        if isinstance(value, Item):
            _repeated(value, (*place, key), problems)
        elif _is_listing(value):
            _repeated_in(value, (*place, key), problems)


def _repeated_in(items: Sequence[Item], place: Place, problems: list[tuple[Place, str]]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = item.name_in_list()
        inner = (*place, index if isinstance(item, Rate) else name)
        if name in seen:
            problems.append((inner, f"{name} is listed twice"))
        seen.add(name)
        _repeated(item, inner, problems)


# Lists that are not whole: an object that a file does not name is left alone.
_OPEN_LISTS = {
    (State, "trunks"),
    (State, "routes"),
    (State, "tariffs"),
    (State, "accounts"),
    (Catalogue, "numbers"),
}


def overlay(stored: I, said: I) -> I:
    """What the store should have: ``said`` where it speaks, ``stored`` where it is silent."""
    update = {
        key: _laid_over(stored, key, getattr(stored, key), getattr(said, key))
        for key in said.model_fields_set
    }
    if isinstance(stored, Account):
        update.pop("opening_balance", None)  # posted once, never again
    if isinstance(said, User):
        # A user has one kind of equipment: naming one takes the other away.
        if said.static_ip is not None:
            update["sip"] = None
        elif said.sip is not None:
            update["static_ip"] = None
    return stored.model_copy(update=update)


def _laid_over(owner: Item, key: str, old: Any, new: Any) -> Any:
    """One key's value: models are laid over one another, lists by name, all else is replaced."""
    if isinstance(new, Item) and type(old) is type(new) and new.keywise:
        return overlay(old, new)
    if (type(owner), key) in _OPEN_LISTS:
        return _laid_over_list(old, new, whole=False)
    return _laid_over_list(old, new, whole=True) if _is_listing(new) else new


def _laid_over_list(old: Sequence[Item], new: Sequence[Item], *, whole: bool) -> tuple[Item, ...]:
    stored = {item.name_in_list(): item for item in old}
    said: dict[str, Item] = {}
    for item in new:
        earlier = stored.get(item.name_in_list())
        said[item.name_in_list()] = item if earlier is None else overlay(earlier, item)
    return tuple((said if whole else stored | said).values())


def _is_listing(value: Any) -> bool:
    """Whether a value is a list of objects that are told apart by name."""
    return isinstance(value, tuple) and bool(value) and bool(getattr(value[0], "identity", ""))
