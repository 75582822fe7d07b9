"""Queries on the shop's own web chat. Callers own the transaction; nothing here commits.

Who writes locks the session first, so its messages have growing numbers. And each message's moment
is later than all that the channel has: the machines that write here need not agree on the time, and
no poll has passed by what is written after it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, func, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from shoptalk.db.models import ChannelIntegration, ChatMessage, ChatSession, ChatVisitor
from shoptalk.db.storable import storable
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.types import ChatLine, ChatThread, Customer, SenderType

NEXT_MOMENT = timedelta(microseconds=1)  #: what PostgreSQL can tell two moments by


def keep_visitor(
    session: Session,
    channel: ChannelIntegration,
    visitor_id: str,
    *,
    name: str | None = None,
    phone: str | None = None,
) -> ChatVisitor:
    """The visitor of that id, made on first use. What is not told leaves what is known."""
    told = insert(ChatVisitor).values(
        workspace_id=channel.workspace_id,
        channel_integration_id=channel.id,
        visitor_id=storable(visitor_id),
        name=storable(name) if name else None,
        phone=storable(phone) if phone else None,
    )
    return session.scalars(
        told.on_conflict_do_update(
            index_elements=["channel_integration_id", "visitor_id"],
            set_={
                "name": func.coalesce(told.excluded.name, ChatVisitor.name),
                "phone": func.coalesce(told.excluded.phone, ChatVisitor.phone),
            },
        ).returning(ChatVisitor),
        execution_options={"populate_existing": True},
    ).one()


def open_session(session: Session, visitor: ChatVisitor, session_id: str) -> ChatSession | None:
    """The visitor's session of that id, made on first use; None where it is another visitor's."""
    session.execute(
        insert(ChatSession)
        .values(
            workspace_id=visitor.workspace_id,
            channel_integration_id=visitor.channel_integration_id,
            visitor_id=visitor.id,
            session_id=storable(session_id),
        )
        .on_conflict_do_nothing(index_elements=["channel_integration_id", "session_id"])
    )
    return session.scalars(
        select(ChatSession).where(
            ChatSession.channel_integration_id == visitor.channel_integration_id,
            ChatSession.session_id == storable(session_id),
            ChatSession.visitor_id == visitor.id,
        )
    ).one_or_none()


def visitor_writes(
    session: Session,
    chat: ChatSession,
    content: str,
    *,
    now: datetime,
    reference: str | None = None,
) -> ChatMessage:
    """Store what the visitor wrote, and wake whoever answers when this transaction commits.

    Args:
        now: when it was written; moved to behind the channel's newest message if it is not.
        reference: the page's own name for the message. One sent again is stored once: the first
            is returned, whatever the text.
    """
    written = _write(session, chat, SenderType.CUSTOMER, content, now=now, reference=reference)
    wake(session, Wakeup(WakeupKind.POLL, chat.channel_integration_id))
    return written


def employee_writes(
    session: Session,
    chat: ChatSession,
    content: str,
    *,
    now: datetime,
    reference: str | None = None,
) -> ChatMessage:
    """Store what a person at the shop wrote: the AI steps back as soon as it is seen."""
    written = _write(session, chat, SenderType.EMPLOYEE, content, now=now, reference=reference)
    wake(session, Wakeup(WakeupKind.POLL, chat.channel_integration_id))
    return written


def agent_writes(
    session: Session,
    chat: ChatSession,
    content: str,
    *,
    now: datetime,
    reference: str | None = None,
) -> ChatMessage:
    """Store what the AI answers, once a reference. Nobody is woken: it is known."""
    return _write(session, chat, SenderType.AGENT, content, now=now, reference=reference)


def _write(
    session: Session,
    chat: ChatSession,
    sender_type: SenderType,
    content: str,
    *,
    now: datetime,
    reference: str | None,
) -> ChatMessage:
    locked = session.scalars(
        select(ChatSession).where(ChatSession.id == chat.id).with_for_update(key_share=True),
        execution_options={"populate_existing": True},
    ).one()
    if reference is not None:
        reference = storable(reference)
        before = session.scalars(
            select(ChatMessage).where(
                ChatMessage.channel_integration_id == locked.channel_integration_id,
                ChatMessage.session_id == locked.session_id,
                ChatMessage.sender_type == sender_type,
                ChatMessage.reference == reference,
            )
        ).one_or_none()
        if before is not None:
            return before
    written = ChatMessage(
        workspace_id=locked.workspace_id,
        channel_integration_id=locked.channel_integration_id,
        session_id=locked.session_id,
        sender_type=sender_type,
        content=storable(content),
        created_at=_moment(session, locked, now),
        reference=reference,
    )
    locked.changed_at = written.created_at
    if sender_type != SenderType.CUSTOMER:
        locked.typing_until = None
    session.add(written)
    session.flush()
    return written


def _moment(session: Session, chat: ChatSession, now: datetime) -> datetime:
    newest = session.scalar(
        select(func.max(ChatSession.changed_at)).where(
            ChatSession.channel_integration_id == chat.channel_integration_id
        )
    )
    return now if newest is None else max(now, newest + NEXT_MOMENT)


def mark_read(
    session: Session, chat: ChatSession, *, reader: SenderType, up_to: int, now: datetime
) -> int:
    """Note that a side has read the other's messages up to a number; return how many were new.

    Args:
        reader: CUSTOMER for the visitor; anybody else is the shop.
    """
    read = session.scalars(
        update(ChatMessage)
        .where(*_unread(chat, reader), ChatMessage.id <= up_to)
        .values(read_at=now)
        .returning(ChatMessage.id)
    ).all()
    return len(read)


def count_unread(session: Session, chat: ChatSession, *, reader: SenderType) -> int:
    """How many of the other side's messages a side has not read."""
    counted = session.scalar(select(func.count(ChatMessage.id)).where(*_unread(chat, reader)))
    return int(counted or 0)


