"""Message-summary NOTIFYs to phones that never subscribe and yet want to light their lamp.

RFC 3842 knows no such thing, many phones ask for nothing else. Sent when a phone registers and when
its counts change, if its REGISTER allows NOTIFY, and if its user has no subscription.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.message import Request
from sip.stack import Stack
from sip.state_documents import MESSAGES_TYPE, message_summary
from sip.uri import request_uri
from softswitch.call.addresses import Addresses
from softswitch.call.bindings import Bound
from softswitch.call.message_waiting import MessageWaiting
from softswitch.call.registrar import Registrar
from softswitch.routing.model import Login
from softswitch.routing.plan import PhoneCaller

PACKAGE = "message-summary"


class UnsolicitedNotify:
    """``has_subscribed(user, package)`` tells who is served otherwise; ``domain`` is the AORs'."""

    def __init__(
        self,
        stack: Stack,
        addresses: Addresses,
        registrar: Registrar,
        waiting: MessageWaiting,
        has_subscribed: Callable[[PhoneCaller, str], bool],
        *,
        domain: str,
        now_s: Callable[[], float],
        now_us: Callable[[], int],
        token: Callable[[], str],
    ) -> None:
        self._stack = stack
        self._addresses = addresses
        self._registrar = registrar
        self._waiting = waiting
        self._has_subscribed = has_subscribed
        self._domain = domain
        self._now_s = now_s
        self._now_us = now_us
        self._token = token
        # Contacts that allow NOTIFY, by login; after a restart the next refresh tells.
        self._takers: dict[str, set[str]] = {}

    def registration_changed(self, login: Login, request: Request | None) -> None:
        """A REGISTER was accepted, or, without one, a binding went. A phone is told once, not with
        each refresh."""
        takers = self._takers.get(login.login)
        allows = request is not None and _allows_notify(request)
        if takers is None and not allows:
            return
        bindings = self._registrar.bindings(login.login, self._now_us())
        known = set() if takers is None else takers & {bound.contact for bound in bindings}
        if request is not None and allows:
            call_id = request.headers["call-id"][0]
            for bound in bindings:
                if bound.call_id == call_id and bound.contact not in known:
                    known.add(bound.contact)
                    self._notify(login.login, PhoneCaller(login.account, login.extension), bound)
        if known:
            self._takers[login.login] = known
        else:
            self._takers.pop(login.login, None)

    def messages_changed(self, user: PhoneCaller, login: str) -> None:
        """The counts of a user with this login are others now."""
        takers = self._takers.get(login)
        for bound in self._registrar.bindings(login, self._now_us()) if takers else ():
            if bound.contact in self._takers[login]:
                self._notify(login, user, bound)

    def _notify(self, login: str, user: PhoneCaller, bound: Bound) -> None:
        if self._has_subscribed(user, PACKAGE):
            return
        entity = f"sip:{login}@{self._domain}"
        headers = [
            ("From", f"<{entity}>;tag={self._token()}"),
            ("To", f"<{entity}>"),
            ("Call-ID", self._token()),
            ("CSeq", "1 NOTIFY"),
            ("Contact", self._addresses.contact(bound.flow)),
            ("Event", PACKAGE),
            ("Subscription-State", "terminated"),
            ("Content-Type", MESSAGES_TYPE),
        ]
        if bound.path:
            headers.append(("Route", bound.path))
        body = message_summary(entity, 0, self._waiting.count(user), None)
        notify = Request.build("NOTIFY", request_uri(bound.contact), headers, body)
        sent_by = self._addresses.sent_by(bound.flow)
        self._stack.request(notify, bound.flow, self._now_s(), None, sent_by)


def _allows_notify(request: Request) -> bool:
    return any("NOTIFY" in line for line in request.all("allow"))
