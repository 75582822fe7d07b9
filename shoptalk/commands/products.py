"""`shoptalk products`: the catalog."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import click

from shoptalk.app import App
from shoptalk.commands.common import (
    Group,
    json_option,
    limit_option,
    print_done,
    print_rows,
    with_app,
)
from shoptalk.commands.display import Column, column, count, money, plain_amount


@click.group(cls=Group)
def products() -> None:
    """Import and list the catalog.

    \b
    Examples:
      shoptalk products import catalog.csv
      shoptalk products list
    """


@products.command("import")
@click.argument(
    "path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--currency", default="USD", show_default=True, help="For rows that name none.")
@json_option
@with_app
def import_(app: App, path: Path, currency: str, as_json: bool) -> None:
    """Add or update products from CSV or JSON; all of the file or nothing of it.

    \b
    Example:
      shoptalk products import catalog.csv --currency EUR
    """
    from shoptalk.db.catalog import put_products
    from shoptalk.importer.catalog_file import read_catalog

    rows = read_catalog(path, default_currency=currency)
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        number = put_products(session, workspace_id, [asdict(row) for row in rows])
    are = "is" if number == 1 else "are"
    print_done(
        f"{count(number, 'product')} {are} in the catalog from {path.name}.",
        {"file": path.name, "products": number},
        as_json=as_json,
    )


@products.command("list")
@limit_option
@json_option
@with_app
def list_(app: App, limit: int, as_json: bool) -> None:
    """List the catalog.

    \b
    Example:
      shoptalk products list --limit 10
    """
    from shoptalk.db.catalog import list_products

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        rows = [
            {
                "product_id": product.product_id,
                "name": product.name,
                "description": product.description,
                "price": plain_amount(product.price, product.currency),
                "currency": product.currency,
                "stock": product.stock,
                "active": product.active,
            }
            for product in list_products(session, workspace_id, limit=limit)
        ]
    columns = [
        column("product_id", "product id"),
        column("name", text=True),
        Column(title="price", value=lambda row: money(Decimal(row["price"]), row["currency"])),
        Column(
            title="stock",
            value=lambda row: "not tracked" if row["stock"] is None else f"{row['stock']:,}",
        ),
        column("active"),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="The catalog is empty.")
