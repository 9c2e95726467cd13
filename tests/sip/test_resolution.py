"""RFC 3263 section 4, clause by clause, over answers that a table gives."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.dns_records import Answer, Failed, Known, Naptr, Question, Srv, dns_name
from sip.resolution import CANDIDATES_MAX, Draw, Reach, Resolution, by_weight, resolve
from sip.uri import SipUri, parse_uri

Zone = Mapping[str, Answer]  # by question, "SRV _sip._udp.example.net"

ALL: Reach = {"udp": ("AAAA", "A"), "tcp": ("AAAA", "A"), "tls": ("AAAA", "A")}
IPV4: Reach = {"udp": ("A",), "tcp": ("A",)}
ADDRESSES: Zone = {"A example.net": ("192.0.2.1",), "A gw.example.net": ("192.0.2.2",)}
UDP_RULE = Naptr(50, 50, "s", "SIP+D2U", "", "_sip._udp.example.net")
TCP_RULE = Naptr(50, 60, "S", "sip+d2t", "", "_sip._tcp.example.net.")
TLS_RULE = Naptr(90, 10, "s", "SIPS+D2T", "", "_sips._tcp.example.net")
SERVERS: Zone = {
    "SRV _sip._udp.example.net": (Srv(1, 1, 5070, "gw.example.net"),),
    "SRV _sip._tcp.example.net": (Srv(1, 1, 5080, "gw.example.net"),),
    "SRV _sips._tcp.example.net": (Srv(1, 1, 5091, "gw.example.net"),),
}
RULES: Zone = {"NAPTR example.net": (TLS_RULE, TCP_RULE, UDP_RULE)}


def first(_most: int) -> int:
    """A draw that always gives the least."""
    return 0


def answers(*zones: Zone, otherwise: Answer | None = ()) -> Known:
    """What is known: the zones, and that there is nothing else."""
    table = {question: answer for zone in zones for question, answer in zone.items()}
    return lambda question: table.get(str(question), otherwise)


def resolved(uri: str, *zones: Zone, reach: Reach = ALL, draw: Draw = first) -> Resolution:
    """A URI where everything that exists is in the zones."""
    return resolve(parse_uri(uri), reach, answers(*zones), draw)


def ways(resolution: Resolution) -> list[str]:
    """The candidates as text."""
    return [f"{transport} {address}" for transport, address in resolution.candidates]


# --- 4.1: transport, without NAPTR ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        # A numeric host: UDP, or TLS for SIPS; the default port of each.
        ("sip:192.0.2.9", "udp 192.0.2.9:5060"),
        ("sips:192.0.2.9", "tls 192.0.2.9:5061"),
        ("sip:[2001:db8::9]", "udp [2001:db8::9]:5060"),
        ("sip:192.0.2.9:5099", "udp 192.0.2.9:5099"),
        ("sips:192.0.2.9:5099", "tls 192.0.2.9:5099"),
        # A transport that is named is used.
        ("sip:192.0.2.9;transport=tcp", "tcp 192.0.2.9:5060"),
        ("sip:192.0.2.9;transport=TCP", "tcp 192.0.2.9:5060"),
        ("sip:192.0.2.9;transport=tls", "tls 192.0.2.9:5061"),
        ("sips:192.0.2.9;transport=tcp", "tls 192.0.2.9:5061"),
        ("sips:192.0.2.9;transport=tls", "tls 192.0.2.9:5061"),
        # A name with a port: no NAPTR, no SRV.
        ("sip:example.net:5099", "udp 192.0.2.1:5099"),
        ("sips:example.net:5099", "tls 192.0.2.1:5099"),
        ("sip:example.net:5099;transport=tcp", "tcp 192.0.2.1:5099"),
        # maddr stands for the host.
        ("sip:nowhere.example;maddr=192.0.2.9", "udp 192.0.2.9:5060"),
        ("sip:nowhere.example;maddr=example.net", "udp 192.0.2.1:5060"),
        ("sip:nowhere.example:5099;maddr=[2001:db8::9]", "udp [2001:db8::9]:5099"),
        # Nothing but an address: UDP, for SIPS TLS.
        ("sip:example.net", "udp 192.0.2.1:5060"),
        ("sips:example.net", "tls 192.0.2.1:5061"),
        ("sip:EXAMPLE.net.", "udp 192.0.2.1:5060"),
        ("sip:example.net;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sip:example.net;transport=tls", "tls 192.0.2.1:5061"),
    ],
)
def test_a_host_without_naptr_or_srv(uri: str, expected: str) -> None:
    """One way, by scheme, transport parameter and port."""
    assert ways(resolved(uri, ADDRESSES)) == [expected]


@pytest.mark.parametrize(
    "uri", ["sip:192.0.2.9", "sip:192.0.2.9;transport=tcp", "sips:[2001:db8::9]:5099"]
)
def test_a_numeric_host_asks_nobody(uri: str) -> None:
    """No question at all."""

    def known(question: Question) -> Answer | None:
        raise AssertionError(question)

    assert resolve(parse_uri(uri), ALL, known, first).candidates


# --- 4.1: NAPTR -----------------------------------------------------------------------------------


def test_the_domain_says_which_transport() -> None:
    """The lowest order, and of it every preference in turn; higher orders are not considered."""
    found = resolved("sip:example.net", ADDRESSES, SERVERS, RULES)
    assert ways(found) == ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5080"]


def test_a_sips_uri_uses_sips_services_alone() -> None:
    """Rules that are not SIPS are discarded."""
    found = resolved("sips:example.net", ADDRESSES, SERVERS, RULES)
    assert ways(found) == ["tls 192.0.2.2:5091"]


def test_a_sip_uri_keeps_sips_services() -> None:
    """When TLS is what the domain prefers, a SIP URI goes over TLS."""
    rules = {"NAPTR example.net": (UDP_RULE, TLS_RULE._replace(order=10))}
    assert ways(resolved("sip:example.net", ADDRESSES, SERVERS, rules)) == ["tls 192.0.2.2:5091"]


def test_transports_without_a_listener_are_discarded() -> None:
    """Then the next order is the lowest that is left."""
    rules = {"NAPTR example.net": (UDP_RULE, TLS_RULE._replace(order=10))}
    found = resolved("sip:example.net", ADDRESSES, SERVERS, rules, reach=IPV4)
    assert ways(found) == ["udp 192.0.2.2:5070"]


def test_the_replacement_may_be_in_another_domain() -> None:
    """RFC 3263 4.1: the suffix need not match."""
    zone: Zone = {
        "NAPTR example.net": (UDP_RULE._replace(replacement="_sip._udp.host.example"),),
        "SRV _sip._udp.host.example": (Srv(1, 0, 5062, "gw.example.net"),),
    }
    assert ways(resolved("sip:example.net", ADDRESSES, zone)) == ["udp 192.0.2.2:5062"]


def test_rules_of_other_applications_are_no_rules() -> None:
    """ENUM and Diameter share the domain: without rules of SIP it is as if there were none."""
    foreign = (
        Naptr(1, 1, "u", "E2U+sip", "!^.*$!sip:x@y!", ""),
        Naptr(1, 1, "s", "AAA+D2T", "", "_diameter._tcp.example.net"),
        UDP_RULE._replace(flags="u"),
        UDP_RULE._replace(regexp="!a!b!"),
    )
    found = resolved("sip:example.net", ADDRESSES, SERVERS, {"NAPTR example.net": foreign})
    assert ways(found) == ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5080"]


def test_a_domain_that_is_only_elsewhere_is_told() -> None:
    """It offers SIP, but over nothing that we have: no guess is made."""
    rules = {"NAPTR example.net": (UDP_RULE._replace(service="SIP+D2S"), TLS_RULE)}
    found = resolved("sip:example.net", ADDRESSES, SERVERS, rules, reach=IPV4)
    assert found == Resolution(
        reason="example.net offers SIP+D2S, SIPS+D2T and nothing that is spoken here"
    )


def test_servers_that_drop_naptr_are_common() -> None:
    """A failed NAPTR look-up counts as none."""
    failed = {"NAPTR example.net": Failed("no name server answers")}
    found = resolved("sip:example.net", ADDRESSES, SERVERS, failed)
    assert ways(found)[0] == "udp 192.0.2.2:5070"


# --- 4.2: SRV -------------------------------------------------------------------------------------


def test_without_naptr_each_transport_is_asked_for() -> None:
    """UDP comes first; TLS is for SIPS URIs."""
    found = resolved("sip:example.net", ADDRESSES, SERVERS)
    assert ways(found) == ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5080"]
    assert ways(resolved("sips:example.net", ADDRESSES, SERVERS)) == ["tls 192.0.2.2:5091"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:example.net;transport=udp", "udp 192.0.2.2:5070"),
        ("sip:example.net;transport=tcp", "tcp 192.0.2.2:5080"),
        ("sip:example.net;transport=tls", "tls 192.0.2.2:5091"),
        ("sips:example.net;transport=tcp", "tls 192.0.2.2:5091"),
    ],
)
def test_a_named_transport_has_its_servers(uri: str, expected: str) -> None:
    """NAPTR is not asked, SRV of that transport is."""
    assert ways(resolved(uri, ADDRESSES, SERVERS, RULES)) == [expected]


def test_a_domain_whose_rule_leads_to_no_srv_is_called_itself() -> None:
    """4.2: no SRV records, then the domain's own address, over the transport that was chosen."""
    rules = {"NAPTR example.net": (TCP_RULE,)}
    assert ways(resolved("sip:example.net", ADDRESSES, rules)) == ["tcp 192.0.2.1:5060"]


