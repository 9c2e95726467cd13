"""A trunk's 401 or 407 answered: the same request again, with credentials (RFC 3261 22.2, 22.3)."""

from __future__ import annotations

from sip.digest import answer, choose_challenge
from sip.errors import RemoteError
from sip.message import Request, Response
from softswitch.routing.model import TrunkLogin

# The response's header, and the one that answers it.
CHALLENGES = {
    401: ("www-authenticate", "authorization"),
    407: ("proxy-authenticate", "proxy-authorization"),
}


def credentials(request: Request) -> tuple[tuple[str, str], ...]:
    """What a request was proved with: its ACK has the same (RFC 3261 22.1)."""
    found = ((name, request.first(name)) for _, name in CHALLENGES.values())
    return tuple((name, value) for name, value in found if value is not None)


def proved(
    request: Request, response: Response, login: TrunkLogin, cnonce: str, *, after: int = 0
) -> Request | None:
    """The request with the answer to a challenge and the next CSeq number; ``None`` when the
    response is no challenge that this login can answer, or the request had an answer already.
    ``after``: the number that its dialog has used last, by other requests meanwhile."""
    names = CHALLENGES.get(response.status)
    if names is None or request.first(names[1]) is not None:
        return None
    try:
        asked = choose_challenge(response.all(names[0]))
    except RemoteError:
        return None
    if login.realm not in ("", asked.realm):
        return None
    value = answer(asked, request.method, request.uri, login.username, login.password, cnonce, 1)
    again = request.copy()
    again.set("cseq", f"{max(request.cseq.number, after) + 1} {request.method}")
    again.set(names[1], value)
    return again
