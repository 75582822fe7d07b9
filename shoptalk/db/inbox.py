"""Storing what was fetched. Callers own the transaction; nothing here commits.

Rows go in as arrays, one statement for a table however many there are: a tick's cost is round
trips, not rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from shoptalk.db.models import ChannelIntegration, Message
from shoptalk.db.own_messages import recognise_our_own
from shoptalk.db.thread_owner import note_thread_owner
from shoptalk.types import Customer, InboundMessage, Outcome, ThreadOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRows:
    """Messages of one thread, oldest first, and what is known about the thread with them."""

    thread_id: str
    customer: Customer
    messages: Sequence[InboundMessage]
    updated_at: datetime | None  #: None: what is stored says nothing about the thread's newest
    history_complete: bool  #: nothing older is left to read
    thread_owner: ThreadOwner | None = None  #: None: the platform does not tell whose it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    seen: int = 0
    new: int = 0
    conversations: int = 0
    unfinished: int = 0  #: new conversations whose beginning is not stored

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            seen=self.seen + other.seen,
            new=self.new + other.new,
            conversations=self.conversations + other.conversations,
            unfinished=self.unfinished + other.unfinished,
        )


def find_stored(session: Session, message_ids: Sequence[str]) -> set[str]:
    """Those of these messages that are stored."""
    statement = select(Message.message_id).where(Message.message_id.in_(message_ids))
    return set(session.scalars(statement))


_UPSERT_CONVERSATIONS = text("""
    INSERT INTO conversations (
        channel_integration_id, workspace_id, platform, channel, ai_enabled, agent_id,
        thread_id, customer_id, customer_name, customer_phone, thread_updated_at,
        history_complete, sequence_first, sequence_last)
    SELECT :channel_id, :workspace_id, :platform, :platform, :ai_enabled, :agent_id,
        row.thread_id, row.customer_id, row.name, row.phone, row.updated_at, row.complete,
        CASE WHEN :backwards THEN -row.size ELSE 0 END, row.size
    FROM unnest(
        CAST(:thread_ids AS text[]), CAST(:customer_ids AS text[]), CAST(:names AS text[]),
        CAST(:phones AS text[]), CAST(:updated AS timestamptz[]), CAST(:complete AS boolean[]),
        CAST(:sizes AS bigint[])
    ) AS row (thread_id, customer_id, name, phone, updated_at, complete, size)
    ORDER BY row.thread_id
    ON CONFLICT (channel_integration_id, thread_id) DO UPDATE SET
        customer_name = coalesce(excluded.customer_name, conversations.customer_name),
        customer_phone = coalesce(excluded.customer_phone, conversations.customer_phone),
        thread_updated_at =
            greatest(excluded.thread_updated_at, conversations.thread_updated_at),
        history_complete = excluded.history_complete OR conversations.history_complete,
        sequence_first = conversations.sequence_first + excluded.sequence_first,
        sequence_last = conversations.sequence_last + excluded.sequence_last,
        -- what is not due yet was asked for by another poll, which has seen more
        read_again_at = CASE
            WHEN excluded.thread_updated_at IS NULL OR conversations.read_again_at > :imported_at
            THEN conversations.read_again_at END,
        read_failures = CASE
            WHEN excluded.thread_updated_at IS NULL OR conversations.read_again_at > :imported_at
            THEN conversations.read_failures ELSE 0 END
    RETURNING id, thread_id, sequence_first, sequence_last, last_message_at, xmax = 0 AS is_new
