"""Queries on conversations and messages for reading. Callers own the transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import case, or_, select, tuple_, update
from sqlalchemy.orm import Session

from shoptalk.db.models import Conversation, Message
from shoptalk.errors import UsageError
from shoptalk.types import (
    OUR_SIDE,
    ConversationStatus,
    Outcome,
    SenderType,
)

#: What switching the AI on again takes up: messages that were left to a person.
GIVEN_TO_PEOPLE = (
    Outcome.AI_OFF,
    Outcome.TAKEN_OVER,
    Outcome.LOOP,
    Outcome.REPLY_LIMIT,
    Outcome.MODEL_FAILED,
    Outcome.PRICE_REFUSED,
    Outcome.NEEDS_PERSON,
)


def _is_row_id(handle: str) -> bool:
    return handle.isascii() and handle.isdigit() and len(handle) <= 18


def get_conversation(session: Session, workspace_id: int, handle: str) -> Conversation:
    """A conversation by row id or by the platform's thread id.

    Raises:
        UsageError: there is none, or two channels have such a thread.
    """
    same = Conversation.thread_id == handle
    if _is_row_id(handle):
        same = or_(same, Conversation.id == int(handle))
    found = session.scalars(
        select(Conversation).where(Conversation.workspace_id == workspace_id, same)
    ).all()
    exact = [row for row in found if str(row.id) == handle] or list(found)
    if not exact:
        raise UsageError(
            f"There is no conversation {handle!r}: `shoptalk conversations list` shows them."
        )
    if len(exact) > 1:
        ids = ", ".join(str(row.id) for row in exact)
        raise UsageError(f"More than one channel has a thread {handle!r}: name one of {ids}.")
    return exact[0]


def get_message(session: Session, workspace_id: int, handle: str) -> tuple[Message, Conversation]:
    """A message by the platform's message_id or by row id, with its conversation.

    Raises:
        UsageError: there is none.
    """
    same = Message.message_id == handle
    statement = (
        select(Message, Conversation)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == workspace_id)
    )
    row = session.execute(statement.where(same)).one_or_none()
    if row is None and _is_row_id(handle):
        row = session.execute(statement.where(Message.id == int(handle))).one_or_none()
    if row is None:
        raise UsageError(f"There is no message {handle!r}: `shoptalk messages list` shows them.")
    return row.Message, row.Conversation


def list_conversations(
    session: Session, workspace_id: int, *, status: ConversationStatus | None, limit: int
) -> Sequence[Conversation]:
    statement = select(Conversation).where(Conversation.workspace_id == workspace_id)
    if status is not None:
        statement = statement.where(Conversation.status == status)
    return session.scalars(
        statement.order_by(Conversation.last_message_at.desc().nulls_last()).limit(limit)
    ).all()


def list_messages(
    session: Session,
    workspace_id: int,
    *,
    unreplied: bool,
    outcome: Outcome | None,
    limit: int,
) -> Sequence[Message]:
    """Newest first; with `unreplied`, customers' new messages that no reply was sent to."""
    statement = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == workspace_id)
    )
    if unreplied:
        statement = statement.where(
            Message.sender_type == SenderType.CUSTOMER, ~Message.is_old, ~Message.reply_sent
        )
    if outcome is not None:
        statement = statement.where(Message.outcome == outcome)
    return session.scalars(statement.order_by(Message.id.desc()).limit(limit)).all()


def conversations_by_id(
    session: Session, conversation_ids: Collection[int]
) -> dict[int, Conversation]:
    found = session.scalars(select(Conversation).where(Conversation.id.in_(conversation_ids)))
    return {conversation.id: conversation for conversation in found}


def last_messages(session: Session, conversation_id: int, *, limit: int) -> list[Message]:
    """The newest messages, oldest of them first."""
    newest = session.scalars(
        select(Message)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.created_at.desc(), Message.sequence_no.desc(), Message.id.desc())
        .limit(limit)
    ).all()
    return list(reversed(newest))


def is_stored(session: Session, message_id: str) -> bool:
    found = session.scalar(select(Message.id).where(Message.message_id == message_id))
    return found is not None


def find_answer_after(session: Session, message: Message) -> Message | None:
    """The first thing a person at the shop wrote after a message."""
    return session.scalars(
        select(Message)
        .where(
            Message.conversation_id == message.conversation_id,
            Message.sender_type == SenderType.EMPLOYEE,
            tuple_(Message.created_at, Message.sequence_no)
            > tuple_(message.created_at, message.sequence_no),
        )
        .order_by(Message.created_at, Message.sequence_no)
        .limit(1)
    ).first()


def last_word_of_person(session: Session, conversation: Conversation) -> datetime | None:
    """When a person at the shop wrote last, since the cut-over and since it was handed back."""
    statement = select(Message.created_at).where(
        Message.conversation_id == conversation.id,
        Message.sender_type == SenderType.EMPLOYEE,
        ~Message.is_old,
    )
    if conversation.ai_resumed_at is not None:
        statement = statement.where(Message.created_at > conversation.ai_resumed_at)
    return session.scalar(statement.order_by(Message.created_at.desc()).limit(1))


def messages_of_turn(session: Session, turn_id: int) -> Sequence[Message]:
    return session.scalars(
        select(Message)
        .where(Message.turn_id == turn_id)
        .order_by(Message.created_at, Message.sequence_no, Message.id)
    ).all()


def switch_ai(session: Session, conversation: Conversation, *, enabled: bool, now: datetime) -> int:
    """Switch the AI on or off; return how many waiting messages that concerns.

    Switching on ends the pause after a person's message or a hand-over, and gives the customer who
    is still waiting an answer: what was set aside meanwhile is taken up again, as long as nobody
    from the shop has written since.
    """
    values: dict[str, object] = {"ai_enabled": enabled}
    if enabled:
        was_pending = Conversation.status == ConversationStatus.PENDING
        values["ai_resumed_at"] = now
        values["status"] = case((was_pending, ConversationStatus.OPEN), else_=Conversation.status)
    session.execute(update(Conversation).where(Conversation.id == conversation.id).values(**values))
    if not enabled:
        return 0
    newest_of_ours = (
        select(Message.created_at)
        .where(
            Message.conversation_id == conversation.id,
            Message.sender_type.in_(OUR_SIDE),
        )
        .order_by(Message.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    taken_up = session.execute(
        update(Message)
        .where(
            Message.conversation_id == conversation.id,
            Message.outcome.in_(GIVEN_TO_PEOPLE),
            or_(newest_of_ours.is_(None), Message.created_at > newest_of_ours),
        )
        # turn_id: a turn that was closed takes nothing in
        .values(outcome=None, released=True, turn_id=None)
        .returning(Message.id)
    )
    return len(taken_up.all())
