"""Which messages are to be answered, and when a burst of them is one turn.

Callers own the transaction. Messages that nobody will answer get their outcome here; the others
are gathered into their conversation's turn. What another process has locked just now is passed
over: it comes by again with the next pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.db.handovers import IS_HANDED_OVER
from shoptalk.db.missing_messages import NOTHING_MISSING_BEFORE, WAITS_FOR
from shoptalk.db.opt_outs import IS_OPTED_OUT
from shoptalk.db.thread_owner import IS_HELD
from shoptalk.types import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferPolicy:
    """When a burst is over: `quiet` after its last message, or at either limit."""

    quiet: timedelta
    most_messages: int
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPolicy:
    """Which waiting messages the AI leaves to people."""

    takeover_pause: timedelta  #: after a person has written
    backlog_after: timedelta  #: what waited longer is the owner's to decide


_WAITING = """
    message.sender_type = 'customer' AND NOT message.is_old AND NOT message.reply_sent
    AND message.outcome IS NULL AND message.turn_id IS NULL
"""

# Of millions of conversations a few have such a message. An array is looked up by key, whatever the
# planner guesses to be in it; a join over a wrong guess reads all conversations.
_HAVE_WAITING = """
    ANY(ARRAY(
        SELECT DISTINCT conversation_id FROM messages
        WHERE sender_type = 'customer' AND NOT is_old AND NOT reply_sent AND outcome IS NULL))
"""

_SETTLE_TOO_OLD = text(f"""
    WITH late AS (
        SELECT conversation.id, now_and_then.oldest
        FROM unnest(CAST(:platforms AS text[]), CAST(:beginnings AS text[]),
            CAST(:oldest AS timestamptz[])) AS now_and_then (platform, beginning, oldest)
        JOIN conversations AS conversation USING (platform)
        WHERE conversation.id = {_HAVE_WAITING}
          AND starts_with(conversation.thread_id, now_and_then.beginning) AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id
              AND message.created_at < now_and_then.oldest AND {_WAITING})
        FOR NO KEY UPDATE OF conversation SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :window_closed
    FROM late WHERE message.conversation_id = late.id
      AND message.created_at < late.oldest AND {_WAITING}
