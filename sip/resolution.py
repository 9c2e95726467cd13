"""Where a SIP or SIPS URI is to be sent: RFC 3263 section 4, over answers that are known already.

``resolve`` asks nobody. It goes as far as the known answers carry and says which questions are
missing; once they are answered it is called again. The same call later, with the same answers,
draws the servers of equal priority anew, so that calls are spread by their weights.

    NAPTR example.net            which transports, in whose order        (4.1)
    SRV   _sip._udp.example.net  which hosts and ports, in what order    (4.2, RFC 2782)
    A, AAAA                      their addresses, of both families       (RFC 7984)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from sip.abnf import without_controls
from sip.dns_records import RECORDS_MAX, Answer, Failed, Kind, Known, Naptr, Question, Srv, dns_name
from sip.errors import RemoteError
from sip.flow import HOSTS_CACHED, Address, is_address
from sip.uri import SipUri

CANDIDATES_MAX = 10
"""Addresses of one URI to try. A silent one costs a call 4 s, so nobody waits for more of them."""

SHUFFLE_MAX = 65535  # a draw that orders servers of weight 0; two alike keep their order

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}  # RFC 3261 19.1.2
SRV_PREFIXES = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
# RFC 3263 4.1: D2U and D2T are UDP and TCP; over TCP a SIPS service is TLS.
SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}

Reach = Mapping[str, tuple[Kind, ...]]
"""The transports that we have, each with the address records that its listeners can send to, in
order of preference: ``{"udp": ("AAAA", "A"), "tcp": ("A",)}``."""

Draw = Callable[[int], int]
"""A random whole number from 0 to the given one, both included."""


class Candidate(NamedTuple):
    """One place to send to."""

    transport: str
    address: Address


class Resolution(NamedTuple):
    """``candidates`` in the order in which to try them; ``missing`` what must be asked before all
    of them are known; ``reason`` why there is none, a sentence, and "" when there is one."""

    candidates: tuple[Candidate, ...] = ()
    missing: tuple[Question, ...] = ()
    reason: str = ""


def resolve(uri: SipUri, reach: Reach, known: Known, draw: Draw) -> Resolution:
    """The candidates of a URI as far as ``known`` goes. Raises nothing, whatever was answered."""
    search = _Search(reach, known, draw)
    try:
        found = dict.fromkeys(search.candidates(uri))
    except RemoteError as error:
        return Resolution(reason=str(error))
    missing = tuple(search.missing)
    if not found:
        return Resolution(missing=missing, reason=search.why_none(uri))
    return Resolution(tuple(found)[:CANDIDATES_MAX], missing)


def by_weight(records: Iterable[Srv], draw: Draw) -> Iterator[Srv]:
    """Servers by priority, and within one drawn by weight (RFC 2782, "Weight"). Those of weight 0
    come first to the draw, in an order that is itself drawn: all 0 means any of them."""
    ordered = sorted(
        records, key=lambda record: (record.priority, record.weight != 0, draw(SHUFFLE_MAX))
    )
    while ordered:
        best = ordered[0].priority
        pool = [record for record in ordered if record.priority == best]
        del ordered[: len(pool)]
        while len(pool) > 1:
            yield pool.pop(_drawn(pool, draw))
        yield pool[0]


def _drawn(pool: list[Srv], draw: Draw) -> int:
    """The index of the first whose running sum reaches a number drawn from 0 to the sum. The 0 is
    the chance of weight 0; where there is none it would favour the first, so it is left out."""
    total = sum(record.weight for record in pool)
    wanted = draw(total) if pool[0].weight == 0 else 1 + draw(total - 1)
    for index, record in enumerate(pool):
        wanted -= record.weight
        if wanted <= 0:
            return index
    return len(pool) - 1


class _Search:
    """One walk through the answers. ``missing`` and ``failed`` are what it could not see."""

    __slots__ = ("draw", "failed", "known", "missing", "reach")

    def __init__(self, reach: Reach, known: Known, draw: Draw) -> None:
        self.reach = reach
        self.known = known
        self.draw = draw
        self.missing: dict[Question, None] = {}
        self.failed: dict[Question, str] = {}

    # --- RFC 3263 4.1: the transport --------------------------------------------------------------

    def candidates(self, uri: SipUri) -> list[Candidate]:
        """Section 4 from its beginning. Raises RemoteError when nothing can come of the URI."""
        target = _target(uri)
        named = _named_transport(uri)
        if is_address(target) or uri.port is not None:
            transport = self._spoken(named or _default_transport(uri))
            return list(self._at(transport, target, uri.port or DEFAULT_PORTS[transport]))
        if named is not None:
            return self._served([(self._spoken(named), SRV_PREFIXES[named] + target)], target)
        services = self._by_naptr(uri, target)
        if services is None:
            return []
        if services:
            return self._served(services, target)
        return self._without_naptr(uri, target)

    def _by_naptr(self, uri: SipUri, target: str) -> list[tuple[str, str]] | None:
        """Transports and their SRV names in the domain's order; ``None`` while it is not known,
        empty when the domain says nothing of SIP. Raises RemoteError when it says that SIP is only
        where we cannot go.

        Servers and middleboxes that drop NAPTR are common, so its failure counts as none.
        """
        answer = self._answer("NAPTR", target)
        if answer is None:
            return None
        records = [] if isinstance(answer, Failed) else [r for r in answer if isinstance(r, Naptr)]
        rules = sorted(filter(_speaks_of_sip, records))
        usable = [
            (rule.order, way)
            for rule in rules[:RECORDS_MAX]
            if (way := self._follow(rule, uri.scheme)) is not None
        ]
        if rules and not usable:
            offered = ", ".join(sorted({rule.service[:20] for rule in rules[:RECORDS_MAX]}))
            raise RemoteError(
                f"{target} offers {without_controls(offered)} and nothing that is spoken here"
            )
        # RFC 3403 4.1: of rules that match, those with a higher order are not considered.
        return [way for order, way in usable if order == usable[0][0]]

    def _follow(self, rule: Naptr, scheme: str) -> tuple[str, str] | None:
        """Transport and SRV name of a rule, unless we have no such transport or the URI forbids
        it."""
        transport, name = SERVICES.get(rule.service.upper(), ""), dns_name(rule.replacement)
        if transport not in self.reach or name is None:
            return None
        return None if scheme == "sips" and transport != "tls" else (transport, name)

    def _without_naptr(self, uri: SipUri, target: str) -> list[Candidate]:
        """Ask for each transport's servers; UDP comes first, and is also what is used when there
        are none (4.1). A SIPS URI is TLS alone; a SIP URI gets TLS only when NAPTR offers it."""
        transports = ("tls",) if uri.scheme == "sips" else ("udp", "tcp")
        services = [
            (each, SRV_PREFIXES[each] + target) for each in transports if each in self.reach
        ]
        if not services:
            self._spoken(transports[0])
        return self._served(services, target, _default_transport(uri))

    def _spoken(self, transport: str) -> str:
        if transport not in self.reach:
            raise RemoteError(f"no listener for {transport[:20]}")
        return transport

    # --- RFC 3263 4.2: port and address -----------------------------------------------------------

    def _served(
        self, services: list[tuple[str, str]], target: str, default: str = ""
    ) -> list[Candidate]:
        """The servers of SRV names. When each of them has no record at all, the target's own
        addresses at the default port; a failed look-up is no such word."""
        answers = [(transport, self._answer("SRV", name)) for transport, name in services]
        if all(answer == () for _, answer in answers):
            transport = self._spoken(default or services[0][0])
            return list(self._at(transport, target, DEFAULT_PORTS[transport]))
        return [
            candidate
            for transport, answer in answers
            for record in by_weight(_servers(answer), self.draw)
            for candidate in self._at(transport, record.target, record.port)
        ]

    def _at(self, transport: str, host: str, port: int) -> Iterator[Candidate]:
        """Every address of a host that we can send to. A numeric one needs nobody."""
        kinds = self.reach[transport]
        if is_address(host):
            if _kind(host) in kinds:
                yield Candidate(transport, Address(host, port))
            return
        name = dns_name(host)
        for kind in kinds if name else ():
            answer = self._answer(kind, name or "")
            if answer is None or isinstance(answer, Failed):
                continue
            for text in answer[:RECORDS_MAX]:
                if isinstance(text, str) and _kind(text) == kind:
                    yield Candidate(transport, Address(text, port))

    def _answer(self, kind: Kind, name: str) -> Answer | None:
        question = Question(kind, name)
        answer = self.known(question)
        if answer is None:
            self.missing[question] = None
        elif isinstance(answer, Failed):
            self.failed[question] = answer.reason
        return answer

    # --- words ------------------------------------------------------------------------------------

    def why_none(self, uri: SipUri) -> str:
        """Why there is no candidate: what is still asked for passes by itself, of failures the last
        one is what the others led to."""
        if self.missing:
            return f"{_target(uri)} is not looked up yet"
        for question, reason in reversed(self.failed.items()):
            return f"{question}: {reason}"
        return f"{_target(uri)} has no address that can be sent to"


def _target(uri: SipUri) -> str:
    """TARGET of section 4: maddr, else the host. Raises RemoteError for what is no host."""
    if uri.scheme not in ("sip", "sips"):
        raise RemoteError(f"a {uri.scheme} URI has no host")
    text = (uri.params.get("maddr") or "").strip("[]") or uri.host
    target = text if is_address(text) else dns_name(text)
    if target is None:
        raise RemoteError(f"{text[:253]!r} is not a host name")
    if is_address(target) and not _kind(target):
        raise RemoteError(f"{target} is no address of one host")
    if uri.port == 0:
        raise RemoteError(f"port 0 of {target} cannot be sent to")
    return target


def _named_transport(uri: SipUri) -> str | None:
    """What the transport parameter means. SIPS over TCP is TLS; ``transport=tls`` is deprecated by
    RFC 3261 26.2.2 and still written. Raises RemoteError for SIPS over UDP."""
    named = uri.transport
    if uri.scheme == "sips" and named is not None:
        if named not in ("tcp", "tls"):
            raise RemoteError(f"a SIPS URI cannot go over {named[:20]}")
        return "tls"
    return named


def _default_transport(uri: SipUri) -> str:
    """4.1: UDP for SIP, TLS over TCP for SIPS."""
    return "tls" if uri.scheme == "sips" else "udp"


def _speaks_of_sip(rule: Naptr) -> bool:
    """Whether a rule leads to SRV records of SIP; ENUM, AAA and others share the domain."""
    protocol = rule.service.upper().partition("+")[0]
    return protocol in ("SIP", "SIPS") and rule.flags.lower() == "s" and not rule.regexp


def _servers(answer: Answer | None) -> list[Srv]:
    """The records that name a server, the same ones in each call: those beyond the limit are left
    before the draw, which would bring other names each time. Target "." is none (RFC 2782)."""
    if answer is None or isinstance(answer, Failed):
        return []
    usable = [r for r in answer if isinstance(r, Srv) and r.port and _is_host(r.target)]
    return sorted(usable, key=lambda record: (record.priority, -record.weight))[:RECORDS_MAX]


def _is_host(text: str) -> bool:
    return is_address(text) or dns_name(text) is not None


@lru_cache(maxsize=HOSTS_CACHED)
def _kind(host: str) -> Kind | None:
    """Which record an address would stand in; ``None`` for what is no address of one host. Our
    IPv6 sockets do not carry IPv4, so a mapped address leads nowhere."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.is_unspecified or address.is_multicast:
        return None
    if isinstance(address, IPv6Address):
        return None if address.ipv4_mapped or address.scope_id else "AAAA"
    return None if host == "255.255.255.255" else "A"
