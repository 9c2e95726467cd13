"""SUBSCRIBE and NOTIFY through a whole switch: who may, what is told and when, what ends it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from sip.message import Request
from sip.state_documents import Messages
from sip.subscription import EXPIRES_MAX_S, NOTIFY_INTERVAL_S
from softswitch.call.subscription_table import SubscriptionLimits, SubscriptionTable
from softswitch.call.subscriptions import NOTIFIES_PER_TURN
from softswitch.call.user_states import PACKAGES
from softswitch.call.user_subscriptions import CSEQ_AHEAD
from softswitch.ids import Extension
from softswitch.routing.plan import PhoneCaller
from tests.simulation.phone import Answering
from tests.simulation.wire import Weather
from tests.softswitch.call.panel import (
    ACCOUNT,
    CARRIER,
    REGISTERING,
    SWITCH,
    Lamp,
    Panel,
    World,
    register,
)

STATE = "{urn:ietf:params:xml:ns:dialog-info}state"
BASIC = "{urn:ietf:params:xml:ns:pidf}basic"


def dialog_states(request: Request) -> list[str]:
    """The states of the dialogs in one NOTIFY."""
    return [element.text or "" for element in ElementTree.fromstring(request.body).iter(STATE)]


def basic(request: Request) -> str:
    """open or closed."""
    (found,) = ElementTree.fromstring(request.body).iter(BASIC)
    return found.text or ""


def versions(lamp: Lamp) -> list[int]:
    """The versions of what was told."""
    return [int(ElementTree.fromstring(n.body).attrib["version"]) for n in lamp.notifies]


def test_a_lamp_follows_a_whole_call() -> None:
    """Idle, ringing, talking, over; each within a second, numbered one by one."""
    world = World("101", "102", "103")
    panel, caller, callee = world.panel("103"), world.phone("101"), world.phone("102")
    called, calling = panel.subscribe("102"), panel.subscribe("101")
    world.run(5)
    assert called.statuses == [200]
    assert called.answers[0].first("expires") == "3600"
    assert [dialog_states(n) for n in called.notifies] == [[]]
    assert basic(called.notifies[0]) == "open"

    begun_s = world.wire.now_s
    world.call(caller, "102", talk_s=5)
    world.run(12)
    told = [dialog_states(notify) for notify in called.notifies]
    assert told in (
        [[], ["early"], ["confirmed"], ["terminated"]],
        [[], ["trying"], ["early"], ["confirmed"], ["terminated"]],
    )
    assert versions(called) == list(range(len(told)))
    assert called.times_s[1] - begun_s < 1.0
    assert called.times_s[-2] - begun_s == pytest.approx(2.0, abs=1.0)
    assert called.times_s[-1] - begun_s == pytest.approx(7.0, abs=1.0)
    assert dialog_states(calling.notifies[-1]) == ["terminated"]
    assert callee.parties
    assert world.switch.calls.calls_up == 0
    assert not world.subscriptions.watch.calls(PhoneCaller(ACCOUNT, Extension("102")))


def test_a_ringing_lamp_says_who_calls() -> None:
    """Direction, call-id, both tags, and the other party as the phone shows it."""
    world = World("101", "102", "103")
    panel, caller = world.panel("103"), world.phone("101")
    callee = world.phone("102", Answering(status=0))
    called, calling = panel.subscribe("102"), panel.subscribe("101")
    world.call(caller, "102", talk_s=0)
    world.run(3)
    (theirs,) = ElementTree.fromstring(called.body).iter(
        "{urn:ietf:params:xml:ns:dialog-info}dialog"
    )
    assert theirs.get("direction") == "recipient"
    assert "sip:101@switch" in called.body
    assert 'display="Anna &amp; Co"' in called.body
    (ours,) = ElementTree.fromstring(calling.body).iter(
        "{urn:ietf:params:xml:ns:dialog-info}dialog"
    )
    assert ours.get("direction") == "initiator"
    assert ours.get("call-id") == "c1@10.0.1.1"
    assert ours.get("local-tag") == "f1"
    assert theirs.get("local-tag")
    assert theirs.get("remote-tag")
    assert ours.get("remote-tag")
    assert dialog_states(calling.notifies[-1]) == ["early"]
    assert callee.parties


def test_several_subscribers_and_one_with_many_lamps() -> None:
    """Each is told; nobody who watches another user."""
    world = World("101", "102", *map(str, range(103, 143)))
    caller = world.phone("101")
    world.phone("102")
    one, other = world.panel("103"), world.panel("104")
    lamps = [one.subscribe(str(extension)) for extension in range(101, 143)]
    theirs = other.subscribe("102", "dialog")
    world.run(5)
    world.call(caller, "102", talk_s=1)
    world.run(10)
    assert [len(lamp.notifies) for lamp in lamps[2:]] == [1] * 40
    for lamp in (lamps[1], theirs):
        assert dialog_states(lamp.notifies[-1]) == ["terminated"]
    assert len(world.subscriptions) == 43


def test_presence_is_busy_on_the_phone() -> None:
    """The one who is rung only once it talks; and open all the time."""
    world = World("101", "102", "103")
    panel, caller = world.panel("103"), world.phone("101")
    world.phone("102")
    called = panel.subscribe("102", "presence")
    world.run(2)
    world.call(caller, "102", talk_s=3)
    world.run(10)
    told = ["on-the-phone" in notify.body.decode() for notify in called.notifies]
    assert told == [False, True, False]
    assert {basic(notify) for notify in called.notifies} == {"open"}


def test_an_unregistered_user_is_told_from_an_idle_one() -> None:
    """In dialog-info, presence and reg; by extension and by login."""
    world = World("101")
    panel, ivo = world.panel("101"), world.panel("150")
    lamps = [panel.subscribe("150", event) for event in ("dialog", "presence", "reg")]
    by_login = panel.subscribe(REGISTERING, "presence")
    world.run(2)
    assert [basic(lamp.notifies[-1]) for lamp in lamps[:2]] == ["closed", "closed"]
    assert 'state="init"' in lamps[2].body
    assert f"sip:{REGISTERING}@" in by_login.body
    register(ivo, 600)
    world.run(2)
    assert [basic(lamp.notifies[-1]) for lamp in (*lamps[:2], by_login)] == ["open"] * 3
    assert "sip:ivo@10.0.1.50:5060" in lamps[2].body
    register(ivo, 0)
    world.run(2)
    assert [basic(lamp.notifies[-1]) for lamp in lamps[:2]] == ["closed", "closed"]
    assert [len(lamp.notifies) for lamp in lamps] == [3, 3, 3]


def test_phones_authenticate() -> None:
    """As for INVITE: 407, then 200."""
    world = World("101")
    lamp = world.panel("150").subscribe("101")
    world.run(1)
    assert lamp.statuses == [407, 200]
    assert len(lamp.notifies) == 1


@pytest.mark.parametrize(
    ("resource", "event", "headers", "status", "said"),
    [
        ("102", "", {}, 489, ("allow-events", ", ".join(PACKAGES))),
        ("102", "conference", {}, 489, ("allow-events", ", ".join(PACKAGES))),
        ("102", "dialog", {"Expires": "30"}, 423, ("min-expires", "60")),
        ("102", "dialog", {"Accept": "text/plain"}, 406, None),
        ("190", "dialog", {}, 404, None),  # of another account
        ("555", "dialog", {}, 404, None),
    ],
)
def test_refusals(
    resource: str, event: str, headers: dict[str, str], status: int,
    said: tuple[str, str] | None,
) -> None:  # fmt: skip
    """Another account's user is as unknown as nobody."""
    world = World("101", "102")
    lamp = world.panel("101").subscribe(resource, event, **headers)
    world.run(1)
    assert lamp.statuses == [status]
    assert lamp.notifies == []
    if said is not None:
        assert lamp.answers[0].first(said[0]) == said[1]
    assert len(world.subscriptions) == 0