def test_servers_in_order_of_priority_with_all_their_addresses() -> None:
    """Every address of both families, IPv6 first."""
    zone: Zone = {
        "SRV _sip._udp.example.net": (
            Srv(20, 1, 5060, "second.example"),
            Srv(10, 1, 5062, "First.example."),
        ),
        "A first.example": ("192.0.2.11", "192.0.2.12"),
        "AAAA first.example": ("2001:db8::11",),
        "A second.example": ("192.0.2.21",),
    }
    assert ways(resolved("sip:example.net;transport=udp", zone)) == [
        "udp [2001:db8::11]:5062",
        "udp 192.0.2.11:5062",
        "udp 192.0.2.12:5062",
        "udp 192.0.2.21:5060",
    ]
    assert ways(resolved("sip:example.net;transport=udp", zone, reach=IPV4)) == [
        "udp 192.0.2.11:5062",
        "udp 192.0.2.12:5062",
        "udp 192.0.2.21:5060",
    ]


def test_an_address_is_tried_once() -> None:
    """Two names of one server."""
    zone: Zone = {
        "SRV _sip._udp.example.net": (Srv(1, 1, 5060, "a.example"), Srv(2, 1, 5060, "b.example")),
        "A a.example": ("192.0.2.1",),
        "A b.example": ("192.0.2.1", "192.0.2.2"),
    }
    found = resolved("sip:example.net;transport=udp", zone)
    assert ways(found) == ["udp 192.0.2.1:5060", "udp 192.0.2.2:5060"]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Srv(0, 0, 0, "."), "RFC 2782: decidedly no such service"),
        (Srv(0, 0, 5060, ""), "no target"),
        (Srv(0, 0, 0, "gw.example.net"), "port 0"),
        (Srv(0, 0, 5060, "a" * 64 + ".example"), "a label is too long"),
        (Srv(0, 0, 5060, "gw example.net"), "no name"),
    ],
)
def test_a_server_that_is_none_is_passed_over(record: Srv, why: str) -> None:
    """And the domain's own address is not tried: there are SRV records."""
    found = resolved("sip:example.net", ADDRESSES, {"SRV _sip._udp.example.net": (record,)})
    assert found == Resolution(reason="example.net has no address that can be sent to"), why


