"""All there is to know to answer turns, read for many of them at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from shoptalk.db.handovers import IS_HANDED_OVER
from shoptalk.db.models import Agent, ChannelIntegration, Conversation, Order, Turn
from shoptalk.db.opt_outs import IS_OPTED_OUT
from shoptalk.db.selection import SelectionPolicy
from shoptalk.db.thread_owner import IS_HELD
from shoptalk.db.turns import leave_to_person

ORDERS_LOOKED_AT = 20  #: the latest of a conversation, of which a customer may be reminded


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilitySnapshot:
    """What speaks for or against answering a turn, as of one moment."""

    opted_out: bool
    ai_enabled: bool
    handed_over: bool  #: by the AI, and no person has taken it up
    answered_by_person: bool  #: after everything the customer wrote in it
    person_wrote_within: bool  #: after some of it
    #: A person has written lately, or holds it on the platform, and not handed it back
    taken_over: bool
    answered_lately: int  #: turns of the conversation within the last hour
    message_count: int  #: of the turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextMessage:
    """One message, as far as a reader needs it."""

    id: int
    message_id: str  #: the platform's
    sender_type: str
    content_type: str
    content: str
    attachments: Sequence[Mapping[str, Any]] = ()  #: as `types.Attachment.as_json` has them
    has_failed: bool = False  #: ours, and the platform could not deliver it


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """What was said, oldest first."""

    messages: Sequence[ContextMessage]  #: of the turn
    #: By the platform's time, the latest ones that were asked for. Not what still waits for an
    #: answer of its own, unless it waits for the owner; nor what the customer does not see
    earlier: Sequence[ContextMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInput:
    """A claimed turn and what belongs to it."""

    turn: Turn
    conversation: Conversation
    channel: ChannelIntegration
    agent: Agent | None
    eligibility: EligibilitySnapshot
    dialogue: Dialogue
    orders: Sequence[Order]  #: of the conversation, the latest first


_STANDING = text(f"""
    SELECT queue.id, conversation.ai_enabled, burst.message_count,
        {IS_OPTED_OUT} AS opted_out,
        {IS_HANDED_OVER} IS TRUE AS handed_over,
        EXISTS (
            SELECT FROM messages AS person
            WHERE person.conversation_id = queue.conversation_id
              AND person.sender_type = 'employee'
              AND (person.created_at, person.sequence_no) > (newest.created_at, newest.sequence_no)
        ) AS answered_by_person,
        EXISTS (
            SELECT FROM messages AS person
            WHERE person.conversation_id = queue.conversation_id
              AND person.sender_type = 'employee'
              AND (person.created_at, person.sequence_no) > (oldest.created_at, oldest.sequence_no)
        ) AS person_wrote_within,
        {IS_HELD} IS TRUE OR EXISTS (
            SELECT FROM messages AS person
            WHERE person.conversation_id = queue.conversation_id
              AND person.sender_type = 'employee' AND NOT person.is_old
              AND person.created_at > :taken_over_since
              AND person.created_at > coalesce(conversation.ai_resumed_at, '-infinity')
        ) AS taken_over,
        (
            SELECT count(*) FROM ai_response_queue AS other
            WHERE other.conversation_id = queue.conversation_id
              AND other.status = 'answered' AND other.closed_at > :an_hour_ago
        ) AS answered_lately
    FROM ai_response_queue AS queue
    JOIN conversations AS conversation ON conversation.id = queue.conversation_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS message_count FROM messages WHERE turn_id = queue.id
    ) AS burst
    LEFT JOIN LATERAL (
        SELECT created_at, sequence_no FROM messages WHERE turn_id = queue.id
        ORDER BY created_at DESC, sequence_no DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT created_at, sequence_no FROM messages WHERE turn_id = queue.id
        ORDER BY created_at, sequence_no LIMIT 1
    ) AS oldest ON true
    WHERE queue.id = ANY(:turns)
""")  # noqa: S608

# What waits and is not of the turn came while this is read, or sorts after a hole in what could be
# read: its answer is another one. What the owner has to release first may never get one, and is
# what the customer refers to.
_SPOKEN = text("""
    SELECT queue.id AS turn_id, line.*
    FROM ai_response_queue AS queue
    CROSS JOIN LATERAL (
        (SELECT id, message_id, sender_type, content_type, content, attachments,
            status = 'failed' AS has_failed, created_at, sequence_no, true AS is_of_turn
        FROM messages WHERE turn_id = queue.id)
        UNION ALL
        (SELECT id, message_id, sender_type, content_type, content, attachments,
            status = 'failed', created_at, sequence_no, false
        FROM messages
        WHERE conversation_id = queue.conversation_id
            AND turn_id IS DISTINCT FROM queue.id
            AND sender_type NOT IN ('note', 'activity')
            AND NOT (sender_type = 'customer' AND NOT is_old AND NOT reply_sent
                AND outcome IS NULL
                AND (released OR turn_id IS NOT NULL OR created_at
                    > coalesce(CAST(:held_before AS timestamptz), '-infinity')))
        ORDER BY created_at DESC, sequence_no DESC, id DESC LIMIT :most_earlier)
    ) AS line
    WHERE queue.id = ANY(:turns)
    ORDER BY queue.id, line.created_at, line.sequence_no, line.id
