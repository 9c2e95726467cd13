"""Signing in and out (portal study 2.8)."""

from __future__ import annotations

from math import ceil
from urllib.parse import urlsplit

from softswitch.secrets import PORTAL_PASSWORD_MAX
from web.forms import Form
from web.http import Routes
from web.passwords import matching
from web.queries import sessions as queries
from web.responses import HttpError, Response, not_found, redirect
from web.rights import ANYONE, Right
from web.sessions import ABSOLUTE_US
from web.visit import Visit

routes = Routes()
demo_routes = Routes()

EMAIL_MAX = 254
WRONG = "E-mail or password is not right."


@routes.get("/login", policy=ANYONE)
async def form(visit: Visit) -> Response:
    """The sign-in page; who has signed in already goes on."""
    back = safe_next(visit.query.get("next", ""))
    if visit.session is not None:
        return redirect(back)
    return visit.render("login.html", form=Form({"next": back}))


@routes.post("/login", policy=ANYONE)
async def sign_in(visit: Visit) -> Response:
    """Check e-mail address and password; the answer to every wrong pair is the same."""
    email = visit.fields.get("email", "").strip().lower()[:EMAIL_MAX]
    password = visit.fields.get("password", "")
    shown = Form({"email": email, "next": safe_next(visit.fields.get("next", ""))})
    wait_s = visit.state.throttle.wait_s(email, visit.address, visit.deps.monotonic_s())
    if wait_s > 0:
        return _too_many(visit, shown, wait_s)
    user = await _user_with(visit, email, password)
    if user is None:
        visit.state.throttle.failed(email, visit.address, visit.deps.monotonic_s())
        refused = Form(shown.values, {"": WRONG})
        return visit.render("login.html", status=422, form=refused)
    visit.state.throttle.succeeded(email)
    return await _opened(visit, user, shown.values["next"])


@routes.post("/logout", policy=Right.SIGNED_IN)
async def sign_out(visit: Visit) -> Response:
    """End the session and its streams."""
    await visit.state.sessions.close(visit.signed_in)
    visit.set_cookie(visit.state.sid_cookie, "", max_age_s=0)
    return visit.with_cookies(redirect("/login"))


@demo_routes.get("/demo/<key>", policy=ANYONE)
async def demo_sign_in(visit: Visit, key: str) -> Response:
    """One click. A GET, so that the address on the terminal works: the key in it is random and new
    at every start, and so as good as a password."""
    for login in visit.deps.demo_logins:
        if login.key == key:
            user = await visit.read(queries.user_at, login.account, login.extension)
            if user is not None:
                return await _opened(visit, user, "/")
    raise not_found()


async def _user_with(visit: Visit, email: str, password: str) -> str | None:
    """The id of the user whose address and password these are. Takes as long for an unknown
    address as for a wrong password."""
    found = await visit.read(queries.candidates, email)
    hashes = [candidate.password_hash for candidate in found]
    index = await visit.deps.work.run(matching, hashes, password[: PORTAL_PASSWORD_MAX + 1])
    return found[index].user if index is not None else None


async def _opened(visit: Visit, user: str, back: str) -> Response:
    """A new session, never one that was there before (no fixation)."""
    if visit.session is not None:
        await visit.state.sessions.close(visit.session)
    agent = visit.header("user-agent") or ""
    opened = await visit.state.sessions.open(user, visit.address, agent)
    if opened is None:
        raise HttpError(403, "This user has been deleted.")
    cookie, visit.session = opened
    visit.set_cookie(visit.state.sid_cookie, cookie, max_age_s=ABSOLUTE_US // 1_000_000)
    return visit.with_cookies(redirect(back))


def _too_many(visit: Visit, shown: Form, wait_s: float) -> Response:
    minutes = ceil(wait_s / 60)
    wait = f"{ceil(wait_s)} seconds" if wait_s < 60 else f"{minutes} minutes"
    refused = Form(shown.values, {"": f"Too many tries. Wait {wait}."})
    page = visit.render("login.html", status=429, form=refused)
    return page.with_header("Retry-After", str(ceil(wait_s)))


def safe_next(target: str) -> str:
    """A path of this portal to go on to; "/" for anything that could lead elsewhere."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if inside and not parts.scheme and not parts.netloc else "/"
