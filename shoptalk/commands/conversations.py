"""`shoptalk conversations`: the inbox from the terminal."""

from datetime import datetime, timedelta
from typing import Any

import click

from shoptalk.commands.common import (
    Group,
    json_option,
    limit_option,
    print_done,
    print_json,
    print_rows,
    visible,
    with_app,
)
from shoptalk.commands.display import column, count, one_line, to_the_second
from shoptalk.db.models import Conversation, Message
from shoptalk.types import ConversationStatus
from shoptalk.wiring import App


@click.group(cls=Group)
def conversations() -> None:
    """List, show, switch the AI on or off.

    \b
    Examples:
      shoptalk conversations list
      shoptalk conversations show CONVERSATION_ID
    """


def customer_of(conversation: Conversation) -> str:
    """What the customer is called: the name, else the phone number, else the platform's id."""
    return conversation.customer_name or conversation.customer_phone or conversation.customer_id


def _row(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "platform": conversation.platform,
        "channel_integration_id": conversation.channel_integration_id,
        "thread_id": conversation.thread_id,
        "customer_id": conversation.customer_id,
        "customer_name": conversation.customer_name,
        "customer_phone": conversation.customer_phone,
        "customer": customer_of(conversation),
        "status": conversation.status,
        "ai_enabled": conversation.ai_enabled,
        "opted_out": conversation.is_opted_out,
        "conversation_state": conversation.conversation_state,
        "message_count": conversation.message_count,
        "last_message_at": conversation.last_message_at,
        "read_failures": conversation.read_failures,
        "read_again_at": conversation.read_again_at if conversation.read_failures else None,
    }


@conversations.command("list")
@click.option(
    "--status",
    help="Only this status: new, open, closed or pending, or its Arabic word.",
)
@limit_option
@json_option
@with_app
def list_(app: App, status: str | None, limit: int, as_json: bool) -> None:
    """List conversations, the most recent first.

    \b
    Example:
      shoptalk conversations list --status open --limit 10
    """
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
        column("id"),
        column("platform"),
        column("customer", text=True),
        column("status"),
        column("ai_enabled", "AI on"),
        column("message_count", "messages", spare=True),
        column("last_message_at", "last message"),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="There is no conversation yet.")


@conversations.command()
@click.argument("handle", metavar="ID")
@limit_option
@json_option
@with_app
def show(app: App, handle: str, limit: int, as_json: bool) -> None:
    """Show one conversation with its last messages, and whether it could be read.

    \b
    Example:
      shoptalk conversations show CONVERSATION_ID
    """
    from shoptalk.db.conversations import get_conversation, last_messages, last_word_of_person

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        conversation = get_conversation(session, workspace_id, handle)
        messages = last_messages(session, conversation.id, limit=limit)
        wrote_at = last_word_of_person(session, conversation)
    now = app.clock()
    paused_until = _paused_until(wrote_at, app.rules.selection.takeover_pause, now=now)
    if as_json:
        print_json(
            _row(conversation)
            | {"ai_paused_until": paused_until}
            | {"messages": [message_row(row) for row in messages]}
        )
        return
    heading, *lines = transcript(conversation, messages)
    notes = [
        *_who_has_it(conversation, paused_until, wrote_at),
        *_what_it_lacks(conversation, now=now),
    ]
    for line in (heading, *notes, *lines):
        click.echo(line)


def _paused_until(wrote_at: datetime | None, pause: timedelta, *, now: datetime) -> datetime | None:
    """Until when the AI leaves the conversation alone because a person wrote; None: it does not."""
    if wrote_at is None or wrote_at + pause <= now:
        return None
    return wrote_at + pause


def _who_has_it(
    conversation: Conversation, paused_until: datetime | None, wrote_at: datetime | None
) -> list[str]:
    """A line where the AI is on and says nothing all the same."""
    hand_back = f"`shoptalk conversations ai {conversation.id} on` hands it back to the AI"
    held_since, resumed_at = conversation.held_since, conversation.ai_resumed_at
    if held_since and (resumed_at is None or held_since > resumed_at):
        since = to_the_second(held_since)
        return [f"A person holds it on {conversation.platform} since {since}; {hand_back}."]
    if paused_until and wrote_at:
        who = f"Taken over by a person, who wrote {to_the_second(wrote_at)}"
        return [f"{who}: the AI pauses until {to_the_second(paused_until)}; {hand_back} now."]
    return []


def _what_it_lacks(conversation: Conversation, *, now: datetime) -> list[str]:
    """A line where the platform did not give all of the thread, or nothing."""
    from shoptalk.importer.thread_sync import UNREADABLE_AFTER

    failures, at = conversation.read_failures, conversation.read_again_at
    if not failures or at is None:
        return []
    times = "once" if failures == 1 else f"{failures} times"
    again = f"at {to_the_second(at)}" if at > now else "with the next poll"
    if failures < UNREADABLE_AFTER:
        what_waits = "what its customer wrote since then waits"
    else:
        what_waits = "its newest messages no longer wait for that"
    return [f"Reading it failed {times}; it is read again {again}; {what_waits}."]


def transcript(conversation: Conversation, messages: list[Message]) -> list[str]:
    """A conversation as lines for a terminal."""
    name = one_line(customer_of(conversation))
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
        written = f"{to_the_second(message.created_at)} {message.sender_type:>8}  "
        margin = len(written)
        indented = text.replace("\n", "\n" + " " * margin)
        old = " (history)" if message.is_old else ""
        lines.append(f"{written}{kind}{indented}{old}")
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
        "created_at": message.created_at,
        "imported_at": message.imported_at,
    }


@conversations.command()
@click.argument("handle", metavar="ID")
@click.argument("switch", type=click.Choice(["on", "off"]))
@json_option
@with_app
def ai(app: App, handle: str, switch: str, as_json: bool) -> None:
    """Switch the AI on or off for one conversation.

    \b
    Example:
      shoptalk conversations ai CONVERSATION_ID off
    """
    from shoptalk.db.conversations import get_conversation, switch_ai

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        conversation = get_conversation(session, workspace_id, handle)
        taken_up = switch_ai(session, conversation, enabled=switch == "on", now=app.clock())
    waiting = f"; {count(taken_up, 'message')} will be answered now" if taken_up else ""
    print_done(
        f"The AI is {switch} for conversation {conversation.id}{waiting}.",
        {"id": conversation.id, "ai_enabled": switch == "on", "taken_up": taken_up},
        as_json=as_json,
    )
