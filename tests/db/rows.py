"""Rows for tests of what is stored: one shop, one channel, threads in a few words."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TypeVar

from sqlalchemy import select

from shoptalk.db.channels import get_workspace
from shoptalk.db.engine import Database
from shoptalk.db.inbox import Stored, ThreadRows, store_threads
from shoptalk.db.models import Base, ChannelIntegration, Conversation, Message
from shoptalk.types import Customer, InboundMessage, SenderType

Row = TypeVar("Row", bound=Base)

NINE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)  #: when the channel was connected


def after(seconds: float) -> datetime:
    """A moment that many seconds after nine."""
    return NINE + timedelta(seconds=seconds)


def open_channel(
    database: Database, *, workspace: str = "shop", account: str = "page", ai_default: bool = True
) -> ChannelIntegration:
    with database.transaction() as session:
        channel = ChannelIntegration(
            workspace_id=get_workspace(session, workspace).id,
            channel="facebook",
            external_id=account,
            display_name="Corner Bakery",
            config="sealed",
            ai_default=ai_default,
            connected_at=NINE,
        )
        session.add(channel)
    with database.transaction() as session:
        return session.get_one(ChannelIntegration, channel.id)


def customer_writes(
    message_id: str, seconds: float = 0, *, text: str = "Hello", at: datetime | None = None
) -> InboundMessage:
    return InboundMessage(
        message_id=message_id,
        sender_type=SenderType.CUSTOMER,
        created_at=at or after(seconds),
        text=text,
    )


def shop_writes(message_id: str, seconds: float = 0, *, text: str = "Hello") -> InboundMessage:
    return InboundMessage(
        message_id=message_id,
        sender_type=SenderType.EMPLOYEE,
        created_at=after(seconds),
        text=text,
    )


def thread(
    *messages: InboundMessage, thread_id: str = "t1", updated_at: datetime | None = None
) -> ThreadRows:
    return ThreadRows(
        thread_id=thread_id,
        customer=Customer(customer_id=f"customer of {thread_id}", name="Rima"),
        messages=messages,
        updated_at=updated_at,
        history_complete=True,
    )


def store(
    database: Database,
    channel: ChannelIntegration,
    *what: ThreadRows | InboundMessage,
    imported_at: datetime | None = None,
    backwards: bool = False,
) -> Stored:
    """Store threads; bare messages are those of thread t1."""
    threads: list[ThreadRows] = []
    for bare, some in groupby(what, key=lambda one: isinstance(one, InboundMessage)):
        if bare:
            threads.append(thread(*(one for one in some if isinstance(one, InboundMessage))))
        else:
            threads += [one for one in some if isinstance(one, ThreadRows)]
    newest = max((message.created_at for one in threads for message in one.messages), default=NINE)
    with database.transaction() as session:
        return store_threads(
            session, channel, threads, imported_at=imported_at or newest, backwards=backwards
        )


def rows(database: Database, table: type[Row]) -> list[Row]:
    """All rows of a table, in the order in which they were made."""
    with database.transaction() as session:
        return list(session.scalars(select(table).order_by(table.__table__.c.id)))


def message(database: Database, message_id: str) -> Message:
    with database.transaction() as session:
        return session.scalars(select(Message).where(Message.message_id == message_id)).one()


def conversation(database: Database, thread_id: str = "t1") -> Conversation:
    with database.transaction() as session:
        return session.scalars(
            select(Conversation).where(Conversation.thread_id == thread_id)
        ).one()