""")  # noqa: S608

_SETTLE_OPTED_OUT = text(f"""
    WITH out AS (
        SELECT conversation.id FROM conversations AS conversation
        WHERE conversation.id = {_HAVE_WAITING}
          AND {IS_OPTED_OUT}
          AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :opted_out
    FROM out WHERE message.conversation_id = out.id AND {_WAITING}
""")  # noqa: S608

_SETTLE_HANDED_OVER = text(f"""
    WITH handed_over AS (
        SELECT conversation.id FROM conversations AS conversation
        WHERE conversation.id = {_HAVE_WAITING} AND {IS_HANDED_OVER} AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :needs_person
    FROM handed_over WHERE message.conversation_id = handed_over.id AND {_WAITING}
""")  # noqa: S608

_SETTLE_TAKEN_OVER = text(f"""
    WITH taken AS (
        SELECT conversation.id, person.wrote_at
        FROM conversations AS conversation
        CROSS JOIN LATERAL (
            SELECT max(created_at) AS wrote_at FROM messages
            WHERE conversation_id = conversation.id AND sender_type = 'employee' AND NOT is_old
              AND created_at > :since
              AND created_at > coalesce(conversation.ai_resumed_at, '-infinity')
        ) AS person
        WHERE conversation.id = {_HAVE_WAITING}
          AND (person.wrote_at IS NOT NULL OR {IS_HELD}) AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE OF conversation SKIP LOCKED
    )
    UPDATE messages AS message SET outcome =
        CASE WHEN message.created_at <= taken.wrote_at
        THEN CAST(:answered_by_person AS text) ELSE :taken_over END
    FROM taken WHERE message.conversation_id = taken.id AND {_WAITING}
""")  # noqa: S608

_SETTLE_SWITCHED_OFF = text(f"""
    WITH off AS (
        SELECT conversation.id FROM conversations AS conversation
        WHERE conversation.id = {_HAVE_WAITING} AND NOT conversation.ai_enabled AND EXISTS (
            SELECT FROM messages AS message
            WHERE message.conversation_id = conversation.id AND {_WAITING})
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE messages AS message SET outcome = :ai_off
    FROM off WHERE message.conversation_id = off.id AND {_WAITING}
""")  # noqa: S608

# A message that comes while the clock of its platform runs ahead of ours counts from when it was
# stored, so that skewed clocks cannot hold a turn back.
_GATHER = text(f"""
    WITH waiting AS (
        SELECT message.id, message.conversation_id, message.created_at,
            least(message.created_at, message.imported_at) AS written_at
        FROM messages AS message
        JOIN conversations AS conversation ON conversation.id = message.conversation_id
        JOIN channel_integrations AS channel ON channel.id = conversation.channel_integration_id
        WHERE message.conversation_id = {_HAVE_WAITING}
          AND conversation.ai_enabled AND {_WAITING} AND {NOTHING_MISSING_BEFORE}
          AND (message.released OR message.created_at
              > coalesce(CAST(:held_before AS timestamptz), '-infinity'))
        FOR NO KEY UPDATE OF conversation, message SKIP LOCKED
    ), burst AS (
        SELECT conversation_id, count(*) AS size, min(written_at) AS first_written,
            max(written_at) AS last_written, min(created_at) AS first_at, max(created_at) AS last_at
        FROM waiting GROUP BY conversation_id
    ), turn AS (
        INSERT INTO ai_response_queue AS queue (
            workspace_id, conversation_id, first_message_at, last_message_at, message_count,
            due_at, created_at)
        SELECT conversation.workspace_id, burst.conversation_id, burst.first_at, burst.last_at,
            burst.size,
            CASE WHEN burst.size >= :most_messages THEN CAST(:now AS timestamptz)
            ELSE least(burst.last_written + :quiet, burst.first_written + :longest) END,
            :now
        FROM burst JOIN conversations AS conversation ON conversation.id = burst.conversation_id
        ORDER BY burst.conversation_id
        ON CONFLICT (conversation_id) WHERE status IN ('buffering', 'sending') DO UPDATE SET
            first_message_at = least(queue.first_message_at, excluded.first_message_at),
            last_message_at = greatest(queue.last_message_at, excluded.last_message_at),
            message_count = queue.message_count + excluded.message_count,
            due_at = greatest(
                CASE WHEN queue.message_count + excluded.message_count >= :most_messages
                THEN CAST(:now AS timestamptz)
                ELSE least(excluded.due_at, queue.created_at + :longest) END,
                -- it waits because something failed: more to answer does not shorten that
                CASE WHEN queue.error IS NOT NULL THEN queue.due_at END)
            WHERE queue.status = 'buffering'
        RETURNING id, conversation_id
    ), gathered AS (
        UPDATE messages SET turn_id = turn.id
        FROM waiting JOIN turn USING (conversation_id)
        WHERE messages.id = waiting.id
        RETURNING messages.id
    ), stated AS (
        UPDATE conversations SET conversation_state = 'buffering'
        FROM turn WHERE conversations.id = turn.conversation_id
          AND conversation_state = 'idle'
    )
    SELECT count(*) FROM gathered
""")  # noqa: S608


def close_unanswerable(
    session: Session,
    policy: SelectionPolicy,
    windows: Mapping[tuple[str, str], timedelta],
    *,
    now: datetime,
) -> None:
    """Give waiting messages that will not be answered their outcome.

    Args:
        windows: how long after a message a reply is taken, by the platform's name and by how
            the ids of its threads begin.
    """
    session.execute(_SETTLE_OPTED_OUT, {"opted_out": Outcome.OPTED_OUT})
    session.execute(_SETTLE_SWITCHED_OFF, {"ai_off": Outcome.AI_OFF})
    session.execute(_SETTLE_HANDED_OVER, {"needs_person": Outcome.NEEDS_PERSON})
    session.execute(
        _SETTLE_TAKEN_OVER,
        {
            "since": now - policy.takeover_pause,
            "answered_by_person": Outcome.ANSWERED_BY_PERSON,
            "taken_over": Outcome.TAKEN_OVER,
        },
    )
    session.execute(
        _SETTLE_TOO_OLD,
        {
            "platforms": [platform for platform, _ in windows],
            "beginnings": [beginning for _, beginning in windows],
            "oldest": [now - window for window in windows.values()],
            "window_closed": Outcome.WINDOW_CLOSED,
        },
    )


def open_turns(
    session: Session, policy: BufferPolicy, *, now: datetime, held_before: datetime | None = None
) -> int:
    """Put every message that waits for an answer into its conversation's turn; return how many.

    What was written before `held_before` is the owner's to release first. What may have come after
    messages that could not be read yet waits for those.
    """
    gathered = session.scalar(
        _GATHER,
        {
            "now": now,
            "quiet": policy.quiet,
            "longest": policy.longest,
            "most_messages": policy.most_messages,
            "held_before": held_before,
            "missing_before": now - WAITS_FOR,
        },
    )
    return int(gathered or 0)
