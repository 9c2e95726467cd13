"""What carriers are told of a caller, and what is believed of theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.message import Request
from softswitch.call.admission import presented_number, wants_privacy
from softswitch.call.caller_identity import ANONYMOUS, Sender, identity
from softswitch.routing.model import Trunk
from tests.softswitch.call.phones import invite

PLAIN = Trunk("carrier", (), "sip:192.0.2.9", "e164", 0)
NUMBER, HOST = "+37070044960", "198.51.100.1"
ADDRESS = f"<sip:{NUMBER}@{HOST}>"
ASSERTED = ("P-Asserted-Identity", ADDRESS)
HIDE = ("Privacy", "id")


def party(privacy: str) -> tuple[str, str]:
    """A Remote-Party-ID header."""
    return ("Remote-Party-ID", f"{ADDRESS};party=calling;screen=yes;privacy={privacy}")


@pytest.mark.parametrize(
    ("trusted", "remote_party_id", "private", "sender"),
    [
        (False, False, False, Sender(ADDRESS, ())),
        (True, False, False, Sender(ADDRESS, (ASSERTED,))),
        (False, True, False, Sender(ADDRESS, (party("off"),))),
        (True, True, False, Sender(ADDRESS, (ASSERTED, party("off")))),
        (False, False, True, Sender(ANONYMOUS, (HIDE,))),
        (False, True, True, Sender(ANONYMOUS, (HIDE,))),
        (True, False, True, Sender(ANONYMOUS, (ASSERTED, HIDE))),
        (True, True, True, Sender(ANONYMOUS, (ASSERTED, party("full"), HIDE))),
    ],
)
def test_what_is_sent(trusted: bool, remote_party_id: bool, private: bool, sender: Sender) -> None:
    """A number that is withheld goes to trusted trunks alone, and never into From."""
    trunk = replace(PLAIN, trusted=trusted, remote_party_id=remote_party_id)
    assert identity(trunk, NUMBER, HOST, private=private) == sender


@pytest.mark.parametrize("trusted", [False, True])
def test_no_number_is_anonymous(trusted: bool) -> None:
    """There is nothing to assert."""
    trunk = replace(PLAIN, trusted=trusted, remote_party_id=True)
    assert identity(trunk, "", HOST, private=False) == Sender(ANONYMOUS, (HIDE,))


def asserted(*names: str) -> Request:
    """An INVITE whose headers each say another number; From says a login."""
    values = {"P-Asserted-Identity": "+1", "Remote-Party-ID": "+2"}
    return invite(extra=tuple((name, f"<sip:{values[name]}@h>") for name in names))


@pytest.mark.parametrize(
    ("names", "trusted", "number"),
    [
        (("P-Asserted-Identity", "Remote-Party-ID"), True, "+1"),
        (("Remote-Party-ID",), True, "+2"),
        ((), True, "883140000000101"),
        (("P-Asserted-Identity", "Remote-Party-ID"), False, "883140000000101"),
    ],
)
def test_what_is_taken(names: tuple[str, ...], trusted: bool, number: str) -> None:
    """P-Asserted-Identity, Remote-Party-ID, From (A22); of who is not trusted, From alone."""
    assert presented_number(asserted(*names), trusted=trusted) == number


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("id", True),
        ("user", True),
        ("header;ID;critical", True),
        ("none", False),
        ("header", False),
        ("", False),
    ],
)
def test_who_asks_not_to_be_shown(value: str, hidden: bool) -> None:
    """The priv-values that hide a caller (RFC 3323 4.2, RFC 3325 9.3)."""
    assert wants_privacy(invite(extra=(("Privacy", value),))) is hidden


def test_nobody_asked() -> None:
    """No header, no wish."""
    assert not wants_privacy(invite())
