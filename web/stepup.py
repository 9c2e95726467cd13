"""Asking for the own password again before a secret is shown (portal study 2.8)."""

from __future__ import annotations

from math import ceil

from softswitch.secrets import PORTAL_PASSWORD_MAX
from web.passwords import matching
from web.queries import sessions as queries
from web.visit import Visit

WRONG = "The password is not right."


async def give_password(visit: Visit, password: str) -> str:
    """ "" when the session is strong, or has just become so by ``password``; otherwise a sentence.
    Wrong ones count against the throttle of sign-in."""
    session, state = visit.signed_in, visit.state
    if state.sessions.is_strong(session):
        return ""
    now_s = visit.deps.monotonic_s()
    wait_s = state.throttle.wait_s(session.email, visit.address, now_s)
    if wait_s > 0:
        return f"Too many tries. Wait {ceil(wait_s)} seconds."
    hashed = await visit.read(queries.password_hash, session.account, session.user)
    hashes = [hashed] if hashed else []
    if await visit.deps.work.run(matching, hashes, password[: PORTAL_PASSWORD_MAX + 1]) is None:
        state.throttle.failed(session.email, visit.address, visit.deps.monotonic_s())
        return WRONG
    state.throttle.succeeded(session.email)
    visit.session = await state.sessions.strengthen(session)
    return ""
