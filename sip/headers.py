"""Names of header fields: compact forms, the usual spelling, and which may stand only once."""

from sip.abnf import is_token
from sip.errors import RemoteError

# RFC 3261 7.3.3 and the IANA registry of compact forms.
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_SPELLINGS = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events "
    "Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition "
    "Content-Encoding Content-Language Content-Length Content-Type CSeq Date Diversion "
    "Error-Info Event Expires From History-Info Identity Identity-Info In-Reply-To Join "
    "Max-Forwards MIME-Version Min-Expires Min-SE Organization P-Access-Network-Info "
    "P-Asserted-Identity P-Called-Party-ID P-Charging-Vector P-Early-Media "
    "P-Preferred-Identity Path Priority Privacy Proxy-Authenticate Proxy-Authorization "
    "Proxy-Require RAck Reason Record-Route Refer-To Referred-By Reject-Contact "
    "Remote-Party-ID Replaces Reply-To Request-Disposition Require Retry-After Route RSeq "
    "Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject Subscription-State "
    "Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate X-Real-IP"
)
_USUAL = _SPELLINGS.split()

SPELLING = {name.lower(): name for name in _USUAL}

# Fields whose second occurrence makes a message ambiguous (RFC 3261 7.3.1; RFC 4475 "multi01" and
# "mcl01"): two elements might each believe another one.
SINGLE = frozenset(
    {
        "call-id",
        "content-length",
        "content-type",
        "cseq",
        "expires",
        "from",
        "max-forwards",
        "min-expires",
        "to",
    }
)

# The longest name that anyone registered has 29 characters.
NAME_CHARS_MAX = 128


def _known_spellings() -> dict[str, str]:
    table: dict[str, str] = {}
    for name in _USUAL:
        table |= {name: name.lower(), name.lower(): name.lower(), name.upper(): name.lower()}
    for short, long in COMPACT.items():
        table |= {short: long, short.upper(): long}
    return table


# Every usual way to write a known name, so that the parser needs one look-up and no lower().
CANONICAL = _known_spellings()


def canonical_name(name: str) -> str:
    """The lower-case long form of a field name as it was written.

    Raises RemoteError when it is no token: the slow way for names that ``CANONICAL`` lacks.
    Unknown names are not remembered, since peers could fill any memory with them.
    """
    bare = name.rstrip(" \t")
    if len(bare) > NAME_CHARS_MAX or not is_token(bare):
        raise RemoteError(f"{bare[:40]!r} is not the name of a header field")
    lower = bare.lower()
    return COMPACT.get(lower, lower)


def spelled(name: str) -> str:
    """How a canonical name is usually written; each word of an unknown one gets a capital."""
    return SPELLING.get(name) or "-".join(word.capitalize() for word in name.split("-"))
