"""Which customers wait for a person, and why. Callers own the transaction; nothing here commits.

It is looked up as often as anybody looks at `status`, so that it costs the same in any history:
of each outcome that leaves a customer to a person the newest messages are looked at, and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from shoptalk.db.backlog import WAITS
from shoptalk.db.models import Conversation, Message
from shoptalk.types import Outcome

LOOKED_AT = 1000  #: messages of each outcome, the newest
NAMED = 5  #: conversations of each reason, the longest waiting

#: The outcomes that leave a customer to a person.
LEFT_TO_PEOPLE = (
    Outcome.TAKEN_OVER,
    Outcome.AI_OFF,
    # who was handed over is known of the conversation (`handovers.py`), whatever was said since
    *(each for each in Outcome if each.needs_person and each != Outcome.NEEDS_PERSON),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One whose customer has written, and whom nobody from the shop has answered since."""

    conversation_id: int
    customer: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftToPeople:
    """The conversations that wait for one reason."""

    outcome: Outcome
    conversations: int
    oldest: Sequence[Waiting]  #: the longest waiting come first

    @property
    def since(self) -> datetime:
        return self.oldest[0].since


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waited so long that the owner decides."""

    messages: int
    conversations: int
    since: datetime | None


_LEFT_TO_PEOPLE = text("""
    WITH left_alone AS (
        SELECT message.conversation_id, message.customer, message.created_at, message.outcome
        FROM unnest(CAST(:outcomes AS text[])) AS wanted (outcome)
        CROSS JOIN LATERAL (
            SELECT message.*, coalesce(conversation.customer_name, conversation.customer_phone,
                conversation.customer_id) AS customer
            FROM messages AS message
            JOIN conversations AS conversation ON conversation.id = message.conversation_id
            WHERE message.outcome = wanted.outcome
              AND message.outcome <> 'history' AND message.outcome <> 'answered'
              AND conversation.workspace_id = :workspace_id AND conversation.status <> 'closed'
            ORDER BY message.id DESC LIMIT :looked_at
        ) AS message
        WHERE NOT EXISTS (
            SELECT FROM messages AS later
            WHERE later.conversation_id = message.conversation_id
              AND (later.created_at, later.sequence_no)
                > (message.created_at, message.sequence_no)
              AND (later.sender_type IN ('employee', 'agent') OR later.reply_sent))
    ), waiting AS (
        SELECT conversation_id, customer, min(created_at) AS since,
            (array_agg(outcome ORDER BY created_at DESC))[1] AS outcome
        FROM left_alone GROUP BY conversation_id, customer
    ), numbered AS (
        SELECT *, count(*) OVER (PARTITION BY outcome) AS size,
            row_number() OVER (PARTITION BY outcome ORDER BY since, conversation_id) AS place
        FROM waiting
    )
    SELECT outcome, size, conversation_id, customer, since FROM numbered
    WHERE place <= :named ORDER BY outcome, place
""")


def left_to_people(session: Session, workspace_id: int) -> list[LeftToPeople]:
    """Who waits for a person because the AI does not answer, by reason.

    A conversation that somebody has closed waits for nobody.
    """
    rows = session.execute(
        _LEFT_TO_PEOPLE,
        {
            "outcomes": list(LEFT_TO_PEOPLE),
            "workspace_id": workspace_id,
            "looked_at": LOOKED_AT,
            "named": NAMED,
        },
    ).all()
    found = []
    for outcome in LEFT_TO_PEOPLE:
        of = [row for row in rows if row.outcome == outcome]
        if of:
            oldest = [
                Waiting(conversation_id=row.conversation_id, customer=row.customer, since=row.since)
                for row in of
            ]
            found.append(LeftToPeople(outcome=outcome, conversations=of[0].size, oldest=oldest))
    return found


def backlog(session: Session, workspace_id: int, *, held_before: datetime) -> Backlog:
    """How much waits for the owner's decision."""
    row = session.execute(
        select(
            func.count().label("messages"),
            func.count(Message.conversation_id.distinct()).label("conversations"),
            func.min(Message.created_at).label("since"),
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.workspace_id == workspace_id,
            *WAITS,
            Message.created_at <= held_before,
        )
    ).one()
    return Backlog(messages=row.messages, conversations=row.conversations, since=row.since)