""")

# Stores messages and counts the new ones in one go, so that no row has to come back. What is
# told of each conversation: how many are new, and which of them may be our own. Written for the
# driver: `b` sends an array in binary form, as text it costs five times the processor time.
_INSERT_MESSAGES = """
    WITH touched AS (
        INSERT INTO messages (
            workspace_id, conversation_id, message_id, content, sender_type, is_old, reply_sent,
            outcome, created_at, imported_at, content_type, attachments, reply_to, sequence_no)
        SELECT
            %(workspace_id)s, row.conversation_id, row.message_id, row.content, row.sender_type,
            row.created_at < %(cut_over)s, row.created_at < %(cut_over)s,
            CASE WHEN row.created_at < %(cut_over)s AND row.sender_type = 'customer'
                THEN CAST(%(history)s AS text) END,
            row.created_at, %(imported_at)s, row.content_type, row.attachments, row.reply_to,
            row.sequence_no
        FROM unnest(
            CAST(%(conversation_ids)b AS bigint[]), CAST(%(message_ids)b AS text[]),
            CAST(%(contents)b AS text[]), CAST(%(senders)b AS text[]),
            CAST(%(created)b AS timestamptz[]), CAST(%(types)b AS text[]),
            CAST(%(attachments)b AS jsonb[]), CAST(%(reply_tos)b AS text[]),
            CAST(%(sequence_nos)b AS bigint[])
        ) AS row (conversation_id, message_id, content, sender_type, created_at, content_type,
            attachments, reply_to, sequence_no)
        ON CONFLICT (message_id) DO UPDATE SET created_at = excluded.created_at,
            sequence_no = CASE WHEN messages.imported_at >= CAST(%(missing_since)s AS timestamptz)
                AND messages.turn_id IS NULL
                THEN excluded.sequence_no ELSE messages.sequence_no END
            -- ours was stored with our own time when it was sent; the platform's is the true one
            WHERE (messages.sender_type = 'agent' AND messages.created_at <> excluded.created_at)
            -- what was stored before others of its second were read takes its place among them
            OR (messages.imported_at >= CAST(%(missing_since)s AS timestamptz)
                AND messages.turn_id IS NULL)
        RETURNING conversation_id, message_id, sender_type, created_at, xmax = 0 AS is_new
    ), fresh AS (
        SELECT conversation_id, count(*) AS size, max(created_at) AS newest,
            bool_or(sender_type = 'customer') AS by_customer,
            bool_or(sender_type IN ('employee', 'agent')) AS by_us,
            array_agg(message_id) FILTER (WHERE sender_type IN ('employee', 'agent')) AS ours
        FROM touched WHERE is_new GROUP BY conversation_id
    )
    UPDATE conversations SET
        message_count = message_count + fresh.size,
        last_message_at = greatest(last_message_at, fresh.newest),
        status = CASE
            WHEN fresh.by_customer AND status = 'closed' THEN 'open'
            WHEN fresh.by_us AND status = 'new' THEN 'open'
            ELSE status END
    FROM fresh WHERE conversations.id = fresh.conversation_id
    RETURNING fresh.size, CASE
        WHEN EXISTS (SELECT FROM deliveries WHERE conversation_id = conversations.id)
        THEN fresh.ours END AS ours
"""

# First, as a poll does, so that nobody who stores holds a conversation and waits for the channel.
_LOCK_CHANNEL = text("SELECT FROM channel_integrations WHERE id = :channel_id FOR NO KEY UPDATE")
_COUNT_CONVERSATIONS = text("""
    UPDATE channel_integrations SET conversation_count = conversation_count + :new
    WHERE id = :channel_id
