"""Whose fault it is: the peer's (``RemoteError``) or ours (``LocalError``)."""


class RemoteError(Exception):
    """The peer sent something that breaks the protocol: normal life, answered or dropped.

    ``status_hint`` is the SIP status that RFC 3261 asks for (400 unless something fits better).
    """

    def __init__(self, message: str, status_hint: int = 400) -> None:
        super().__init__(message)
        self.status_hint = status_hint


class LocalError(Exception):
    """Our own code asked the stack for something illegal: a bug here, never caused by a peer."""
