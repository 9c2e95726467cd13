"""Figures as rows: kept as JSON, shown as the tables of docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure: what was done, by whom, at which load, what it took, and remarks."""

    work: str
    subject: str
    load: str
    figure: float
    unit: str
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        """As a table shows it."""
        return (
            self.work,
            self.subject,
            self.load,
            f"{readable(self.figure)} {self.unit}",
            self.remark,
        )


def readable(value: float) -> str:
    """Three digits are more than a shared machine deserves."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    heading = ("work", "subject", "load", "figure", "remark")
    lines = [heading, ("---",) * len(heading), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(folder: Path, part: str, where: str, rows: list[Row]) -> None:
    """``folder/PART.json`` and ``folder/PART.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"machine": where, "rows": [asdict(row) for row in rows]}
    (folder / f"{part}.json").write_text(json.dumps(kept, indent=2) + "\n")
    (folder / f"{part}.md").write_text(f"{where}\n\n{table(rows)}\n")
