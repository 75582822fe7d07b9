"""`shoptalk messages`: messages and what became of them."""

import click

from shoptalk.app import App
from shoptalk.commands.common import json_option, limit_option, print_rows, with_app
from shoptalk.commands.conversations import message_row
from shoptalk.types import Outcome


@click.group()
def messages() -> None:
    """List messages and what became of them."""


@messages.command("list")
@click.option("--unreplied", is_flag=True, help="Customers' new messages without a reply.")
@click.option(
    "--outcome",
    type=click.Choice([str(outcome) for outcome in Outcome]),
    help="Only those it happened to.",
)
@limit_option
@json_option
@with_app
def list_(app: App, unreplied: bool, outcome: str | None, limit: int, as_json: bool) -> None:
    """List messages, the last stored first."""
    from shoptalk.db.conversations import list_messages

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        found = list_messages(
            session,
            workspace_id,
            unreplied=unreplied,
            outcome=Outcome(outcome) if outcome else None,
            limit=limit,
        )
    columns = ["id", "message_id", "sender_type", "outcome", "created_at", "content"]
    rows = [message_row(message) for message in found]
    print_rows(rows, as_json=as_json, columns=columns, empty="No such message.")
