"""`shoptalk products`: the catalog."""

from collections import Counter
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoptalk.commands.common import (
    Group,
    json_option,
    limit_option,
    print_json,
    print_rows,
    visible,
    with_app,
)
from shoptalk.commands.display import Column, column, count, money, plain_amount
from shoptalk.wiring import App

if TYPE_CHECKING:
    from shoptalk.db.catalog import CatalogChange
    from shoptalk.importer.catalog_file import Catalog


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
    """Add or update products from CSV, Excel (.xlsx) or JSON; all of the file or nothing of it.

    What a product has is in docs/import-format.md. Columns that no product has are named and
    passed over, and so is what was taken otherwise than the file has it.

    \b
    Example:
      shoptalk products import catalog.csv --currency EUR
    """
    from shoptalk.db.catalog import put_products
    from shoptalk.importer.catalog_file import read_catalog

    catalog = read_catalog(path, default_currency=currency)
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        change = put_products(session, workspace_id, [asdict(row) for row in catalog.rows])
    _warn(catalog)
    if as_json:
        print_json(_import_document(path, catalog, change))
        return
    number = len(catalog.rows)
    are = "is" if number == 1 else "are"
    sentence = f"{count(number, 'product')} {are} in the catalog from {path.name}."
    click.echo(visible(sentence))
    click.echo(
        f"{change.added:,} added, {change.changed:,} changed, {change.unchanged:,} unchanged."
    )
    if change.others:
        stay = "stays" if change.others == 1 else "stay"
        click.echo(f"{count(change.others, 'other product')} that the file lacks {stay} for sale.")
    if catalog.rows:
        click.echo(_currencies_taken(catalog))


def _warn(catalog: "Catalog") -> None:
    """Say on stderr what the owner may not have meant."""
    from shoptalk.importer.catalog_file import at_most

    if catalog.ignored:
        names = at_most([str(column) for column in catalog.ignored])
        click.echo(visible(f"ignored columns: {', '.join(names)}"), err=True)
    for line in at_most(catalog.warnings):
        click.echo(visible(line), err=True)


def _import_document(path: Path, catalog: "Catalog", change: "CatalogChange") -> dict[str, Any]:
    return {
        "file": path.name,
        "products": len(catalog.rows),
        **asdict(change),
        "currencies": _by_currency(catalog),
        "took_default_currency": catalog.took_default,
        "ignored_columns": [
            {"name": column.name, "did_you_mean": column.meant} for column in catalog.ignored
        ],
        "warnings": catalog.warnings,
    }


def _by_currency(catalog: "Catalog") -> dict[str, int]:
    return dict(Counter(row.currency for row in catalog.rows).most_common())


def _currencies_taken(catalog: "Catalog") -> str:
    numbers = _by_currency(catalog)
    if len(numbers) > 1:
        taken = ", ".join(f"{code} ({number:,})" for code, number in numbers.items())
    else:
        taken = "".join(numbers)
    if not catalog.took_default:
        return f"Currency: {taken}."
    lacking = "the file" if catalog.took_default == len(catalog.rows) else "some of the file"
    return (
        f"Currency: {taken}. {lacking.capitalize()} names none, so --currency "
        f"{catalog.default_currency} was taken."
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
