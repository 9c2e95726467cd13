"""State files for tests, as the contract writes them: small worlds of accounts and trunks."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

OPERATOR_BLOCK = "883140"


def rate(prefix: str = "371", per_minute: str = "0.06", **more: Any) -> Document:
    """A tariff row; 60/60 unless said otherwise."""
    row: Document = {
        "prefix": prefix,
        "direction": "out",
        "destination": f"Somewhere {prefix}",
        "per_minute": per_minute,
        "initial_s": 60,
        "increment_s": 60,
        "valid_from": "2016-01-01",
    }
    return row | more


def login(account: str, extension: str) -> str:
    """The SIP login of a user of these worlds: 15 digits of the operator's block."""
    return f"{OPERATOR_BLOCK}{int(account):05d}{int(extension):04d}"


def password(extension: str) -> str:
    """The equipment password of a user of these worlds."""
    return f"Sip-secret-{extension}"


def user(account: str, extension: str, **more: Any) -> Document:
    """A SIP ID user."""
    return {
        "extension": extension,
        "name": f"User {extension}",
        "email": f"u{extension}@a{int(account)}.example",
        "designated_number": "default",
        "sip": {"login": login(account, extension), "password": password(extension)},
    } | more


def account(
    account_id: str = "000000212",
    *,
    numbers: tuple[str, ...] = ("+37070044960",),
    extensions: tuple[str, ...] = ("101", "102"),
    balance: str = "50.00",
    **more: Any,
) -> Document:
    """An activated account with an administrator at 100 and users; its first number is the default
    and rings the first user."""
    administrator = user(account_id, "100") | {
        "last_name": "Ivanov",
        "phone": "+37120000000",
        "password": "correct horse battery",
    }
    del administrator["designated_number"]
    ring_first = {"period": "always", "to": {"user": extensions[0]}, "timeout_s": 20}
    return {
        "id": account_id,
        "company": f"Company {int(account_id)}",
        "user_type": "organization",
        "country": "LV",
        "address": "Brivibas 1, Riga",
        "time_zone": "Europe/Riga",
        "language": "en",
        "tariff": "standard",
        "opening_balance": balance,
        "activated": True,
        "administrator": administrator,
        "numbers": list(numbers),
        **({"default_number": numbers[0]} if numbers else {}),
        "users": [user(account_id, extension) for extension in extensions],
        "call_flows": [{"number": number, **ring_first} for number in numbers],
    } | more


def trunk(name: str, host: str, **more: Any) -> Document:
    """A carrier at one address, over UDP. SIPp takes OPTIONS for a broken call, so there are no
    probes unless a test asks for them."""
    return {
        "name": name,
        "ip": [host],
        "destination": f"sip:{host}:5060;transport=udp",
        "number_format": "e164",
        "channels_max": 100,
        "probe_s": 0,
    } | more


def world(
    *accounts: Document,
    trunks: tuple[Document, ...] = (),
    rates: tuple[Document, ...] = (rate(),),
) -> Document:
    """A whole state file: every number of the accounts is in the catalogue, and all outside numbers
    go to the trunks in their order."""
    names = [carrier["name"] for carrier in trunks]
    catalogue = [
        {
            "number": number,
            "country": "LT",
            "city": "Vilnius",
            "kind": "city",
            "setup_fee": "0",
            "monthly_fee": "0",
            "channels": 0,
            **({"trunk": names[0]} if names else {}),
        }
        for one in accounts
        for number in one["numbers"]
    ]
    return {
        "provider": {
            "brand": "SmartTel+",
            "legal_name": "SmartTel Plus OÜ",
            "country": "EE",
            "vat_number": "EE101234568",
            "currency": "EUR",
        },
        "trunks": list(trunks),
        "routes": [{"prefix": "", "trunks": names}] if names else [],
        "tariffs": [{"name": "standard", "currency": "EUR", "rates": list(rates)}],
        "catalogue": {
            "included_users": 5,
            "users_max": 100,
            "user_monthly_fee": "0",
            "recording_monthly_fee": "0",
            "numbers": catalogue,
        },
        "accounts": list(accounts),
    }
