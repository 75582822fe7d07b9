"""`shoptalk messages`: messages and what became of them."""

import click

from shoptalk.commands.common import Group, json_option, limit_option, print_rows, with_app
from shoptalk.commands.conversations import customer_of, message_row
from shoptalk.commands.display import column
from shoptalk.types import Outcome
from shoptalk.wiring import App


@click.group(cls=Group)
def messages() -> None:
    """List messages and what became of them.

    \b
    Example:
      shoptalk messages list --unreplied
    """


@messages.command("list")
@click.option("--unreplied", is_flag=True, help="Only customers' new messages without a reply.")
@click.option(
    "--outcome",
    type=click.Choice([str(outcome) for outcome in Outcome]),
    help="Only messages with this outcome.",
)
@limit_option
@json_option
@with_app
def list_(app: App, unreplied: bool, outcome: str | None, limit: int, as_json: bool) -> None:
    """List messages, the last stored first. `shoptalk why ID` takes the id of the first column.

    \b
    Examples:
      shoptalk messages list --unreplied
      shoptalk messages list --outcome model_failed --json
    """
    from shoptalk.db.conversations import conversations_by_id, list_messages

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        found = list_messages(
            session,
            workspace_id,
            unreplied=unreplied,
            outcome=Outcome(outcome) if outcome else None,
            limit=limit,
        )
        of = conversations_by_id(session, {message.conversation_id for message in found})
    rows = [
        message_row(message)
        | {
            "platform": of[message.conversation_id].platform,
            "customer_name": of[message.conversation_id].customer_name,
            "customer": customer_of(of[message.conversation_id]),
        }
        for message in found
    ]
    columns = [
        column("id"),
        column("created_at", "written"),
        column("conversation_id", "conv."),
        column("customer", cut=True),
        column("sender_type", "author"),
        column("outcome"),
        column("content", cut=True),
        column("message_id", for_pipes=True),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="No messages.")
