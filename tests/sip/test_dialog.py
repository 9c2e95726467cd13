"""Dialogs: RFC 3261 section 12 from both sides."""

from __future__ import annotations

import pytest

from sip.dialog import ROUTES_MAX, Dialog
from sip.errors import RemoteError
from sip.message import Request, Response
from tests.sip.answers import answered
from tests.sip.peers import Pair, request

ROUTES = [
    ("Record-Route", "<sip:p2.example;lr>"),
    ("Record-Route", "<sip:p1.example;lr>, <sip:p0;lr>"),
]
FLOW = Pair().to_bob


def uas(*headers: tuple[str, str], **changes: str) -> Dialog:
    """Bob's side of a dialog that Alice's INVITE makes."""
    invite = request("INVITE", *headers, **({"CSeq": "7 INVITE"} | changes))
    return Dialog.uas(invite, local_tag="b1", contact="<sip:bob@192.0.2.2>", flow=FLOW)


def answer(invite: Request, status: int = 200, *headers: tuple[str, str]) -> Response:
    """Bob's answer to Alice's INVITE."""
    fields = headers or (("Contact", "<sip:bob@192.0.2.2:5070>"),)
    asked = invite.copy()
    asked.set("via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    return answered(asked, status, to_tag="b1", headers=fields)


def uac(*headers: tuple[str, str]) -> Dialog:
    """Alice's side of it."""
    invite = request("INVITE", CSeq="7 INVITE")
    fields = (("Contact", "<sip:bob@192.0.2.2:5070>"), *headers)
    return Dialog.uac(
        invite, answer(invite, 200, *fields), contact="<sip:alice@192.0.2.1>", flow=FLOW
    )


def test_the_called_sides_requests() -> None:
    """12.1.1 and 12.2.1.1: From and To change places, the route set keeps its order."""
    dialog = uas(*ROUTES)
    bye = dialog.request("BYE")
    assert (bye.method, bye.uri) == ("BYE", "sip:alice@192.0.2.1:5060")
    assert bye.first("from") == "<sip:bob@192.0.2.2>;tag=b1"
    assert bye.required("to").startswith('"Alice" <sip:alice@192.0.2.1>;tag=a')
    assert (bye.from_tag, bye.to_tag) == (dialog.local_tag, dialog.remote_tag)
    assert str(bye.cseq) == "1 BYE"
    assert bye.all("route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>", "<sip:p0;lr>"]
    assert dialog.next_hop == "sip:p2.example;lr"
    assert "contact" not in bye.headers


def test_the_calling_sides_requests() -> None:
    """12.1.2: the route set is reversed, numbers go on from the INVITE's."""
    dialog = uac(*ROUTES)
    reinvite = dialog.request("INVITE", [("Content-Type", "application/sdp")], b"v=0\r\n")
    assert reinvite.uri == "sip:bob@192.0.2.2:5070"
    assert str(reinvite.cseq) == "8 INVITE"
    assert reinvite.all("route") == ["<sip:p0;lr>", "<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    assert reinvite.first("contact") == "<sip:alice@192.0.2.1>"
    assert (reinvite.content_type, reinvite.body) == ("application/sdp", b"v=0\r\n")
    assert dialog.id == (reinvite.call_id, reinvite.from_tag, "b1")


def test_without_routes_the_target_is_the_next_hop() -> None:
    """12.2.1.1, first case."""
    dialog = uac()
    assert dialog.next_hop == "sip:bob@192.0.2.2:5070"
    assert "route" not in dialog.request("BYE").headers


def test_a_strict_router_gets_the_request_uri() -> None:
    """12.2.1.1, last case: the target moves to the end of Route."""
    dialog = uas(("Record-Route", "<sip:old.example>, <sip:new.example;lr>"))
    bye = dialog.request("BYE")
    assert bye.uri == "sip:old.example"
    assert bye.all("route") == ["<sip:new.example;lr>", "<sip:alice@192.0.2.1:5060>"]


def test_the_ack_has_the_number_of_its_invite() -> None:
    """13.2.2.4; and no number is used up."""
    dialog = uac()
    ack = dialog.ack(7, b"v=0\r\n", [("Content-Type", "application/sdp")])
    assert (ack.method, str(ack.cseq), ack.body) == ("ACK", "7 ACK", b"v=0\r\n")
    assert str(dialog.request("BYE").cseq) == "8 BYE"


def test_requests_out_of_order_are_refused() -> None:
    """12.2.2: 500, and the dialog is unchanged."""
    dialog = uas()
    late = request("INVITE", CSeq="6 INVITE", Contact="<sip:elsewhere@192.0.2.9>")
    with pytest.raises(RemoteError) as caught:
        dialog.accepts(late)
    assert caught.value.status_hint == 500
    assert (dialog.remote_cseq, dialog.remote_target) == (7, "sip:alice@192.0.2.1:5060")
    dialog.accepts(request("BYE", CSeq="100 BYE"))
    assert dialog.remote_cseq == 100
    dialog.accepts(request("ACK", CSeq="7 ACK"))
    assert dialog.remote_cseq == 100


@pytest.mark.parametrize(("method", "moves"), [("INVITE", True), ("UPDATE", True), ("BYE", False)])
def test_only_refreshing_requests_move_the_target(method: str, moves: bool) -> None:
    """12.2.2 and RFC 3311."""
    dialog = uas()
    dialog.accepts(request(method, CSeq=f"8 {method}", Contact="<sip:moved@192.0.2.9>"))
    assert (dialog.remote_target == "sip:moved@192.0.2.9") is moves


def test_the_answer_to_a_reinvite_moves_the_target() -> None:
    """12.2.1.2: only a 2xx, and only with a Contact."""
    dialog = uac()
    reinvite = dialog.request("INVITE")
    dialog.refresh(answer(reinvite, 488, ("Contact", "<sip:no@192.0.2.9>")))
    dialog.refresh(answer(reinvite, 200, ("Supported", "timer")))
    assert dialog.remote_target == "sip:bob@192.0.2.2:5070"
    dialog.refresh(answer(reinvite, 200, ("Contact", "<sip:moved@192.0.2.9>")))
    assert dialog.remote_target == "sip:moved@192.0.2.9"


def test_an_early_dialog_is_confirmed_with_the_routes_of_the_2xx() -> None:
    """13.2.2.4; a 180 may lack Contact."""
    invite = request("INVITE")
    ringing = answer(invite, 180, ("Supported", "timer"))
    dialog = Dialog.uac(invite, ringing, contact="<sip:a@b>", flow=FLOW)
    assert (dialog.remote_target, dialog.route_set) == (invite.uri, ())
    dialog.confirm(answer(invite, 200, ("Contact", "<sip:bob@192.0.2.7>"), *ROUTES))
    assert dialog.remote_target == "sip:bob@192.0.2.7"
    assert dialog.route_set[0] == "<sip:p0;lr>"


def test_a_peer_of_rfc_2543_has_no_tag() -> None:
    """12.1.1: its tag is null, and none is written."""
    dialog = uas(From="<sip:alice@192.0.2.1>")
    assert dialog.id[2] == ""
    assert dialog.request("BYE").first("to") == "<sip:alice@192.0.2.1>"


@pytest.mark.parametrize(
    "contact", ["*", "<sip:a@b>, <sip:c@d>", "", "<sip:a@b", "<http://a.example>"]
)
def test_a_dialog_needs_one_usable_contact(contact: str) -> None:
    """8.1.1.8: anything else is the peer's error."""
    with pytest.raises(RemoteError):
        uas(Contact=contact)


def test_a_route_set_has_an_end() -> None:
    """More hops than Max-Forwards allows are no path."""
    routes = [("Record-Route", f"<sip:p{number};lr>") for number in range(ROUTES_MAX + 1)]
    with pytest.raises(RemoteError):
        uas(*routes)
