"""What is going on right now, for the portal and the control socket; read on the reactor only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softswitch.call.defence import Defence
from softswitch.call.registrations import Registrations, RegistrationView
from softswitch.call.subscriptions import Subscriptions, SubscriptionView
from softswitch.call.trunks import Trunks
from softswitch.call.view import CallView, LiveCalls
from softswitch.clock import MonotonicClock, iso
from softswitch.ids import AccountId

Row = dict[str, Any]


class LiveView:
    """Calls that are up, phones that are registered, their subscriptions, and what is banned."""

    def __init__(
        self,
        live: LiveCalls,
        registrations: Registrations,
        subscriptions: Subscriptions,
        trunks: Trunks,
        defence: Defence,
        now_s: MonotonicClock,
    ) -> None:
        self._live = live
        self._registrations = registrations
        self._subscriptions = subscriptions
        self._trunks = trunks
        self._defence = defence
        self._now_s = now_s

    def calls(self, account: str | None = None) -> list[CallView]:
        """The calls of an account, or all."""
        return self._live.calls(None if account is None else AccountId(account))

    def registrations(self, account: str | None = None) -> list[RegistrationView]:
        """The phones of an account, or all."""
        return self._registrations.views(None if account is None else AccountId(account))

    def bans(self, account: str) -> list[Row]:
        """The bans of an account's logins, as rows of ``bans list``: its phones with wrong
        passwords, and whoever guesses them."""
        return self._defence.report_of(AccountId(account))

    def subscribe(self, account: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at every change of the account's calls, phones or bans; returns the way to
        stop."""
        return self._live.subscribe(AccountId(account), callback)

    def trunk_report(self) -> Callable[[], list[Row]]:
        """``show trunks``; there are few, so they are counted at once."""
        rows = self._trunks.rows()
        return lambda: rows

    def call_report(self, account: str | None) -> Callable[[], list[Row]]:
        """What makes the rows of ``show calls`` as things stand now; to be called in a thread."""
        views = self.calls(account)
        return lambda: [_call_row(view) for view in views]

    def registration_report(self, account: str | None) -> Callable[[], list[Row]]:
        """``show registrations``, likewise."""
        views = self._registrations.later_views(None if account is None else AccountId(account))
        return lambda: [_registration_row(view) for view in views()]

    @property
    def subscription_count(self) -> int:
        """How many subscriptions there are."""
        return len(self._subscriptions)

    def subscription_report(self, account: str | None) -> Callable[[], list[Row]]:
        """``show subscriptions``, likewise."""
        only = None if account is None else AccountId(account)
        views = self._subscriptions.later_views(only, self._now_s())
        return lambda: [_subscription_row(view) for view in views()]


def _call_row(view: CallView) -> Row:
    return {
        "call_id": view.call_id,
        "account": view.account,
        "direction": view.direction,
        "from": view.caller,
        "to": view.called,
        "state": view.state,
        "started_at": iso(view.started_us),
        "answered_at": iso(view.answered_us),
    }


def _registration_row(view: RegistrationView) -> Row:
    return {
        "account": view.account,
        "extension": view.extension,
        "login": view.login,
        "contact": view.contact,
        "source": view.source,
        "transport": view.transport,
        "expires_at": iso(view.expires_us),
        "user_agent": view.user_agent,
        "state": view.state,
    }


def _subscription_row(view: SubscriptionView) -> Row:
    return {
        "account": view.account,
        "extension": view.extension,
        "package": view.package,
        "resource": view.resource,
        "contact": view.contact,
        "expires_at": iso(view.expires_us),
    }
