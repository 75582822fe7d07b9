"""`shoptalk deliveries`: what was sent, and trying again what was not."""

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
from shoptalk.commands.display import column
from shoptalk.errors import UsageError
from shoptalk.wiring import App


@click.group(cls=Group)
def deliveries() -> None:
    """List what was sent, try again what was not.

    \b
    Examples:
      shoptalk deliveries list --status failed
      shoptalk deliveries retry DELIVERY_ID
    """


@deliveries.command("list")
@click.option(
    "--status",
    type=click.Choice(["waiting", "sending", "sent", "delivered", "failed", "uncertain"]),
    help="Only deliveries with this status.",
)
@limit_option
@json_option
@with_app
def list_(app: App, status: str | None, limit: int, as_json: bool) -> None:
    """List deliveries, the newest first.

    \b
    Example:
      shoptalk deliveries list --status uncertain
    """
    from shoptalk.db.conversations import conversations_by_id
    from shoptalk.db.deliveries import list_deliveries

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        found = list_deliveries(session, workspace_id, status=status, limit=limit)
        of = conversations_by_id(session, {delivery.conversation_id for delivery in found})
    rows = [
        {
            "id": delivery.id,
            "conversation_id": delivery.conversation_id,
            "customer": customer_of(of[delivery.conversation_id]),
            "turn_id": delivery.turn_id,
            "part_no": delivery.part_no,
            "status": delivery.status,
            "message_id": delivery.message_id,
            "attempts": delivery.attempts,
            "failure_reason": delivery.failure_reason,
            "created_at": delivery.created_at,
            "sent_at": delivery.sent_at,
            "content": delivery.content,
        }
        for delivery in found
    ]
    columns = [
        column("id"),
        column("created_at", "written"),
        column("conversation_id", "conv."),
        column("customer", cut=True),
        column("status"),
        column("sent_at", "sent", spare=True),
        column("attempts", "tries", spare=True),
        column("failure_reason", "error", text=True),
        column("content", cut=True),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="No deliveries.")


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
@json_option
@with_app
def retry(app: App, delivery_id: str, as_json: bool) -> None:
    """Send a failed or uncertain delivery again, with the rest of its turn.

    \b
    Example:
      shoptalk deliveries retry DELIVERY_ID
    """
    from shoptalk.db.deliveries import get_delivery
    from shoptalk.db.deliveries import retry as retry_delivery

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        delivery = get_delivery(session, workspace_id, delivery_id)
        if delivery.status not in {"failed", "uncertain"}:
            raise UsageError(
                f"Delivery {delivery.id} is {delivery.status}: only failed and uncertain ones "
                "can be tried again."
            )
        retry_delivery(session, delivery, now=app.clock())
        session.refresh(delivery)  # one that was met meanwhile is sent, not waiting
    print_done(
        f"Delivery {delivery.id} goes out with the next responder pass.",
        {"id": delivery.id, "status": delivery.status},
        as_json=as_json,
    )
