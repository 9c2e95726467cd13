"""Who is banned, and what is counted towards it. Pure: outcomes and the time in, bans out.

Two kinds of ban. One of a *login at a source*: its phone has the wrong password, or somebody
guesses; the other phones behind that address go on. One of a *source as a whole*: many different
logins were tried from it and none of them ever was right. Its requests are dropped unread.

What is held against a source, and what it takes to forge it:

- ``failed``: a wrong answer to a nonce that was issued to this very source. Nobody can bring it
  about for an address at which he cannot receive.
- ``probed``: a request without credentials for somebody whom we do not know. Over UDP the source
  may be forged, so these have tables of their own, which push nothing else out.

A first request without credentials for a login of ours is no failure, nor is a stale nonce.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from softswitch.call.failures import WINDOW_S, FailureCounts, Tried

BAN_MAX_S = 86_400.0  # what a repeated ban grows to; by then another customer may have the address
REMEMBERED_S = 86_400.0  # how long after its end a ban makes the next one longer

LOGIN_BANS_MAX = 10_000  # 250 bytes each, as for the other tables below
LOGIN_BANS_PER_SOURCE_MAX = 100  # beyond it the oldest of that source gives way
SOURCE_BANS_MAX = 10_000
PROBER_BANS_MAX = 1_000  # sources that may be forged
PROVED_SOURCES_MAX = 50_000  # addresses with phones behind them
PAST_MAX = 10_000
STEP_MAX = 1_000  # ends and news of one second: some 5 ms, and rows that do not hold up a call
NAME_CHARS_MAX = 64  # of a login that is remembered; ours are shorter

# Tools that look for open switches; compared in lower case. One sign of several: it counts only in
# a request for somebody unknown.
SCANNERS = ("friendly-scanner", "sipvicious", "sipcli", "pplsip", "sundayddr", "sip-scan", "iwar")

WRONG_PASSWORDS = "wrong passwords"
MANY_LOGINS = "many logins, none of them right"
MANY_STRANGERS = "many unknown logins or hosts"
SCANNER = "scanner"

Key = tuple[str, str]  # source and login, "" for the whole source


@dataclass(frozen=True, slots=True)
class BanRules:
    """``after`` wrong passwords of one login, or so many logins of one source (0: never), for
    ``first_s`` seconds the first time, twice as long each next time, up to a day."""

    after: int = 10
    first_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban. ``login`` "": of the whole source. ``times``: which in a row it is, from 1;
    ``proved``: the source was not forged. Times in the seconds of the caller's clock."""

    source: str
    login: str
    reason: str
    since_s: float
    until_s: float
    times: int = 1
    proved: bool = True

    @property
    def kind(self) -> str:
        """``login`` or ``source``."""
        return "login" if self.login else "source"


@dataclass(frozen=True, slots=True)
class BanNews:
    """What happened to a ban: ``began``, ``ended`` by itself, ``lifted`` by somebody."""

    what: str
    ban: Ban


def _nobody(_source: str) -> bool:
    return False


