"""Periodic work: each job is a function of a Session and the time it is to believe.

``softswitch jobs run NAME --at TIME`` calls the same function, so nothing that time does is out of
reach of a test. A job's row keeps its watermark.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.orm import Session

from softswitch.admin.refusal import refuse
from softswitch.store import models

SESSION_IDLE_US = 12 * 3600 * 1_000_000  # portal.md 2.8
SESSION_AGE_US = 14 * 24 * 3600 * 1_000_000


def expire_bindings(session: Session, at_us: int) -> int:
    """Forget contacts that did not register again (RFC 3261 10.3); returns how many."""
    return _deleted(session, delete(models.Binding).where(models.Binding.expires_us <= at_us))


def expire_sessions(session: Session, at_us: int) -> int:
    """Forget portal sessions that were idle or are old; returns how many."""
    row = models.Session
    idle, old = row.seen_us <= at_us - SESSION_IDLE_US, row.created_us <= at_us - SESSION_AGE_US
    return _deleted(session, delete(row).where(idle | old))


JOBS: dict[str, Callable[[Session, int], int]] = {
    "expire-bindings": expire_bindings,
    "expire-sessions": expire_sessions,
}


def run_job(session: Session, name: str, at_us: int) -> int:
    """Run one job as if it were ``at_us``; returns how many things it did.

    Raises ``Refused`` for a name that no job has.
    """
    job = JOBS.get(name)
    if job is None:
        raise refuse("name", f"{name} is not a job, the jobs are {', '.join(sorted(JOBS))}")
    done = job(session, at_us)
    row = session.get(models.Job, name)
    if row is None:
        row = models.Job(name=name, watermark_us=at_us)
        session.add(row)
    row.watermark_us = max(row.watermark_us, at_us)
    row.last_run_us, row.last_error = at_us, ""
    session.flush()
    return done


def _deleted(session: Session, statement: object) -> int:
    return int(session.execute(statement).rowcount)  # type: ignore[call-overload]