def test_a_carrier_has_nothing_to_subscribe_to() -> None:
    """403."""
    world = World("101")
    lamp = Panel(world, CARRIER).subscribe("101")
    world.run(1)
    assert lamp.statuses == [403]


def test_a_fetch_leaves_nothing() -> None:
    """Expires 0: the state once, terminated."""
    world = World("101", "102")
    lamp = world.panel("101").subscribe("102", "presence", 0)
    world.run(1)
    assert lamp.statuses == [200]
    assert lamp.state == "terminated;reason=timeout"
    assert basic(lamp.notifies[0]) == "open"
    assert len(world.subscriptions) == 0
    assert not world.subscriptions.watch.on


def test_refresh_unsubscribe_and_expiry() -> None:
    """A refresh is told the state again; 0 ends; so does time; then nobody is watched."""
    world = World("101", "102")
    panel = world.panel("101")
    left, kept = panel.subscribe("102", expires_s=60), panel.subscribe("102", expires_s=99999)
    world.run(30)
    assert kept.answers[0].first("expires") == str(EXPIRES_MAX_S)
    panel.again(kept, 600)
    world.run(31)
    assert left.state == "terminated;reason=timeout"
    assert [n.first("subscription-state") for n in kept.notifies] == [
        f"active;expires={EXPIRES_MAX_S}",
        "active;expires=600",
    ]
    panel.again(kept, 0)
    world.run(1)
    assert kept.answers[-1].first("expires") == "0"
    assert kept.state == "terminated;reason=timeout"
    panel.again(kept, 60)
    world.run(1)
    assert kept.statuses[-1] == 481
    assert (len(world.subscriptions), world.subscriptions.watch.on) == (0, False)
    world.run(40)
    assert world.switch.stack.transactions == 0


