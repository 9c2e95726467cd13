"""Who a phone is: digest authentication of its requests (RFC 3261 22, RFC 8760). Pure.

An unknown login and a wrong password get the same answer after the same work. The login decides who
the caller is; From is only what the phone says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
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
from softswitch.call.bans import Ban, Bans
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


def _never(_login: str, _flow: Flow) -> bool:
    return False


class Authenticator:
    """Checks and challenges. One for the service, so that counts are seen by all. What it finds it
    tells ``bans``. ``is_bound``: whether a login is registered over this very flow."""

    def __init__(
        self,
        realm: str,
        nonces: Nonces,
        algorithms: Sequence[str],
        bans: Bans | None = None,
        *,
        is_bound: Callable[[str, Flow], bool] = _never,
    ) -> None:
        self.realm = realm
        self.bans = Bans() if bans is None else bans
        self._nonces = nonces
        self._is_bound = is_bound
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
                self._note_first(request, flow, logins, now_s)
                return self._challenge(request, flow, now_s)
            return self._judge(request, credentials, flow, logins, now_s)
        except RemoteError as error:
            return Denied(error.status_hint, str(error))

    def stranger(self, request: Request, flow: Flow, now_s: float) -> None:
        """Note a request for a host that is not ours, or of a scanning tool (``bans.probed``)."""
        self._probed(request, flow, request.uri, now_s)

    def _note_first(
        self, request: Request, flow: Flow, logins: Mapping[str, Login], now_s: float
    ) -> None:
        """A request without credentials is held against its source only when it is of nobody that
        we know and no phone there has proved itself: phones pay one look-up."""
        if self.bans.has_success(flow.remote.host, now_s):
            return
        registers = request.method == "REGISTER"
        user = _user(request, "to" if registers else "from")
        if user not in logins:
            self._probed(request, flow, user if registers else request.uri, now_s)

    def _probed(self, request: Request, flow: Flow, name: str, now_s: float) -> None:
        self.bans.probed(flow.remote.host, name, request.first("user-agent") or "", now_s)

    def _judge(
        self,
        request: Request,
        credentials: Credentials,
        flow: Flow,
        logins: Mapping[str, Login],
        now_s: float,
    ) -> Outcome:
        host, name = flow.remote.host, credentials.username
        login = logins.get(name)
        ban = self.bans.of_login(host, name, now_s)
        if ban is not None and not self._is_bound(name, flow):
            # The password is not looked at, or guessing would go on. A phone that is registered is
            # not the one that guesses: another one behind that address has the same login.
            return Denied(403, _told(ban, now_s))
        if self._nonces.check(credentials.nonce, now_s, host) is not NonceState.VALID:
            # RFC 7616 3.3. Whether the password is right is not said: nothing would be counted.
            if login is None:
                self._probed(request, flow, name, now_s)
            return self._challenge(request, flow, now_s, stale=True)
        if not self._proves(credentials, request.method, login) or login is None:
            failures = self.bans.failed(host, name, now_s)
            return self._challenge(request, flow, now_s, failures=failures)
        self.bans.proved(host, name, now_s)
        if not self._is_unused(credentials, request.method):
            return self._challenge(request, flow, now_s, stale=True)
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

    def _is_unused(self, credentials: Credentials, method: str) -> bool:
        if credentials.qop:
            return self._counts.accept(credentials.nonce, credentials.nc)
        # RFC 2069: no count, so the same answer is good once.
        return self._counts.accept(f"{credentials.nonce} {method} {credentials.response}", 1)

    def _challenge(
        self, request: Request, flow: Flow, now_s: float, *, stale: bool = False, failures: int = 0
    ) -> Challenged:
        """One header per algorithm, the preferred first (RFC 8760 2.3), with one nonce."""
        nonce = self._nonces.issue(now_s, flow.remote.host)
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


def _user(request: Request, name: str) -> str:
    """The user part of From or To; of what is no address, the text."""
    try:
        return (request.to if name == "to" else request.from_).uri.user or ""
    except RemoteError:
        return request.required(name)


def _told(ban: Ban, now_s: float) -> str:
    """The reason phrase for a banned login: why, and for how long."""
    return f"Banned For {ceil(ban.until_s - now_s)} s: {ban.reason}"


def _registers_itself(request: Request, login: str) -> bool:
    """Whether To, the address that is registered, and From, who registers it, are the login."""
    # The bindings go to the login whatever To says, so reading it cheaply risks nothing.
    usual = f"<sip:{login}@"
    headers = request.headers
    return (usual in headers["to"][0] or request.to.uri.user == login) and (
        usual in headers["from"][0] or request.from_.uri.user == login
    )