def _unread(chat: ChatSession, reader: SenderType) -> list[ColumnElement[bool]]:
    by_visitor = ChatMessage.sender_type == SenderType.CUSTOMER
    return [
        ChatMessage.channel_integration_id == chat.channel_integration_id,
        ChatMessage.session_id == chat.session_id,
        ~by_visitor if reader == SenderType.CUSTOMER else by_visitor,
        ChatMessage.read_at.is_(None),
    ]


def find_session(
    session: Session, platform: str, external_id: str, session_id: str
) -> ChatSession | None:
    """A session of the account's, also of one that is not connected now."""
    return session.scalars(
        select(ChatSession)
        .join(ChannelIntegration, ChannelIntegration.id == ChatSession.channel_integration_id)
        .where(
            ChannelIntegration.channel == platform,
            ChannelIntegration.external_id == external_id,
            ChatSession.session_id == storable(session_id),
        )
    ).one_or_none()


def show_typing(session: Session, chat: ChatSession, *, until: datetime) -> None:
    session.execute(update(ChatSession).where(ChatSession.id == chat.id).values(typing_until=until))


def threads_by_change(
    session: Session,
    platform: str,
    external_id: str,
    *,
    since: datetime | None,
    before: tuple[datetime, int] | None,
    limit: int,
    lines: int,
) -> Sequence[ChatThread]:
    """The account's sessions in which something was written, latest change first.

    Args:
        since: leave out what changed before.
        before: moment and number of the session after which to go on.
        lines: how many of the newest messages of each to show.
    """
    wanted = (
        select(ChatSession, ChatVisitor)
        .join(ChatVisitor, ChatVisitor.id == ChatSession.visitor_id)
        .join(ChannelIntegration, ChannelIntegration.id == ChatSession.channel_integration_id)
        .where(
            ChannelIntegration.channel == platform,
            ChannelIntegration.external_id == external_id,
            ChatSession.changed_at.is_not(None),
        )
        .order_by(ChatSession.changed_at.desc(), ChatSession.id.desc())
        .limit(limit)
    )
    if since is not None:
        wanted = wanted.where(ChatSession.changed_at >= since)
    if before is not None:
        wanted = wanted.where(tuple_(ChatSession.changed_at, ChatSession.id) < tuple_(*before))
    found = session.execute(wanted).all()
    # Sessions first, lines after: what comes between is shown, and listed as a change next time.
    newest = _newest_lines(session, [chat.id for chat, _ in found], limit=lines + 1)
    return [_thread(row, newest.get(row[0].id, []), lines=lines) for row in found]


def _thread(
    row: Row[ChatSession, ChatVisitor], newest: Sequence[ChatLine], *, lines: int
) -> ChatThread:
    chat, visitor = row
    assert chat.changed_at is not None
    return ChatThread(
        number=chat.id,
        session_id=chat.session_id,
        visitor=Customer(customer_id=visitor.visitor_id, name=visitor.name, phone=visitor.phone),
        changed_at=chat.changed_at,
        lines=newest[:lines],
        has_older=len(newest) > lines,
    )


def _newest_lines(
    session: Session, chat_ids: Sequence[int], *, limit: int
) -> dict[int, list[ChatLine]]:
    if not chat_ids:
        return {}
    newest = (
        select(ChatMessage)
        .where(
            ChatMessage.channel_integration_id == ChatSession.channel_integration_id,
            ChatMessage.session_id == ChatSession.session_id,
        )
        .order_by(ChatMessage.id.desc())
        .limit(limit)
        .lateral()
    )
    newest_message = aliased(ChatMessage, newest)
    rows = session.execute(
        select(ChatSession.id, newest_message)
        .join(newest, true())
        .where(ChatSession.id.in_(chat_ids))
        .order_by(newest_message.id.desc())
    )
    found: dict[int, list[ChatLine]] = {}
    for chat_id, message in rows:
        found.setdefault(chat_id, []).append(line_of(message))
    return found


def lines_before(
    session: Session, chat: ChatSession, *, before: int | None, limit: int
) -> Sequence[ChatLine]:
    """A session's messages, newest first, those before the message `before`."""
    wanted = (
        select(ChatMessage)
        .where(
            ChatMessage.channel_integration_id == chat.channel_integration_id,
            ChatMessage.session_id == chat.session_id,
        )
        .order_by(ChatMessage.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(ChatMessage.id < before)
    return [line_of(message) for message in session.scalars(wanted)]


def line_of(message: ChatMessage) -> ChatLine:
    return ChatLine(
        number=message.id,
        sender_type=SenderType(message.sender_type),
        text=message.content,
        created_at=message.created_at,
    )


def channels_with_unseen(session: Session) -> Sequence[int]:
    """The channels in whose chat something was written that no poll has seen yet."""
    watermark = func.coalesce(ChannelIntegration.last_fetch_timestamp, text("'-infinity'"))
    return session.scalars(
        select(ChannelIntegration.id)
        .where(
            ChannelIntegration.is_connected,
            select(ChatSession.id)
            .where(
                ChatSession.channel_integration_id == ChannelIntegration.id,
                ChatSession.changed_at > watermark,
            )
            .exists(),
        )
        .order_by(ChannelIntegration.id)
    ).all()
