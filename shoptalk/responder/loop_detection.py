"""Telling a customer from another machine: two that answer each other go round in circles."""

from collections.abc import Sequence

from shoptalk.db.turn_input import ContextMessage
from shoptalk.types import SenderType

TIMES = 3  #: the same words from both sides, so often in a row


def is_loop(messages: Sequence[ContextMessage]) -> bool:
    """Whether both sides only repeat themselves at the end of a conversation, oldest first."""
    theirs = [_plain(m.content) for m in messages if m.sender_type == SenderType.CUSTOMER]
    ours = [_plain(m.content) for m in messages if m.sender_type == SenderType.AGENT]
    return _repeats(theirs) and _repeats(ours)


def _repeats(texts: Sequence[str]) -> bool:
    last = texts[-TIMES:]
    return len(last) == TIMES and len(set(last)) == 1


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
