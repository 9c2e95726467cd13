"""A phone's subscription, in memory and as the row that keeps it over a restart. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sip.dialog import Dialog
from sip.flow import Flow
from sip.subscription import Subscription
from softswitch.call.bindings import parse_address
from softswitch.ids import AccountId, Extension
from softswitch.routing.plan import PhoneCaller

CSEQ_AHEAD = 32
"""CSeq numbers that a row is ahead of: it is written when half are used, not with each NOTIFY, and
after a crash numbers go on behind it. RFC 3261 12.2.2 lets them skip, and so do the versions of
documents that are full states. Half of them is ten seconds of NOTIFYs, and rows are written each
second."""


class UserSubscription:
    """``user`` subscribed to the state of ``resource``, as ``entity`` he calls it.

    ``timer`` is the owner's, 0 for none; ``kept_cseq`` what the row says, 0 for no row.
    """

    __slots__ = ("entity", "kept_cseq", "package", "resource", "subscription", "timer", "user")

    def __init__(
        self,
        user: PhoneCaller,
        resource: PhoneCaller,
        entity: str,
        package: str,
        subscription: Subscription,
    ) -> None:
        self.user = user
        self.resource = resource
        self.entity = entity
        self.package = package
        self.subscription = subscription
        self.timer = 0
        self.kept_cseq = 0

    @property
    def dialog(self) -> Dialog:
        """The dialog that its requests are in."""
        return self.subscription.dialog

    @property
    def tag(self) -> str:
        """Our tag, which names it: no two are alike."""
        return self.subscription.dialog.local_tag

    @property
    def is_to_keep(self) -> bool:
        """Whether it can go on after a restart; a connection cannot."""
        return not self.subscription.is_ending and self.dialog.flow.transport == "udp"

    @property
    def is_used_up(self) -> bool:
        """Whether half of the numbers that the row is ahead of are used."""
        return self.kept_cseq - self.dialog.local_cseq < CSEQ_AHEAD // 2


class SubscriptionRow(NamedTuple):
    """The row of ``softswitch.store.models.Subscription``, with its names."""

    tag: str
    account: str
    extension: str
    resource: str
    package: str
    event: str
    entity: str
    call_id: str
    local: str
    remote: str
    remote_tag: str
    remote_target: str
    route_set: str
    contact: str
    local_address: str
    source: str
    cseq: int
    remote_cseq: int
    expires_us: int


_ROUTES = "\n"  # between routes in a row: no header value has it


def to_row(kept: UserSubscription, now_s: float, now_us: int) -> SubscriptionRow:
    """What the store keeps, some numbers ahead."""
    dialog = kept.dialog
    kept.kept_cseq = dialog.local_cseq + CSEQ_AHEAD
    left_us = round((kept.subscription.expires_s - now_s) * 1_000_000)
    return SubscriptionRow(
        tag=dialog.local_tag,
        account=kept.user.account,
        extension=kept.user.extension,
        resource=kept.resource.extension,
        package=kept.package,
        event=kept.subscription.event,
        entity=kept.entity,
        call_id=dialog.call_id,
        local=dialog.local,
        remote=dialog.remote,
        remote_tag=dialog.remote_tag,
        remote_target=dialog.remote_target,
        route_set=_ROUTES.join(dialog.route_set),
        contact=dialog.contact,
        local_address=str(dialog.flow.local),
        source=str(dialog.flow.remote),
        cseq=kept.kept_cseq,
        remote_cseq=dialog.remote_cseq or 0,
        expires_us=now_us + left_us,
    )


def revive(row: SubscriptionRow, now_s: float, now_us: int) -> UserSubscription:
    """The subscription of a row; its next NOTIFY is numbered behind all that ever went out."""
    dialog = Dialog(
        call_id=row.call_id,
        local=row.local,
        local_tag=row.tag,
        remote=row.remote,
        remote_tag=row.remote_tag,
        remote_target=row.remote_target,
        route_set=tuple(row.route_set.split(_ROUTES)) if row.route_set else (),
        contact=row.contact,
        flow=Flow("udp", parse_address(row.local_address), parse_address(row.source)),
        local_cseq=row.cseq,
        remote_cseq=row.remote_cseq,
    )
    account = AccountId(row.account)
    kept = UserSubscription(
        PhoneCaller(account, Extension(row.extension)),
        PhoneCaller(account, Extension(row.resource)),
        row.entity,
        row.package,
        Subscription(dialog, row.event, now_s + (row.expires_us - now_us) / 1_000_000),
    )
    kept.kept_cseq = row.cseq
    return kept
