"""`shoptalk orders`."""

import click

from shoptalk.app import App
from shoptalk.commands.common import json_option, limit_option, moment, print_rows, with_app


@click.group()
def orders() -> None:
    """List orders."""


@orders.command("list")
@limit_option
@json_option
@with_app
def list_(app: App, limit: int, as_json: bool) -> None:
    """List orders, the newest first."""
    from shoptalk.db.catalog import list_orders

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        rows = [
            {
                "id": order.id,
                "conversation_id": order.conversation_id,
                "product_id": order.product_id,
                "product_name": order.product_name,
                "quantity": order.quantity,
                "unit_price": str(order.unit_price),
                "currency": order.currency,
                "total": str(order.total),
                "customer_name": order.customer_name,
                "customer_phone": order.customer_phone,
                "address": order.address,
                "status": order.status,
                "ai_generated": order.ai_generated,
                "created_at": moment(order.created_at),
            }
            for order in list_orders(session, workspace_id, limit=limit)
        ]
    columns = ["id", "product_name", "quantity", "total", "currency", "customer_name", "address"]
    print_rows(rows, as_json=as_json, columns=columns, empty="There is no order yet.")
