"""What a refusal means: try the next trunk or not, what the caller hears, what the CDR says."""

from __future__ import annotations

from collections.abc import Iterable

# How a refusal of the called side is named on the CDR; a class stands for the rest of it.
CAUSES = {
    401: "failed",
    402: "no_credit",
    403: "rejected",
    404: "no_route",
    407: "failed",
    408: "no_answer",
    410: "no_route",
    480: "no_answer",
    484: "no_route",
    485: "no_route",
    486: "busy",
    487: "cancelled",
    600: "busy",
    603: "rejected",
    604: "no_route",
    607: "rejected",
    608: "rejected",
}

# Refusals of the called party itself; all others are the switch's doing or nobody's.
SAID_BY_CALLEE = frozenset(("busy", "rejected"))

# Answers that speak of the relation between us and the called side, never of the caller's request:
# passing them on would make the caller's phone ask for its own password or look for a redirect.
PRIVATE_STATUSES = frozenset((401, 407, 420, 421, 422, 494))


def tries_next_trunk(status: int) -> bool:
    """Whether another carrier may do better: it failed (5xx), never answered (408) or does not take
    our word (401, 407). Any other 4xx or 6xx tells of the called party and would be the same
    elsewhere. 501 and 505 stay failures of the trunk: another carrier may know the method."""
    return status in (401, 407, 408) or 500 <= status < 600


def tries_next_address(status: int) -> bool:
    """Whether another server of the same trunk may do better (RFC 3263 4.3): this one is out of
    order (503) or does not answer (408). What else it says, the carrier says."""
    return status in (408, 503)


def caller_status(status: int) -> int:
    """The status for the caller when the called side refused with this one."""
    if status in PRIVATE_STATUSES or status < 400:
        return 480 if 300 <= status < 400 else 502
    if status == 487:  # we cancelled it ourselves: nobody answered
        return 480
    return status


def answer_status(status: int) -> int:
    """The status of a branch whose answer cannot be used: 488 when the two do not fit; what is
    broken is the fault of the called side, not the caller's."""
    return status if status == 488 else 502


def phones_status(statuses: Iterable[int]) -> int:
    """The status for a user's phones. 503 there means that none was reached, and to the caller's
    phone it would mean that *we* are down (RFC 3261 16.7 step 6)."""
    status = best_failure(statuses)
    return 480 if status == 503 else status


def reoffer_status(status: int) -> int:
    """The status for a re-INVITE whose other side refused: 487 goes through, it was cancelled."""
    return status if status == 487 else caller_status(status)


def cause_of(status: int) -> str:
    """The CDR cause of a call that ended with this status unanswered."""
    if status in CAUSES:
        return CAUSES[status]
    return "rejected" if 400 <= status < 500 or status >= 600 else "failed"


def best_failure(statuses: Iterable[int]) -> int:
    """Of several branches' refusals the one to report (RFC 3261 16.7 step 6): a 6xx wins, else the
    lowest class, and within it the one that tells the caller most."""
    return min(statuses, key=_rank, default=480)


def _rank(status: int) -> tuple[int, int, int]:
    if status >= 600:
        return (0, 0, status)
    tells_most = (486, 603, 484, 415, 488, 404)
    return (status // 100, 0 if status in tells_most else 1, status)
