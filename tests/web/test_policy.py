"""Who reaches which route: every route against every kind of visitor (portal study 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from softswitch.store.base import Base
from tests.web.client import Answer, Browser
from tests.web.world import World, make_world
from web.app import routes
from web.http import Route
from web.rights import ANYONE, ROLES, Anyone, Right

ALL = routes(demo=True)
SIGNED_IN = [route for route in ALL if route.policy is not ANYONE]
WITH_OBJECTS = [route for route in SIGNED_IN if "<" in route.path]
OURS = {"user_id": "usr_ours102", "call_id": "ours-internal"}
THEIRS = {"user_id": "usr_theirs102", "call_id": "theirs"}
NOBODYS = {"user_id": "usr_nobody", "call_id": "nothing"}
NEEDED = {"version": "1", "default_number": ""}
SAVE = {
    "version": "1",
    "name": "Changed",
    "email": "changed@example.com",
    "extension": "199",
    "equipment": "sip",
}

by_endpoint: Callable[[Route], str] = lambda route: route.endpoint  # noqa: E731


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with its object parts filled in."""
    for name, value in ids.items():
        path = path.replace(f"<{name}>", value)
    return path


def ask(browser: Browser, route: Route, ids: dict[str, str]) -> Answer:
    """Send what a page of ours would send."""
    path = filled(route.path, ids)
    if route.methods == ("GET",):
        return browser.get(path)
    token = browser.get("/login").token if "sid" not in browser.cookies else _token(browser)
    return browser.post(path, {"csrf": token, **SAVE})


def _token(browser: Browser) -> str:
    return browser.get("/support").token


def contents(world: World) -> dict[str, list[Any]]:
    """Every row of the store, but for sessions: they note when they were last seen."""

    def read(session: Any) -> dict[str, list[Any]]:
        tables = [table for table in Base.metadata.sorted_tables if table.name != "session"]
        return {
            table.name: [tuple(row) for row in session.execute(select(table))] for table in tables
        }

    return world.store(read)


def test_every_route_declares_methods_and_policy() -> None:
    """Nothing answers every verb, and nothing is open by oversight."""
    for route in ALL:
        assert route.methods in (("GET",), ("POST",)), route.endpoint
        assert isinstance(route.policy, Anyone | Right), route.endpoint


def test_klein_knows_no_route_but_the_declared_ones(world: World) -> None:
    """Nobody adds a route around the layer."""
    rules = {rule.rule: rule.methods for rule in world.portal.klein.url_map.iter_rules()}
    assert set(rules) == {route.path for route in world.portal.routes}


def test_few_routes_are_open() -> None:
    """A new open route has to be written down here."""
    assert {route.endpoint for route in ALL if route.policy is ANYONE} == {
        "GET /static/<tree_hash>/<path:name>",
        "GET /favicon.ico",
        "GET /healthz",
        "GET /login",
        "POST /login",
        "GET /demo/<key>",
        "POST /preferences",
    }


def test_every_object_part_of_an_address_is_attacked_below() -> None:
    """A new kind of object needs its foreign id in this test."""
    for route in WITH_OBJECTS:
        assert "<" not in filled(route.path, OURS), route.path


@pytest.mark.parametrize("route", SIGNED_IN, ids=by_endpoint)
def test_a_visitor_is_sent_to_sign_in(visitor: Browser, route: Route) -> None:
    """And nothing is done for them."""
    before = contents(visitor.world)
    answer = ask(visitor, route, OURS)
    assert (answer.status, answer.location.split("?")[0]) == (303, "/login")
    assert contents(visitor.world) == before


@pytest.mark.parametrize("route", SIGNED_IN, ids=by_endpoint)
def test_a_plain_user_gets_what_the_role_includes(user: Browser, route: Route) -> None:
    """403 exactly where the table of roles does not have the right."""
    before = contents(user.world)
    if route.path == "/live/events":
        return  # goes on for ever; tested with the streams
    status = ask(user, route, OURS).status
    if route.policy in ROLES["user"]:
        assert status in (200, 303)
    else:
        assert status == 403
        assert contents(user.world) == before


@pytest.mark.parametrize("ids", [THEIRS, NOBODYS], ids=["foreign", "unknown"])
@pytest.mark.parametrize("route", WITH_OBJECTS, ids=by_endpoint)
def test_what_is_not_ours_is_not_found(admin: Browser, route: Route, ids: dict[str, str]) -> None:
    """Another account's object looks as if it were not there, and stays as it is."""
    before = contents(admin.world)
    assert ask(admin, route, ids).status == 404
    assert contents(admin.world) == before


def test_foreign_and_unknown_give_the_same_page(admin: Browser) -> None:
    """The answer does not tell which of the two it was."""
    pages = {admin.get(f"/settings/users/{ids['user_id']}").text for ids in (THEIRS, NOBODYS)}
    stripped = {_without_tokens(page) for page in pages}
    assert len({page.replace(THEIRS["user_id"], "x").replace(NOBODYS["user_id"], "x")
                for page in stripped}) == 1  # fmt: skip


def _without_tokens(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if "csrf" not in line)


@pytest.mark.parametrize("route", SIGNED_IN, ids=by_endpoint)
def test_pages_of_one_account_never_show_the_other(admin: Browser, route: Route) -> None:
    """No id, number, name of the other account is on any page."""
    if route.methods != ("GET",) or route.path == "/live/events":
        return
    page = ask(admin, route, OURS).text
    for secret in ("usr_theirs", "+37070044961", "449-61", "Another company", "theirs.example"):
        assert secret not in page


@pytest.mark.parametrize("kind", ["administrator", "user"])
def test_every_link_of_a_roles_pages_opens(admin: Browser, user: Browser, kind: str) -> None:
    """No menu entry, button or row leads to a page that the role may not see."""
    browser = admin if kind == "administrator" else user
    seen: set[str] = set()
    waiting = {"/"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = browser.get(path)
        assert answer.status == 200, path
        waiting |= _links(answer.text) - seen
    assert len(seen) > 8


def _links(page: str) -> set[str]:
    import re

    found = re.findall(r'href="(/[^"#]*)"', page)
    return {link.replace("&amp;", "&") for link in found if not link.startswith("/static/")}


def test_demo_sign_in_exists_only_in_the_demo(world: World, tmp_path: Any) -> None:
    """Without the demo the address is not there; with it only the right key opens."""
    assert Browser(world).get("/demo/demo-key").status == 404
    (tmp_path / "demo").mkdir()
    demo = Browser(make_world(tmp_path / "demo", demo=True))
    assert demo.get("/demo/wrong").status == 404
    assert demo.get("/demo/demo-key").location == "/"
    assert demo.get("/").status == 200
