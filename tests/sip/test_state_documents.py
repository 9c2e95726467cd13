"""What NOTIFY tells, read back with the standard library."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sip.state_documents import (
    DIALOGS_MAX,
    DialogInfo,
    DialogState,
    Messages,
    Presence,
    dialog_info,
    message_summary,
    most_telling,
    presence,
    registration,
)

DIALOG_NS = "{urn:ietf:params:xml:ns:dialog-info}"
PIDF_NS = "{urn:ietf:params:xml:ns:pidf}"
REG_NS = "{urn:ietf:params:xml:ns:reginfo}"
ENTITY = "sip:102@example.com"
RINGING = DialogInfo(
    "d1", "c1", "theirs", "ours", "recipient", "early", 'A "B" <C> & D', "sip:101@example.com"
)


def test_a_dialog_is_written_whole() -> None:
    """Identity and target escaped, tags and direction as attributes (RFC 4235 4.1)."""
    body = dialog_info(ENTITY, 3, DialogState(True, (RINGING,)), None)
    root = ElementTree.fromstring(body)
    assert root.tag == f"{DIALOG_NS}dialog-info"
    assert root.attrib == {"version": "3", "state": "full", "entity": ENTITY}
    (dialog,) = root.findall(f"{DIALOG_NS}dialog")
    assert dialog.attrib == {
        "id": "d1",
        "call-id": "c1",
        "local-tag": "theirs",
        "remote-tag": "ours",
        "direction": "recipient",
    }
    assert [child.tag for child in dialog] == [f"{DIALOG_NS}state", f"{DIALOG_NS}remote"]
    assert dialog.findtext(f"{DIALOG_NS}state") == "early"
    identity = dialog.find(f"{DIALOG_NS}remote/{DIALOG_NS}identity")
    target = dialog.find(f"{DIALOG_NS}remote/{DIALOG_NS}target")
    assert identity is not None
    assert target is not None
    assert (identity.text, identity.get("display")) == ("sip:101@example.com", 'A "B" <C> & D')
    assert target.get("uri") == "sip:101@example.com"


def test_an_unknown_tag_is_left_out() -> None:
    """The attributes are optional; an empty one would be a tag."""
    body = dialog_info(ENTITY, 0, DialogState(True, (RINGING._replace(local_tag=""),)), None)
    (dialog,) = ElementTree.fromstring(body).findall(f"{DIALOG_NS}dialog")
    assert "local-tag" not in dialog.attrib


def test_what_was_told_and_is_no_more_is_terminated_once() -> None:
    """Phones that want to see the end see it."""
    before = DialogState(True, (RINGING,))
    root = ElementTree.fromstring(dialog_info(ENTITY, 1, DialogState(True), before))
    assert [element.text for element in root.iter(f"{DIALOG_NS}state")] == ["terminated"]
    again = ElementTree.fromstring(dialog_info(ENTITY, 2, DialogState(True), DialogState(True)))
    assert again.findall(f"{DIALOG_NS}dialog") == []


def test_an_idle_user_is_told_from_one_who_is_not_there() -> None:
    """By the basic status of PIDF, which stands behind the dialogs."""
    for is_reachable, basic in ((True, "open"), (False, "closed")):
        root = ElementTree.fromstring(dialog_info(ENTITY, 0, DialogState(is_reachable), None))
        assert root.findtext(f"{PIDF_NS}basic") == basic
        assert root[-1].tag == f"{PIDF_NS}basic"


def test_the_dialogs_that_tell_most_are_told() -> None:
    """Those that were answered, and no more than fit."""
    many = [RINGING._replace(id=f"d{n}") for n in range(DIALOGS_MAX + 5)]
    talking = RINGING._replace(id="t", state="confirmed")
    told = most_telling([*many, talking])
    assert told[0] == talking
    assert len(told) == DIALOGS_MAX


def test_presence() -> None:
    """Open or closed, and the activity only while on the phone (RFC 3863, RFC 4480)."""
    for state, basic, activities in (
        (Presence(True), "open", 0),
        (Presence(False), "closed", 0),
        (Presence(True, is_on_the_phone=True), "open", 1),
    ):
        root = ElementTree.fromstring(presence(ENTITY, 0, state, None))
        assert root.tag == f"{PIDF_NS}presence"
        assert root.get("entity") == ENTITY
        assert root.findtext(f"{PIDF_NS}tuple/{PIDF_NS}status/{PIDF_NS}basic") == basic
        found = list(root.iter("{urn:ietf:params:xml:ns:pidf:rpid}on-the-phone"))
        assert len(found) == activities


def test_registration() -> None:
    """A contact each; init without any (RFC 3680 5)."""
    contacts = ("sip:anna@192.0.2.1;x=<&>", "sip:anna@192.0.2.2")
    root = ElementTree.fromstring(registration(ENTITY, 4, contacts, None))
    assert root.attrib == {"version": "4", "state": "full"}
    (listed,) = root
    assert (listed.get("aor"), listed.get("state")) == (ENTITY, "active")
    assert tuple(uri.text for uri in listed.iter(f"{REG_NS}uri")) == contacts
    ids = {contact.get("id") for contact in listed}
    assert len(ids) == 2
    (nobody,) = ElementTree.fromstring(registration(ENTITY, 0, (), None))
    assert nobody.get("state") == "init"
    assert len(nobody) == 0


def test_message_summary() -> None:
    """Header lines (RFC 3842 5.2)."""
    lines = message_summary(ENTITY, 0, Messages(2, 5), None).decode().split("\r\n")
    assert lines == [
        "Messages-Waiting: yes",
        f"Message-Account: {ENTITY}",
        "Voice-Message: 2/5 (0/0)",
        "",
    ]
    assert b"Messages-Waiting: no\r\n" in message_summary(ENTITY, 0, Messages(0, 5), None)


@given(st.text(), st.text(), st.text())
def test_any_text_makes_well_formed_documents(one: str, two: str, three: str) -> None:
    """Names, URIs and Call-IDs are what somebody else wrote."""
    dialog = RINGING._replace(name=one, uri=two, call_id=three)
    for body in (
        dialog_info(one, 0, DialogState(True, (dialog,)), None),
        presence(two, 0, Presence(True), None),
        registration(three, 0, (one, two), None),
    ):
        ElementTree.fromstring(body)
