"""The Contact values of a REGISTER (RFC 3261 10.2.1, RFC 5626 4.1), checked and made small."""

from __future__ import annotations

import re
from typing import NamedTuple

from sip.abnf import parse_number
from sip.errors import RemoteError
from sip.uri import parse_uri, same_uri
from sip.values import NameAddr, parse_name_addr, split_commas

URI_CHARS_MAX = 255  # of a contact, as the store keeps it; phones write some 80
INSTANCE_CHARS_MAX = 128  # a URN with a UUID has 45
HEADER_CHARS_MAX = 512  # remembered to spare a refresh the parsing
Q_DEFAULT = 1000  # RFC 3261 leaves it open: a contact without q is as good as any

_Q = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # RFC 3261 25.1 "qvalue"
_REG_ID = re.compile(r"[1-9][0-9]{0,9}")  # RFC 5626 10: 1 to 2**31 - 1


class AskedContact(NamedTuple):
    """One Contact as a phone asked for it.

    ``expires_s`` is ``None`` when the value has none of its own. ``instance`` and ``reg_id`` name
    the device and its flow (RFC 5626), "" when it did not say. ``header`` is the whole text: a
    refresh repeats it, and then it need not be read again.
    """

    uri: str
    user: str
    expires_s: int | None = None
    q_thousandths: int = Q_DEFAULT
    instance: str = ""
    reg_id: str = ""
    header: str = ""

    def same_device(self, other: AskedContact) -> bool:
        """Whether both come from one flow of one device that told its instance."""
        return self.instance != "" and (self.instance, self.reg_id) == (
            other.instance,
            other.reg_id,
        )

    def equals(self, other: AskedContact) -> bool:
        """Whether both URIs are the same by RFC 3261 19.1.4."""
        return self.uri == other.uri or (
            self.user == other.user and same_uri(parse_uri(self.uri), parse_uri(other.uri))
        )

    def same_place(self, other: AskedContact) -> bool:
        """Whether both lead to one user at one host and port over one transport."""
        return self.user == other.user and _place(self.uri) == _place(other.uri)


def _place(text: str) -> tuple[str, str, int | None, str | None]:
    uri = parse_uri(text)
    return uri.scheme, uri.host, uri.port, uri.transport


def read_contacts(lines: list[str], expires_default_s: int) -> list[AskedContact] | None:
    """The values of the Contact lines; ``None`` for the wildcard, which must stand alone.

    A malformed expires counts as ``expires_default_s`` (RFC 3261 10.3 step 7). Raises RemoteError
    for anything else that is wrong.
    """
    values = [value for line in lines for value in split_commas(line, "Contact")]
    if "*" not in values:
        return [read_contact(value, expires_default_s) for value in values]
    if len(values) > 1:
        raise RemoteError("Contact: * stands with other values")
    return None


def read_contact(text: str, expires_default_s: int) -> AskedContact:
    """One Contact value. Raises RemoteError: malformed, too long, or no address for SIP calls."""
    value = parse_name_addr(text, "Contact")
    if len(value.uri_text) > URI_CHARS_MAX:
        raise RemoteError(f"Contact: {len(value.uri_text)} characters, at most {URI_CHARS_MAX}")
    uri = value.uri
    if uri.scheme == "tel":
        raise RemoteError("Contact: a tel URI cannot be called here")
    instance = value.params.text("+sip.instance") or ""
    if len(instance) > INSTANCE_CHARS_MAX:
        raise RemoteError(f"Contact: +sip.instance of {len(instance)} characters")
    reg_id = value.params.get("reg-id") or ""
    return AskedContact(
        value.uri_text,
        uri.user or "",
        _expires_s(value, expires_default_s),
        _q_thousandths(value),
        instance,
        reg_id if _REG_ID.fullmatch(reg_id) else "",
        text if len(text) <= HEADER_CHARS_MAX else "",
    )


def _expires_s(value: NameAddr, default_s: int) -> int | None:
    if "expires" not in value.params:
        return None
    try:
        return parse_number(value.params["expires"] or "", "expires")
    except RemoteError:
        return default_s


def _q_thousandths(value: NameAddr) -> int:
    text = value.params.get("q")
    if text is None:
        return Q_DEFAULT
    if _Q.fullmatch(text) is None:
        raise RemoteError(f"Contact: q {text[:10]!r} is not between 0 and 1")
    whole, _, decimals = text.partition(".")
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))


def write_contact(contact: AskedContact, expires_s: int) -> str:
    """A Contact value of the answer to a REGISTER."""
    if contact.q_thousandths == Q_DEFAULT:
        return f"<{contact.uri}>;expires={expires_s}"
    return f"<{contact.uri}>;q={contact.q_thousandths / 1000:g};expires={expires_s}"
