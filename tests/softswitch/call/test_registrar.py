"""The registrar against RFC 3261 10.3, and against a naive one by random requests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sip.flow import Address, Flow
from softswitch.call.bindings import to_row
from softswitch.call.rebinding import Answer, Limits
from softswitch.call.registrar import Registrar
from tests.softswitch.call.phones import LOGIN, SWITCH, flow, register

SECOND_US = 1_000_000
DESK = "<sip:anna@192.168.1.20:5062>"
CELL = "<sip:anna@10.9.8.7:40000;transport=udp>"
INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'


def contacts(registrar: Registrar, now_us: int = 0, login: str = LOGIN) -> list[str]:
    """The URIs that a login is called at."""
    return [bound.contact for bound in registrar.bindings(login, now_us)]


def granted(answer: Answer) -> list[str]:
    """The Contact values of a 200."""
    assert answer.status == 200
    return [value for name, value in answer.headers if name == "Contact"]


def test_binding_lasts_as_long_as_granted() -> None:
    """It can be called until its second, and is then no longer listed."""
    registrar = Registrar()
    answer = registrar.register(LOGIN, register(DESK, expires="120"), flow(), 0)
    assert granted(answer) == ["<sip:anna@192.168.1.20:5062>;expires=120"]
    assert registrar.reachable(LOGIN, 120 * SECOND_US - 1)
    assert not registrar.reachable(LOGIN, 120 * SECOND_US)
    assert contacts(registrar, 120 * SECOND_US) == []
    assert registrar.everything(120 * SECOND_US) == []


def test_dead_phone_is_bound_and_not_called() -> None:
    """Its login's other phone is; a REGISTER brings it back, and no mark outlives a binding."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, "<sip:anna@192.0.2.9>"), flow(), 0)
    key = (LOGIN, "sip:anna@192.168.1.20:5062")
    assert registrar.mark_dead(key)
    assert contacts(registrar, 0) == ["sip:anna@192.0.2.9"]
    assert registrar.reachable(LOGIN, 0)
    assert registrar.mark_dead((LOGIN, "sip:anna@192.0.2.9"))
    assert not registrar.reachable(LOGIN, 0)
    assert len(registrar.everything(0)) == 2
    registrar.register(LOGIN, register(DESK, cseq=2), flow(), 0)
    assert contacts(registrar, 0) == ["sip:anna@192.168.1.20:5062"]
    assert not registrar.mark_alive(key)
    registrar.forget(LOGIN)
    assert registrar.dead == frozenset()
    assert not registrar.mark_dead(key)


@pytest.mark.parametrize(
    ("contact", "header", "seconds"),
    [
        (DESK, None, 3600),
        (DESK, "600", 600),
        (f"{DESK};expires=90", "600", 90),
        (f"{DESK};expires=60", None, 60),
        (f"{DESK};expires=86400", None, 3600),
        (DESK, "4294967295", 3600),
        (f"{DESK};expires=soon", "600", 3600),
        (f"{DESK};expires=-1", None, 3600),
        (DESK, "99999999999999", 3600),
        (DESK, "later", 3600),
    ],
)
def test_lifetime(contact: str, header: str | None, seconds: int) -> None:
    """The contact's own expires, else the header, else the hour; malformed is the hour, too."""
    answer = Registrar().register(LOGIN, register(contact, expires=header), flow(), 0)
    assert granted(answer)[0].endswith(f";expires={seconds}")


@pytest.mark.parametrize("seconds", ["1", "59"])
def test_too_brief_is_refused_with_the_minimum(seconds: str) -> None:
    """423 tells what would do, and nothing is bound (RFC 3261 10.3 step 7)."""
    registrar = Registrar()
    answer = registrar.register(LOGIN, register(DESK, expires=seconds), flow(), 0)
    assert answer == Answer(423, (("Min-Expires", "60"),))
    assert contacts(registrar) == []


def test_fetch_changes_nothing() -> None:
    """Without a Contact the request only asks."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(), 0)
    answer = registrar.register(LOGIN, register(cseq=0), flow(), 600 * SECOND_US)
    assert granted(answer) == ["<sip:anna@192.168.1.20:5062>;expires=3000"]


def test_expires_zero_removes_one() -> None:
    """The other contact stays."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, CELL), flow(), 0)
    registrar.register(LOGIN, register(f"{DESK};expires=0", cseq=2), flow(), 0)
    assert contacts(registrar) == ["sip:anna@10.9.8.7:40000;transport=udp"]


