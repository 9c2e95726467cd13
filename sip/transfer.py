"""The header fields of a transfer: Refer-To (RFC 3515), the Replaces in it (RFC 3891), and who
sends the call on (RFC 3892)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from sip.errors import RemoteError
from sip.message import Message
from sip.params import parse_params
from sip.uri import parse_uri
from sip.values import parse_name_addr


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog, from the point of view of who is to match it: ``to_tag`` is the matcher's own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False


@dataclass(frozen=True, slots=True)
class ReferTo:
    """Whom to call: the user part, "" when there is none, and the dialog to take over there."""

    user: str
    host: str
    replaces: Replaces | None = None


def parse_refer_to(request: Message) -> ReferTo:
    """The one Refer-To of a REFER. Raises RemoteError: 400, 416 for a scheme that is not ours, 501
    when it asks for another method than INVITE."""
    values = request.values("refer-to")
    if len(values) != 1:
        raise RemoteError(f"Refer-To: {len(values)} values, a REFER has one")
    uri = parse_uri(parse_name_addr(values[0], "Refer-To").uri_text)
    method = uri.params.get("method")
    if method is not None and method != "INVITE":
        raise RemoteError(f"Refer-To: method {method[:20]} is not supported", 501)
    for name, value in uri.headers:
        if name.lower() == "replaces":
            return ReferTo(uri.user or "", uri.host, parse_replaces(unquote(value)))
    return ReferTo(uri.user or "", uri.host)


def referred_by(request: Message) -> str:
    """The Referred-By of a REFER as the new INVITE has it, "" when there is none. Its parameters
    stay behind: ``cid`` names a body of the REFER. Raises RemoteError."""
    values = request.values("referred-by")
    if not values:
        return ""
    if len(values) > 1:
        raise RemoteError(f"Referred-By: {len(values)} values, a REFER has one at most")
    return f"<{parse_uri(parse_name_addr(values[0], 'Referred-By').uri_text)}>"


def parse_replaces(text: str) -> Replaces:
    """A Replaces value: Call-ID, to-tag and from-tag, each once. Raises RemoteError."""
    call_id, _, rest = text.partition(";")
    params = parse_params(f";{rest}" if rest else "", "Replaces")
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not call_id.strip() or not to_tag or not from_tag:
        raise RemoteError("Replaces: Call-ID, to-tag and from-tag are needed")
    return Replaces(call_id.strip(), to_tag, from_tag, "early-only" in params)