def test_a_dialog_has_one_subscription() -> None:
    """Another event in it is refused, and an older CSeq."""
    world = World("101", "102")
    panel = world.panel("101")
    lamp = panel.subscribe("102")
    world.run(1)
    lamp.event = "presence"
    panel.again(lamp)
    world.run(1)
    lamp.event, lamp.cseq = "dialog", 0
    panel.again(lamp)
    world.run(1)
    assert lamp.statuses == [200, 489, 500]
    assert len(world.subscriptions) == 1


def test_a_subscribe_begun_again_takes_the_place_of_the_old_one() -> None:
    """Phones that forget our tag do not pile up."""
    world = World("101", "102")
    panel = world.panel("101")
    lamp = panel.subscribe("102")
    world.run(1)
    lamp.remote_tag = ""
    panel.again(lamp)
    world.run(1)
    assert lamp.statuses == [200, 200]
    assert len(world.subscriptions) == 1


@pytest.mark.parametrize("status", [481, 408])
def test_a_phone_that_does_not_know_it_is_forgotten(status: int) -> None:
    """481 to NOTIFY."""
    world = World("101", "102")
    panel = world.panel("101")
    panel.answer = lambda lamp: (status, ())
    panel.subscribe("102")
    world.run(1)
    assert len(world.subscriptions) == 0


def test_a_phone_that_is_gone_is_forgotten() -> None:
    """No answer to NOTIFY within 32 s."""
    world = World("101", "102")
    panel = world.panel("101")
    panel.answer = lambda lamp: (100, ())
    panel.subscribe("102")
    world.run(20)
    assert len(world.subscriptions) == 1
    world.run(20)
    assert len(world.subscriptions) == 0


def test_503_suspends_and_then_the_newest_state_is_told() -> None:
    """One NOTIFY, after Retry-After."""
    world = World("101", "102", "103")
    panel, caller = world.panel("103"), world.phone("101")
    world.phone("102")
    lamp = panel.subscribe("102")
    panel.answer = lambda lamp: (503, (("Retry-After", "20"),))
    world.run(1)
    panel.answer = lambda lamp: (200, ())
    world.call(caller, "102", talk_s=60)
    world.run(10)
    assert len(lamp.notifies) == 1
    world.run(15)
    assert [dialog_states(notify) for notify in lamp.notifies] == [[], ["confirmed"]]


def test_a_user_that_is_removed_ends_what_is_told_of_him() -> None:
    """noresource; and his own subscriptions are rejected, at the next refresh at the latest."""
    world = World("101", "102")
    panel, gone = world.panel("101"), world.panel("102")
    of_gone, by_gone = panel.subscribe("102"), gone.subscribe("101")
    world.run(1)
    users = world.snapshot.accounts[ACCOUNT].users
    assert isinstance(users, dict)
    del users[Extension("102")]
    panel.again(of_gone)
    gone.again(by_gone)
    world.run(2)
    assert of_gone.statuses == [200, 404]
    assert of_gone.state == "terminated;reason=noresource"
    assert by_gone.state == "terminated;reason=rejected"
    assert len(world.subscriptions) == 0


