"""What subscribers are told of a user, by event package: from the calls, the registrar and the
mailboxes as they are at that moment. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from sip import state_documents as documents
from sip.errors import RemoteError
from sip.state_documents import DialogInfo, DialogState, Messages, Presence
from sip.values import parse_name_addr
from softswitch.call.b2bua import UP
from softswitch.call.branches import BranchState
from softswitch.call.legs import BranchLeg, LiveCall
from softswitch.call.registrar import Registrar
from softswitch.call.watch import Watch
from softswitch.routing.model import User
from softswitch.routing.plan import PhoneCaller

CONTACTS_MAX = 10  # in one reginfo; a login has no more
CALLS_MAX = 32
"""Looked at for one user, the oldest: a static IP user may be an exchange with hundreds of them."""


class UserStates:
    """Where the states come from. ``messages`` counts the voice messages of a user."""

    def __init__(
        self,
        registrar: Registrar,
        watch: Watch,
        messages: Callable[[PhoneCaller], Messages],
        now_us: Callable[[], int],
    ) -> None:
        self.messages = messages
        self._registrar = registrar
        self._watch = watch
        self._now_us = now_us

    def is_reachable(self, user: User) -> bool:
        """Whether a phone is registered; equipment at a static address is always taken to be there,
        as calls do."""
        return user.static is not None or self._registrar.reachable(
            user.login or "", self._now_us()
        )

    def contacts(self, user: User) -> tuple[str, ...]:
        """The URIs that are registered."""
        bound = self._registrar.bindings(user.login or "", self._now_us())
        return tuple(binding.contact for binding in bound[:CONTACTS_MAX])

    def dialogs(self, who: PhoneCaller) -> tuple[DialogInfo, ...]:
        """The calls of a user as his phones have them."""
        calls = islice(self._watch.calls(who), CALLS_MAX)
        return documents.most_telling(d for live in calls for d in _dialogs(live, who))


def _dialogs(live: LiveCall, who: PhoneCaller) -> Iterator[DialogInfo]:
    if live.caller.user == who:
        dialog = _of_caller(live)
        if dialog is not None:
            yield dialog
    for number, leg in enumerate(live.branches):
        if leg.user == who:
            dialog = _of_branch(live, number, leg)
            if dialog is not None:
                yield dialog


def _of_caller(live: LiveCall) -> DialogInfo | None:
    leg, machine = live.caller, live.machine
    if live.side_of(leg) is None or leg.tx.final_status >= 300:
        return None  # it handed the call on, or was refused
    dialog = leg.dialog
    if machine.state in UP:
        state = "confirmed"
    else:
        state = "early" if dialog.local_tag else "trying"
    return DialogInfo(
        leg.tx.to_tag,
        dialog.call_id,
        dialog.remote_tag,
        leg.tx.to_tag if state != "trying" else "",
        "initiator",
        state,
        *_party(dialog.local),
    )


def _of_branch(live: LiveCall, number: int, leg: BranchLeg) -> DialogInfo | None:
    branch = live.machine.branches[number]
    if branch.state is BranchState.CALLING:
        state = "trying" if branch.rang_s is None else "early"
    elif live.side_of(leg) is not None and live.machine.state in UP:
        state = "confirmed"
    else:
        return None
    if leg.dialog is not None:
        call_id, ours, theirs = leg.dialog.id
    elif leg.tx is not None:
        call_id, ours = leg.tx.request.call_id, leg.tx.request.from_tag or ""
        theirs = _tag(leg.ringing_to)
    else:
        return None
    party = _party(leg.target.caller)
    return DialogInfo(ours, call_id, theirs, ours, "recipient", state, *party)


def _tag(to: str) -> str:
    """The tag of a To, "" while there is none that can be read."""
    try:
        return (parse_name_addr(to).tag or "") if to else ""
    except RemoteError:
        return ""


def _party(address: str) -> tuple[str, str]:
    """Name and URI of the other party, as the phone shows it."""
    try:
        read = parse_name_addr(address)
    except RemoteError:
        return "", "sip:anonymous@anonymous.invalid"
    return read.display, read.uri_text


def _dialog_state(states: UserStates, who: PhoneCaller, user: User) -> DialogState:
    return DialogState(states.is_reachable(user), states.dialogs(who))


def _presence(states: UserStates, who: PhoneCaller, user: User) -> Presence:
    """Who is rung is not on the phone yet; who calls is."""
    dialogs = states.dialogs(who)
    talks = any(d.state == "confirmed" or d.direction == "initiator" for d in dialogs)
    return Presence(states.is_reachable(user), talks)


class Package(NamedTuple):
    """An event package: what its bodies are, the state that they tell, how it is written, and
    whether only the user himself may see it.

    ``document(entity, version, state, told)``: ``told`` is the state of the NOTIFY before.
    """

    content_type: str
    state: Callable[[UserStates, PhoneCaller, User], Any]
    document: Callable[[str, int, Any, object], bytes]
    is_private: bool = False


# Any: each package's document takes its own package's state.
PACKAGES: dict[str, Package] = {
    "dialog": Package(documents.DIALOG_TYPE, _dialog_state, documents.dialog_info),
    "message-summary": Package(
        documents.MESSAGES_TYPE,
        lambda states, who, user: states.messages(who),
        documents.message_summary,
        is_private=True,
    ),
    "presence": Package(documents.PRESENCE_TYPE, _presence, documents.presence),
    "reg": Package(
        documents.REGISTRATION_TYPE,
        lambda states, who, user: states.contacts(user),
        documents.registration,
    ),
}

ALLOW_EVENTS = ", ".join(PACKAGES)
