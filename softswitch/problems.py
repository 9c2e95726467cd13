"""What is wrong in a file, said so that the operator finds the line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class FileProblem:
    """One thing that is wrong. ``line`` counts from 1; 0 when no line is to blame."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """``file:line: text``, the form that editors jump to."""
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class FileProblems(Exception):
    """A file is refused. ``problems`` is everything that is wrong with it, not the first thing."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that no model has, with the nearest known one."""
    nearest = get_close_matches(key, sorted(known), n=1, cutoff=0.0)
    return f'unknown key "{key}"' + (
        f', the nearest known key is "{nearest[0]}"' if nearest else ""
    )
