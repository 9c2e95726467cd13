"""Static files and the health check."""

from __future__ import annotations

from web.http import Routes
from web.responses import IMMUTABLE, NO_STORE, TEXT, Response, not_found
from web.rights import ANYONE
from web.visit import Visit

routes = Routes()


@routes.get("/static/<tree_hash>/<path:name>", policy=ANYONE)
async def static_file(visit: Visit, tree_hash: str, name: str) -> Response:
    """A style sheet, script, font or picture, for ever."""
    file = visit.state.static.find(tree_hash, name)
    if file is None:
        raise not_found()
    headers = (IMMUTABLE, ("Vary", "Accept-Encoding"))
    if file.compressed and "gzip" in (visit.header("accept-encoding") or ""):
        return Response(file.compressed, 200, file.content_type, headers, "gzip")
    return Response(file.content, 200, file.content_type, headers)


@routes.get("/favicon.ico", policy=ANYONE)
async def favicon(visit: Visit) -> Response:
    """Browsers ask here whatever the page says."""
    file = visit.state.static.find(visit.state.static.hash, "icon.svg")
    if file is None:
        raise not_found()
    return Response(file.content, 200, file.content_type)


@routes.get("/healthz", policy=ANYONE)
async def health(visit: Visit) -> Response:
    """The loop is alive; nothing more is asked here."""
    return Response(b"ok\n", 200, TEXT, (NO_STORE,))
