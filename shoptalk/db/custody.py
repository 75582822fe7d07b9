"""Whose a conversation is on its platform. Callers own the transaction; nothing here commits."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.types import Custody

# Only a change tells something. What was left to machines and is open now was taken from them;
# what a person held and is open now was given back.
_NOTE_CUSTODY = text("""
    UPDATE conversations SET
        held_since = CASE
            WHEN seen.custody = 'person' THEN coalesce(held_since, CAST(:now AS timestamptz))
            WHEN seen.custody = 'anyone' AND conversations.custody = 'ai' THEN :now END,
        custody = seen.custody
    FROM unnest(CAST(:thread_ids AS text[]), CAST(:custodies AS text[]))
        AS seen (thread_id, custody)
    WHERE conversations.channel_integration_id = :channel_id
      AND conversations.thread_id = seen.thread_id
      AND conversations.custody IS DISTINCT FROM seen.custody
""")

#: Whether a person holds it and has not handed it back to the AI here.
IS_HELD = "conversation.held_since > coalesce(conversation.ai_resumed_at, '-infinity')"


def note_custody(
    session: Session, channel_id: int, seen: Mapping[str, Custody], *, now: datetime
) -> None:
    """Note whose these threads are, by thread_id; unknown ones are passed over."""
    if not seen:
        return
    in_order = sorted(seen.items())  # two that note the same threads lock them in one order
    session.execute(
        _NOTE_CUSTODY,
        {
            "channel_id": channel_id,
            "thread_ids": [thread_id for thread_id, _ in in_order],
            "custodies": [custody for _, custody in in_order],
            "now": now,
        },
    )