def test_a_failed_srv_look_up_is_not_none() -> None:
    """The domain's own address may be a web server: a failure must not lead there."""
    failed: Zone = {"SRV _sip._udp.example.net": Failed("no name server answers")}
    found = resolved("sip:example.net", ADDRESSES, failed)
    assert found == Resolution(reason="SRV _sip._udp.example.net: no name server answers")


# --- what cannot be sent to -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sip:192.0.2.9:0", "port 0 of 192.0.2.9 cannot be sent to"),
        ("sip:example.net:0", "port 0 of example.net cannot be sent to"),
        ("sip:0.0.0.0", "0.0.0.0 is no address of one host"),
        ("sip:224.0.1.75", "224.0.1.75 is no address of one host"),
        ("sip:[::ffff:192.0.2.9]", "::ffff:192.0.2.9 is no address of one host"),
        ("sip:192.0.2.9;transport=sctp", "no listener for sctp"),
        ("sips:192.0.2.9;transport=udp", "a SIPS URI cannot go over udp"),
        ("tel:+37120000000", "a tel URI has no host"),
        (f"sip:{'a' * 64}.example", f"'{'a' * 64}.example' is not a host name"),
        ("sip:a..example", "'a..example' is not a host name"),
        ("sip:example.net:0;maddr=%20", "' ' is not a host name"),
        ("sip:nothing.example", "nothing.example has no address that can be sent to"),
    ],
)
def test_why_there_is_no_way(uri: str, reason: str) -> None:
    """A sentence, and no exception."""
    assert resolved(uri, ADDRESSES) == Resolution(reason=reason)


