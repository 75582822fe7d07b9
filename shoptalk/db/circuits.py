"""Circuit breakers: a place that fails again and again is left alone for a while.

Shared by all processes over one row each, and shown in `status`. A breaker guards nobody from
being wrong, only a failing place from being hammered: reading it late or twice does no harm.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from shoptalk.backoff import backoff
from shoptalk.db.models import Circuit

MODEL = "model"  #: how the names of models' breakers begin
WAITS = "waits for the model: "  #: how the error of a turn begins that does
OPENS_AFTER = 5  #: failures in a row, from whichever process
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=5)


def of_model(model: str) -> str:
    """The name of a model's breaker: an agent's own model stops nobody else's."""
    return f"{MODEL} {model}"


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


def open_now(
    session: Session, name: str, error: str, *, first: timedelta, now: datetime
) -> timedelta:
    """Open at once, for longer each time; return for how long.

    Who fails while it is open had asked before that, and makes it no longer.
    """
    statement = insert(Circuit).values(name=name, failures=1, last_error=error, changed_at=now)
    is_open = and_(Circuit.open_until > now, Circuit.open_until <= now + LONGEST_PAUSE)
    failures = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "failures": Circuit.failures + case((is_open, 0), else_=1),
                "last_error": error,
                "changed_at": now,
            },
        ).returning(Circuit.failures)
    )
    pause = backoff(int(failures or 1), first=first, longest=LONGEST_PAUSE)
    session.execute(
        update(Circuit)
        .where(Circuit.name == name, is_open.is_not(True))
        .values(open_until=now + pause)
    )
    return pause


_RELEASE = text("""
    UPDATE ai_response_queue SET due_at = :now
    WHERE status = 'buffering' AND due_at > :now AND claimed_until IS NULL
      AND starts_with(error, :waits)
""")


def note_model_success(session: Session, model: str, *, now: datetime) -> None:
    """The model answers again: the turns that wait for a model are due now."""
    circuit = session.get(Circuit, of_model(model), with_for_update=True)
    if circuit is not None and circuit.failures:
        session.execute(_RELEASE, {"now": now, "waits": WAITS})
        note_success(session, circuit.name, now=now)


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


def models_left_alone(session: Session, *, now: datetime) -> Sequence[str]:
    """The models whose breakers are open."""
    prefix = of_model("")
    return [
        circuit.name.removeprefix(prefix)
        for circuit in troubled(session)
        if circuit.name.startswith(prefix) and pause_left(circuit, now=now)
    ]


def troubled(session: Session) -> Sequence[Circuit]:
    """Breakers that have counted failures, open or not."""
    return session.scalars(select(Circuit).where(Circuit.failures > 0).order_by(Circuit.name)).all()
