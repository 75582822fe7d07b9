"""`shoptalk orders`."""

from decimal import Decimal

import click

from shoptalk.commands.common import Group, json_option, limit_option, print_rows, with_app
from shoptalk.commands.display import Column, column, money, plain_amount
from shoptalk.wiring import App


@click.group(cls=Group)
def orders() -> None:
    """List orders.

    \b
    Example:
      shoptalk orders list
    """


@orders.command("list")
@limit_option
@json_option
@with_app
def list_(app: App, limit: int, as_json: bool) -> None:
    """List orders, the newest first.

    \b
    Example:
      shoptalk orders list --limit 10 --json
    """
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
                "unit_price": plain_amount(order.unit_price, order.currency),
                "currency": order.currency,
                "total": plain_amount(order.total, order.currency),
                "customer_name": order.customer_name,
                "customer_phone": order.customer_phone,
                "address": order.address,
                "status": order.status,
                "ai_generated": order.ai_generated,
                "created_at": order.created_at,
            }
            for order in list_orders(session, workspace_id, limit=limit)
        ]
    columns = [
        column("id"),
        column("created_at", "ordered"),
        column("conversation_id", "conv."),
        column("customer_name", "customer", text=True),
        column("customer_phone", "phone", spare=True),
        column("quantity"),
        column("product_name", "product", text=True),
        Column(title="total", value=lambda row: money(Decimal(row["total"]), row["currency"])),
        column("address", text=True),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="There is no order yet.")
