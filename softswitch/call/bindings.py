"""A registered contact, in memory and as the row that keeps it over a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sip.flow import Address, Flow
from sip.uri import parse_uri
from softswitch.call.addresses import SIP_PORT, SIPS_PORT, same_host
from softswitch.call.contacts import AskedContact


@dataclass(frozen=True, slots=True)
class Bound:
    """A registered contact and the flow by which its phone is reached."""

    login: str
    asked: AskedContact
    flow: Flow
    call_id: str
    cseq: int
    expires_us: int
    user_agent: str

    @property
    def contact(self) -> str:
        """The contact's URI: the Request-URI of calls to it."""
        return self.asked.uri

    @property
    def q_thousandths(self) -> int:
        """How much the phone wants to be preferred, 0 to 1000."""
        return self.asked.q_thousandths


class BindingRow(NamedTuple):
    """The row of ``softswitch.store.models.Binding``, with its names."""

    login: str
    contact: str
    call_id: str
    cseq: int
    expires_us: int
    q_thousandths: int
    transport: str
    local: str
    source: str
    user_agent: str


def to_row(bound: Bound) -> BindingRow:
    """What the store keeps of a binding."""
    return BindingRow(
        bound.login,
        bound.contact,
        bound.call_id,
        bound.cseq,
        bound.expires_us,
        bound.q_thousandths,
        bound.flow.transport,
        str(bound.flow.local),
        str(bound.flow.remote),
        bound.user_agent,
    )


def revive(row: BindingRow) -> Bound | None:
    """The binding of a row, ``None`` if it cannot be reached after a restart.

    UDP flows live on. Stream connections ended with the old process: without NAT the phone takes
    new ones at its Contact's address, behind NAT nobody can open one.
    """
    uri = parse_uri(row.contact)
    remote = parse_address(row.source)
    if row.transport != "udp":
        if not same_host(uri.host, remote.host):
            return None
        remote = Address(uri.host, uri.port or (SIPS_PORT if row.transport == "tls" else SIP_PORT))
    asked = AskedContact(row.contact, uri.user or "", None, row.q_thousandths)
    flow = Flow(row.transport, parse_address(row.local), remote)
    return Bound(row.login, asked, flow, row.call_id, row.cseq, row.expires_us, row.user_agent)


def parse_address(text: str) -> Address:
    """The inverse of ``str(Address)``."""
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]"), int(port))
