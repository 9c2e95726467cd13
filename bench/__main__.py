"""``python -m bench [PART...]``: measure and write ``bench/results/PART.{json,md}``."""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from bench import commands, messages, relay, report, signalling, size
from bench.measure import machine

RESULTS = Path(__file__).parent / "results"
PARTS: dict[str, Callable[[Path], list[report.Row]]] = {
    "messages": messages.measure,
    "signalling": signalling.measure,
    "relay": relay.measure,
    "size": size.measure,
    "commands": commands.measure,
}


def main() -> int:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {list(PARTS)}, default all")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for part in chosen:
        rows = PARTS[part](RESULTS / "work")
        report.write(RESULTS, part, machine(), rows)
        print(f"\n{part}\n\n{report.table(rows)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
