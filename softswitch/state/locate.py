"""Reads YAML into plain values and remembers the line of everything in it.

YAML 1.2's idea of plain words, with ``on`` and ``off``: country ``NO``, ``18:00``, ``+371`` and
``2016-01-01`` stay text, as whoever wrote them meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer

from softswitch.problems import FileProblem, FileProblems

FILE_BYTES_MAX = 64 * 1024 * 1024  # 1,000 accounts of 20 users take some 6 MB
NODES_MAX = 5_000_000  # aliases can make a small file stand for a huge one
DEPTH_MAX = 20  # the form itself is seven deep

Place = tuple[str | int, ...]  # keys and, in lists, the name of the element or its index

# Which key names an element of the list under a key; lists not here are told by index.
IDENTITIES = {
    "trunks": "name",
    "routes": "prefix",
    "tariffs": "name",
    "accounts": "id",
    "users": "extension",
    "groups": "extension",
    "ivrs": "name",
    "call_flows": "number",
}
_CATALOGUE_NUMBERS = ("catalogue", "numbers")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast


class _PlainLoader(Composer, _Loader):  # type: ignore[misc]
    """SafeLoader with fewer surprises in plain scalars. Its nodes are put together by PyYAML's
    Python, event by event: libyaml would do it in one call, which kept all other threads, and calls
    with them, from running for more than a second with 20,000 users."""

    def __init__(self, stream: str) -> None:
        _Loader.__init__(self, stream)
        Composer.__init__(self)


_PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|false|False|on|off|yes|no", "tTfFoyn"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?[0-9]+\.[0-9]+", "-0123456789"),
    ("null", r"~|null|", ["~", "n", ""]),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})$"), list(_first)
    )


@dataclass(slots=True)
class Document:
    """A file's values, and where they stand. ``places`` maps a place to its line, from 1."""

    file: str
    folder: Path
    value: Any = None
    places: dict[Place, int] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of the innermost part of ``place`` that the file has; 0 if none."""
        while place and place not in self.places:
            place = place[:-1]
        return self.places.get(place, 0)

    def problem(self, place: Place, text: str) -> FileProblem:
        """A problem of this file at a place."""
        return FileProblem(self.file, self.line(place), text)


def read(path: Path) -> Document:
    """Read a file. Raises ``FileProblems`` when it is not YAML that we can take at all."""
    return parse(_text(path), str(path), path.parent)


def parse(text: str, file: str, folder: Path) -> Document:
    """``read`` for text that is already in memory. ``folder``: what its paths are relative to."""
    document = Document(file, folder)
    loader = _PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            document.value = _Walk(document, loader).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        raise FileProblems([_syntax_problem(file, error)]) from None
    except yaml.YAMLError as error:
        raise FileProblems([FileProblem(file, 0, f"is not YAML: {error}")]) from None
    except _TooMuch as error:
        raise FileProblems([FileProblem(file, error.line, str(error))]) from None
    finally:
        loader.dispose()
    if document.problems:
        raise FileProblems(document.problems)
    return document


def named(place: Place, value: Any) -> Place:
    """A place by index (``accounts, 0, users, 1``) as one by name (``accounts, 000000212, ...``).

    ``value`` is the whole document that the indexes count in.
    """
    result: list[str | int] = []
    for depth, part in enumerate(place):
        element = _step(value, part)
        result.append(_element_name(place[:depth], part, element))
        value = element
    return tuple(result)


class _TooMuch(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class _Walk:
    """Turns nodes into values, filling ``document.places`` on the way."""

    def __init__(self, document: Document, loader: Any) -> None:
        self._document = document
        self._loader = loader
        self._nodes = 0

    def value(self, node: yaml.Node, place: Place, keys: tuple[str, ...]) -> Any:
        """The node's value. ``keys``: the mapping keys above it, without list elements."""
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise _TooMuch(line, f"more than {NODES_MAX} values")
        if len(place) > DEPTH_MAX:
            raise _TooMuch(line, f"more than {DEPTH_MAX} levels deep")
        self._document.places.setdefault(place, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self._element(child, place, keys, i) for i, child in enumerate(node.value)]
        return self._loader.construct_object(node)

    def _mapping(
        self, node: yaml.MappingNode, place: Place, keys: tuple[str, ...]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            inner = (*place, key)
            if key in found:
                problem = FileProblem(self._document.file, line, f'"{key}" is given twice')
                self._document.problems.append(problem)
            self._document.places.setdefault(inner, line)
            found[key] = self.value(value_node, inner, (*keys, key))
        return found

    def _element(self, node: yaml.Node, place: Place, keys: tuple[str, ...], index: int) -> Any:
        name = _node_identity(node, keys)
        return self.value(node, (*place, index if name is None else name), keys)


def _node_identity(node: yaml.Node, keys: tuple[str, ...]) -> str | None:
    identity = _identity_key(keys)
    if identity is None or not isinstance(node, yaml.MappingNode):
        return None
    for key_node, value_node in node.value:
        if key_node.value == identity and isinstance(value_node, yaml.ScalarNode):
            return str(value_node.value)
    return None


def _identity_key(keys: tuple[str, ...]) -> str | None:
    if keys[-2:] == _CATALOGUE_NUMBERS:
        return "number"
    return IDENTITIES.get(keys[-1]) if keys else None


def _element_name(above: Place, part: str | int, element: Any) -> str | int:
    if isinstance(part, str):
        return part
    identity = _identity_key(tuple(key for key in above if isinstance(key, str)))
    if identity is not None and isinstance(element, dict) and identity in element:
        return str(element[identity])
    return part


def _step(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise FileProblems([FileProblem(str(path), 0, f"larger than {FILE_BYTES_MAX} bytes")])
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileProblems([FileProblem(str(path), 0, error.strerror or "unreadable")]) from None
    except UnicodeDecodeError:
        raise FileProblems([FileProblem(str(path), 0, "is not UTF-8 text")]) from None


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> FileProblem:
    mark = error.problem_mark or error.context_mark
    parts: Iterator[str] = (part for part in (error.context, error.problem) if part)
    return FileProblem(file, mark.line + 1 if mark else 0, ", ".join(parts) or "is not YAML")