@pytest.mark.parametrize("uri", ["sips:192.0.2.9", "sips:example.net", "sip:192.0.2.9"])
def test_a_transport_without_a_listener(uri: str) -> None:
    """Nothing is sent over another one instead."""
    found = resolved(uri, ADDRESSES, reach={"tcp": ("A",)})
    assert found.reason in ("no listener for tls", "no listener for udp")


def test_an_address_of_a_family_without_a_listener() -> None:
    """No candidate."""
    found = resolved("sip:[2001:db8::9]", reach=IPV4)
    assert found == Resolution(reason="2001:db8::9 has no address that can be sent to")


# --- what is missing ------------------------------------------------------------------------------


def test_questions_are_told_step_by_step() -> None:
    """NAPTR, then SRV, then addresses; with some of them, the candidates that are known."""
    uri = parse_uri("sip:example.net")
    steps: list[list[str]] = []
    table: dict[str, Answer] = {}
    whole = {**RULES, **SERVERS, **ADDRESSES}
    for _ in range(4):
        found = resolve(uri, IPV4, answers(table, otherwise=None), first)
        steps.append([str(question) for question in found.missing])
        table |= {str(question): whole.get(str(question), ()) for question in found.missing}
    assert steps == [
        ["NAPTR example.net"],
        ["SRV _sip._udp.example.net", "SRV _sip._tcp.example.net"],
        ["A gw.example.net"],
        [],
    ]
    assert ways(found) == ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5080"]


def test_what_is_known_is_used_while_the_rest_is_not() -> None:
    """One server's address is there, the other's is still asked for."""
    zone: Zone = {
        "SRV _sip._udp.example.net": (Srv(1, 1, 5060, "a.example"), Srv(2, 1, 5060, "b.example")),
        "A b.example": ("192.0.2.2",),
    }
    uri = parse_uri("sip:example.net;transport=udp")
    found = resolve(uri, IPV4, answers(zone, otherwise=None), first)
    assert ways(found) == ["udp 192.0.2.2:5060"]
    assert found.missing == (Question("A", "a.example"),)


def test_not_looked_up_yet_is_a_reason() -> None:
    """It passes by itself, so it is told apart."""
    found = resolve(parse_uri("sip:example.net"), IPV4, answers(otherwise=None), first)
    assert found.reason == "example.net is not looked up yet"


