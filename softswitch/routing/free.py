"""The explicit zero rows of calls that cost nothing (billing rule 10)."""

from __future__ import annotations

from functools import lru_cache

from billing.tariff import Rate
from softswitch.ids import AccountId
from softswitch.routing.plan import Payment

INTERNAL = "Internal"
ON_NET = "On-net"
EMERGENCY = "Emergency"
TARIFF = "free"  # the name that their CDRs carry as the tariff's
CURRENCIES = 256  # as many as there are; one row of each kind for each
PAYMENTS = 4096  # kept: of the accounts that call within a busy hour


@lru_cache(maxsize=3 * CURRENCIES)
def free_rate(destination: str, currency: str) -> Rate:
    """The zero row for one of the destinations above, in an account's currency."""
    return Rate(
        tariff=TARIFF,
        version=1,
        currency=currency,
        direction="out",
        prefix="",
        destination=destination,
        per_minute_micros=0,
        initial_s=1,
        increment_s=1,
    )


@lru_cache(maxsize=PAYMENTS)
def free_payment(account: AccountId, destination: str, currency: str) -> Payment:
    """The zero row as what an account pays."""
    return Payment(account, free_rate(destination, currency))
