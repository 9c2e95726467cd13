"""Serves the portal of the tests' world on a real port: ``serve.py FOLDER [--demo]``.

For the browser tests, and for looking at the screens. Prints the port when it listens.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver

from softswitch.clock import utc_us
from tests.web.world import NOW_US, OURS, FakeCall, FakePhone, add_call, make_world


def main() -> None:
    """Run until the process is ended."""
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    world = make_world(Path(sys.argv[1]), demo="--demo" in sys.argv, reactor=reactor)
    started_us = utc_us()
    # The world's clock goes on from its own day, so that the seeded calls are recent.
    world.portal.state.deps.__class__  # noqa: B018
    world.live.phones[OURS] = [FakePhone("100"), FakePhone("101", user_agent="baresip")]
    object.__setattr__(world.portal.state.deps, "utc_us", lambda: NOW_US + utc_us() - started_us)
    world.store(_more_calls)
    port = reactor.listenTCP(0, world.portal.site(), interface="127.0.0.1")
    toggle_calls(world)
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


def _more_calls(session) -> None:
    causes = ["answered", "answered", "busy", "no_answer", "answered", "no_credit"]
    for index in range(120):
        add_call(
            session,
            OURS,
            f"{index:024x}",
            ago_s=10_000 + index * 5_000,
            direction=("in", "out", "internal")[index % 3],
            cause=causes[index % len(causes)],
            duration_s=20 + index * 7,
            price_micros=index * 12_100 if index % 3 == 1 else 0,
        )


def toggle_calls(world) -> None:
    """A call comes up and goes away every two seconds."""
    up = world.live.up.setdefault(OURS, [])
    if up:
        up.clear()
    else:
        up.append(FakeCall("live-1", started_us=NOW_US, answered_us=NOW_US))
    world.live.tell(OURS)
    reactor.callLater(2, toggle_calls, world)


if __name__ == "__main__":
    time.tzset()
    main()
