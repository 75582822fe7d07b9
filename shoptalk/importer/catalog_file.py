"""A shop's catalog from a file: CSV or an Excel workbook with a header row, or JSON.

Columns and fields are product_id, name, description, price, currency, stock and active; product_id,
name and price are required, others than these are passed over and named.

Prices go from the text to Decimal, never through a float. It is all or nothing: one mistake
anywhere and nothing is read, so that no shop sells from half a catalog.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from shoptalk.errors import UsageError
from shoptalk.importer.catalog.documents import json_records
from shoptalk.importer.catalog.records import (
    REQUIRED,
    Field,
    IgnoredColumn,
    Notes,
    Record,
    Unusable,
)
from shoptalk.importer.catalog.records import at_most as at_most
from shoptalk.importer.catalog.tables import csv_records
from shoptalk.importer.catalog.values import (
    Mistake,
    active_of,
    currency_of,
    identifier,
    is_cut_short,
    price_of,
    stock_of,
    text_of,
)
from shoptalk.importer.catalog.workbook import workbook_records
from shoptalk.importer.files.json_values import starts_as_json
from shoptalk.importer.files.kinds import is_workbook, markup_kind
from shoptalk.importer.files.source import as_source, read_bytes, shown

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """One product as the file has it, checked."""

    product_id: str
    name: str
    description: str
    price: Decimal  #: not negative, at most four decimals
    currency: str  #: ISO 4217
    stock: int | None  #: None: not tracked
    active: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """A whole file, and what its owner should know of how it was read."""

    rows: list[CatalogRow]
    ignored: list[IgnoredColumn]
    warnings: list[str]
    default_currency: str
    took_default: int  #: how many products name no currency of their own


def read_catalog(path: Path, default_currency: str) -> Catalog:
    """Read a whole catalog file.

    Args:
        default_currency: of products that name none.

    Raises:
        UsageError: anything at all is wrong; says the first mistakes with their places, and how
            many more there are.
    """
    try:
        currency = currency_of(default_currency)
    except Mistake as exc:
        raise UsageError(f"the default currency {exc}") from exc
    notes = Notes(path)
    rows: list[CatalogRow] = []
    places: dict[str, str] = {}
    took_default = 0
    for record in _records(path, notes):
        row = _checked(record, currency, notes)
        if row is None:
            continue
        where = record.fields["product_id"]
        if row.product_id in places:
            text = f'product_id "{shown(row.product_id)}" is already {places[row.product_id]}'
            notes.mistake(where.line, where.column, text)
            continue
        places[row.product_id] = f"{notes.row} {record.line}"
        took_default += _is_empty(record.fields.get("currency"))
        rows.append(row)
    notes.refuse()
    return Catalog(rows, notes.ignored, notes.warnings(), currency, took_default)


def _records(path: Path, notes: Notes) -> Iterator[Record]:
    data = read_bytes(path)
    if is_workbook(data):
        return workbook_records(data, notes)
    source = as_source(path, data)
    if starts_as_json(source):
        return json_records(source, notes)
    if kind := markup_kind(source.text):
        raise UsageError(f"{path} is {kind.name}: {kind.remedy}")
    return csv_records(source, notes)


def _is_empty(field: Field | None) -> bool:
    return field is None or field.value is None or not str(field.value).strip()


def _checked(record: Record, default_currency: str, notes: Notes) -> CatalogRow | None:
    """The product, or None after its mistakes were noted."""
    before = notes.mistakes

    def take(name: str, convert: Callable[[object], T], default: T) -> T:
        field = record.fields.get(name)
        if field is None or _is_empty(field):
            if name in REQUIRED:
                where = field or record
                notes.mistake(where.line, where.column, f"{name} is missing")
            return default
        try:
            if isinstance(field.value, Unusable):
                raise Mistake(field.value.problem)
            return convert(field.value)
        except Mistake as exc:
            notes.mistake(field.line, field.column, f"{name} {exc}")
            return default

    row = CatalogRow(
        product_id=take("product_id", identifier, ""),
        name=take("name", text_of, ""),
        description=take("description", text_of, ""),
        price=take("price", price_of, Decimal(0)),
        currency=take("currency", currency_of, default_currency),
        stock=_on_the_shelf(take("stock", stock_of, None), record, notes),
        active=take("active", active_of, True),
    )
    if is_cut_short(row.product_id):
        where = record.fields["product_id"]
        text = (
            f"product_id {row.product_id} looks like a number that a spreadsheet has cut short: "
            "format the column as text there"
        )
        notes.warn(where.line, where.column, text)
    return row if notes.mistakes == before else None


def _on_the_shelf(stock: int | None, record: Record, notes: Notes) -> int | None:
    """What can be sold: a shop system counts below zero when it sold more than there was."""
    if stock is None or stock >= 0:
        return stock
    where = record.fields["stock"]
    notes.warn(where.line, where.column, f"stock {stock} is taken as 0")
    return 0