def test_wildcard_removes_all() -> None:
    """``*`` with Expires 0."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, CELL), flow(), 0)
    answer = registrar.register(LOGIN, register("*", expires="0", cseq=2), flow(), 0)
    assert granted(answer) == []
    assert len(registrar) == 0


@pytest.mark.parametrize(
    ("lines", "expires"),
    [
        (("*",), None),
        (("*",), "60"),
        (("*", DESK), "0"),
        (("<mailto:anna@example.com>",), None),
        (("<tel:+37120000000>",), None),
        (("not a contact",), None),
        ((f"{DESK};q=2",), None),
        ((f"<sip:{'a' * 255}@192.168.1.20>",), None),
        ((f'{DESK};+sip.instance="{"x" * 129}"',), None),
        ((CELL, "<sip:anna@[::1>"), None),
    ],
)
def test_request_with_one_bad_contact_changes_nothing(
    lines: tuple[str, ...], expires: str | None
) -> None:
    """Wholly or not at all: a 4xx, and what was bound stays."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(), 0)
    answer = registrar.register(LOGIN, register(*lines, expires=expires, cseq=2), flow(), 0)
    assert answer.status in (400, 416)
    assert contacts(registrar) == ["sip:anna@192.168.1.20:5062"]


def test_late_bad_contact_undoes_the_earlier_ones() -> None:
    """The first contact is fine, the second too brief: neither is bound."""
    registrar = Registrar()
    answer = registrar.register(LOGIN, register(DESK, f"{CELL};expires=5"), flow(), 0)
    assert answer.status == 423
    assert contacts(registrar) == []


@pytest.mark.parametrize("contact", [DESK, f"{DESK};expires=0", "*"])
@pytest.mark.parametrize("cseq", [6, 7])
def test_older_request_of_the_same_call_id_is_refused(contact: str, cseq: int) -> None:
    """A delayed REGISTER does not undo a newer one (RFC 3261 10.3 steps 6 and 7)."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, cseq=7), flow(), 0)
    expires = "0" if contact == "*" else None
    answer = registrar.register(LOGIN, register(contact, cseq=cseq, expires=expires), flow(), 0)
    assert (answer.status, answer.reason) == (500, "CSeq Not Above 7")
    assert contacts(registrar) == ["sip:anna@192.168.1.20:5062"]


def test_rebooted_phone_with_another_call_id_may_count_anew() -> None:
    """CSeq is compared within one Call-ID only."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, cseq=7), flow(), 0)
    answer = registrar.register(LOGIN, register(DESK, cseq=1, call_id="b@phone"), flow(), 0)
    assert len(granted(answer)) == 1


THIRD = "<sip:anna@192.0.2.3>"


def test_more_contacts_than_allowed_in_one_request_are_refused() -> None:
    """Nothing is bound then."""
    registrar = Registrar(Limits(contacts_max=2))
    answer = registrar.register(LOGIN, register(DESK, CELL, THIRD), flow(), 0)
    assert (answer.status, answer.reason) == (403, "More Than 2 Contacts")
    many = [f"<sip:anna@192.0.2.{host}>;expires=0" for host in range(5)]
    assert registrar.register(LOGIN, register(*many), flow(), 0).status == 403
    assert contacts(registrar) == []


def test_contact_too_many_takes_the_place_of_the_one_refreshed_longest_ago() -> None:
    """A phone that loses its address with every start is not locked out by its own past."""
    registrar = Registrar(Limits(contacts_max=2))
    registrar.register(LOGIN, register(DESK, call_id="a"), flow(), 0)
    registrar.register(LOGIN, register(CELL, call_id="b"), flow(), 0)
    registrar.register(LOGIN, register(DESK, call_id="a", cseq=2), flow(), 0)
    answer = registrar.register(LOGIN, register(THIRD, call_id="c"), flow(), 0)
    assert len(granted(answer)) == 2
    assert contacts(registrar) == ["sip:anna@192.0.2.3", "sip:anna@192.168.1.20:5062"]
    assert registrar.take_changes().deletes == ((LOGIN, "sip:anna@10.9.8.7:40000;transport=udp"),)


