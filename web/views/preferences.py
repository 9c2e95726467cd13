"""How the portal looks to one person; kept in cookies, so it needs no account."""

from __future__ import annotations

from web.http import Routes
from web.responses import Response, redirect
from web.rights import ANYONE
from web.views.signin import safe_next
from web.visit import THEMES, Visit

routes = Routes()

YEAR_S = 365 * 24 * 3600


@routes.post("/preferences", policy=ANYONE)
async def change(visit: Visit) -> Response:
    """Theme and width of the menu; unknown values are passed over."""
    theme = visit.fields.get("theme", "")
    if theme in THEMES:
        visit.set_cookie("theme", theme, max_age_s=YEAR_S)
    menu = visit.fields.get("menu", "")
    if menu in ("small", "wide"):
        visit.set_cookie("menu", menu, max_age_s=YEAR_S)
    return visit.with_cookies(redirect(safe_next(visit.fields.get("next", ""))))
