"""Words for what the switch writes down in codes: text, tone of the badge, and an explanation.

Marked for translation here and translated where they are shown; a page with many rows then looks
up one word a row and not a whole table of them.
"""

from __future__ import annotations

from dataclasses import dataclass


def N_(text: str) -> str:
    """Mark a text for translation without translating it, by the name that extraction knows."""
    return text


@dataclass(frozen=True, slots=True)
class Word:
    """How a code is shown. ``tone``: plain | good | warn | bad."""

    text: str
    tone: str = "plain"
    hint: str = ""


def of(table: dict[str, Word], code: str) -> Word:
    """The word of a code; a code that is not in the table speaks for itself."""
    return table.get(code) or Word(code)


DIRECTIONS = {
    "in": Word(N_("Incoming")),
    "out": Word(N_("Outgoing")),
    "internal": Word(N_("Internal")),
}

RESULTS = {"answered": Word(N_("Answered")), "missed": Word(N_("Not answered"))}

# Of unanswered calls; an answered one is "Answered" however it ended.
CAUSES = {
    "answered": Word(N_("Answered"), "good"),
    "busy": Word(N_("Busy"), "warn"),
    "no_answer": Word(N_("No answer"), "warn"),
    "cancelled": Word(N_("Hung up before answer"), "warn"),
    "rejected": Word(N_("Rejected"), "warn"),
    "unreachable": Word(N_("Phone not reachable"), "warn"),
    "no_route": Word(N_("No such number"), "bad"),
    "no_credit": Word(N_("Balance too low"), "bad"),
    "credit_exhausted": Word(N_("Balance used up"), "bad"),
    "blocked": Word(N_("Blocked"), "bad"),
    "failed": Word(N_("Failed"), "bad"),
}

ENDED_BY = {
    "caller": Word(N_("by the caller")),
    "callee": Word(N_("by the called party")),
    "switch": Word(N_("by the exchange")),
}

CALL_STATES = {"ringing": Word(N_("Ringing"), "warn"), "talking": Word(N_("Talking"), "good")}

PERSON_STATES = {
    "busy": Word(N_("On a call"), "warn"),
    "free": Word(N_("Free"), "good"),
    "offline": Word(N_("Offline")),
}

# Billing rule 54.
ACCOUNT_STATUS = {
    "active": Word(N_("Active"), "good"),
    "low": Word(N_("Balance low"), "warn", N_("Paid calls will be refused when it is used up.")),
    "not_activated": Word(
        N_("Not activated"),
        "warn",
        N_("Paid calls are refused until the provider has activated the account."),
    ),
    "blocked_money": Word(
        N_("Blocked: no money"), "bad", N_("The balance does not cover the account's services.")
    ),
    "blocked_operator": Word(
        N_("Blocked"), "bad", N_("The provider has blocked the account. Call support.")
    ),
    "blocked_fraud": Word(
        N_("Blocked: misuse suspected"),
        "bad",
        N_("Outgoing calls are stopped because misuse is suspected. Call support."),
    ),
    "closed": Word(N_("Closed")),
}

# S58 to S60.
NUMBER_STATUS = {
    "reserved": Word(
        N_("Reserved"),
        "warn",
        N_("Held for you for 20 days, until the account is activated and paid."),
    ),
    "active": Word(N_("Active"), "good", N_("Full access to the number.")),
    "awaiting_deletion": Word(
        N_("Awaiting deletion"),
        "bad",
        N_("Works until its delete date, the last day of the month."),
    ),
}

LEDGER_KINDS = {
    "call": Word(N_("Call")),
    "opening": Word(N_("Opening balance")),
    "payment": Word(N_("Payment")),
    "refund": Word(N_("Refund")),
    "credit": Word(N_("Credit")),
    "adjustment": Word(N_("Adjustment")),
    "fee": Word(N_("Fee")),
}

HTTP_TITLES = {
    400: N_("That did not arrive whole"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Not like that"),
    409: N_("Changed meanwhile"),
    413: N_("Too large"),
    414: N_("Address too long"),
    429: N_("Too many tries"),
    503: N_("Too much at once"),
}
HTTP_SENTENCES = {
    403: N_("Your role does not include this. Ask your administrator."),
    404: N_("There is nothing at this address."),
    405: N_("This address does not understand what was sent."),
    413: N_("What you sent is too large."),
    414: N_("The address is too long."),
}