def test_phone_that_registers_a_hundred_times_anew_stays_within_the_bound() -> None:
    """New Call-ID and new port behind NAT each time, without an instance."""
    registrar = Registrar()
    for port in range(20_000, 20_100):
        request = register(f"<sip:anna@203.0.113.7:{port}>", call_id=f"c{port}")
        assert registrar.register(LOGIN, request, flow(port), 0).status == 200
    assert len(registrar) == 10
    assert sum(map(len, registrar._slots.values())) == 1, "what is gone is not waited for"
    assert contacts(registrar)[0] == "sip:anna@203.0.113.7:20099"


def test_phone_with_an_instance_stays_one_phone_whatever_else_is_new() -> None:
    """Its instance names it (RFC 5626 6)."""
    registrar = Registrar()
    for port in range(20_000, 20_100):
        contact = f"<sip:anna@203.0.113.7:{port}>{INSTANCE};reg-id=1"
        registrar.register(LOGIN, register(contact, call_id=f"c{port}"), flow(port), 0)
    assert contacts(registrar) == ["sip:anna@203.0.113.7:20099"]


@pytest.mark.parametrize(("host", "left"), [("203.0.113.7", 1), ("203.0.113.8", 2)])
def test_phone_that_invents_a_parameter_at_each_start_is_one_phone(host: str, left: int) -> None:
    """Same user, host and port behind the same source address; at another site the same private
    address is another phone."""
    registrar = Registrar()
    first = register("<sip:anna@192.168.1.20:5062;rinstance=aa>", call_id="a")
    second = register("<sip:anna@192.168.1.20:5062;rinstance=bb>", call_id="b")
    registrar.register(LOGIN, first, flow(40_000), 0)
    registrar.register(LOGIN, second, flow(40_001, host), 0)
    assert len(contacts(registrar)) == left


def test_contacts_of_one_request_are_taken_in_turn() -> None:
    """The last word on a contact holds (RFC 3261 10.3 step 7)."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, f"{DESK};expires=0"), flow(), 0)
    assert contacts(registrar) == []
    registrar.register(LOGIN, register(f"{DESK};expires=0", DESK, cseq=2), flow(), 0)
    registrar.register(LOGIN, register("<sip:a@H>", "<sip:a@h>", cseq=3), flow(), 0)
    assert contacts(registrar) == ["sip:a@h", "sip:anna@192.168.1.20:5062"]


def test_answer_tells_the_date() -> None:
    """RFC 3261 10.3 step 8; phones set their clocks by it."""
    answer = Registrar().register(LOGIN, register(), flow(), 1_767_225_600_000_000)
    assert answer.headers == (("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),)


def test_q_orders_the_contacts_and_the_latest_comes_first() -> None:
    """q from high to low, and among equals the last one registered."""
    registrar = Registrar()
    lines = ("<sip:a@192.0.2.1>;q=0.5", "<sip:b@192.0.2.1>;q=0.5", "<sip:c@192.0.2.1>;q=0.75")
    answer = registrar.register(LOGIN, register(*lines), flow(), 0)
    assert granted(answer)[2] == "<sip:c@192.0.2.1>;q=0.75;expires=3600"
    assert [uri[4] for uri in contacts(registrar)] == ["c", "b", "a"]
    registrar.register(LOGIN, register(lines[0], cseq=2), flow(), 0)
    assert [uri[4] for uri in contacts(registrar)] == ["c", "a", "b"]


def test_uris_that_are_equal_are_one_contact() -> None:
    """RFC 3261 19.1.4: the host in capitals is the same contact, which is then written anew."""
    registrar = Registrar()
    registrar.register(LOGIN, register("<sip:anna@Phone.example.com;x=1>"), flow(), 0)
    registrar.register(LOGIN, register("<sip:anna@PHONE.EXAMPLE.COM>", call_id="b"), flow(), 0)
    assert contacts(registrar) == ["sip:anna@PHONE.EXAMPLE.COM"]
    changes = registrar.take_changes()
    assert [row.contact for row in changes.upserts] == ["sip:anna@PHONE.EXAMPLE.COM"]
    assert changes.deletes == ((LOGIN, "sip:anna@Phone.example.com;x=1"),)


def test_binding_keeps_the_flow_that_it_came_by() -> None:
    """Behind NAT the Contact is a private address; the flow is what reaches the phone."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(61000), 0)
    (bound,) = registrar.bindings(LOGIN, 0)
    assert (bound.contact, bound.flow) == ("sip:anna@192.168.1.20:5062", flow(61000))
    registrar.register(LOGIN, register(DESK, cseq=2), flow(61001), 0)
    (bound,) = registrar.bindings(LOGIN, 0)
    assert bound.flow == flow(61001)


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        # The same device says so by its instance, whatever its Call-ID.
        ((f"{DESK}{INSTANCE}", "a", 1), (f"{CELL}{INSTANCE}", "b", 2), 1),
        # By user and Call-ID when it sends from another port.
        ((DESK, "a", 1), (CELL, "a", 2), 1),
        # Another Call-ID, no instance: another phone.
        ((DESK, "a", 1), (CELL, "b", 2), 2),
        # The same flow: one device with two contacts.
        ((DESK, "a", 1), (CELL, "a", 1), 2),
        # Another user part: another line of the device.
        ((DESK, "a", 1), ("<sip:line2@10.9.8.7>", "a", 2), 2),
        # Two flows of one device (RFC 5626).
        ((f"{DESK}{INSTANCE};reg-id=1", "a", 1), (f"{CELL}{INSTANCE};reg-id=2", "a", 2), 2),
        # Two devices behind one firmware's Call-ID.
        ((f"{DESK}{INSTANCE}", "a", 1), (f'{CELL};+sip.instance="<urn:x>"', "a", 2), 2),
    ],
)
def test_device_with_a_new_address_replaces_its_old_binding(
    first: tuple[str, str, int], second: tuple[str, str, int], left: int
) -> None:
    """A new port behind NAT, or a new address, is not a second phone."""
    registrar = Registrar()
    for number, (contact, call_id, port) in enumerate((first, second), 1):
        request = register(contact, call_id=call_id, cseq=number)
        assert registrar.register(LOGIN, request, flow(port), 0).status == 200
    assert len(contacts(registrar)) == left


