"""`shoptalk backlog`: what waited so long that the owner decides whether it is answered."""

from collections.abc import Sequence
from datetime import timedelta

import click

from shoptalk.commands.common import (
    Group,
    json_option,
    limit_option,
    print_done,
    print_rows,
    with_app,
)
from shoptalk.commands.conversations import customer_of
from shoptalk.commands.display import ago, column, count
from shoptalk.errors import UsageError
from shoptalk.wiring import App

chosen = click.argument("handles", metavar="[CONVERSATION_ID]...", nargs=-1)
all_option = click.option("--all", "everything", is_flag=True, help="All that is listed.")


@click.group(cls=Group)
def backlog() -> None:
    """What waited long: list it, have it answered, dismiss it.

    After a long stop, messages older than BACKLOG_AFTER_SECONDS are not answered by themselves.

    \b
    Examples:
      shoptalk backlog list
      shoptalk backlog answer --all
    """


@backlog.command("list")
@limit_option
@json_option
@with_app
def list_(app: App, limit: int, as_json: bool) -> None:
    """List what waits for the owner's decision, the oldest first.

    \b
    Example:
      shoptalk backlog list --limit 10
    """
    from shoptalk.db.backlog import held_messages

    workspace_id, now = app.workspace_id(), app.clock()
    with app.database.transaction() as session:
        held = held_messages(session, workspace_id, held_before=now - _after(app), limit=limit)
    rows = [
        {
            "id": message.id,
            "message_id": message.message_id,
            "conversation_id": conversation.id,
            "platform": conversation.platform,
            "customer_name": conversation.customer_name,
            "customer": customer_of(conversation),
            "written": ago(message.created_at, now=now),
            "created_at": message.created_at,
            "content": message.content,
        }
        for message, conversation in held
    ]
    columns = [
        column("id"),
        column("created_at", "written"),
        column("conversation_id", "conv."),
        column("platform"),
        column("customer", cut=True),
        column("content", cut=True),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="Nothing waits for your decision.")


@backlog.command()
@chosen
@all_option
@json_option
@with_app
def answer(app: App, handles: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Have the chosen conversations' waiting messages answered after all.

    \b
    Examples:
      shoptalk backlog answer CONVERSATION_ID
      shoptalk backlog answer --all
    """
    from shoptalk.db.backlog import release

    ids = _chosen_messages(app, handles, everything)
    with app.database.transaction() as session:
        released = release(session, ids)
    print_done(
        f"{count(released, 'message')} will be answered.", {"released": released}, as_json=as_json
    )


@backlog.command()
@chosen
@all_option
@json_option
@with_app
def dismiss(app: App, handles: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Leave the chosen conversations' waiting messages unanswered, for good.

    \b
    Example:
      shoptalk backlog dismiss CONVERSATION_ID
    """
    from shoptalk.db.backlog import dismiss as dismiss_messages

    ids = _chosen_messages(app, handles, everything)
    with app.database.transaction() as session:
        dismissed = dismiss_messages(session, ids)
    was = "was" if dismissed == 1 else "were"
    print_done(
        f"{count(dismissed, 'message')} {was} dismissed.",
        {"dismissed": dismissed},
        as_json=as_json,
    )


def _after(app: App) -> timedelta:
    return timedelta(seconds=app.settings.backlog_after_seconds)


def _chosen_messages(app: App, handles: Sequence[str], everything: bool) -> list[int]:
    """The held messages of the conversations named, or of all.

    Raises:
        UsageError: nothing was named, or a conversation has nothing that waits.
    """
    from shoptalk.db.backlog import held_messages
    from shoptalk.db.conversations import get_conversation

    if bool(handles) == everything:
        raise UsageError(
            "Name the conversations, or say --all; `shoptalk backlog list` shows them."
        )
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        held = held_messages(session, workspace_id, held_before=app.clock() - _after(app))
        if everything:
            return [message.id for message, _ in held]
        wanted = {get_conversation(session, workspace_id, handle).id for handle in handles}
    idle = wanted - {conversation.id for _, conversation in held}
    if idle:
        raise UsageError(f"Nothing waits in conversation {min(idle)}.")
    return [message.id for message, conversation in held if conversation.id in wanted]
