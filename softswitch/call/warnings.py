"""The Warning of a refusal for the sake of media (RFC 3261 20.43, 21.4.26)."""

from __future__ import annotations

from sip.message import Message
from sip.warning import MEDIA_TYPE, OTHER, Warning, read_warning
from softswitch.call.legs import Headers

NOT_ACCEPTABLE = (488, 606)
NO_AUDIO = "no audio"  # how ``sip.sdp`` begins to say so


def heard_warning(response: Message, status: int) -> Warning | None:
    """What the other side says is wrong with the description."""
    return read_warning(response) if status in NOT_ACCEPTABLE else None


def warning_header(status: int, reason: str, heard: Warning | None, host: str) -> Headers:
    """The Warning of a 488 or 606, in the name of ``host``: what the other side said, or our own
    words."""
    if status not in NOT_ACCEPTABLE:
        return ()
    code = MEDIA_TYPE if NO_AUDIO in reason else OTHER
    said = heard or Warning(code, reason or "the other side does not accept this description")
    return (("Warning", said.value(host)),)
