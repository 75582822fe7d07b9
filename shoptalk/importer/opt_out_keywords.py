"""Finding the words by which customers opt out and in."""

from collections.abc import Sequence

from shoptalk.db.inbox import ThreadRows
from shoptalk.db.opt_outs import Word
from shoptalk.platforms.base import Keywords
from shoptalk.types import InboundMessage, Outcome, SenderType


def words_of(threads: Sequence[ThreadRows], keywords: Keywords | None) -> list[Word]:
    """The messages that are nothing but a keyword of the platform."""
    if keywords is None:
        return []
    found = [
        _word(thread.thread_id, message, keywords)
        for thread in threads
        for message in thread.messages
        if message.sender_type == SenderType.CUSTOMER
    ]
    return [word for word in found if word is not None]


def _word(thread_id: str, message: InboundMessage, keywords: Keywords) -> Word | None:
    said = message.text.strip().casefold()
    # Who writes "Stop!" means it, whether or not the platform takes it so
    opts_out = said.strip(".! ") in keywords.stop
    opts_in = said in keywords.start
    if not opts_out and not opts_in and said not in keywords.answered:
        return None
    outcome = Outcome.OPTED_OUT if opts_out else None
    if said in keywords.answered:
        outcome = Outcome.KEYWORD
    return Word(
        thread_id=thread_id,
        message_id=message.message_id,
        said_at=message.created_at,
        opts_out=opts_out,
        opts_in=opts_in,
        outcome=outcome,
    )