def test_news_is_coalesced() -> None:
    """However often the state changes, a NOTIFY an interval, and the last one is right."""
    world = World("101", "102")
    panel = world.panel("101")
    lamp = panel.subscribe("101", "message-summary")
    user = PhoneCaller(ACCOUNT, Extension("101"))
    for number in range(1, 101):
        world.switch.states.waiting.put(user, Messages(number, 0))
        world.run(0.02)
    world.run(2)
    assert len(lamp.notifies) <= 2 + 2.0 / NOTIFY_INTERVAL_S
    assert "Voice-Message: 100/0" in lamp.body


@pytest.mark.parametrize("seed", range(8))
def test_on_a_bad_network_the_last_word_is_right(seed: int) -> None:
    """Losses, doubles and reordering: CSeq rises, the lamp is out when the call is over."""
    weather = Weather(loss=0.1, duplication=0.05, delay_min_s=0.005, delay_max_s=0.205)
    world = World("101", "102", "103", weather=weather, seed=seed)
    panel, caller = world.panel("103"), world.phone("101")
    world.phone("102", Answering(ring_s=0.4))
    lamp = panel.subscribe("102")
    world.run(3)
    for _ in range(3):
        world.call(caller, "102", talk_s=2)
        world.run(40)
    newest = max(lamp.notifies, key=lambda notify: notify.cseq.number)
    assert set(dialog_states(newest)) <= {"terminated"}
    numbers = [notify.cseq.number for notify in lamp.notifies]
    assert numbers == sorted(set(numbers))
    watch = world.subscriptions.watch
    assert not [
        user for user in map(Extension, ("101", "102")) if watch.calls(PhoneCaller(ACCOUNT, user))
    ]


def test_a_restart_goes_on_with_the_next_notify() -> None:
    """The state as it is now, with numbers behind all that went out."""
    world = World("101", "102", "103")
    panel = world.panel("101")
    lamp = panel.subscribe("102", expires_s=600)
    fetched = panel.subscribe("103", expires_s=0)
    world.run(3)
    before = lamp.notifies[-1].cseq.number
    restarted = World("101", "102", "103")
    restarted.switch.store.engine = world.switch.store.engine
    Deferred.fromCoroutine(restarted.switch.states.load())
    after = Panel(restarted, panel.flow.local)
    after.lamps = panel.lamps
    restarted.run(3)
    assert len(restarted.subscriptions) == 1
    assert before < lamp.notifies[-1].cseq.number <= before + CSEQ_AHEAD + 1
    assert versions(lamp)[-1] == lamp.notifies[-1].cseq.number - 1
    assert lamp.state.startswith("active;expires=")
    assert dialog_states(lamp.notifies[-1]) == []
    assert len(fetched.notifies) == 1
    after.again(lamp, 0)
    restarted.run(3)
    assert lamp.state == "terminated;reason=timeout"
    assert restarted.switch.store.rows("SELECT tag FROM subscription") == []


def test_what_ended_just_before_a_stop_leaves_no_row() -> None:
    """The last one too."""
    world = World("101")
    panel = world.panel("101")
    lamp = panel.subscribe("101")
    world.run(3)
    assert len(world.switch.store.rows("SELECT tag FROM subscription")) == 1
    panel.again(lamp, 0)
    world.run(0.01)
    world.switch.calls.stopService()
    assert world.switch.store.rows("SELECT tag FROM subscription") == []


def test_every_notify_is_numbered_beyond_the_row_that_a_crash_leaves() -> None:
    """Rows are written ahead, not with each NOTIFY."""
    world = World("101")
    panel = world.panel("101")
    lamp = panel.subscribe("101", "message-summary")
    user = PhoneCaller(ACCOUNT, Extension("101"))
    for number in range(1, 3 * CSEQ_AHEAD):
        world.switch.states.waiting.put(user, Messages(number, 0))
        world.run(1.2)
        ((kept,),) = world.switch.store.rows("SELECT cseq FROM subscription")
        assert kept >= lamp.notifies[-1].cseq.number


