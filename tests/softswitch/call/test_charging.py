"""The money of a call as its machine handles it: holds, slices, warnings, the cut."""

from __future__ import annotations

from rtp.messages import PlayTone
from softswitch.call import events as ev
from softswitch.routing.plan import Payment
from tests.softswitch.call.conversation import ACCOUNT, ANSWER, CALL, Talk, dial, rate, ring


def test_no_invite_leaves_before_the_hold_and_the_ports() -> None:
    """Both answers are awaited, in either order."""
    talk = Talk(dial())
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.Launch)
    talk.grant()
    assert len(talk.all(ev.Launch)) == 1


def test_a_refused_hold_is_402() -> None:
    """No money: refused with the reason in the trace, nothing sent to the carrier."""
    talk = Talk(dial())
    talk.feed(ev.Invited())
    talk.ports()
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    assert talk.last(ev.AnswerCaller).status == 402
    assert talk.call.cause == "no_credit"
    assert any("credit refused" in line for line in talk.call.trace)
    assert not talk.all(ev.Launch)


def test_the_next_slice_is_asked_for_before_the_first_ends() -> None:
    """60 s are paid: renewal 35 s ahead, the cut just before the next interval."""
    talk = Talk(dial()).answered(micros=60_000)
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"renew {CALL}:0") == answered_s + 25
    cut_s = talk.timer(f"cut {CALL}:0")
    assert cut_s is not None
    assert answered_s + 59.5 < cut_s < answered_s + 60
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    assert talk.last(ev.ExtendCredit).hold == f"{CALL}:0"
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    assert talk.timer(f"renew {CALL}:0") == answered_s + 85


def test_the_end_of_the_money_warns_and_then_ends_the_call() -> None:
    """Rule 17: a tone 30 s before, a last try, then BYE to both and ``credit_exhausted``."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"warn {CALL}:0") == answered_s + 30
    assert talk.timer(f"renew {CALL}:0") == answered_s + 57
    talk.feed(ev.TimerFired(f"warn {CALL}:0"), 5)
    assert isinstance(talk.last(ev.Media).command, PlayTone)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 27)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    talk.feed(ev.TimerFired(f"cut {CALL}:0"), 2.85)
    assert talk.all(ev.ByeCaller)
    assert talk.all(ev.ByeBranch)
    assert (talk.call.cause, talk.call.hangup_by) == ("credit_exhausted", "switch")
    assert talk.call.charges[f"{CALL}:0"].duration_s() == 60


def test_a_block_ends_the_call_with_what_is_paid_for() -> None:
    """Rule 55: refused like a lack of money, but the CDR says what it was; a block that was lifted
    before the last try is forgotten."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "account 1 is closed", blocked=True))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 32)
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 28)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "account 1 is closed", blocked=True))
    talk.feed(ev.TimerFired(f"cut {CALL}:0"), 34.85)
    assert (talk.call.cause, talk.call.hangup_by) == ("blocked", "switch")
    assert talk.call.trace[-1] == "ended by the switch: account 1 is closed"


def test_money_that_comes_in_time_saves_the_call() -> None:
    """Rule 23: the last try finds the top-up."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "no_credit"))
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 32)
    talk.feed(ev.CreditHeld(f"{CALL}:0", 120_000))
    answered_s = talk.call.answered_s
    assert answered_s is not None
    assert talk.timer(f"warn {CALL}:0") is None
    assert (talk.timer(f"cut {CALL}:0") or 0) > answered_s + 119


def test_a_store_that_is_away_does_not_end_calls() -> None:
    """The slice could not be asked for: the call goes on and it is asked again."""
    talk = Talk(dial()).answered(micros=60_000)
    talk.feed(ev.TimerFired(f"renew {CALL}:0"), 25)
    talk.feed(ev.CreditDenied(f"{CALL}:0", "the store does not answer", failed=True))
    assert talk.timer(f"cut {CALL}:0") is None
    assert talk.timer(f"renew {CALL}:0") == talk.now_s + 5


def test_a_free_call_is_journaled_at_its_answer() -> None:
    """Rule 22 for calls that cost nothing: a hold of zero from the answer on."""
    talk = Talk(ring())
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.HoldCredit)
    talk.feed(ev.BranchAnswered(0, ANSWER))
    assert talk.last(ev.HoldCredit).hold == f"{CALL}:free"
    assert talk.last(ev.MarkAnswered).holds == (f"{CALL}:free",)


def test_the_owner_of_a_paid_number_pays_while_it_is_up() -> None:
    """Toll-free: the hold comes before the phones ring; without money the call is 480."""
    payment = Payment(ACCOUNT, rate(direction="in"))
    talk = Talk(ring(), incoming=payment)
    talk.feed(ev.Invited())
    talk.ports()
    assert not talk.all(ev.Launch)
    talk.feed(ev.CreditDenied(f"{CALL}:in", "no_credit"))
    assert talk.last(ev.AnswerCaller).status == 480
    assert talk.call.cause == "no_credit"


def test_a_hold_of_a_step_that_failed_is_given_back() -> None:
    """A forward outside that nobody answered costs nothing while the next target rings."""
    talk = Talk(dial(), ring())
    talk.feed(ev.Invited())
    talk.grant()
    talk.ports()
    talk.feed(ev.BranchFailed(0, 486, "Busy Here"))
    assert talk.all(ev.VoidCredit) == [ev.VoidCredit(f"{CALL}:0")]
    assert [charge.hold for charge in talk.call.charges.voided] == [f"{CALL}:0"]
    assert talk.all(ev.Launch)[1].target.name == "user 102/0"