def test_request_that_names_both_contacts_keeps_both() -> None:
    """A device may register several contacts of its own."""
    registrar = Registrar()
    lines = (f"{DESK}{INSTANCE}", f"{CELL}{INSTANCE}")
    registrar.register(LOGIN, register(*lines), flow(1), 0)
    registrar.register(LOGIN, register(*lines, cseq=2), flow(2), 0)
    assert len(contacts(registrar)) == 2


def test_lost_connection_takes_its_bindings_along() -> None:
    """Only those that were registered, or last refreshed, over it."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(transport="tcp", number=5), 0)
    registrar.register(LOGIN, register(CELL, call_id="b"), flow(transport="tcp", number=5), 0)
    registrar.register("other", register(DESK), flow(transport="tcp", number=6), 0)
    registrar.register(LOGIN, register(CELL, call_id="b", cseq=2), flow(), 0)
    gone = registrar.flow_lost(flow(transport="tcp", number=5))
    assert [bound.contact for bound in gone] == ["sip:anna@192.168.1.20:5062"]
    assert contacts(registrar) == ["sip:anna@10.9.8.7:40000;transport=udp"]
    assert registrar.flow_lost(flow(transport="tcp", number=5)) == ()
    assert contacts(registrar, login="other") == ["sip:anna@192.168.1.20:5062"]


def test_lost_connection_of_a_phone_without_nat_leaves_its_binding() -> None:
    """It takes a new connection at its Contact's address."""
    registrar = Registrar()
    tcp = flow(transport="tcp", number=5)
    contact = f"<sip:anna@{tcp.remote.host}:5070;transport=tcp>"
    registrar.register(LOGIN, register(contact), tcp, 0)
    assert registrar.flow_lost(tcp) == ()
    (bound,) = registrar.bindings(LOGIN, 0)
    assert bound.flow == tcp._replace(remote=Address(tcp.remote.host, 5070), connection=0)


def test_lost_udp_flow_takes_nothing() -> None:
    """UDP has no connection to lose."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(), 0)
    assert registrar.flow_lost(flow()) == ()


def test_expire_tells_what_ended_once() -> None:
    """Refreshed bindings live on, also when their first end has passed."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, CELL, expires="60"), flow(), 0)
    registrar.register(LOGIN, register(DESK, expires="300", cseq=2), flow(), 30 * SECOND_US)
    assert registrar.expire(59 * SECOND_US) == ()
    gone = registrar.expire(70 * SECOND_US)
    assert [bound.contact for bound in gone] == ["sip:anna@10.9.8.7:40000;transport=udp"]
    assert registrar.expire(70 * SECOND_US) == ()
    assert len(registrar.expire(340 * SECOND_US)) == 1
    assert len(registrar) == 0


