"""Whose a conversation is on its platform. Callers own the transaction; nothing here commits."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from shoptalk.types import ThreadOwner

# Only a change tells something. What was left to machines and is open now was taken from them;
# what a person held and is open now was given back.
_NOTE_CUSTODY = text("""
    UPDATE conversations SET
        held_since = CASE
            WHEN seen.thread_owner = 'person' THEN coalesce(held_since, CAST(:now AS timestamptz))
            WHEN seen.thread_owner = 'anyone' AND conversations.thread_owner = 'ai' THEN :now END,
        thread_owner = seen.thread_owner
    FROM unnest(CAST(:thread_ids AS text[]), CAST(:custodies AS text[]))
        AS seen (thread_id, thread_owner)
    WHERE conversations.channel_integration_id = :channel_id
      AND conversations.thread_id = seen.thread_id
      AND conversations.thread_owner IS DISTINCT FROM seen.thread_owner
""")

#: Whether a person holds it and has not handed it back to the AI here.
IS_HELD = "conversation.held_since > coalesce(conversation.ai_resumed_at, '-infinity')"


def note_thread_owner(
    session: Session, channel_id: int, seen: Mapping[str, ThreadOwner], *, now: datetime
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
            "custodies": [thread_owner for _, thread_owner in in_order],
            "now": now,
        },
    )
