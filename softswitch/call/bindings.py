"""A registered contact, in memory and as the row that keeps it over a restart."""

from __future__ import annotations

from typing import NamedTuple

from sip.flow import Address, Flow
from sip.uri import parse_uri
from sip.values import parse_name_addr, split_commas
from softswitch.call.addresses import SIP_PORT, SIPS_PORT, same_host
from softswitch.call.contacts import AskedContact


class Bound(NamedTuple):
    """A registered contact and the flow by which its phone is reached.

    ``path`` is the Route value of calls to it, "" for none (RFC 3327). ``outbound``: it lives and
    dies with its flow (RFC 5626).
    """

    login: str
    asked: AskedContact
    flow: Flow
    call_id: str
    cseq: int
    expires_us: int
    user_agent: str
    path: str = ""
    outbound: bool = False

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
    instance: str
    reg_id: str
    path: str
    outbound: bool


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
        bound.asked.instance,
        bound.asked.reg_id,
        bound.path,
        bound.outbound,
    )


def revive(row: BindingRow) -> Bound | None:
    """The binding of a row, ``None`` if it cannot be reached after a restart.

    UDP flows live on. Stream connections ended with the old process: without NAT the phone, or the
    proxy before it, takes new ones at its address, behind NAT nobody can open one, and none may be
    opened in place of a flow that the phone watches (RFC 5626 5.3).
    """
    flow = Flow(row.transport, parse_address(row.local), parse_address(row.source))
    asked = AskedContact(
        row.contact,
        parse_uri(row.contact).user or "",
        None,
        row.q_thousandths,
        row.instance,
        row.reg_id,
    )
    bound = Bound(
        row.login,
        asked,
        flow,
        row.call_id,
        row.cseq,
        row.expires_us,
        row.user_agent,
        row.path,
        row.outbound,
    )
    return bound if row.transport == "udp" else reconnected(bound)


def reconnected(bound: Bound) -> Bound | None:
    """A binding whose stream connection is gone, with the flow to be opened in its place; ``None``
    when there is none."""
    if bound.outbound:
        return None
    flow = bound.flow
    hop = parse_uri(_first_hop(bound))
    if not same_host(hop.host, flow.remote.host):
        return None
    port = hop.port or (SIPS_PORT if flow.transport == "tls" else SIP_PORT)
    return bound._replace(flow=Flow(flow.transport, flow.local, Address(hop.host, port)))


def _first_hop(bound: Bound) -> str:
    if not bound.path:
        return bound.contact
    return parse_name_addr(split_commas(bound.path, "Path")[0], "Path").uri_text


def parse_address(text: str) -> Address:
    """The inverse of ``str(Address)``."""
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]"), int(port))