def test_binding_whose_life_was_shortened_is_swept_in_time() -> None:
    """The end that it had before does not matter."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK), flow(), 0)
    registrar.register(LOGIN, register(DESK, expires="60", cseq=2), flow(), 0)
    assert len(registrar.expire(70 * SECOND_US)) == 1


def test_bindings_of_a_login_that_end_at_different_times_are_told_once() -> None:
    """Also when nobody looked for long."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, f"{CELL};expires=90", expires="60"), flow(), 0)
    assert len(registrar.expire(200 * SECOND_US)) == 2


def test_login_is_bound_from_where_it_registered() -> None:
    """Its address and port, for as long as the binding lasts."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, expires="120"), flow(), 0)
    assert registrar.is_bound(LOGIN, flow(), 0)
    assert not registrar.is_bound(LOGIN, flow(port=9), 0)
    assert not registrar.is_bound("other", flow(), 0)
    assert not registrar.is_bound(LOGIN, flow(), 120 * SECOND_US)


def test_phone_that_comes_and_goes_leaves_nothing() -> None:
    """Thousands of contacts within an hour, never more than one at a time."""
    registrar = Registrar()
    for number in range(1000):
        contact = f"<sip:{number}@192.0.2.1>"
        for cseq, expires in ((2 * number + 1, "3600"), (2 * number + 2, "0")):
            asked = register(contact, expires=expires, cseq=cseq, call_id=f"{number}@phone")
            assert registrar.register(LOGIN, asked, flow(), 0).status == 200
    assert len(registrar) == 0
    assert list(registrar._slots.values()) == [{LOGIN}], "the login alone, once"
    assert not registrar._connections


def test_forget_removes_a_login() -> None:
    """For users that are deleted."""
    registrar = Registrar()
    registrar.register(LOGIN, register(DESK, CELL), flow(), 0)
    assert len(registrar.forget(LOGIN)) == 2
    assert not registrar.reachable(LOGIN, 0)


# Persistence


def test_changes_are_the_last_state_of_each_binding() -> None:
    """What came and went in between is a delete, which does no harm."""
    registrar = Registrar()
    agent = (("User-Agent", "phone\x01 " + "x" * 200),)
    registrar.register(LOGIN, register(DESK, extra=agent), flow(61000), 0)
    registrar.register(LOGIN, register(CELL, call_id="b"), flow(), 0)
    registrar.register(LOGIN, register(f"{CELL};expires=0", call_id="b", cseq=2), flow(), 0)
    changes = registrar.take_changes()
    (row,) = map(to_row, changes.upserts)
    assert (row.login, row.contact, row.call_id, row.cseq) == (
        LOGIN,
        "sip:anna@192.168.1.20:5062",
        "a@phone",
        1,
    )
    assert (row.transport, row.local, row.source) == (
        "udp",
        "198.51.100.1:5060",
        "203.0.113.7:61000",
    )
    assert row.expires_us == 3600 * SECOND_US
    assert row.user_agent == ("phone " + "x" * 200)[:128]
    assert changes.deletes == ((LOGIN, "sip:anna@10.9.8.7:40000;transport=udp"),)
    assert registrar.take_changes() == ((), ())


def test_bindings_survive_a_restart() -> None:
    """What was written is loaded as it was, order of CSeq included; what is over is deleted."""
    old = Registrar()
    ipv6 = Flow("udp", Address("2001:db8::1", 5060), Address("2001:db8::7", 5062))
    old.register(LOGIN, register(f"{DESK};q=0.3", cseq=7), ipv6, 0)
    old.register(LOGIN, register(CELL, call_id="b", expires="60"), flow(), 0)
    rows = list(map(to_row, old.take_changes().upserts))
    new = Registrar()
    assert new.load(rows, 100 * SECOND_US) == 1
    (bound,) = new.bindings(LOGIN, 100 * SECOND_US)
    assert (bound.contact, bound.flow, bound.q_thousandths) == (
        "sip:anna@192.168.1.20:5062",
        ipv6,
        300,
    )
    changes = new.take_changes()
    assert changes.upserts == ()
    assert changes.deletes == ((LOGIN, "sip:anna@10.9.8.7:40000;transport=udp"),)
    assert new.register(LOGIN, register(DESK, cseq=7), ipv6, 100 * SECOND_US).status == 500
    assert len(new.expire(4000 * SECOND_US)) == 1


@pytest.mark.parametrize(
    ("contact", "remote"),
    [
        ("<sip:anna@203.0.113.7:5070;transport=tcp>", Address("203.0.113.7", 5070)),
        ("<sip:anna@203.0.113.7;transport=tcp>", Address("203.0.113.7", 5060)),
        ("<sip:anna@192.168.1.20:5062;transport=tcp>", None),
    ],
)
def test_stream_bindings_after_a_restart(contact: str, remote: Address | None) -> None:
    """The connection is gone: without NAT the Contact is dialled, behind NAT nothing is left."""
    old = Registrar()
    old.register(LOGIN, register(contact), flow(transport="tcp", number=9), 0)
    new = Registrar()
    new.load(map(to_row, old.take_changes().upserts), 0)
    flows = [bound.flow for bound in new.bindings(LOGIN, 0)]
    assert flows == ([] if remote is None else [Flow("tcp", SWITCH, remote, 0)])


def test_empty_contact_after_a_restart_is_refused() -> None:
    """A binding that was loaded has no header text yet, which no text equals."""
    old, new = Registrar(), Registrar()
    old.register(LOGIN, register(DESK), flow(), 0)
    new.load(map(to_row, old.take_changes().upserts), 0)
    assert new.register(LOGIN, register("", cseq=2), flow(), 0).status == 400


# Proxies before the phone (RFC 3327), and flows that it keeps alive (RFC 5626)

PROXY = "<sip:edge@203.0.113.7;lr>"
EDGE = "<sip:token@203.0.113.7:5070;transport=tcp;lr;ob>"
OUTBOUND = f"{DESK}{INSTANCE};reg-id=1"


def extra(*names_and_values: str) -> tuple[tuple[str, str], ...]:
    """Header fields from names and values in turn."""
    return tuple(zip(names_and_values[::2], names_and_values[1::2], strict=True))


def test_path_is_kept_and_told_to_a_phone_that_knows_it() -> None:
    """It is the Route of calls to the phone (RFC 3327 5.3)."""
    registrar = Registrar()
    fields = extra("Path", PROXY, "Path", "<sip:b@p;lr>", "Supported", "path")
    answer = registrar.register(LOGIN, register(DESK, extra=fields), flow(), 0)
    assert ("Path", f"{PROXY}, <sip:b@p;lr>") in answer.headers
    (bound,) = registrar.bindings(LOGIN, 0)
    assert bound.path == f"{PROXY}, <sip:b@p;lr>"
    registrar.register(LOGIN, register(DESK, cseq=2), flow(), 0)
    (bound,) = registrar.bindings(LOGIN, 0)
    assert bound.path == ""


def test_path_of_a_phone_that_does_not_know_it_is_refused() -> None:
    """421 names what it must know (RFC 3261 21.4.16), and nothing is bound."""
    registrar = Registrar()
    answer = registrar.register(LOGIN, register(DESK, extra=extra("Path", PROXY)), flow(), 0)
    assert answer == Answer(421, (("Require", "path"),))
    assert contacts(registrar) == []


@pytest.mark.parametrize("path", ["", "x", "<mailto:a@b>", f"<sip:{'a' * 1024}@h;lr>"])
def test_bad_path_is_refused(path: str) -> None:
    """Malformed, or longer than the store keeps."""
    fields = extra("Path", path, "Supported", "path")
    answer = Registrar().register(LOGIN, register(DESK, extra=fields), flow(), 0)
    assert answer.status in (400, 416)


@pytest.mark.parametrize(
    ("contact", "transport", "fields", "agreed"),
    [
        (OUTBOUND, "tcp", ("Supported", "path, outbound"), True),
        (f"{DESK}{INSTANCE};Reg-ID=1", "tcp", ("Supported", "outbound"), True),
        (OUTBOUND, "tcp", ("Supported", "path"), False),
        (OUTBOUND, "udp", ("Supported", "path, outbound"), False),
        (f"{DESK}{INSTANCE}", "tcp", ("Supported", "outbound"), False),
        (f"{DESK};reg-id=1", "tcp", ("Supported", "outbound"), False),
        (f"{DESK}{INSTANCE};reg-id=x", "tcp", ("Supported", "outbound"), False),
        (OUTBOUND, "udp", ("Supported", "path, outbound", "Path", EDGE), True),
        (OUTBOUND, "udp", ("Supported", "path, outbound", "Path", PROXY), False),
        (OUTBOUND, "tcp", ("Supported", "outbound", "Via", "SIP/2.0/TCP p;branch=z"), False),
    ],
)
def test_outbound_is_agreed_when_phone_and_first_hop_know_it(
    contact: str, transport: str, fields: tuple[str, ...], agreed: bool
) -> None:
    """``Require: outbound`` says that the flow is used (RFC 5626 6)."""
    registrar = Registrar()
    request = register(contact, extra=extra("Via", "SIP/2.0/TCP h;branch=z9hG4bKa", *fields))
    answer = registrar.register(LOGIN, request, flow(transport=transport, number=5), 0)
    assert answer.status == 200
    assert (("Require", "outbound") in answer.headers) == agreed
    assert [bound.outbound for bound in registrar.bindings(LOGIN, 0)] == [agreed]


@pytest.mark.parametrize(("supported", "left"), [("outbound", 0), ("timer", 1)])
def test_binding_of_an_outbound_flow_ends_with_its_connection(supported: str, left: int) -> None:
    """Also without NAT: no other connection takes a flow's place (RFC 5626 5.3), live or after a
    restart."""
    registrar = Registrar()
    tcp = flow(transport="tcp", number=5)
    contact = f"<sip:anna@{tcp.remote.host}:5070;transport=tcp>{INSTANCE};reg-id=1"
    fields = extra("Supported", supported, "Via", "SIP/2.0/TCP h;branch=z9hG4bKa")
    registrar.register(LOGIN, register(contact, extra=fields), tcp, 0)
    rows = list(map(to_row, registrar.take_changes().upserts))
    assert len(registrar.flow_lost(tcp)) == 1 - left
    assert Registrar().load(rows, 0) == left


def test_stream_binding_through_a_proxy_is_reached_again_at_the_proxy() -> None:
    """The phone is behind NAT, the proxy is not."""
    registrar = Registrar()
    tcp = flow(transport="tcp", number=5)
    path = "<sip:edge@203.0.113.7:5070;transport=tcp;lr>"
    fields = extra("Path", path, "Supported", "path")
    registrar.register(LOGIN, register(DESK, extra=fields), tcp, 0)
    assert registrar.flow_lost(tcp) == ()
    (bound,) = registrar.bindings(LOGIN, 0)
    assert (bound.path, bound.flow.remote) == (path, Address("203.0.113.7", 5070))


def test_instance_path_and_flow_number_survive_a_restart() -> None:
    """The device that returns with a new address still replaces its binding."""
    old, new = Registrar(), Registrar()
    fields = extra("Supported", "path, outbound", "Path", EDGE)
    old.register(LOGIN, register(OUTBOUND, extra=fields), flow(), 0)
    new.load(map(to_row, old.take_changes().upserts), 0)
    (bound,) = new.bindings(LOGIN, 0)
    assert (bound.path, bound.outbound) == (EDGE, True)
    again = register(f"{CELL}{INSTANCE};reg-id=1", call_id="b")
    new.register(LOGIN, again, flow(1), 0)
    assert contacts(new) == ["sip:anna@10.9.8.7:40000;transport=udp"]


# Against a naive registrar

URIS = ("sip:a@192.0.2.1", "sip:a@192.0.2.2", "sip:b@192.0.2.3")


@dataclass(frozen=True)
class NaiveBinding:
    """One line of the naive registrar's list."""

    login: str
    uri: str
    call_id: str
    cseq: int
    port: int
    ends_s: int


