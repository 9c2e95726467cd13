"""Dialogs (RFC 3261 section 12): what two user agents remember of each other between requests.

A ``Dialog`` builds the requests inside it and judges the peer's; it sends nothing and has no
timers. Record-Route entries stay as they were read, since proxies put their state into them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sip.errors import RemoteError
from sip.message import Request, Response
from sip.uri import parse_uri
from sip.usual_address import read_address, usual_uri
from sip.values import parse_name_addr

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.message import Message

DialogId = tuple[str, str, str]
"""Call-ID, our tag, the peer's tag ("" for a peer of RFC 2543)."""

TARGET_REFRESHING = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})
"""Methods whose Contact replaces the remote target (12.2, RFC 3311, RFC 6665, RFC 3515)."""

ROUTES_MAX = 70
"""Hops in a route set: as many as Max-Forwards allows; no true path is longer."""


class Dialog:
    """One dialog, early or confirmed, from our side.

    ``local`` and ``remote`` are the From and To values without tags; ``remote_target`` the peer's
    Contact URI as text; ``route_set`` the proxies to pass, nearest first, as raw values;
    ``contact`` our Contact value; ``flow`` where requests of ours go, as the owner set it (the
    peer's live flow behind NAT, else what the next hop resolved to). ``remote_cseq`` is ``None``
    until the peer sent a request.
    """

    __slots__ = (
        "call_id",
        "contact",
        "flow",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        remote_target: str,
        route_set: tuple[str, ...],
        contact: str,
        flow: Flow,
        local_cseq: int = 0,
        remote_cseq: int | None = None,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.route_set = route_set
        self.contact = contact
        self.flow = flow
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq

    @classmethod
    def uas(cls, request: Request, *, local_tag: str, contact: str, flow: Flow) -> Dialog:
        """The dialog that our answer to ``request`` makes (12.1.1). Raises RemoteError."""
        headers = request.headers  # which has all that must be there, as the parser sees to
        remote, _, remote_tag = read_address(headers["from"][0], "From")
        return cls(
            call_id=request.call_id,
            local=read_address(headers["to"][0], "To")[0],
            local_tag=local_tag,
            remote=remote,
            remote_tag=remote_tag or "",
            remote_target=_target(request),
            route_set=_routes(request),
            contact=contact,
            flow=flow,
            remote_cseq=request.cseq.number,
        )

    @classmethod
    def uac(cls, request: Request, response: Response, *, contact: str, flow: Flow) -> Dialog:
        """The dialog that a response (101 to 299) to our ``request`` makes (12.1.2).

        A response that lacks Contact came from what the Request-URI names: a provisional one may,
        and peers of RFC 2543 leave it out of a 2xx too. Raises RemoteError.
        """
        nameless = "contact" not in response.headers
        ours = request.headers
        local, _, local_tag = read_address(ours["from"][0], "From")
        return cls(
            call_id=ours["call-id"][0],
            local=local,
            local_tag=local_tag or "",
            remote=read_address(ours["to"][0], "To")[0],
            remote_tag=response.to_tag or "",
            remote_target=request.uri if nameless else _target(response),
            route_set=_routes(response)[::-1],
            contact=contact,
            flow=flow,
            local_cseq=request.cseq.number,
        )

    @property
    def id(self) -> DialogId:
        """What names the dialog on our side: Call-ID, local tag, remote tag (12)."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def next_hop(self) -> str:
        """The URI that decides where requests go: the first route's, or the remote target."""
        return _route_uri(self.route_set[0]) if self.route_set else self.remote_target

    def request(
        self, method: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """The next request of ours (12.2.1.1), with Contact where it refreshes the target.

        Not for ACK and CANCEL, which carry the number of another request.
        """
        self.local_cseq += 1
        if method in TARGET_REFRESHING:
            headers = (("Contact", self.contact), *headers)
        return self._build(method, self.local_cseq, headers, body)

    def ack(self, cseq: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> Request:
        """The ACK of the 2xx to our INVITE numbered ``cseq`` (13.2.2.4).

        With a body, pass its Content-Type in ``headers``; and the credentials of the INVITE (22.1).
        """
        return self._build("ACK", cseq, headers, body)

    def accepts(self, request: Request) -> None:
        """Take a request of the peer: its number, and its Contact if it refreshes (12.2.2).

        Raises RemoteError(500) when it is older than one seen before, and 400 for a bad Contact.
        ACK is not judged: it has the number of its INVITE.
        """
        if request.method == "ACK":
            return
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            raise RemoteError(f"CSeq {number} comes after {self.remote_cseq}", 500)
        target = _target(request) if _refreshes(request, request.method) else None
        self.remote_cseq = number
        if target is not None:
            self.remote_target = target

    def refresh(self, response: Response) -> None:
        """Take the Contact of a 2xx to a target-refreshing request of ours (12.2.1.2).

        For the 2xx that confirms an early dialog also the route set is computed again (13.2.2.4):
        ``confirm`` does both.
        """
        if response.status // 100 == 2 and _refreshes(response, response.cseq.method):
            self.remote_target = _target(response)

    def confirm(self, response: Response) -> None:
        """Turn an early dialog of ours into a confirmed one by its 2xx (13.2.2.4)."""
        self.refresh(response)
        self.route_set = _routes(response)[::-1]

    def _build(
        self, method: str, cseq: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> Request:
        uri, routes = self._path() if self.route_set else (self.remote_target, ())
        remote = f"{self.remote};tag={self.remote_tag}" if self.remote_tag else self.remote
        table = {
            "max-forwards": ["70"],
            "from": [f"{self.local};tag={self.local_tag}"],
            "to": [remote],
            "call-id": [self.call_id],
            "cseq": [f"{cseq} {method}"],
        }
        if routes:
            table["route"] = list(routes)
        for name, value in headers:
            table.setdefault(name.lower(), []).append(value)
        return Request(method, uri, table, body)

    def _path(self) -> tuple[str, tuple[str, ...]]:
        """Request-URI and Route values where there is a route set (12.2.1.1).

        A first hop without ``lr`` is a strict router of RFC 2543: it wants to be the Request-URI,
        and the target at the end of Route.
        """
        routes = self.route_set
        first = _route_uri(routes[0])
        if "lr" in parse_uri(first).params:
            return self.remote_target, routes
        return first, (*routes[1:], f"<{self.remote_target}>")


def _refreshes(message: Message, method: str) -> bool:
    return method in TARGET_REFRESHING and "contact" in message.headers


def _target(message: Message) -> str:
    """The URI of the one Contact that makes or refreshes a dialog (8.1.1.8). Raises RemoteError."""
    usual = usual_uri(message.headers.get("contact", ()))
    if usual is not None:
        parse_uri(usual)
        return usual
    contacts = message.contacts
    if len(contacts) != 1 or contacts[0].is_wildcard:
        raise RemoteError(f"Contact: {len(contacts)} usable values, a dialog needs one")
    contacts[0].uri  # noqa: B018  # parsed for its errors
    return contacts[0].uri_text


def _routes(message: Message) -> tuple[str, ...]:
    """Record-Route as raw values in the order of the wire, each checked. Raises RemoteError."""
    if "record-route" not in message.headers:
        return ()
    values = message.values("record-route")
    if len(values) > ROUTES_MAX:
        raise RemoteError(f"Record-Route: {len(values)} hops, at most {ROUTES_MAX}")
    for value in values:
        parse_name_addr(value, "Record-Route").uri  # noqa: B018
    return tuple(values)


def _route_uri(value: str) -> str:
    return parse_name_addr(value, "Route").uri_text
