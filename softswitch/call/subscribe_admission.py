"""Who subscribes, and may they: from a SUBSCRIBE to what is wanted, or to a refusal."""

from __future__ import annotations

from typing import NamedTuple

from sip.flow import Flow
from sip.message import Request
from sip.params import NO_PARAMS
from sip.subscription import Asked, accepts, parse_subscribe
from sip.uri import SipUri, parse_uri
from softswitch.call.admission import Admission, Answered
from softswitch.call.user_states import PACKAGES
from softswitch.ids import Extension
from softswitch.routing.model import RoutingSnapshot
from softswitch.routing.plan import PhoneCaller, TrunkCaller


class Wanted(NamedTuple):
    """A SUBSCRIBE that may be obeyed: ``user`` wants to be told of ``resource``, as ``entity`` he
    calls it."""

    asked: Asked
    user: PhoneCaller
    resource: PhoneCaller
    entity: str


class SubscribeAdmission:
    """Identity as for calls; then users of the own account only, and the own mailbox."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def decide(
        self, request: Request, flow: Flow, snapshot: RoutingSnapshot, now_s: float
    ) -> Wanted | Answered:
        """Admit or answer one SUBSCRIBE outside a dialog. Raises RemoteError with the status that
        refuses what is malformed."""
        uri, asked = parse_uri(request.uri), parse_subscribe(request)
        package = PACKAGES.get(asked.package)
        if package is None:
            return Answered(489)
        caller = self._admission.caller(request, uri.host, flow, snapshot, now_s)
        if isinstance(caller, Answered):
            return caller
        if isinstance(caller, TrunkCaller):
            return Answered(403, "carriers have nothing to subscribe to")
        resource = _resource(snapshot, caller, uri)
        if resource is None:
            return Answered(404)
        if package.is_private and resource != caller:
            return Answered(403, "this is for the user alone")
        if not accepts(request, package.content_type):
            return Answered(406, f"it is told as {package.content_type}")
        entity = uri._replace(params=NO_PARAMS, headers=(), password=None, port=None)
        return Wanted(asked, caller, resource, str(entity))


def _resource(snapshot: RoutingSnapshot, user: PhoneCaller, uri: SipUri) -> PhoneCaller | None:
    """The user of the same account that a Request-URI names, by extension or by SIP login."""
    account, name = snapshot.accounts.get(user.account), uri.user or ""
    if account is None or uri.scheme == "tel":
        return None
    login = snapshot.logins.get(name)
    if login is not None and login.account == user.account:
        return PhoneCaller(user.account, login.extension)
    extension = Extension(name)
    return PhoneCaller(user.account, extension) if extension in account.users else None