# --- RFC 2782: weights ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((1, 1), (0.5, 0.5)),
        ((3, 1), (0.75, 0.25)),
        ((60, 20, 20), (0.6, 0.2, 0.2)),
        ((0, 0, 0), (1 / 3, 1 / 3, 1 / 3)),  # no weights: any of them
        ((0, 1000), (0.001, 0.999)),  # 0 among others: a very small chance
    ],
)
def test_the_first_server_is_drawn_by_weight(
    weights: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    """Within 3 % of the calls."""
    rng = random.Random(2782)
    draws = 4000
    records = [Srv(1, weight, 5060, str(index)) for index, weight in enumerate(weights)]
    chosen = Counter(
        next(by_weight(records, lambda most: rng.randint(0, most))).target for _ in range(draws)
    )
    for index, share in enumerate(shares):
        assert chosen[str(index)] / draws == pytest.approx(share, abs=0.03)


servers = st.builds(
    Srv,
    st.integers(0, 3),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.sampled_from(["a.example", "b.example", "c.example", "192.0.2.77", ".", "", "bad name"]),
)


@given(st.lists(servers, max_size=20), st.randoms(use_true_random=False))
def test_every_server_once_and_in_order_of_priority(records: list[Srv], rng: random.Random) -> None:
    """Whatever is drawn."""
    drawn = list(by_weight(records, lambda most: rng.randint(0, most)))
    assert sorted(drawn) == sorted(records)
    assert [record.priority for record in drawn] == sorted(record.priority for record in drawn)


@given(st.lists(servers.filter(lambda s: s.port and dns_name(s.target)), min_size=1, max_size=6))
def test_candidates_follow_the_priorities(records: list[Srv]) -> None:
    """The first candidate is a server of the lowest priority that has an address."""
    zone: Zone = {
        "SRV _sip._udp.example.net": tuple(records),
        "A a.example": ("192.0.2.1",),
        "A b.example": ("192.0.2.2",),
        "A c.example": ("192.0.2.3",),
    }
    found = resolved("sip:example.net;transport=udp", zone)
    best = min(record.priority for record in records)
    ports = {record.port for record in records if record.priority == best}
    assert found.candidates[0].address.port in ports


# --- hostile answers ------------------------------------------------------------------------------

texts = st.text(max_size=300) | st.sampled_from(
    ["example.net", "_sip._udp.example.net", "192.0.2.1", "::", "127.0.0.1", "fe80::1%eth0", "."]
)
numbers = st.integers(0, 65535)
rules = st.builds(
    Naptr,
    numbers,
    numbers,
    st.sampled_from(["s", "S", "u", "", "a"]) | texts,
    st.sampled_from(["SIP+D2U", "SIPS+D2T", "SIP+D2T", "SIP+", "SIP"]) | texts,
    st.sampled_from(["", "!x!y!"]),
    texts,
)
hostile = (
    st.lists(rules | st.builds(Srv, numbers, numbers, numbers, texts) | texts, max_size=40).map(
        tuple
    )
    | st.builds(Failed, texts)
    | st.none()
)
uris = st.sampled_from(
    ["sip:example.net", "sips:example.net", "sip:example.net;transport=tcp", "sip:a@192.0.2.1:0",
     "sip:example.net:5060", "sip:example.net;maddr=_x", "sips:example.net;transport=ws"]
)  # fmt: skip


@settings(max_examples=300)
@given(uris, st.lists(hostile, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_hostile_answers_raise_nothing(
    uri: str, said: list[Answer | None], rng: random.Random
) -> None:
    """Each question gets some answer; the result is bounded, and it says why when it is empty."""
    asked: list[Question] = []

    def known(question: Question) -> Answer | None:
        asked.append(question)
        return said[len(asked) % len(said)]

    found = resolve(parse_uri(uri), ALL, known, lambda most: rng.randint(0, most))
    assert len(found.candidates) <= CANDIDATES_MAX
    assert bool(found.candidates) != bool(found.reason)
    for transport, address in found.candidates:
        assert transport in ALL
        assert 0 < address.port <= 65535
    assert len(asked) < 3000


def test_a_thousand_servers() -> None:
    """The best of them are asked for, the same ones each time, and few are candidates."""
    records = tuple(Srv(index % 5, index, 5060, f"s{index}.example") for index in range(1000))
    zone: dict[str, Answer] = {
        f"A s{index}.example": (f"198.51.{index // 250}.{1 + index % 250}",)
        for index in range(1000)
    }
    zone["SRV _sip._udp.example.net"] = records
    asked: set[Question] = set()
    rng = random.Random(1)
    for _ in range(3):
        table = answers(zone)

        def known(question: Question, table: Known = table) -> Answer | None:
            asked.add(question)
            return table(question)

        uri = parse_uri("sip:example.net;transport=udp")
        found = resolve(uri, IPV4, known, lambda most: rng.randint(0, most))
        assert len(found.candidates) == CANDIDATES_MAX
    assert len(asked) == 33


def test_a_server_that_names_itself_is_no_loop() -> None:
    """SRV and NAPTR that lead to their own names are read once."""
    zone: Zone = {
        "NAPTR example.net": (UDP_RULE._replace(replacement="example.net"),),
        "SRV example.net": (Srv(1, 1, 5060, "example.net"),),
    }
    assert resolved("sip:example.net", zone).candidates == ()
    assert ways(resolved("sip:example.net", zone, ADDRESSES)) == ["udp 192.0.2.1:5060"]


@given(st.text(max_size=300))
def test_a_name_that_is_taken_can_be_sent(text: str) -> None:
    """At most 253 characters of ASCII, labels of 1 to 63."""
    name = dns_name(text)
    if name is not None:
        assert len(name) <= 253
        assert all(1 <= len(label.encode("ascii")) <= 63 for label in name.split("."))


def test_a_uri_without_host_is_no_crash() -> None:
    """What the parser would not give."""
    assert resolve(SipUri("sip", None, ""), ALL, answers(), first).reason == "'' is not a host name"
