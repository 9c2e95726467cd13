"""MESSAGE (RFC 3428) between the users of an account, without a call.

It goes to every phone of the extension; the first that takes it answers for all. Nothing is kept
for phones that are off, and nothing leaves the account: no number, no trunk.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.errors import RemoteError
from sip.events import RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.message import Request, header_table
from sip.request_size import UDP_REQUEST_BYTES_MAX, is_too_large_for_udp
from sip.stack import Stack
from sip.transaction import ServerTransaction
from sip.uri import parse_uri
from softswitch.call.addresses import Addresses
from softswitch.call.admission import Admission, Answered, CallRate
from softswitch.call.events import Target
from softswitch.call.failover import caller_status, phones_status
from softswitch.call.targets import TargetFinder
from softswitch.ids import Extension
from softswitch.routing.dialling import clean, to_e164
from softswitch.routing.model import Account, RoutingSnapshot, User
from softswitch.routing.permissions import PERMISSIONS
from softswitch.routing.plan import PhoneCaller, RingUser

MESSAGES_PER_USER_S = 5
"""Nobody types faster; "is typing" notes of a chat are a message each."""

TYPES = frozenset({"message/cpim", "message/imdn+xml", "application/im-iscomposing+xml"})
"""What chats send beside text (RFC 3862, RFC 5438, RFC 3994)."""

ACCEPT = ", ".join(["text/plain", "text/*", *sorted(TYPES)])

KEPT = ("content-type", "content-language", "content-disposition", "date", "subject", "priority")
"""Fields that go on with the body; who sends it is for us to say."""


class InstantMessages:
    """Answers MESSAGE outside of calls. ``targets`` finds phones as things stand now."""

    def __init__(
        self,
        stack: Stack,
        admission: Admission,
        addresses: Addresses,
        targets: Callable[[], TargetFinder],
        *,
        token: Callable[[], str],
    ) -> None:
        self._stack = stack
        self._admission = admission
        self._addresses = addresses
        self._targets = targets
        self._token = token
        self._rate: CallRate[PhoneCaller] = CallRate(MESSAGES_PER_USER_S)

    def received(
        self,
        tx: ServerTransaction,
        flow: Flow,
        snapshot: RoutingSnapshot,
        now_s: float,
    ) -> None:
        """Deliver a message, or answer why not."""
        try:
            found = self._decide(tx.request, flow, snapshot, now_s)
        except RemoteError as error:
            found = Answered(error.status_hint, str(error))
        if isinstance(found, Answered):
            reason = found.reason or None
            self._stack.respond(tx, found.status, reason, headers=found.headers, now_s=now_s)
        else:
            self._deliver(tx, found, now_s)

    def _decide(
        self, request: Request, flow: Flow, snapshot: RoutingSnapshot, now_s: float
    ) -> list[Target] | Answered:
        """The phones that it goes to, or the answer that refuses it."""
        uri = parse_uri(request.uri)
        sender = self._admission.caller(request, uri.host, flow, snapshot, now_s)
        if isinstance(sender, Answered):
            return sender
        account = snapshot.accounts.get(sender.account) if isinstance(sender, PhoneCaller) else None
        if account is None or not isinstance(sender, PhoneCaller):
            return Answered(403, "Only Users Send Messages")
        user = account.users.get(sender.extension)
        if user is None or not PERMISSIONS[account.status].internal:
            return Answered(403, "No Messages In This Account Now")
        return (
            self._too_many(sender, now_s)
            or _refused_content(request, flow)
            or self._phones(account, user, clean(uri.user or ""))
        )

    def _too_many(self, sender: PhoneCaller, now_s: float) -> Answered | None:
        if self._rate.allows(sender, now_s):
            return None
        return Answered(503, "Too Many Messages A Second", (("Retry-After", "1"),))

    def _phones(self, account: Account, sender: User, dialled: str) -> list[Target] | Answered:
        extension = Extension(dialled)
        if extension not in account.users:
            if to_e164(dialled, account.country) is not None:
                return Answered(403, "Messages Stay In The Account")
            return Answered(404, "No Such User In The Account")
        step = RingUser(account.id, extension, sender.extension, sender.name, 0)
        found = list(self._targets().targets(step).targets)
        return found or Answered(480, "No Phone Registered, Messages Are Not Kept")

    def _deliver(self, tx: ServerTransaction, targets: list[Target], now_s: float) -> None:
        delivery = _Delivery(self._stack, tx, len(targets))
        for target in targets:
            request = self._message(tx.request, target)
            if is_too_large_for_udp(request, target.flow):
                delivery.refused(413, now_s)
                continue
            sent_by = self._addresses.sent_by(target.flow)
            self._stack.request(request, target.flow, now_s, delivery, sent_by)

    def _message(self, asked: Request, target: Target) -> Request:
        """The message for one phone; without Contact, since no dialog comes of it."""
        hops = asked.max_forwards
        fields = [
            ("Max-Forwards", str(70 if hops is None else max(0, hops - 1))),
            ("From", f"{target.caller};tag={self._token()}"),
            ("To", target.to),
            ("Call-ID", self._token()),
            ("CSeq", "1 MESSAGE"),
            *target.headers,
            *((name, asked.headers[name][0]) for name in KEPT if name in asked.headers),
        ]
        return Request("MESSAGE", target.uri, header_table(fields), asked.body, asked.charset)


class _Delivery:
    """One message on its way to some phones: the owner of the transactions to them."""

    __slots__ = ("_stack", "_statuses", "_tx", "_waiting")

    def __init__(self, stack: Stack, tx: ServerTransaction, phones: int) -> None:
        self._stack = stack
        self._tx = tx
        self._waiting = phones
        self._statuses: list[int] = []

    def responded(self, event: ResponseReceived, now_s: float) -> None:
        """The first phone that takes it answers for all."""
        status = event.response.status
        if status >= 300:
            self.refused(status, now_s)
        elif status >= 200:
            self._waiting -= 1
            if not self._tx.final_status:
                self._stack.respond(self._tx, status, now_s=now_s)

    def failed(self, event: RequestFailed, now_s: float) -> None:
        """A phone did not answer: as good as not there, and 408 would come too late for whoever
        asked (RFC 4320 4.2)."""
        self.refused(480, now_s)

    def refused(self, status: int, now_s: float) -> None:
        """When none has taken it, the refusal that tells most goes back."""
        self._waiting -= 1
        self._statuses.append(status)
        if not self._waiting and not self._tx.final_status:
            self._stack.respond(self._tx, caller_status(phones_status(self._statuses)), now_s=now_s)


def _refused_content(request: Request, flow: Flow) -> Answered | None:
    """413 for more than one datagram carries (RFC 3428 8; over streams the parser's 64 kB hold),
    415 for what no chat shows, 483 at the end of the way."""
    kind = request.content_type
    encoding = (request.first("content-encoding") or "identity").strip().lower()
    if request.max_forwards == 0:
        return Answered(483)
    if not flow.reliable and len(request.body) > UDP_REQUEST_BYTES_MAX:
        return Answered(413)
    if encoding != "identity":
        return Answered(415, "", (("Accept-Encoding", "identity"),))
    if request.body and not (kind in TYPES or (kind or "").startswith("text/")):
        return Answered(415, "", (("Accept", ACCEPT),))
    return None
