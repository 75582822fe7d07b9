"""Each step of the queue at a moment, as the tests of selection, bursts and turns take it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from shoptalk.db import selection, turns
from shoptalk.db.engine import Database
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import Message, Turn
from shoptalk.db.selection import BufferPolicy, SelectionPolicy
from shoptalk.db.turn_input import read_eligibility
from shoptalk.types import Outcome

from .rows import (
    after,
    conversation,
    message,
    rows,
)

POLICY = BufferPolicy(quiet=timedelta(seconds=30), most_messages=50, longest=timedelta(seconds=300))
SELECTION = SelectionPolicy(takeover_pause=timedelta(hours=12), backlog_after=timedelta(hours=6))
WINDOWS = {("facebook", ""): timedelta(hours=24), ("instagram", ""): timedelta(hours=1)}
CLAIM_LASTS = timedelta(seconds=150)


def open_turns(database: Database, seconds: float, policy: BufferPolicy = POLICY) -> int:
    with database.transaction() as session:
        return selection.open_turns(session, policy, now=after(seconds))


def close_unanswerable(database: Database, seconds: float) -> None:
    with database.transaction() as session:
        selection.close_unanswerable(session, SELECTION, WINDOWS, now=after(seconds))


def claim(
    database: Database, claimant: Liveness, seconds: float, *, limit: int = 10
) -> Sequence[Turn]:
    with database.transaction() as session:
        claimed = claim_in(session, claimant, seconds, limit=limit)
    with database.transaction() as session:
        turns.show_processing(session, claimed)
    return claimed


def claim_in(
    session: Session, claimant: Liveness, seconds: float, *, limit: int = 10
) -> Sequence[Turn]:
    now = after(seconds)
    return turns.claim_due(
        session, claimant=claimant.name(), now=now, until=now + CLAIM_LASTS, limit=limit
    )


def next_due(database: Database) -> datetime | None:
    with database.transaction() as session:
        return turns.next_due(session)


def close(database: Database, turn: Turn, outcome: Outcome, seconds: float) -> bool:
    with database.transaction() as session:
        return bool(turns.close(session, [turn], outcome, now=after(seconds)))


def put_back(
    database: Database,
    turn: Turn,
    seconds: float,
    *,
    error: str | None = "busy",
    failed: bool = False,
) -> bool:
    with database.transaction() as session:
        return turns.put_back(session, turn, due_at=after(seconds), error=error, failed=failed)


def write_down(session: Session, turn: Turn, parts: list[str], seconds: float) -> None:
    now = after(seconds)
    written = turns.write_down(session, {turn: parts}, now=now, until=now + CLAIM_LASTS)
    assert [delivery.content for delivery in written[turn.id]] == parts


def is_answered_by_person(session: Session, turn: Turn) -> bool:
    eligibilities = read_eligibility(session, [turn], SELECTION, now=turn.due_at)
    return eligibilities[turn.id].answered_by_person


def change(database: Database, message_id: str, **values: object) -> None:
    with database.transaction() as session:
        row = session.get_one(Message, message(database, message_id).id)
        for name, value in values.items():
            setattr(row, name, value)


def only_turn(database: Database) -> Turn:
    [turn] = rows(database, Turn)
    return turn


def state(database: Database) -> str:
    return conversation(database).conversation_state
