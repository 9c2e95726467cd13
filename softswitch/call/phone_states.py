"""State for phones as one part: subscriptions, waiting messages, and who is told without asking."""

from __future__ import annotations

from collections.abc import Callable

from sip.message import Request
from sip.stack import Stack
from softswitch.call.addresses import Addresses
from softswitch.call.admission import Admission
from softswitch.call.credit import RunsCallWork
from softswitch.call.message_waiting import MessageWaiting
from softswitch.call.registrar import Registrar
from softswitch.call.subscribe_admission import SubscribeAdmission
from softswitch.call.subscriptions import Subscriptions
from softswitch.call.unsolicited import UnsolicitedNotify
from softswitch.call.user_states import UserStates
from softswitch.call.watch import Watch
from softswitch.clock import MonotonicClock
from softswitch.routing.model import Login
from softswitch.routing.plan import PhoneCaller
from softswitch.snapshot import SnapshotHolder


class PhoneStates:
    """``waiting`` is what voicemail tells of its messages; ``domain`` is that of the phones."""

    def __init__(
        self,
        stack: Stack,
        addresses: Addresses,
        admission: Admission,
        snapshots: SnapshotHolder,
        registrar: Registrar,
        database: RunsCallWork,
        *,
        domain: str,
        now_s: MonotonicClock,
        now_us: Callable[[], int],
        token: Callable[[], str],
    ) -> None:
        self.waiting = MessageWaiting(database)
        self.watch = Watch()
        self.subscriptions = Subscriptions(
            stack,
            addresses,
            SubscribeAdmission(admission),
            snapshots,
            UserStates(registrar, self.watch, self.waiting.count, now_us),
            self.watch,
            database,
            now_us=now_us,
        )
        self._unsolicited = UnsolicitedNotify(
            stack,
            addresses,
            registrar,
            self.waiting,
            self.subscriptions.has_subscribed,
            domain=domain,
            now_s=now_s,
            now_us=now_us,
            token=token,
        )
        self._snapshots = snapshots
        self._now_s = now_s
        self.waiting.on_change = self.messages_changed

    async def load(self) -> None:
        """Read what was kept."""
        await self.waiting.load()
        await self.subscriptions.load(self._now_s())

    def registration_changed(self, login: Login, request: Request | None) -> None:
        """A REGISTER was accepted, or, without one, a binding is gone."""
        if self.watch.on:
            self.watch.user(PhoneCaller(login.account, login.extension))
        self._unsolicited.registration_changed(login, request)

    def messages_changed(self, user: PhoneCaller) -> None:
        """The counts of a mailbox are others now; what is to be sent goes out with the next
        tick."""
        if self.watch.on:
            self.watch.user(user)
        account = self._snapshots.current.accounts.get(user.account)
        known = None if account is None else account.users.get(user.extension)
        if known is not None and known.login is not None:
            self._unsolicited.messages_changed(user, known.login)