class Bans:
    """All bans and counts of the switch.

    ``trusted`` sources are never counted and never banned; at ``homes`` live users who are known
    by their address, so that it counts as a source with a success.
    """

    def __init__(
        self,
        rules: BanRules | None = None,
        *,
        trusted: Callable[[str], bool] = _nobody,
        homes: Callable[[str], bool] = _nobody,
    ) -> None:
        self.silenced: dict[str, Ban] = {}  # by source, for the gate of the stack: to be read only
        self.begun = 0
        self.without_room = 0  # bans that the tables had no room for
        self._rules = rules or BanRules()
        self._trusted = trusted
        self._homes = homes
        self._logins: dict[str, dict[str, Ban]] = {}  # source -> login -> ban
        self._login_bans = 0
        self._probers = 0  # of the silenced, those that may be forged
        self._failures = FailureCounts()
        self._tried = Tried()  # with credentials
        self._asked = Tried()  # without
        self._proved: OrderedDict[str, float] = OrderedDict()  # source -> its latest success
        self._past: OrderedDict[Key, Ban] = OrderedDict()  # ended by themselves
        self._ends: list[tuple[float, str, str]] = []  # a heap; also of bans that are gone
        self._news: list[BanNews] = []

    def __len__(self) -> int:
        """How many bans are in force."""
        return len(self.silenced) + self._login_bans

    # What happened

    def failed(self, source: str, login: str, now_s: float) -> int:
        """Wrong credentials for a nonce of ours, or an unknown login; how many lately."""
        if self._trusted(source):
            return 0
        login = login[:NAME_CHARS_MAX]
        count = self._failures.add(source, login, now_s)
        after = self._rules.after
        if after and count >= after:
            self._failures.forgive(source, login)
            self._ban(source, login, WRONG_PASSWORDS, now_s)
        if after and self._tried.add(source, login, after, now_s) >= after:
            self._ban_source(source, MANY_LOGINS, now_s, proved=True)
        return count

    def probed(self, source: str, name: str, agent: str, now_s: float) -> None:
        """A request without credentials for ``name``, whom we do not know; ``agent`` is what the
        sender calls itself."""
        after = self._rules.after
        if not after or self._trusted(source):
            return
        if is_scanner(agent):
            self._ban_source(source, SCANNER, now_s, proved=False)
        elif self._asked.add(source, name[:NAME_CHARS_MAX], after, now_s) >= after:
            self._ban_source(source, MANY_STRANGERS, now_s, proved=False)

    def proved(self, source: str, login: str, now_s: float) -> None:
        """The right credentials: the login's failures are forgiven, and the source has a phone."""
        self._failures.forgive(source, login)
        self._proved[source] = now_s
        self._proved.move_to_end(source)
        if len(self._proved) > PROVED_SOURCES_MAX:
            self._proved.popitem(last=False)
        if source in self.silenced:  # by what others sent in its name
            self._end(self.silenced[source], "lifted")

    def has_success(self, source: str, now_s: float) -> bool:
        """Whether a phone at this source proved itself within ``WINDOW_S``."""
        at_s = self._proved.get(source)
        return at_s is not None and now_s - at_s < WINDOW_S

    def failures(self, source: str, login: str, now_s: float) -> int:
        """Wrong answers that are not forgiven yet."""
        return self._failures.count(source, login, now_s)

    # What is banned

    def of_login(self, source: str, login: str, now_s: float) -> Ban | None:
        """The ban of this login at this source. Asked before the password is looked at."""
        found = self._logins.get(source)
        ban = None if found is None else found.get(login[:NAME_CHARS_MAX])
        return None if ban is None or ban.until_s <= now_s else ban

    def _find(self, source: str, login: str) -> Ban | None:
        return self._logins.get(source, {}).get(login) if login else self.silenced.get(source)

    def all(self) -> list[Ban]:
        """Every ban in force."""
        return [*self.silenced.values(), *(b for s in self._logins.values() for b in s.values())]

    def lift(self, source: str, login: str = "") -> list[Ban]:
        """End a login's ban at once, or everything that is banned at a source, and forget what was
        counted; the bans that there were."""
        ended = [
            ban
            for ban in (self.silenced.get(source), *self._logins.get(source, {}).values())
            if ban is not None and login in ("", ban.login)
        ]
        for ban in ended:
            self._past.pop((ban.source, ban.login), None)
            self._end(ban, "lifted")
        if ended and not login:
            self._tried.forget(source)
            self._asked.forget(source)
        return ended

    def expire(self, now_s: float) -> None:
        """End what is over, ``STEP_MAX`` at most; to be called every second."""
        left = STEP_MAX
        while left and self._ends and self._ends[0][0] <= now_s:
            left -= 1
            until_s, source, login = heappop(self._ends)
            ban = self._find(source, login)
            if ban is not None and ban.until_s == until_s:
                self._end(ban, "ended")
                self._remember(ban)

    def lift_trusted(self) -> None:
        """End the bans of sources that have become trusted: a trunk was added."""
        for source in {ban.source for ban in self.all() if self._trusted(ban.source)}:
            self.lift(source)

    def load(self, bans: Iterable[Ban], now_s: float) -> None:
        """Take over what was in force before a restart. What is over meanwhile, or trusted, ends
        with the next news."""
        for ban in bans:
            kept = not self._trusted(ban.source) and ban.until_s > now_s and self._make_room(ban)
            if kept:
                self._put(ban)
            else:
                self._news.append(BanNews("ended", ban))

    def take_news(self) -> list[BanNews]:
        """What happened since the last call, in order, ``STEP_MAX`` at most."""
        news, self._news = self._news[:STEP_MAX], self._news[STEP_MAX:]
        return news

    # Banning

    def _ban_source(self, source: str, reason: str, now_s: float, *, proved: bool) -> None:
        if self.has_success(source, now_s) or self._homes(source):
            return
        self._tried.forget(source)
        self._asked.forget(source)
        self._ban(source, "", reason, now_s, proved=proved)

    def _ban(
        self, source: str, login: str, reason: str, now_s: float, *, proved: bool = True
    ) -> None:
        if source in self.silenced or self.of_login(source, login, now_s):
            return
        past = self._past.get((source, login))
        recent = past is not None and now_s - past.until_s < REMEMBERED_S
        times = past.times + 1 if past is not None and recent else 1
        # The exponent is capped too: 2**times would grow for ever.
        longest_s = max(BAN_MAX_S, self._rules.first_s)
        length_s = min(self._rules.first_s * 2 ** min(times - 1, 32), longest_s)
        ban = Ban(source, login, reason, now_s, now_s + length_s, times, proved)
        if not self._make_room(ban):
            self.without_room += 1
            return
        self._put(ban)
        self.begun += 1
        self._news.append(BanNews("began", ban))

    def _make_room(self, ban: Ban) -> bool:
        """Whether there is room. A full table takes no more until a ban of it ends: no flood pushes
        out what is banned; only a source that has very many loses its own oldest one."""
        if ban.login:
            here = self._logins.get(ban.source, {})
            if len(here) >= LOGIN_BANS_PER_SOURCE_MAX:
                self._end(next(iter(here.values())), "ended")
            return self._login_bans < LOGIN_BANS_MAX
        if ban.proved:
            return len(self.silenced) - self._probers < SOURCE_BANS_MAX
        return self._probers < PROBER_BANS_MAX

    def _put(self, ban: Ban) -> None:
        if len(self._ends) > 2 * len(self) + STEP_MAX:  # many were lifted or gave way
            self._ends = [(kept.until_s, kept.source, kept.login) for kept in self.all()]
            heapify(self._ends)
        heappush(self._ends, (ban.until_s, ban.source, ban.login))
        if ban.login:
            self._logins.setdefault(ban.source, {})[ban.login] = ban
            self._login_bans += 1
        else:
            self.silenced[ban.source] = ban
            self._probers += not ban.proved

    def _end(self, ban: Ban, what: str) -> None:
        if ban.login:
            here = self._logins[ban.source]
            del here[ban.login]
            self._login_bans -= 1
            if not here:
                del self._logins[ban.source]
        else:
            del self.silenced[ban.source]
            self._probers -= not ban.proved
        self._news.append(BanNews(what, ban))

    def _remember(self, ban: Ban) -> None:
        self._past[ban.source, ban.login] = ban
        self._past.move_to_end((ban.source, ban.login))
        if len(self._past) > PAST_MAX:
            self._past.popitem(last=False)


def is_scanner(agent: str) -> bool:
    """Whether a User-Agent is that of a known scanning tool."""
    agent = agent.lower()
    return any(name in agent for name in SCANNERS)
