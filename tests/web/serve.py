"""Serves the portal of the tests' world on a real port: ``serve.py FOLDER [--demo]``.

For the browser tests, and for looking at the screens. Prints the port when it listens. A line on
standard input ("call", "hang up" or "charge") changes what is going on; its end ends the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session
from twisted.internet import reactor as installed
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver

from softswitch.clock import utc_us
from softswitch.store.base import billing_tables
from tests.web.world import NOW_US, OURS, FakeCall, FakePhone, World, add_call, make_world

reactor: Any = installed
CAUSES = ("answered", "answered", "busy", "no_answer", "answered", "no_credit")
DIRECTIONS = ("in", "out", "internal")


class Orders(LineReceiver):
    """What the test wants to happen."""

    delimiter = b"\n"

    def __init__(self, world: World) -> None:
        self.world = world

    def lineReceived(self, line: bytes) -> None:
        """``call``: a call comes up; ``hang up``: it ends; ``charge``: it has been paid."""
        now_us = self.world.now()
        if line == b"charge":
            self.world.store(_charge)
        call = FakeCall("live-1", started_us=now_us, answered_us=now_us)
        self.world.live.up[OURS] = [call] if line == b"call" else []
        self.world.live.tell(OURS)

    def connectionLost(self, reason: object = None) -> None:
        """The test has gone."""
        reactor.stop()


def main() -> None:
    """Run until standard input ends."""
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    # The world's clock goes on from its own day, so that the seeded calls are recent.
    ahead_us = utc_us() - NOW_US
    world = make_world(
        Path(sys.argv[1]),
        demo="--demo" in sys.argv,
        reactor=reactor,
        now=lambda: utc_us() - ahead_us,
    )
    world.live.phones[OURS] = [FakePhone("100"), FakePhone("101", user_agent="baresip")]
    world.store(_more_calls)
    port = reactor.listenTCP(0, world.portal.site(), interface="127.0.0.1")
    StandardIO(Orders(world))
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


def _charge(session: Session) -> None:
    """The newest call: a minute to Latvia."""
    add_call(session, OURS, "charged", ago_s=-10, direction="out", called="+37120000009",
             called_extension="", price_micros=60_000, tariff="standard")  # fmt: skip
    session.execute(
        update(billing_tables.balance)
        .where(billing_tables.balance.c.account == OURS)
        .values(balance_micros=16_210_000)
    )


def _more_calls(session: Session) -> None:
    for index in range(120):
        add_call(
            session,
            OURS,
            f"{index:024x}",
            ago_s=10_000 + index * 5_000,
            direction=DIRECTIONS[index % 3],
            cause=CAUSES[index % len(CAUSES)],
            duration_s=20 + index * 7,
            price_micros=index * 12_100 if index % 3 == 1 else 0,
        )


if __name__ == "__main__":
    main()