""")

_ORDERS = text("""
    SELECT latest.* FROM unnest(CAST(:conversations AS bigint[])) AS conversation (id)
    CROSS JOIN LATERAL (
        SELECT * FROM orders
        WHERE orders.conversation_id = conversation.id AND orders.status <> 'cancelled'
        ORDER BY orders.id DESC LIMIT :most
    ) AS latest
    ORDER BY latest.id DESC
""")


def read_eligibility(
    session: Session, turns: Sequence[Turn], policy: SelectionPolicy, *, now: datetime
) -> Mapping[int, EligibilitySnapshot]:
    """How turns stand now, by their ids."""
    rows = session.execute(
        _STANDING,
        {
            "turns": [turn.id for turn in turns],
            "taken_over_since": now - policy.takeover_pause,
            "an_hour_ago": now - timedelta(hours=1),
        },
    )
    return {
        row.id: EligibilitySnapshot(
            opted_out=row.opted_out,
            ai_enabled=row.ai_enabled,
            handed_over=row.handed_over,
            answered_by_person=row.answered_by_person,
            person_wrote_within=row.person_wrote_within,
            taken_over=row.taken_over,
            answered_lately=row.answered_lately,
            message_count=row.message_count,
        )
        for row in rows
    }


def read_turn_inputs(
    session: Session,
    turns: Sequence[Turn],
    policy: SelectionPolicy,
    *,
    most_earlier: int,
    now: datetime,
) -> list[TurnInput]:
    """Read up on turns that the caller has claimed, in their order.

    What a person answered before the customer wrote on leaves its turn.
    """
    eligibilities = read_eligibility(session, turns, policy, now=now)
    for turn in turns:
        eligibility = eligibilities[turn.id]
        if eligibility.person_wrote_within and not eligibility.answered_by_person:
            leave_to_person(session, turn)
    dialogues = read_dialogues(
        session, turns, most_earlier=most_earlier, held_before=now - policy.backlog_after
    )
    conversations = _by_id(session, Conversation, {turn.conversation_id for turn in turns})
    channels = _by_id(
        session, ChannelIntegration, {row.channel_integration_id for row in conversations.values()}
    )
    agents = _by_id(
        session, Agent, {row.agent_id for row in conversations.values() if row.agent_id is not None}
    )
    orders = _read_orders(session, list(conversations))
    turn_inputs = []
    for turn in turns:
        conversation = conversations[turn.conversation_id]
        turn_inputs.append(
            TurnInput(
                turn=turn,
                conversation=conversation,
                channel=channels[conversation.channel_integration_id],
                agent=agents.get(conversation.agent_id or 0),
                eligibility=eligibilities[turn.id],
                dialogue=dialogues[turn.id],
                orders=[order for order in orders if order.conversation_id == conversation.id],
            )
        )
    return turn_inputs


def read_dialogues(
    session: Session,
    turns: Sequence[Turn],
    *,
    most_earlier: int,
    held_before: datetime | None = None,
) -> Mapping[int, Dialogue]:
    """What was said in turns and up to them, by their ids.

    Args:
        held_before: what waits and was written before is the owner's to release; None: of what
            waits, only the turn is read.
    """
    rows = session.execute(
        _SPOKEN,
        {
            "turns": [turn.id for turn in turns],
            "most_earlier": most_earlier,
            "held_before": held_before,
        },
    )
    said = {turn_id: list(lines) for turn_id, lines in groupby(rows, lambda row: row.turn_id)}
    return {
        turn.id: Dialogue(
            messages=[_spoken(row) for row in said.get(turn.id, ()) if row.is_of_turn],
            earlier=[_spoken(row) for row in said.get(turn.id, ()) if not row.is_of_turn],
        )
        for turn in turns
    }


def _spoken(row: Row[Any]) -> ContextMessage:
    return ContextMessage(
        id=row.id,
        message_id=row.message_id,
        sender_type=row.sender_type,
        content_type=row.content_type,
        content=row.content,
        attachments=row.attachments,
        has_failed=row.has_failed,
    )


def _read_orders(session: Session, conversations: Sequence[int]) -> Sequence[Order]:
    return session.scalars(
        select(Order).from_statement(_ORDERS),
        {"conversations": conversations, "most": ORDERS_LOOKED_AT},
    ).all()


Model = TypeVar("Model", ChannelIntegration, Conversation, Agent)


def _by_id(session: Session, model: type[Model], ids: Collection[int]) -> Mapping[int, Model]:
    if not ids:
        return {}
    return {row.id: row for row in session.scalars(select(model).where(model.id.in_(ids)))}
