"""Who wants no more messages. Callers own the transaction; nothing here commits.

The latest word counts, by platform time and in whatever order words are read: each of the two
moments only moves forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.types import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A customer's message that is nothing but a keyword."""

    thread_id: str
    message_id: str
    said_at: datetime
    opts_out: bool = False
    opts_in: bool = False
    outcome: Outcome | None = None  #: None: it is answered like any other message


#: Whether the latest word of the customer of `conversation` is that nothing more be sent.
IS_OPTED_OUT = """
    (conversation.opted_out_at >= coalesce(conversation.opted_in_at, '-infinity')) IS TRUE
"""

_NOTE_WORDS = text("""
    UPDATE conversations SET
        opted_out_at = greatest(opted_out_at, said.out_at),
        opted_in_at = greatest(opted_in_at, said.in_at)
    FROM (
        SELECT thread_id, max(said_at) FILTER (WHERE opts_out) AS out_at,
            max(said_at) FILTER (WHERE opts_in) AS in_at
        FROM unnest(
            CAST(:thread_ids AS text[]), CAST(:said_at AS timestamptz[]),
            CAST(:opts_out AS boolean[]), CAST(:opts_in AS boolean[])
        ) AS word (thread_id, said_at, opts_out, opts_in)
        GROUP BY thread_id
    ) AS said
    WHERE channel_integration_id = :channel_id AND conversations.thread_id = said.thread_id
""")

_SETTLE_WORDS = text("""
    UPDATE messages SET outcome = word.outcome
    FROM unnest(CAST(:message_ids AS text[]), CAST(:outcomes AS text[]))
        AS word (message_id, outcome)
    WHERE messages.message_id = word.message_id AND word.outcome IS NOT NULL
      AND messages.sender_type = 'customer' AND messages.outcome IS NULL
      AND messages.turn_id IS NULL AND NOT messages.reply_sent
""")

_OPT_OUT = text("""
    UPDATE conversations SET opted_out_at = greatest(opted_out_at, :at) WHERE id = :id
""")


def note_words(session: Session, channel_id: int, words: Sequence[Word]) -> None:
    """Note who opted out and in, and give the words themselves their outcome."""
    if not words:
        return
    session.execute(
        _NOTE_WORDS,
        {
            "channel_id": channel_id,
            "thread_ids": [word.thread_id for word in words],
            "said_at": [word.said_at for word in words],
            "opts_out": [word.opts_out for word in words],
            "opts_in": [word.opts_in for word in words],
        },
    )
    session.execute(
        _SETTLE_WORDS,
        {
            "message_ids": [word.message_id for word in words],
            "outcomes": [word.outcome for word in words],
        },
    )


def note_opted_out(session: Session, conversation_id: int, *, at: datetime) -> None:
    """The platform says so.

    Args:
        at: platform time of the newest message the refused reply was for: an opt-in after that
            is one that the platform did not know of yet.
    """
    session.execute(_OPT_OUT, {"id": conversation_id, "at": at})