""")


def store_threads(
    session: Session,
    channel: ChannelIntegration,
    threads: Sequence[ThreadRows],
    *,
    imported_at: datetime,
    backwards: bool = False,
    check_at: datetime | None = None,
) -> Stored:
    """Store each message not seen before, and what is known of its conversation.

    Args:
        backwards: these messages come before what is stored of their threads (a walk into
            history), not after; decides their place among messages of the same second.
        check_at: when to ask what became of replies that turn out to have arrived; None: the
            platform does not tell.
    """
    threads = _merged(threads)
    if not threads:
        return Stored()
    session.execute(_LOCK_CHANNEL, {"channel_id": channel.id})
    conversations = session.execute(
        _UPSERT_CONVERSATIONS,
        {
            "channel_id": channel.id,
            "workspace_id": channel.workspace_id,
            "platform": channel.channel,
            "ai_enabled": channel.ai_default,
            "agent_id": channel.agent_id,
            "backwards": backwards,
            "thread_ids": [thread.thread_id for thread in threads],
            "customer_ids": [thread.customer.customer_id for thread in threads],
            "names": [thread.customer.name for thread in threads],
            "phones": [thread.customer.phone for thread in threads],
            "updated": [thread.updated_at for thread in threads],
            "complete": [thread.history_complete for thread in threads],
            "sizes": [len(thread.messages) for thread in threads],
            "imported_at": imported_at,
        },
    )
    rows = {row.thread_id: row for row in conversations}
    custodies = {
        each.thread_id: each.thread_owner for each in threads if each.thread_owner is not None
    }
    note_thread_owner(session, channel.id, custodies, now=imported_at)
    _count_conversations(session, channel, sum(1 for row in rows.values() if row.is_new))
    messages: list[tuple[int, InboundMessage, int]] = []
    for thread in threads:
        row = rows[thread.thread_id]
        older = _older_than_stored(session, row, thread.messages) if backwards else 0
        before, after = row.sequence_first, row.sequence_last - len(thread.messages) + 1
        messages += [
            (row.id, message, (before if place < older else after) + place)
            for place, message in enumerate(thread.messages)
        ]
    new = _insert(
        session,
        messages,
        channel,
        imported_at=imported_at,
        check_at=check_at,
    )
    return Stored(
        seen=len(messages),
        new=new,
        conversations=sum(1 for row in rows.values() if row.is_new),
        unfinished=sum(
            1 for thread in threads if rows[thread.thread_id].is_new and not thread.history_complete
        ),
    )


def _count_conversations(session: Session, channel: ChannelIntegration, new: int) -> None:
    """Counted here, so that nobody need count them all."""
    if new:
        session.execute(_COUNT_CONVERSATIONS, {"channel_id": channel.id, "new": new})


def _older_than_stored(
    session: Session, conversation: Row[Any], messages: Sequence[InboundMessage]
) -> int:
    """How many of a stretch of history, oldest first, do not come after what is stored."""
    newest = conversation.last_message_at
    if newest is None or not messages or messages[-1].created_at < newest:
        return len(messages)
    ids = [message.message_id for message in messages]
    stored = find_stored(session, ids)
    places = [place for place, message_id in enumerate(ids) if message_id in stored]
    return places[-1] + 1 if places else len(messages)


def _merged(threads: Sequence[ThreadRows]) -> list[ThreadRows]:
    """One entry a thread: a page may show a thread twice, one statement may not upsert it twice."""
    by_id: dict[str, ThreadRows] = {}
    for thread in threads:
        before = by_id.get(thread.thread_id)
        if before is None:
            by_id[thread.thread_id] = thread
            continue
        older, newer = _around(before.messages, thread.messages)
        by_id[thread.thread_id] = ThreadRows(
            thread_id=thread.thread_id,
            customer=thread.customer,
            messages=sorted(
                [*older, *before.messages, *newer], key=lambda message: message.created_at
            ),
            updated_at=max(filter(None, (before.updated_at, thread.updated_at)), default=None),
            history_complete=before.history_complete or thread.history_complete,
            thread_owner=thread.thread_owner or before.thread_owner,
        )
    return list(by_id.values())


def _around(
    known: Sequence[InboundMessage], shown: Sequence[InboundMessage]
) -> tuple[list[InboundMessage], list[InboundMessage]]:
    """What `shown` adds before and after what is known; with nothing in common it is older."""
    ids = {message.message_id for message in known}
    common = [place for place, message in enumerate(shown) if message.message_id in ids]
    end = common[0] if common else len(shown)
    newer = [message for message in shown[end:] if message.message_id not in ids]
    return list(shown[:end]), newer


def _insert(
    session: Session,
    messages: Sequence[tuple[int, InboundMessage, int]],
    channel: ChannelIntegration,
    *,
    imported_at: datetime,
    check_at: datetime | None,
) -> int:
    """Store what is not there yet, and count it in with its conversation; how many that was."""
    if not messages:
        return 0
    # Once each, and by id, so that whoever stores the same ones waits and does not deadlock.
    unique = {row[1].message_id: row for row in reversed(messages)}
    ordered = [unique[message_id] for message_id in sorted(unique)]
    inbound = [message for _, message, _ in ordered]
    touched = (
        session.connection()
        .exec_driver_sql(
            _INSERT_MESSAGES,
            {
                "workspace_id": channel.workspace_id,
                "cut_over": channel.connected_at,
                "missing_since": channel.missing_since,
                "history": str(Outcome.HISTORY),
                "imported_at": imported_at,
                "conversation_ids": [conversation_id for conversation_id, _, _ in ordered],
                "message_ids": [message.message_id for message in inbound],
                "contents": [message.text for message in inbound],
                "senders": [str(message.sender_type) for message in inbound],
                "created": [message.created_at for message in inbound],
                "types": [str(message.content_type) for message in inbound],
                "attachments": [_attachments(message) for message in inbound],
                "reply_tos": [message.reply_to for message in inbound],
                "sequence_nos": [sequence_no for _, _, sequence_no in ordered],
            },
        )
        .all()
    )
    ours = [message_id for row in touched for message_id in row.ours or ()]
    if ours:
        recognise_our_own(session, ours, check_at=check_at, now=imported_at, channel_id=channel.id)
    return sum(row.size for row in touched)


def _attachments(message: InboundMessage) -> str:
    if not message.attachments:
        return "[]"
    return json.dumps([attachment.as_json() for attachment in message.attachments])
