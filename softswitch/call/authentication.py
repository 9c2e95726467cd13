"""Who a phone is: digest authentication of its requests (RFC 3261 22, RFC 8760). Pure.

An unknown login and a wrong password get the same answer after the same work. The login decides who
the caller is; From is only what the phone says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sip.digest import (
    Credentials,
    NonceCounts,
    Nonces,
    NonceState,
    challenge,
    ha1,
    parse_authorization,
    verify,
)
from sip.errors import RemoteError
from sip.flow import Flow
from sip.message import Request
from softswitch.call.failures import FailureCounts
from softswitch.routing.model import Login

# Phones answer a registrar's 401 and a proxy's 407; which header they put the answer in is theirs.
CREDENTIAL_HEADERS = ("authorization", "proxy-authorization")
# RFC 8760 2.4 has a phone take the first challenge that it can answer. These give up, and never
# register when any of the challenges is one that they cannot answer (so does baresip 1.0.0).
MD5_ONLY_AGENTS = ("baresip v0.", "baresip v1.")
CREDENTIALS_MAX = 8  # header values looked at; a phone sends one, or one per algorithm


class Authenticated(NamedTuple):
    """The credentials are good: the request is this login's."""

    login: Login


class Challenged(NamedTuple):
    """Answer with this status (401 to REGISTER, 407 to others) and these headers.

    ``failures``: recent wrong answers of this source and login, 0 when none was counted for this
    request (no credentials yet, or a stale nonce).
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    failures: int = 0


class Denied(NamedTuple):
    """Answer with this status and no challenge: malformed, or not for this login to ask."""

    status: int
    reason: str


Outcome = Authenticated | Challenged | Denied


class Authenticator:
    """Checks and challenges. One for the service, so that counts are seen by all."""

    def __init__(self, realm: str, nonces: Nonces, algorithms: Sequence[str]) -> None:
        self.realm = realm
        self.failures = FailureCounts()
        self._nonces = nonces
        self._counts = NonceCounts()
        self._algorithms = tuple(algorithms)
        # What an unknown login is checked against, so that the time does not tell.
        self._nobody = {name: ha1(name, "", realm, "") for name in self._algorithms}

    def check(
        self, request: Request, flow: Flow, logins: Mapping[str, Login], now_s: float
    ) -> Outcome:
        """Decide about one request. ``logins`` is the snapshot's. Not for ACK and CANCEL, which
        cannot be challenged (RFC 3261 22.1)."""
        try:
            credentials = self._credentials(request)
            if credentials is None:
                return self._challenge(request, now_s)
            return self._judge(request, credentials, flow, logins, now_s)
        except RemoteError as error:
            return Denied(error.status_hint, str(error))

    def _judge(
        self,
        request: Request,
        credentials: Credentials,
        flow: Flow,
        logins: Mapping[str, Login],
        now_s: float,
    ) -> Outcome:
        login = logins.get(credentials.username)
        host = flow.remote.host
        if not self._proves(credentials, request.method, login) or login is None:
            failures = self.failures.add(host, credentials.username, now_s)
            return self._challenge(request, now_s, failures=failures)
        if not self._is_fresh(credentials, request.method, now_s):
            # The password is right: a new nonce is all that is missing (RFC 7616 3.3).
            return self._challenge(request, now_s, stale=True)
        self.failures.forgive(host, login.login)
        if request.method == "REGISTER" and not _registers_itself(request, login.login):
            return Denied(403, f"{login.login} May Register Only Itself")
        return Authenticated(login)

    def _credentials(self, request: Request) -> Credentials | None:
        """The answer to a challenge of ours, among answers to others' (RFC 3261 22.3). What names
        another realm, or a scheme or algorithm that we did not offer, is as good as none."""
        looked_at = 0
        for name in CREDENTIAL_HEADERS:
            for line in request.headers.get(name, ()):
                credentials = self._ours(line)
                looked_at += 1
                if credentials is not None or looked_at == CREDENTIALS_MAX:
                    return credentials
        return None

    def _ours(self, line: str) -> Credentials | None:
        if line[:7].lower() != "digest ":
            return None
        try:
            credentials = parse_authorization(line)
        except RemoteError as error:
            if error.status_hint == 401:
                return None
            raise
        is_ours = credentials.realm == self.realm and credentials.algorithm in self._nobody
        return credentials if is_ours else None

    def _proves(self, credentials: Credentials, method: str, login: Login | None) -> bool:
        """Whether the response is right, after the same work for everybody."""
        secret = None if login is None else login.ha1.get(credentials.algorithm)
        right = verify(credentials, method, secret or self._nobody[credentials.algorithm])
        return right and bool(secret)

    def _is_fresh(self, credentials: Credentials, method: str, now_s: float) -> bool:
        if self._nonces.check(credentials.nonce, now_s) is not NonceState.VALID:
            return False
        if credentials.qop:
            return self._counts.accept(credentials.nonce, credentials.nc)
        # RFC 2069: no count, so the same answer is good once.
        return self._counts.accept(f"{credentials.nonce} {method} {credentials.response}", 1)

    def _challenge(
        self, request: Request, now_s: float, *, stale: bool = False, failures: int = 0
    ) -> Challenged:
        """One header per algorithm, the preferred first (RFC 8760 2.3), with one nonce."""
        nonce = self._nonces.issue(now_s)
        status, name = _CHALLENGES.get(request.method, _PROXY_CHALLENGE)
        headers = tuple(
            [
                (name, challenge(self.realm, nonce, algorithm, stale))
                for algorithm in self._algorithms_for(request)
            ]
        )
        return Challenged(status, headers, failures)

    def _algorithms_for(self, request: Request) -> tuple[str, ...]:
        """All of them, but to phones that stumble over SHA-256 only MD5, when it is configured."""
        agent = request.first("user-agent") or ""
        if "MD5" in self._algorithms and agent.startswith(MD5_ONLY_AGENTS):
            return ("MD5",)
        return self._algorithms


# 407 like a proxy (RFC 3261 22.3): some phones answer a 401 to INVITE with their registration's
# stored nonce for ever.
_PROXY_CHALLENGE = (407, "Proxy-Authenticate")
_CHALLENGES = {"REGISTER": (401, "WWW-Authenticate")}


def _registers_itself(request: Request, login: str) -> bool:
    """Whether To, the address that is registered, and From, who registers it, are the login."""
    # The bindings go to the login whatever To says, so reading it cheaply risks nothing.
    usual = f"<sip:{login}@"
    headers = request.headers
    return (usual in headers["to"][0] or request.to.uri.user == login) and (
        usual in headers["from"][0] or request.from_.uri.user == login
    )
