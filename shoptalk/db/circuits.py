"""Circuit breakers: a place that fails again and again is left alone for a while.

Shared by all processes over one row each, and shown in `status`. A breaker guards nobody from
being wrong, only a failing place from being hammered: reading it late or twice does no harm.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.backoff import backoff
from shoptalk.db.models import Circuit

MODEL = "model"
OPENS_AFTER = 5  #: failures in a row, from whichever process
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=5)


def find(session: Session, name: str) -> Circuit | None:
    """The breaker of that place, if it ever failed."""
    return session.get(Circuit, name)


def pause_left(circuit: Circuit | None, *, now: datetime) -> timedelta:
    """How long the place is still left alone. What a clock that ran ahead wrote is no pause."""
    if circuit is None or circuit.open_until is None:
        return timedelta(0)
    left = circuit.open_until - now
    return left if timedelta(0) < left <= LONGEST_PAUSE else timedelta(0)


def note_success(session: Session, name: str, *, now: datetime) -> None:
    session.execute(
        update(Circuit)
        .where(Circuit.name == name, Circuit.failures > 0)
        .values(failures=0, open_until=None, last_error=None, changed_at=now)
    )


def note_failure(session: Session, name: str, error: str, *, now: datetime) -> None:
    """Count a failure; from the fifth in a row on, open for longer each time."""
    statement = insert(Circuit).values(name=name, failures=1, last_error=error, changed_at=now)
    failures = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"failures": Circuit.failures + 1, "last_error": error, "changed_at": now},
        ).returning(Circuit.failures)
    )
    over = int(failures or 0) - OPENS_AFTER
    if over >= 0:
        pause = backoff(over + 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        session.execute(
            update(Circuit)
            .where(Circuit.name == name)
            .values(
                open_until=case(
                    (Circuit.open_until > now + LONGEST_PAUSE, now + pause),
                    else_=func.greatest(Circuit.open_until, now + pause),
                )
            )
        )


def troubled(session: Session) -> Sequence[Circuit]:
    """Breakers that have counted failures, open or not."""
    return session.scalars(select(Circuit).where(Circuit.failures > 0).order_by(Circuit.name)).all()
