"""Threads that a test steps by hand."""

from __future__ import annotations

from collections.abc import Callable

from softswitch.store.threads import Work


class SteppedThreads:
    """Work waits until ``step`` does one piece of it."""

    def __init__(self) -> None:
        self.waiting: list[Work] = []

    def submit(self, work: Work) -> None:
        """Keep it."""
        self.waiting.append(work)

    def step(self) -> None:
        """Do the oldest."""
        self.waiting.pop(0)()

    def stop(self) -> None:
        """Do all."""
        while self.waiting:
            self.step()


def at_once(function: Callable[..., object], *arguments: object) -> None:
    """A ``callFromThread`` for when there are no threads."""
    function(*arguments)
