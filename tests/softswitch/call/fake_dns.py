"""A name server in memory: a table of answers, given at once or when the test says so."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from sip.dns_records import Answer, Failed, Question
from softswitch.call.dns_client import Answered

TTL_S = 60.0


class FakeDns:
    """``zone`` maps questions as text ("A gw.example.net") to answers; all else does not exist.

    ``down``: nobody answers. ``slow``: answers wait for ``answer``.
    """

    def __init__(self, zone: dict[str, Answer] | None = None) -> None:
        self.zone = dict(zone or {})
        self.down = False
        self.slow = False
        self.asked: list[str] = []
        self._waiting: list[tuple[Question, Deferred[Answered]]] = []

    def ask(self, question: Question) -> Deferred[Answered]:
        """As ``DnsClient.ask``."""
        self.asked.append(str(question))
        if not self.slow:
            return succeed(self._answer(question))
        done: Deferred[Answered] = Deferred()
        self._waiting.append((question, done))
        return done

    def answer(self) -> None:
        """Answer what waits, once."""
        waiting, self._waiting = self._waiting, []
        for question, done in waiting:
            done.callback(self._answer(question))

    def taken(self) -> list[str]:
        """What was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked

    def _answer(self, question: Question) -> Answered:
        if self.down:
            return Answered(Failed("no name server answers"))
        return Answered(self.zone.get(str(question), ()), TTL_S)
