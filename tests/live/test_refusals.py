"""Calls that must not go through, each with its status and cause."""

from __future__ import annotations

import pytest

from tests.live.conftest import Stage
from tests.live.service import Service
from tests.live.world import account, login, password, rate, trunk, world

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"


def refused(stage: Stage, service: Service, number: str, code: int) -> str:
    """User 101 dials a number and must get this status; the cause on the CDR."""
    stage.caller(service, ACCOUNT, "101", "phone_refused", number=number, code=code).finish()
    (cdr,) = service.cdrs(ACCOUNT)
    assert cdr["answered_at"] is None
    assert cdr["duration_s"] == 0
    assert cdr["price"] in (None, "0", "0.00")
    assert cdr["trace"], "the trace tells why"
    return str(cdr["cause"])


@pytest.mark.parametrize(
    ("number", "code", "cause"),
    [("199", 404, "no_route"), ("102", 480, "unreachable")],
    ids=["unknown extension", "unregistered user"],
)
def test_inside(stage: Stage, number: str, code: int, cause: str) -> None:
    """An extension that nobody has, and one whose phone is off."""
    service = stage.service(world(account()))
    assert refused(stage, service, number, code) == cause


def test_busy_user(stage: Stage) -> None:
    """A phone that answers 486 makes the caller hear 486."""
    service = stage.service(world(account()))
    host = stage.network.host()
    stage.peer(
        "register",
        host,
        remote=service.server,
        user=login(ACCOUNT, "102"),
        password=password("102"),
    ).finish()
    busy = stage.peer("refuse", host, code=486)
    assert refused(stage, service, "102", 486) == "busy"
    busy.finish()


def test_no_route(stage: Stage) -> None:
    """A number outside without any trunk is 404."""
    service = stage.service(world(account()))
    assert refused(stage, service, OUTSIDE, 404) == "no_route"


def test_no_money(stage: Stage) -> None:
    """One cent less than the first interval costs is 402, and the carrier hears nothing."""
    host = stage.network.host()
    poor = account(balance="0.05")
    service = stage.service(world(poor, trunks=(trunk("carrier", host),)))
    carrier = stage.peer("answer", host)
    assert refused(stage, service, OUTSIDE, 402) == "no_credit"
    assert carrier.messages() == ""
    assert service.reserved(ACCOUNT) == 0


def test_blocked_destination(stage: Stage) -> None:
    """A tariff row that says blocked is obeyed even with money."""
    host = stage.network.host()
    rows = (rate(), rate("3719", "1", blocked=True))
    service = stage.service(world(account(), trunks=(trunk("carrier", host),), rates=rows))
    assert refused(stage, service, "+37190000000", 403) in ("blocked", "rejected")
