"""Where a call goes and why: one pure function, also asked by the route tester."""

from __future__ import annotations

from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import Plan, RouteRequest, RouteState


def route(request: RouteRequest, snapshot: RoutingSnapshot, state: RouteState) -> Plan:
    """Decide about one call. Never raises for anything that a caller dialled or presented."""
    raise NotImplementedError
