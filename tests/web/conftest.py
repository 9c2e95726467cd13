"""What every portal test starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.client import Browser
from tests.web.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A portal with two accounts behind it."""
    world = make_world(tmp_path)
    yield world
    world.database.stop()


@pytest.fixture
def stored_world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """The same on SQLite and on PostgreSQL: ``world`` of the files whose tests are of queries."""
    world = make_world(tmp_path, url=database_url)
    yield world
    world.database.stop()


@pytest.fixture
def visitor(world: World) -> Browser:
    """Somebody who has not signed in."""
    return Browser(world)


@pytest.fixture
def admin(world: World) -> Browser:
    """Our administrator, signed in."""
    browser = Browser(world)
    assert browser.sign_in().status == 303
    return browser


@pytest.fixture
def user(world: World) -> Browser:
    """Anna, a plain user of ours, signed in."""
    browser = Browser(world)
    assert browser.sign_in("anna@ours.example.com").status == 303
    return browser
