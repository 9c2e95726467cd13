"""Where SIP URIs lead (RFC 3263), known ahead of need: a call reads memory and never waits for DNS.

``keep`` is told every few seconds which destinations will be needed. What they take is asked for
when it is new and again before it expires; what DNS does not say in time is answered as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from sip.dns_cache import DnsCache
from sip.dns_records import Answer, Failed, Question
from sip.errors import RemoteError
from sip.resolution import Draw, Reach, Resolution, resolve
from sip.uri import SipUri, parse_uri
from softswitch.call.dns_client import Answered

log = Logger()

IN_FLIGHT_MAX = 100  # questions at once: a carrier could show a new name with each call
NUMERIC_KEPT_MAX = 4096  # destinations that need no look-up; there are as many as trunks

Ask = Callable[[Question], Deferred[Answered]]
"""Ask DNS. Answers in bounded time, also when nobody does (``Failed``)."""


class Hosts:
    """Resolutions from what DNS said. ``reach`` is what our listeners can send to, ``now_s`` a
    monotonic clock."""

    def __init__(self, ask: Ask, reach: Reach, *, now_s: Callable[[], float], draw: Draw) -> None:
        self._ask = ask
        self._reach = reach
        self._now_s = now_s
        self._draw = draw
        self._cache = DnsCache()
        self._numeric: dict[str, Resolution] = {}
        self._in_flight: dict[Question, set[str]] = {}  # with the destinations that wait for it
        self._idle: list[Deferred[None]] = []
        self._kept: dict[str, str] = {}  # destinations, and what was logged last
        self._needs: dict[str, list[Question]] = {}  # the questions of those kept
        self._leads: dict[str, set[str]] = {}  # and the addresses
        self.addresses: frozenset[str] = frozenset()
        """Where those kept lead: every address given or answered, beyond one call's candidates."""

    def where(self, destination: str) -> Resolution:
        """The candidates of a SIP URI as known now, servers of one priority drawn anew. What is
        not known is asked for meanwhile. A URI that is none is a reason too."""
        numeric = self._numeric.get(destination)
        return numeric or self._look(destination)

    def keep(self, destinations: Iterable[str]) -> None:
        """Have these ready, and no longer any other."""
        self._kept = {each: self._kept.get(each, "") for each in destinations}
        self._needs = {each: self._needs.get(each, []) for each in self._kept}
        self._leads = {each: self._leads.get(each, set()) for each in self._kept}
        for destination in self._kept:
            self.where(destination)
            self._note(destination)
        self.addresses = frozenset().union(*self._leads.values())

    def idle(self) -> Deferred[None]:
        """Fires when no question is open."""
        if not self._in_flight:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        return done

    # --- from URI to questions --------------------------------------------------------------------

    def _look(self, destination: str) -> Resolution:
        try:
            uri = parse_uri(destination)
        except RemoteError as error:
            return Resolution(reason=str(error))
        return self._resolve(destination, uri)

    def _resolve(self, destination: str, uri: SipUri) -> Resolution:
        now_s = self._now_s()
        seen: list[Question] = []

        def known(question: Question) -> Answer | None:
            seen.append(question)
            return self._cache.get(question, now_s)

        resolution = resolve(uri, self._reach, known, self._draw)
        if not seen and len(self._numeric) < NUMERIC_KEPT_MAX:
            self._numeric[destination] = resolution
        if destination in self._kept:
            self._needs[destination] = seen
        for question in seen:
            if self._cache.is_due(question, now_s):
                self._put_question(question, destination)
        return resolution

    def _put_question(self, question: Question, destination: str) -> None:
        waiting = self._in_flight.get(question)
        if waiting is not None:
            waiting.add(destination)
        elif len(self._in_flight) < IN_FLIGHT_MAX:
            self._in_flight[question] = {destination}
            self._ask(question).addBoth(partial(self._answered, question))

    # --- answers ----------------------------------------------------------------------------------

    def _answered(self, question: Question, answered: Answered) -> None:
        waiting = self._in_flight.pop(question)
        self._cache.put(question, answered.answer, answered.ttl_s, self._now_s())
        for destination in waiting:  # what the answer leads to is asked for next
            self.where(destination)
            if destination in self._kept:
                self._note(destination)
        self.addresses = frozenset().union(*self._leads.values())
        if not self._in_flight:
            idle, self._idle = self._idle, []
            for done in idle:
                done.callback(None)

    def _note(self, destination: str) -> None:
        """What one of those kept leads to now."""
        resolution = self.where(destination)
        hosts = {str(ip_address(address.host)) for _, address in resolution.candidates}
        for question in self._needs[destination]:
            answer = self._cache.get(question, self._now_s())
            if answer is not None and not isinstance(answer, Failed):
                hosts.update(record for record in answer if isinstance(record, str))
        self._leads[destination] = hosts
        self._tell(destination, resolution)

    # --- what an operator is told -----------------------------------------------------------------

    def _tell(self, destination: str, resolution: Resolution) -> None:
        """Once for each change of a trunk's destination, and not while it is still looked for."""
        if resolution.missing:
            return
        said = resolution.reason or self._trouble(destination)
        if said == self._kept[destination]:
            return
        self._kept[destination] = said
        if said:
            log.warn("{destination}: {said}", destination=destination, said=said)
        else:
            log.info("{destination} is resolved", destination=destination)

    def _trouble(self, destination: str) -> str:
        for question in self._needs.get(destination, ()):
            trouble = self._cache.trouble(question)
            if trouble:
                return f"{trouble}, so what was answered before is used"
        return ""
