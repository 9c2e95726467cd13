"""Where subscriptions are found, how many there may be, and what is written of them."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog
from sip.flow import Address, Flow
from sip.subscription import Subscription
from softswitch.call.subscription_table import SubscriptionLimits, SubscriptionTable
from softswitch.call.user_subscriptions import CSEQ_AHEAD, UserSubscription, revive, to_row
from softswitch.ids import AccountId, Extension
from softswitch.routing.plan import PhoneCaller

LOCAL = Address("198.51.100.1", 5060)


def user(extension: str, account: str = "000000001") -> PhoneCaller:
    """A user of an account."""
    return PhoneCaller(AccountId(account), Extension(extension))


def kept(
    tag: str,
    who: PhoneCaller | None = None,
    resource: str = "102",
    host: str = "192.0.2.1",
    connection: int = 0,
) -> UserSubscription:
    """A subscription to a user of the same account."""
    who = who or user("101")
    transport = "tcp" if connection else "udp"
    dialog = Dialog(
        call_id=f"c{tag}",
        local="<sip:102@x>",
        local_tag=tag,
        remote='"A" <sip:101@x>',
        remote_tag="t",
        remote_target="sip:101@192.0.2.1",
        route_set=("<sip:p1@192.0.2.7;lr>", "<sip:p2@192.0.2.8;lr>"),
        contact="<sip:198.51.100.1:5060>",
        flow=Flow(transport, LOCAL, Address(host, 5062), connection),
        remote_cseq=3,
    )
    subscription = Subscription(dialog, "dialog;id=1", 1000.0)
    watched = PhoneCaller(who.account, Extension(resource))
    return UserSubscription(who, watched, "sip:102@x", "dialog", subscription)


def test_it_is_found_by_everything_that_looks_for_it() -> None:
    """And by nothing once it is removed."""
    table, one, other = SubscriptionTable(), kept("1", connection=7), kept("2", resource="103")
    table.add(one)
    table.add(other)
    assert table.get("1") is one
    assert table.of_user(user("101")) == [one, other]
    assert list(table.of_resource(user("103"))) == ["2"]
    assert table.on_connection(one.dialog.flow) == [one]
    assert table.has_flow(one.dialog.flow)
    assert not table.has_flow(other.dialog.flow)
    for each in (one, other, other):
        table.remove(each)
    assert len(table) == 0
    assert (table.get("1"), table.of_user(user("101"))) == (None, [])
    assert table.of_resource(user("103")) == {}
    assert not table.has_flow(one.dialog.flow)
    empty = SubscriptionTable()
    assert [vars(table)[name] for name in vars(table) if name != "_limits"] == [
        vars(empty)[name] for name in vars(empty) if name != "_limits"
    ]


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (SubscriptionLimits(user_max=2), 403),
        (SubscriptionLimits(account_max=2), 403),
        (SubscriptionLimits(source_max=2), 503),
        (SubscriptionLimits(total_max=2), 503),
    ],
)
def test_each_limit_has_its_answer(limits: SubscriptionLimits, status: int) -> None:
    """What is the user's own to put right is 403, what others take is 503; then there is room."""
    table = SubscriptionTable(limits)
    one, other = kept("1"), kept("2")
    table.add(one)
    assert table.refusal(user("101"), "192.0.2.1") is None
    table.add(other)
    full = table.refusal(user("101"), "192.0.2.1")
    assert full is not None
    assert full.status == status
    table.remove(one)
    assert table.refusal(user("101"), "192.0.2.1") is None


def test_limits_are_each_ones_own() -> None:
    """Another user, account or address has its own room."""
    table = SubscriptionTable(SubscriptionLimits(user_max=1, account_max=2, source_max=3))
    table.add(kept("1"))
    assert table.refusal(user("101"), "192.0.2.9") is not None
    assert table.refusal(user("104"), "192.0.2.1") is None
    table.add(kept("2", user("104")))
    assert table.refusal(user("105"), "192.0.2.9") is not None
    assert table.refusal(user("101", "000000002"), "192.0.2.1") is None


def test_a_phone_that_moves_is_counted_where_it_is() -> None:
    """From UDP to a connection and back, from one address to another."""
    table, one = SubscriptionTable(SubscriptionLimits(source_max=1)), kept("1")
    table.add(one)
    over_tcp = Flow("tcp", LOCAL, Address("192.0.2.2", 40000), 9)
    table.move(one, over_tcp)
    assert one.dialog.flow == over_tcp
    assert table.on_connection(over_tcp) == [one]
    assert table.refusal(user("104"), "192.0.2.1") is None
    assert table.refusal(user("104"), "192.0.2.2") is not None
    table.remove(one)
    assert table.refusal(user("104"), "192.0.2.2") is None


def test_what_is_written() -> None:
    """The last state once; a row is deleted if there was one; connections leave no row."""
    table, one, over_tcp = SubscriptionTable(), kept("1"), kept("2", connection=5)
    for each in (one, over_tcp):
        table.add(each)
        table.note(each)
        table.note(each)
    assert table.take_changes(10) == ([one], [])
    to_row(one, 0.0, 0)
    table.note(one)
    table.remove(one)
    table.remove(over_tcp)
    assert table.take_changes(10) == ([], ["1"])


def test_changes_are_taken_in_parts() -> None:
    """A thousand at once would keep the reactor."""
    table = SubscriptionTable()
    for number in range(5):
        each = kept(str(number))
        table.add(each)
        table.note(each)
    sizes = [len(table.take_changes(2).upserts) for _ in range(4)]
    assert sizes == [2, 2, 1, 0]


def test_a_row_is_the_subscription_again() -> None:
    """But for its number, which is ahead, and its time, which is by another clock."""
    one = kept("1")
    one.dialog.local_cseq = 4
    row = to_row(one, 400.0, 5_000_000_000)
    again = revive(row, 30.0, 5_060_000_000)
    for name in Dialog.__slots__:
        if name != "local_cseq":
            assert getattr(again.dialog, name) == getattr(one.dialog, name), name
    assert again.dialog.local_cseq == 4 + CSEQ_AHEAD
    assert again.subscription.expires_s == pytest.approx(30.0 + 540.0)
    assert again.subscription.event == "dialog;id=1"
    assert (again.user, again.resource, again.entity, again.package) == (
        one.user,
        one.resource,
        one.entity,
        one.package,
    )
    assert again.is_used_up
