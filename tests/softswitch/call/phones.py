"""Requests that phones send, without a network."""

from __future__ import annotations

from sip import digest
from sip.flow import Address, Flow
from sip.message import Request

DOMAIN = "login.smarttelplus.eu"
LOGIN = "883140000000101"
PASSWORD = "Sip-secret-101"
SWITCH = Address("198.51.100.1", 5060)


def flow(
    port: int = 5062, host: str = "203.0.113.7", transport: str = "udp", number: int = 0
) -> Flow:
    """A flow from a phone; ``number`` is that of a stream connection."""
    return Flow(transport, SWITCH, Address(host, port), number)


def register(
    *contacts: str,
    expires: str | None = None,
    call_id: str = "a@phone",
    cseq: int = 1,
    login: str = LOGIN,
    extra: tuple[tuple[str, str], ...] = (),
) -> Request:
    """A REGISTER with these Contact lines."""
    address = f"<sip:{login}@{DOMAIN}>"
    fields = [
        ("To", address),
        ("From", f"{address};tag=f"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} REGISTER"),
        *(("Contact", contact) for contact in contacts),
        *extra,
    ]
    if expires is not None:
        fields.append(("Expires", expires))
    return Request.build("REGISTER", f"sip:{DOMAIN}", fields)


def invite(uri: str = f"sip:102@{DOMAIN}", *, extra: tuple[tuple[str, str], ...] = ()) -> Request:
    """An INVITE, as far as identity is concerned."""
    fields = [
        ("To", f"<{uri}>"),
        ("From", f"<sip:{LOGIN}@{DOMAIN}>;tag=f"),
        ("Call-ID", "i@phone"),
        ("CSeq", "1 INVITE"),
    ]
    return Request.build("INVITE", uri, [*fields, *extra])


def answered(
    request: Request,
    challenges: tuple[tuple[str, str], ...],
    *,
    login: str = LOGIN,
    password: str = PASSWORD,
    nc: int = 1,
    choice: int = 0,
    header: str | None = None,
) -> Request:
    """The request again, with the answer to one of the challenges."""
    name, value = challenges[choice]
    usual = "Authorization" if name == "WWW-Authenticate" else "Proxy-Authorization"
    asked = digest.parse_challenge(value)
    answer = digest.answer(asked, request.method, request.uri, login, password, "cnonce", nc)
    again = request.copy()
    again.set((header or usual).lower(), answer)
    return again
