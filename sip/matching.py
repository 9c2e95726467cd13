"""Which transaction a message belongs to (RFC 3261 17.1.3, 17.2.3), and where answers go (18.2).

A key is a plain tuple, so that matching is one look-up. Branches are tokens and so compared without
regard to case (7.3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.abnf import PORT_MAX
from sip.flow import Address, Flow
from sip.values import parse_cseq

if TYPE_CHECKING:
    from sip.message import Request, Response
    from sip.values import Via

ClientKey = tuple[str, str]  # branch, method of CSeq
ServerKey = tuple[str, ...]  # branch, sent-by, method; or the seven parts of RFC 2543
MergeKey = tuple[str, str]  # Call-ID, CSeq
AckKey = tuple[str, str, int]  # Call-ID, To tag, CSeq number

MAGIC_COOKIE = "z9hg4bk"
"""How a branch begins that is unique by itself (8.1.1.7), in lower case."""

SIP_PORT = 5060
SIPS_PORT = 5061


def client_key(response: Response) -> ClientKey:
    """The key of the request that a response answers (17.1.3). Raises RemoteError."""
    branch = response.branch
    return ("" if branch is None else branch.lower(), _cseq_method(response.required("cseq")))


def _cseq_method(text: str) -> str:
    number, _, method = text.partition(" ")
    if number.isdigit() and method.isalpha():
        return method
    return parse_cseq(text).method


def server_key(request: Request, method: str) -> ServerKey:
    """The key of a request, or with ``method`` INVITE of the INVITE that an ACK or CANCEL is for.

    Without the magic cookie the rules of RFC 2543 hold (17.2.3, last part); the To tag is not in
    that key, because an ACK has the one of our answer: ``same_2543_dialog`` compares it.
    Raises RemoteError.
    """
    branch = request.branch
    if branch is not None:
        branch = branch.lower()
        # Nothing after the cookie names no transaction (RFC 4475 3.2.1).
        if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
            return (branch, sent_by(request), method)
    cseq = request.cseq.number
    via = request.via
    return (
        "",
        request.uri,
        request.from_tag or "",
        request.call_id,
        f"{cseq} {method}",
        via.sent_by,
        str(via),
    )


def is_2543(key: ServerKey) -> bool:
    """Whether a server key follows RFC 2543's rules."""
    return key[0] == ""


def sent_by(request: Request) -> str:
    """Host and port of the top Via, lower case, found in the text when that is regular."""
    head = request.required("via").partition(";")[0]
    if head.count(" ") != 1 or "," in head:
        return request.via.sent_by
    return head[head.index(" ") + 1 :].lower()


def merge_key(request: Request) -> MergeKey:
    """What two requests outside of dialogs share that came by different paths (8.2.2.2).

    The From tag, which they share too, is left to ``is_merged``, that is, to the rare hit.
    """
    return (request.required("call-id"), request.required("cseq"))


def is_merged(first: Request, second: Request) -> bool:
    """Whether two requests with equal merge keys are one request that took two paths (8.2.2.2)."""
    return first.from_tag == second.from_tag


def ack_key(message: Request, to_tag: str) -> AckKey:
    """The key by which the ACK for a 2xx finds its INVITE (13.3.1.4).

    Our tag in a dialog is unique, so the peer's need not be compared.
    """
    return (message.required("call-id"), to_tag, message.cseq.number)


def stamp_source(request: Request, flow: Flow) -> None:
    """Write ``received`` and ``rport`` into the top Via (18.2.1, RFC 3581). Raises RemoteError.

    The usual forms are edited as text, a tenth of the cost of taking the Via apart.
    """
    values = request.headers["via"]
    text = values[0]
    host, port = flow.remote
    at = text.find(";rport")
    if "," in text or '"' in text or "received" in text or " ;" in text:
        request.stamp_source(host, port)
    elif at < 0:
        if _split(sent_by(request))[0] != host:
            values[0] = f"{text};received={host}"
    elif text[at + 6 : at + 7] in ("", ";"):
        values[0] = f"{text[: at + 6]}={port}{text[at + 6 :]};received={host}"
    else:
        request.stamp_source(host, port)


def reply_flow(request: Request, flow: Flow) -> Flow:
    """Where answers to a stamped request go (18.2.2, RFC 3581 4).

    To where it came from; but a UDP peer that did not ask for that (``rport``) and is not behind
    NAT is answered at the port of its Via. Behind NAT that port leads nowhere.
    """
    if flow.reliable or ";rport" in request.headers["via"][0]:
        return flow
    host, port = _split(sent_by(request))
    if host != flow.remote.host or port == flow.remote.port:
        return flow
    return flow._replace(remote=Address(host, port))


def flow_after_loss(via: Via, flow: Flow) -> Flow:
    """The way of an answer whose connection is gone: a new one to where the request came from, at
    the port that its Via names (18.2.2)."""
    secure = flow.transport == "tls"
    remote = Address(flow.remote.host, via.port or (SIPS_PORT if secure else SIP_PORT))
    return Flow(flow.transport, flow.local, remote, host=via.host if secure else "")


def _split(sent_by_text: str) -> tuple[str, int]:
    """Host without brackets and port of a sent-by; what is no port number is the usual port."""
    if sent_by_text.startswith("["):
        host, _, port = sent_by_text[1:].partition("]")
        port = port[1:]
    else:
        host, _, port = sent_by_text.partition(":")
    valid = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= PORT_MAX
    return host, int(port) if valid else SIP_PORT
