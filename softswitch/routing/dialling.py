"""What people and carriers send as a number, brought to E.164 with "+".

Digits only where digits are enough: phonenumberslite knows the national forms of all countries but
takes some 100 us for one, so it is asked for those alone and its answers are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

DIALLED_MAX = 64  # with separators; the longest E.164 number with "00" has 17 digits
E164_DIGITS_MAX = 15  # ITU-T E.164 6.1
E164_DIGITS_MIN = 5  # a country code and a short service number
# Extensions have 2 to 6 digits (A28); a mistyped one must not become a call that is charged. The
# shortest subscriber numbers that are dialled nationally (Andorra, Faroe) have six digits.
NATIONAL_DIGITS_MIN = 6
NATIONAL_CACHE = 8192  # answers kept: what the callers of a busy hour dial

_E164 = re.compile(rf"\+[1-9][0-9]{{{E164_DIGITS_MIN - 1},{E164_DIGITS_MAX - 1}}}")
_NO_SEPARATORS = str.maketrans("", "", " -.()/")  # RFC 3966 visual separators, and what people type


def clean(user: str) -> str:
    """The user part of a URI as dialled, without parameters and visual separators; "" when it is
    longer than ``DIALLED_MAX``."""
    if len(user) > DIALLED_MAX:
        return ""
    if user.isalnum() or (user[:1] == "+" and user[1:].isalnum()):  # usual: nothing to remove
        return user
    return user.partition(";")[0].translate(_NO_SEPARATORS)


def to_e164(dialled: str, country: str) -> str | None:
    """A cleaned number as a user of a country (ISO 3166) dials it: "+", "00" or the national form.

    ``None`` for anything else, whatever its characters.
    """
    if dialled.startswith("+"):
        return dialled if _E164.fullmatch(dialled) else None
    if not _is_digits(dialled):
        return None
    if dialled.startswith("00"):
        number = f"+{dialled[2:]}"
        return number if _E164.fullmatch(number) else None
    if NATIONAL_DIGITS_MIN <= len(dialled) <= E164_DIGITS_MAX + 2:
        return _national(dialled, country)
    return None


def from_carrier(sent: str) -> str | None:
    """A cleaned number as carriers send it: +371..., 371... or 00371..., whatever the trunk's own
    format is. ``None`` for "anonymous" and all that is no E.164 number."""
    if not sent.startswith("+"):
        sent = f"+{sent[2:] if sent.startswith('00') else sent}"
    return sent if _E164.fullmatch(sent) else None


def _is_digits(text: str) -> bool:
    # str.isdigit takes every script's digits, isascii alone letters; together they are 0 to 9.
    return text.isdigit() and text.isascii()


@lru_cache(maxsize=NATIONAL_CACHE)
def _national(digits: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