def test_options_and_strangers() -> None:
    """Allow-Events in OPTIONS; NOTIFY of nothing 481; PUBLISH 405."""
    world = World("101")
    panel = world.panel("101")
    statuses = {}
    for method in ("OPTIONS", "NOTIFY", "PUBLISH"):
        lamp = Lamp(f"{method}@x", "t", "101", "presence")
        panel.lamps[lamp.call_id] = lamp
        request = Request.build(
            method,
            "sip:101@10.0.0.1",
            [
                ("From", "<sip:x@10.0.0.1>;tag=t"),
                ("To", "<sip:101@10.0.0.1>"),
                ("Call-ID", lamp.call_id),
                ("CSeq", f"1 {method}"),
                ("Contact", "<sip:x@10.0.1.1>"),
                ("Event", "presence"),
            ],
        )
        panel.stack.request(request, panel.flow, panel.wire.now_s, lamp)
        world.run(1)
        statuses[method] = lamp.statuses
        if method == "OPTIONS":
            assert lamp.answers[0].first("allow-events") == ", ".join(PACKAGES)
    assert statuses == {"OPTIONS": [200], "NOTIFY": [481], "PUBLISH": [405]}


def test_a_calls_dialog_has_nothing_to_subscribe_to() -> None:
    """489 with Allow-Events, and the call goes on; in a dialog that is none, 481."""
    world = World("101", "102")
    caller = world.phone("101")
    world.phone("102")
    world.call(caller, "102", talk_s=10)
    world.run(5)
    dialog = caller.parties[0].dialog
    assert dialog is not None
    answers: list[int] = []
    for tag in (dialog.remote_tag, "nobody"):
        dialog.remote_tag = tag
        for method in ("SUBSCRIBE", "NOTIFY"):
            request = dialog.request(method, [("Event", "refer")])
            tx = caller.send(request, caller.parties[0], caller.flow)
            world.run(1)
            answers.append(tx.final_status)
    assert answers == [489, 489, 481, 481]
    assert world.switch.calls.calls_up == 1


def test_a_lost_connection_ends_what_came_over_it_quietly() -> None:
    """And it has no row; the connection is needed while it lives."""
    world = World("101", "102")
    panel = world.panel("101")
    panel.flow = panel.flow._replace(transport="tcp", connection=4)
    lamp = panel.subscribe("102")
    world.run(2)
    assert lamp.statuses == [407, 200]  # the static IP user is known by UDP alone
    flow = panel.flow._replace(local=panel.flow.remote, remote=panel.flow.local)
    assert world.subscriptions.has_flow(flow)
    assert world.switch.store.rows("SELECT tag FROM subscription") == []
    world.subscriptions.flow_lost(flow, world.wire.now_s)
    world.run(2)
    assert not world.subscriptions.has_flow(flow)
    assert len(world.subscriptions) == 0
    assert len(lamp.notifies) == 1


def test_beyond_the_limit_of_a_user() -> None:
    """403, and what stands goes on; a fetch counts as long as it lasts."""
    world = World("101", "102")
    world.subscriptions._table = SubscriptionTable(SubscriptionLimits(user_max=2))
    panel = world.panel("101")
    lamps = [panel.subscribe("102", event) for event in ("dialog", "presence", "reg")]
    world.run(1)
    assert [lamp.statuses for lamp in lamps] == [[200], [200], [403]]
    panel.again(lamps[0], 0)
    world.run(1)
    late = panel.subscribe("102", "reg")
    world.run(1)
    assert late.statuses == [200]


def test_beyond_the_limit_of_all() -> None:
    """503 with Retry-After."""
    world = World("101", "102")
    world.subscriptions._table = SubscriptionTable(SubscriptionLimits(total_max=0))
    lamp = world.panel("101").subscribe("102")
    world.run(1)
    assert lamp.statuses == [503]
    assert lamp.answers[0].first("retry-after") == "60"


