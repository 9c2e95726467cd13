"""How values are written for people: money, times, durations, telephone numbers.

Money comes as integer micros and is never a float. Times come as UTC microseconds and are shown in
the account's time zone. English is British English: plain ``en`` would write "August 1, 2016".
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency

LOCALE = "en_GB"
MONEY_DECIMALS = 2
CALL_DECIMALS = 4  # billing rule 1
MINUS = "\u2212"  # the locale's is a hyphen, which is narrow and low beside figures

# libphonenumber writes all Czech numbers in threes; Prague's area code is the one digit 2 (S21).
AREA_CODE_DIGITS = {("420", "2"): 1}


def money(micros: int, currency: str) -> str:
    """An amount with two decimals and its currency ("€ 16.27", S53)."""
    return _money(micros, currency, MONEY_DECIMALS)


def price(micros: int, currency: str) -> str:
    """The price of a call: two decimals, up to four when they are needed ("€ 0.0610")."""
    exact = micros % 10_000 == 0
    return _money(micros, currency, MONEY_DECIMALS if exact else CALL_DECIMALS)


@lru_cache(maxsize=4096)
def _money(micros: int, currency: str, decimals: int) -> str:
    # The space does not break: an amount never stands in two lines.
    digits = f"#,##0.{'0' * decimals}"
    pattern = f"¤\u00a0{digits};{MINUS}¤\u00a0{digits}"
    return format_currency(
        Decimal(micros).scaleb(-6), currency, pattern, locale=LOCALE, currency_digits=False
    )


def local_time(us: int, time_zone: str) -> datetime:
    """A record's time as the account's wall clock shows it."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).astimezone(ZoneInfo(time_zone))


def date_time(us: int, time_zone: str) -> str:
    """ "21 Jan 2016, 09:05" """
    return format_datetime(local_time(us, time_zone), "d MMM y, HH:mm", locale=LOCALE)


def date_time_exact(us: int, time_zone: str) -> str:
    """ "21 Jan 2016, 09:05:12" """
    return format_datetime(local_time(us, time_zone), "d MMM y, HH:mm:ss", locale=LOCALE)


def day(us: int, time_zone: str) -> str:
    """A date in the form of the manual's number table ("2016-01-21", S57)."""
    return local_time(us, time_zone).date().isoformat()


def long_date(value: date) -> str:
    """ "1 August 2016" """
    return format_date(value, "d MMMM y", locale=LOCALE)


def duration(seconds: int) -> str:
    """ "0:05", "1:01", "1:02:03" """
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@lru_cache(maxsize=4096)
def phone(number: str) -> str:
    """A number as the manual writes it, country code, area code in brackets, groups with dashes
    ("+370 (700) 449-60", S21). Anything else, an extension for one, comes back as it is."""
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    national = phonenumbers.national_significant_number(parsed)
    country = str(parsed.country_code)
    area = AREA_CODE_DIGITS.get(
        (country, national[:1]), phonenumbers.length_of_national_destination_code(parsed)
    )
    rest = _grouped(national[area:])
    return f"+{country} ({national[:area]}) {rest}" if area else f"+{country} {rest}"


def unbroken(text: str) -> str:
    """A number inside a sentence: neither its spaces nor its dashes end a line."""
    return text.replace(" ", "\u00a0").replace("-", "\u2011")


def _grouped(digits: str) -> str:
    """Pairs; an odd count begins with a group of three."""
    head = digits[:3] if len(digits) % 2 and len(digits) > 1 else ""
    pairs = [digits[i : i + 2] for i in range(len(head), len(digits), 2)]
    return "-".join([head, *pairs] if head else pairs)


def day_start_us(value: date, time_zone: str) -> int:
    """The first moment of a day in the account's time zone, as UTC microseconds."""
    start = datetime.combine(value, time.min, ZoneInfo(time_zone))
    return int(start.timestamp()) * 1_000_000


def day_end_us(value: date, time_zone: str) -> int:
    """The first moment of the day after."""
    return day_start_us(value + timedelta(days=1), time_zone)
