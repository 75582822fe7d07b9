"""`shoptalk conversations`: the inbox from the terminal."""

from datetime import datetime
from typing import Any

import click

from shoptalk.app import App
from shoptalk.commands.common import (
    json_option,
    limit_option,
    moment,
    print_json,
    print_rows,
    visible,
    with_app,
)
from shoptalk.db.models import Conversation, Message
from shoptalk.types import ConversationStatus


@click.group()
def conversations() -> None:
    """List, show, switch the AI on or off."""


def _row(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "platform": conversation.platform,
        "channel_integration_id": conversation.channel_integration_id,
        "thread_id": conversation.thread_id,
        "customer_id": conversation.customer_id,
        "customer_name": conversation.customer_name,
        "customer_phone": conversation.customer_phone,
        "status": conversation.status,
        "ai_enabled": conversation.ai_enabled,
        "opted_out": conversation.is_opted_out,
        "conversation_state": conversation.conversation_state,
        "message_count": conversation.message_count,
        "last_message_at": moment(conversation.last_message_at),
        "read_failures": conversation.read_failures,
        "read_again_at": moment(conversation.read_again_at) if conversation.read_failures else None,
    }


@conversations.command("list")
@click.option("--status", help="Only these: new, open, closed, pending (or the Arabic word).")
@limit_option
@json_option
@with_app
def list_(app: App, status: str | None, limit: int, as_json: bool) -> None:
    """List conversations, the most recent first."""
    from shoptalk.db.conversations import list_conversations

    try:
        wanted = ConversationStatus.parse(status) if status is not None else None
    except ValueError:
        raise click.BadParameter(
            f"{status!r} is none of new, open, closed, pending.", param_hint="--status"
        ) from None
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        rows = [
            _row(conversation)
            for conversation in list_conversations(
                session, workspace_id, status=wanted, limit=limit
            )
        ]
    columns = [
        "id",
        "platform",
        "customer_name",
        "status",
        "ai_enabled",
        "message_count",
        "last_message_at",
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="There is no conversation yet.")


@conversations.command()
@click.argument("handle", metavar="ID")
@limit_option
@json_option
@with_app
def show(app: App, handle: str, limit: int, as_json: bool) -> None:
    """Show one conversation with its last messages, and whether it could be read."""
    from shoptalk.db.conversations import get_conversation, last_messages

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        conversation = get_conversation(session, workspace_id, handle)
        messages = last_messages(session, conversation.id, limit=limit)
    if as_json:
        print_json(_row(conversation) | {"messages": [message_row(row) for row in messages]})
        return
    heading, *lines = transcript(conversation, messages)
    for line in (heading, *_what_it_lacks(conversation, now=app.clock()), *lines):
        click.echo(line)


def _what_it_lacks(conversation: Conversation, *, now: datetime) -> list[str]:
    """A line where the platform did not give all of the thread, or nothing."""
    from shoptalk.importer.catch_up import UNREADABLE_AFTER

    failures, at = conversation.read_failures, conversation.read_again_at
    if not failures or at is None:
        return []
    times = "once" if failures == 1 else f"{failures} times"
    again = f"at {at:%Y-%m-%d %H:%M:%S} UTC" if at > now else "with the next poll"
    if failures < UNREADABLE_AFTER:
        what_waits = "what its customer wrote since then waits"
    else:
        what_waits = "its newest messages no longer wait for that"
    return [f"Reading it failed {times}; it is read again {again}; {what_waits}."]


def transcript(conversation: Conversation, messages: list[Message]) -> list[str]:
    """A conversation as lines for a terminal."""
    name = conversation.customer_name or conversation.customer_id
    ai = "on" if conversation.ai_enabled else "off"
    lines = [
        visible(
            f"Conversation {conversation.id} with {name} on {conversation.platform}, "
            f"{conversation.status}, AI {ai}"
        )
    ]
    for message in messages:
        kind = "" if message.content_type == "text" else f"[{message.content_type}] "
        text = "\n".join(visible(part) for part in message.content.split("\n"))
        indented = text.replace("\n", "\n" + " " * 32)
        old = " (history)" if message.is_old else ""
        lines.append(
            f"{message.created_at:%Y-%m-%d %H:%M:%S}Z {message.sender_type:>8}  "
            f"{kind}{indented}{old}"
        )
    return lines


def message_row(message: Message) -> dict[str, Any]:
    """A message with every field the design promises."""
    return {
        "id": message.id,
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        "content": message.content,
        "sender_type": message.sender_type,
        "content_type": message.content_type,
        "attachments": message.attachments,
        "is_old": message.is_old,
        "reply_sent": message.reply_sent,
        "outcome": message.outcome,
        "status": message.status,
        "failure_reason": message.failure_reason,
        "created_at": moment(message.created_at),
        "imported_at": moment(message.imported_at),
    }


@conversations.command()
@click.argument("handle", metavar="ID")
@click.argument("switch", type=click.Choice(["on", "off"]))
@with_app
def ai(app: App, handle: str, switch: str) -> None:
    """Switch the AI on or off for one conversation."""
    from shoptalk.db.conversations import get_conversation, switch_ai

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        conversation = get_conversation(session, workspace_id, handle)
        taken_up = switch_ai(session, conversation, enabled=switch == "on", now=app.clock())
    waiting = f"; messages that will be answered now: {taken_up}" if taken_up else ""
    click.echo(f"The AI is {switch} for conversation {conversation.id}{waiting}.")
