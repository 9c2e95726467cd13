"""What NOTIFY tells, as text: dialog-info (RFC 4235), PIDF (RFC 3863), reginfo (RFC 3680) and the
message summary (RFC 3842).

Each document is the full state, so that whoever missed one, or a restart of ours, has all of it
again with the next. Texts of peers are escaped, and characters that XML cannot have are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

DIALOG_TYPE = "application/dialog-info+xml"
PRESENCE_TYPE = "application/pidf+xml"
REGISTRATION_TYPE = "application/reginfo+xml"
MESSAGES_TYPE = "application/simple-message-summary"

DIALOGS_MAX = 6
"""Dialogs that are told of one user: a lamp shows no more than that there is one, and some 450
bytes each must go into a datagram."""

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PIDF = "urn:ietf:params:xml:ns:pidf"
# XML 1.0 2.2 "Char", the other way round.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ORDER = ("confirmed", "early", "trying")


class DialogInfo(NamedTuple):
    """A dialog as the watched user's phone has it. ``state``: trying | early | confirmed;
    ``direction``: initiator | recipient; tags "" while there is none; ``name`` and ``uri`` are the
    other party's."""

    id: str
    call_id: str
    local_tag: str
    remote_tag: str
    direction: str
    state: str
    name: str
    uri: str


class DialogState(NamedTuple):
    """The dialogs of a user (``most_telling``), and whether calls reach him at all."""

    is_reachable: bool
    dialogs: tuple[DialogInfo, ...] = ()


class Presence(NamedTuple):
    """Whether calls reach the user, and whether he is in one (RFC 4480 3.2 "on-the-phone")."""

    is_open: bool
    is_on_the_phone: bool = False


class Messages(NamedTuple):
    """Voice messages of a mailbox."""

    new: int = 0
    old: int = 0


def most_telling(dialogs: Iterable[DialogInfo]) -> tuple[DialogInfo, ...]:
    """At most ``DIALOGS_MAX`` of them, those that were answered first of all."""
    return tuple(sorted(dialogs, key=lambda dialog: _ORDER.index(dialog.state))[:DIALOGS_MAX])


def dialog_info(entity: str, version: int, state: DialogState, told: object) -> bytes:
    """The dialogs, and as terminated those that were ``told`` and are no more (RFC 4235 4).

    A user without dialogs may be idle, or not there at all, which the format has no word for: the
    basic status of PIDF stands where the schema takes elements of others, and phones pass it over.
    """
    before = told.dialogs if isinstance(told, DialogState) else ()
    going_on = {dialog.id for dialog in state.dialogs}
    over = [d._replace(state="terminated") for d in before if d.id not in going_on]
    dialogs = "".join(map(_dialog, [*state.dialogs, *over]))
    basic = "open" if state.is_reachable else "closed"
    return _document(
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"'
        f' version="{version}" state="full" entity={_quoted(entity)}>\n{dialogs}'
        f'<basic xmlns="{_PIDF}">{basic}</basic>\n</dialog-info>\n'
    )


def _dialog(dialog: DialogInfo) -> str:
    tags = "".join(
        f" {name}={_quoted(value)}"
        for name, value in (("local-tag", dialog.local_tag), ("remote-tag", dialog.remote_tag))
        if value
    )
    display = f" display={_quoted(dialog.name)}" if dialog.name else ""
    uri = _quoted(dialog.uri)
    return (
        f"<dialog id={_quoted(dialog.id)} call-id={_quoted(dialog.call_id)}{tags}"
        f' direction="{dialog.direction}">\n<state>{dialog.state}</state>\n'
        f"<remote><identity{display}>{_text(dialog.uri)}</identity>"
        f"<target uri={uri}/></remote>\n</dialog>\n"
    )


def presence(entity: str, version: int, state: Presence, told: object) -> bytes:
    """A PIDF with one tuple, and an activity (RFC 4480) while the user is on the phone."""
    del version, told  # PIDF numbers nothing and has no parts
    person = (
        '<dm:person id="person"><rpid:activities><rpid:on-the-phone/></rpid:activities>'
        "</dm:person>\n"
    )
    return _document(
        f'<presence xmlns="{_PIDF}" xmlns:dm="{_PIDF}:data-model" xmlns:rpid="{_PIDF}:rpid"'
        f" entity={_quoted(entity)}>\n"
        f'<tuple id="phone"><status><basic>{"open" if state.is_open else "closed"}</basic></status>'
        f"</tuple>\n{person if state.is_on_the_phone else ''}</presence>\n"
    )


def registration(entity: str, version: int, contacts: tuple[str, ...], told: object) -> bytes:
    """A user's contacts (RFC 3680 5). What ended is not listed; without any the address of record
    is where it begins, "init"."""
    del told
    listed = "".join(
        f'<contact id="{_id(uri)}" state="active" event="registered"><uri>{_text(uri)}</uri>'
        "</contact>\n"
        for uri in contacts
    )
    return _document(
        f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{version}" state="full">\n'
        f'<registration aor={_quoted(entity)} id="{_id(entity)}"'
        f' state="{"active" if contacts else "init"}">\n{listed}</registration>\n</reginfo>\n'
    )


def message_summary(entity: str, version: int, messages: Messages, told: object) -> bytes:
    """Messages-Waiting and the counts (RFC 3842 5.2); none is ever urgent."""
    del version, told
    waiting = "yes" if messages.new else "no"
    return (
        f"Messages-Waiting: {waiting}\r\nMessage-Account: {entity}\r\n"
        f"Voice-Message: {messages.new}/{messages.old} (0/0)\r\n"
    ).encode()


def _id(text: str) -> str:
    """An id that is the same whenever the text is."""
    return "i" + blake2b(text.encode(), digest_size=8).hexdigest()


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("", text))


def _quoted(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("", text))


def _document(xml: str) -> bytes:
    return (_HEAD + xml).encode()
