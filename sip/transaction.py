"""The two kinds of transaction as their users see them. What drives them is ``sip.machines``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.machines import State

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.matching import AckKey, ClientKey, MergeKey, ServerKey
    from sip.message import Request
    from sip.steps import Rows

Headers = tuple[tuple[str, str], ...]
"""Header fields as (name, raw value) pairs, in the order in which they are to be written."""


class ClientTransaction:
    """A request of ours and its responses. Made by ``Stack.request`` only.

    Users read ``request``, ``flow``, ``state`` and ``final_status`` (0 until there is one) and may
    keep what they like in ``owner``; the rest belongs to the stack.
    """

    __slots__ = (
        "acks",
        "cancel_asked",
        "cancel_headers",
        "data",
        "end_timer",
        "final_status",
        "flow",
        "interval_s",
        "key",
        "owner",
        "repeat_timer",
        "request",
        "rows",
        "silent",
        "state",
        "via",
    )

    def __init__(
        self,
        key: ClientKey,
        request: Request,
        via: str,
        flow: Flow,
        owner: object | None,
        rows: Rows,
    ) -> None:
        self.key = key
        self.request = request
        self.via = via  # ours, which ``request`` lacks
        self.flow = flow
        self.owner = owner
        self.rows = rows
        self.state = State.CALLING if request.method == "INVITE" else State.TRYING
        self.data = request.to_bytes(via)  # as sent and as repeated
        self.final_status = 0
        self.interval_s = 0.0  # of the latest repetition
        self.repeat_timer = 0  # A or E
        self.end_timer = 0  # B, D, F, K, M or the wait after CANCEL
        self.acks: dict[str, tuple[bytes, Flow] | None] | None = None  # To tag of each 2xx -> ACK
        self.cancel_asked = False
        self.cancel_headers: Headers = ()
        self.silent = False  # the stack's own CANCEL: nothing of it is told


class ServerTransaction:
    """A request of a peer and our responses. Comes with ``RequestReceived``.

    Users read ``request``, ``flow``, ``state``, ``final_status`` (0 until ``Stack.respond`` sent
    one), ``in_dialog`` (whether To had a tag) and ``to_tag`` (the tag of all our answers: the
    request's own inside a dialog), and may keep what they like in ``owner``; the rest belongs to
    the stack.
    """

    __slots__ = (
        "ack_key",
        "acked",
        "cancelled",
        "copied",
        "data",
        "end_timer",
        "final_status",
        "flow",
        "in_dialog",
        "interval_s",
        "key",
        "merge_key",
        "owner",
        "repeat_timer",
        "reply_flow",
        "request",
        "rows",
        "state",
        "to_tag",
    )

    def __init__(
        self,
        key: ServerKey,
        request: Request,
        flow: Flow,
        reply_flow: Flow,
        rows: Rows,
        *,
        to_tag: str,
        in_dialog: bool,
    ) -> None:
        self.key = key
        self.merge_key: MergeKey | None = None
        self.ack_key: AckKey | None = None  # once a 2xx to INVITE is sent
        self.request = request
        self.flow = flow
        self.reply_flow = reply_flow  # where answers go (RFC 3261 18.2.2, RFC 3581)
        self.owner: object | None = None
        self.rows = rows
        self.state = State.PROCEEDING if request.method == "INVITE" else State.TRYING
        self.to_tag = to_tag
        self.in_dialog = in_dialog
        self.copied = ""  # what every answer repeats, once the first one was made
        self.data = b""  # the latest response
        self.final_status = 0
        self.interval_s = 0.0
        self.repeat_timer = 0  # G, or the repetition of a 1xx or 2xx
        self.end_timer = 0  # H, I, J or L
        self.acked = False
        self.cancelled = False