class NaiveRegistrar:
    """RFC 3261 10.3 word by word, for plain contacts and at most two of them."""

    def __init__(self) -> None:
        self.all: list[NaiveBinding] = []

    def live(self, login: str, now_s: int) -> list[NaiveBinding]:
        """What a login has now."""
        return [b for b in self.all if b.login == login and b.ends_s > now_s]

    def register(
        self, login: str, asked: list[tuple[str, int]], call_id: str, cseq: int, port: int, now: int
    ) -> int:
        """The status; changes ``all`` only for 200."""
        kept = self.live(login, now)
        before = list(kept)
        named = {uri for uri, _ in asked}
        for uri, seconds in asked:
            if 0 < seconds < 60:
                return 423
            for old in before:
                moved = (
                    uri not in {b.uri for b in before}
                    and old.uri not in named
                    and old.uri[:5] == uri[:5]
                    and old.call_id == call_id
                    and old.port != port
                )
                if old.uri != uri and not moved:
                    continue
                if old.call_id == call_id and cseq <= old.cseq:
                    return 500
                kept = [b for b in kept if b.uri != old.uri]
            kept = [b for b in kept if b.uri != uri]
            if seconds:
                kept.append(NaiveBinding(login, uri, call_id, cseq, port, now + min(seconds, 3600)))
        while len(kept) > 2:
            kept.remove(next(b for b in kept if b.uri not in named))
        self.all = [b for b in self.all if b.login != login] + kept
        return 200


