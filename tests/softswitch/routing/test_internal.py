"""Extensions: users reach each other inside their account and nobody else's."""

from __future__ import annotations

import pytest

from softswitch.ids import Extension
from softswitch.routing.plan import Record, Refuse, RingUser
from tests.softswitch.routing.world import (
    ANNA,
    BERLIN,
    BORIS,
    RIGA,
    State,
    dial,
    riga,
    snapshot,
)


def test_extension_rings_the_user() -> None:
    """The colleague's phones show the caller's extension and name; the call is free."""
    plan = dial("102")
    assert plan.steps == (RingUser(RIGA, BORIS, "101", "Anna", 60),)
    assert plan.trace == ("dialled 102: extension of user Boris",)
    assert plan.records == (Record(RIGA, "internal", "101", "102", "101", "102"),)
    assert plan.free is not None
    assert plan.free.account == RIGA
    assert (plan.free.rate.destination, plan.free.rate.per_minute_micros) == ("Internal", 0)


def test_accounts_with_the_same_extensions_never_meet() -> None:
    """101 dialled in Berlin is Berlin's; an extension that only Riga has is unknown there."""
    anke = dial("101", account=BERLIN, by=Extension("100"))
    assert anke.steps == (RingUser(BERLIN, ANNA, "100", "Berta", 60),)
    assert dial("102", account=BERLIN).steps[0].status == 404  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("dialled", "status", "cause", "trace"),
    [
        (
            "104",
            404,
            "no_route",
            ("refused with 404: '104' is no extension of account 000000212 and no number",),
        ),
        (
            "101",
            486,
            "busy",
            (
                "dialled 101: extension of user Anna",
                "refused with 486: user 101 called their own extension",
            ),
        ),
        (
            "250",
            501,
            "failed",
            (
                "dialled 250: extension of group Managers",
                "refused with 501: call groups are not built yet",
            ),
        ),
        (
            "500",
            501,
            "failed",
            (
                "dialled 500: extension of ivr Main",
                "refused with 501: voice menus are not built yet",
            ),
        ),
    ],
)
def test_extensions_that_do_not_ring(
    dialled: str, status: int, cause: str, trace: tuple[str, ...]
) -> None:
    """Each refusal has its status and cause and says why; it is on record."""
    plan = dial(dialled)
    (refusal,) = plan.steps
    assert isinstance(refusal, Refuse)
    assert (refusal.status, refusal.cause) == (status, cause)
    assert plan.trace == trace
    assert plan.records[0].called == dialled


def test_user_without_phone_is_unreachable() -> None:
    """Nobody registered: 480 at once."""
    plan = dial("102", state=State(unreachable={(RIGA, "102")}))
    assert plan.steps == (Refuse(480, "unreachable", "user 102 has no registered phone"),)


def test_all_channels_of_the_account_busy() -> None:
    """The call after the last channel hears busy."""
    world = snapshot(riga(channels=2))
    assert isinstance(dial("102", world=world, state=State(calls={RIGA: 1})).steps[0], RingUser)
    plan = dial("102", world=world, state=State(calls={RIGA: 2}))
    assert plan.steps == (Refuse(486, "busy", "all 2 channels of account 000000212 are busy"),)


def test_user_who_was_deleted_during_the_call_setup_is_refused() -> None:
    """The login is known, the user is gone: 403, and no record without an account."""
    plan = dial("102", by=Extension("199"))
    assert plan.steps[0].status == 403  # type: ignore[union-attr]
    assert plan.records == ()