def test_a_thousand_lamps_are_told_a_few_at_a_time() -> None:
    """No tick sends more than its share, and all are told in the end."""
    world = World(*map(str, range(101, 141)))
    panels = [world.panel(str(extension)) for extension in range(101, 141)]
    user = PhoneCaller(ACCOUNT, Extension("150"))
    lamps = [panel.subscribe("150") for panel in panels for _ in range(5)]
    world.run(5)
    world.wire.log = []
    register(panels[0], 600)
    world.subscriptions.watch.user(user)
    world.run(0.06)
    sent = [data for _, data, _ in world.wire.log if data.startswith(b"NOTIFY")]
    assert 0 < len(sent) <= 2 * NOTIFIES_PER_TURN
    world.run(3)
    assert {basic(lamp.notifies[-1]) for lamp in lamps} == {"open"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "refresh", "end", "message", "481", "503", "wait", "lost"]),
            st.integers(0, 5),
        ),
        max_size=30,
    )
)
def test_whatever_happens_nothing_piles_up(walk: list[tuple[str, int]]) -> None:
    """As much is kept as there are subscriptions, and nothing at the end; who is still subscribed
    was told the latest state."""
    world = World("101")
    panel, user = world.panel("101"), PhoneCaller(ACCOUNT, Extension("101"))
    subscriptions, lamps = world.subscriptions, list[Lamp]()
    messages = 0
    for what, number in walk:
        lamp = lamps[number % len(lamps)] if lamps else None
        if what == "begin":
            lamps.append(panel.subscribe("101", "message-summary", 60 + number))
        elif what == "message":
            messages += 1
            world.switch.states.waiting.put(user, Messages(messages, 0))
        elif what in ("481", "503"):
            status = int(what)
            panel.answer = lambda _, status=status: (status, ())  # type: ignore[misc]
        elif what == "wait":
            world.run(number * 7.3)
            panel.answer = lambda _: (200, ())
        elif what == "lost" and number == 0:
            world.wire.weather = Weather(loss=0.3)
        elif lamp is not None and lamp.remote_tag:
            panel.again(lamp, 0 if what == "end" else 600)
        world.run(0.2)
        assert len(subscriptions._timers) <= len(subscriptions)
        assert len(subscriptions._to_look_at) <= len(subscriptions)
    world.wire.weather = Weather()
    panel.answer = lambda _: (200, ())
    world.run(130)
    for kept in subscriptions._table:
        lamp = panel.lamps[kept.dialog.call_id]
        assert f"Voice-Message: {messages}/0" in lamp.body
    world.run(700)
    assert (len(subscriptions), len(subscriptions._timers)) == (0, 0)
    assert (subscriptions._to_look_at, subscriptions.watch.on) == ({}, False)
    assert world.switch.store.rows("SELECT tag FROM subscription") == []
    assert world.switch.stack.transactions == 0


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60)
EVENTS = st.sampled_from(["dialog", "presence", "reg", "message-summary", "x"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    EVENTS.flatmap(lambda event: LINES.map(lambda rest: event + rest)) | EVENTS,
    st.none() | LINES,
    st.none() | LINES | st.integers(0, 2**33).map(str),
    LINES | LINES.map(lambda text: f'"{text}" <sip:a@10.0.1.1>'),
    LINES | st.sampled_from(["101", "102", "190"]),
)
def test_whatever_a_subscribe_says_it_is_answered_once(
    event: str, accept: str | None, expires: str | None, contact: str, user: str
) -> None:
    """Header values of any characters: an answer, no exception, and what is kept can be written."""
    world = World("101", "102")
    lines = [
        f"SUBSCRIBE sip:{user}@10.0.0.1 SIP/2.0",
        "Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKx;rport",
        "From: <sip:a@b>;tag=t",
        "To: <sip:c@d>",
        "Call-ID: i",
        "CSeq: 1 SUBSCRIBE",
        f"Contact: {contact}",
        f"Event: {event}",
        *([] if accept is None else [f"Accept: {accept}"]),
        *([] if expires is None else [f"Expires: {expires}"]),
        "Content-Length: 0",
        "",
        "",
    ]
    panel = world.panel("101")
    flow = panel.flow._replace(local=panel.flow.remote, remote=panel.flow.local)
    world.wire.log = []
    world.switch.stack.receive("\r\n".join(lines).encode(), flow, 0.0)
    world.switch.flush()
    world.run(1.5)
    answers = [
        data
        for _, data, sent in world.wire.log
        if data.startswith(b"SIP/2.0") and (sent.local == SWITCH)
    ]
    assert len(answers) <= 1  # none to what cannot be told whom to answer
    assert len(world.subscriptions) <= 1