class RegistrarComparison(RuleBasedStateMachine):
    """Random requests to both; same answers, same bindings, rows that say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.naive = NaiveRegistrar()
        self.registrar = Registrar(Limits(contacts_max=2))
        self.rows: dict[tuple[str, str], int] = {}
        self.now_s = 0

    @rule(
        login=st.sampled_from(["x", "y"]),
        asked=st.lists(
            st.tuples(st.sampled_from(URIS), st.sampled_from([0, 30, 60, 900, 9000])),
            min_size=1,
            max_size=2,
            unique_by=lambda item: item[0],
        ),
        call_id=st.sampled_from(["c1", "c2"]),
        cseq=st.integers(1, 6),
        port=st.sampled_from([5060, 5061]),
    )
    def register(
        self, login: str, asked: list[tuple[str, int]], call_id: str, cseq: int, port: int
    ) -> None:
        """The same REGISTER to both."""
        lines = [f"<{uri}>;expires={seconds}" for uri, seconds in asked]
        request = register(*lines, call_id=call_id, cseq=cseq, login=login)
        answer = self.registrar.register(login, request, flow(port), self.now_s * SECOND_US)
        expected = self.naive.register(login, asked, call_id, cseq, port, self.now_s)
        assert answer.status == expected

    @rule(seconds=st.sampled_from([1, 45, 100, 1000]))
    def wait(self, seconds: int) -> None:
        """Time passes; sometimes it is swept."""
        self.now_s += seconds

    @rule()
    def sweep(self) -> None:
        """Remove what is over."""
        for bound in self.registrar.expire(self.now_s * SECOND_US):
            assert bound.expires_us <= self.now_s * SECOND_US

    @rule()
    def write(self) -> None:
        """Write behind, then the rows are what is bound; dead ones may wait for their sweep."""
        changes = self.registrar.take_changes()
        for key in changes.deletes:
            self.rows.pop(key, None)
        for row in map(to_row, changes.upserts):
            self.rows[row.login, row.contact] = row.expires_us
        live = {key: ends for key, ends in self.rows.items() if ends > self.now_s * SECOND_US}
        expected = {
            (b.login, b.uri): b.ends_s * SECOND_US for b in self.naive.all if b.ends_s > self.now_s
        }
        assert live == expected

    @invariant()
    def same_bindings(self) -> None:
        """Both know the same contacts, flows and ends."""
        now_us = self.now_s * SECOND_US
        for login in ("x", "y"):
            found = {
                (b.contact, b.flow.remote.port, b.cseq, b.expires_us)
                for b in self.registrar.bindings(login, now_us)
            }
            expected = {
                (b.uri, b.port, b.cseq, b.ends_s * SECOND_US)
                for b in self.naive.live(login, self.now_s)
            }
            assert found == expected
            assert self.registrar.reachable(login, now_us) == bool(expected)


RegistrarComparison.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestRegistrarComparison = RegistrarComparison.TestCase


def test_a_connection_is_needed_while_somebody_is_registered_over_it() -> None:
    """So that it is not closed for being idle."""
    registrar = Registrar()
    over = flow(transport="tls", number=7)
    registrar.register(LOGIN, register(DESK), over, 0)
    assert registrar.has_flow(over)
    assert not registrar.has_flow(flow(transport="tls", number=8))
    registrar.forget(LOGIN)
    assert not registrar.has_flow(over)
