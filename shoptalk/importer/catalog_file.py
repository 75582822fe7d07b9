"""A shop's catalog from a file: CSV with a header row, or JSON.

Columns and fields are product_id, name, description, price, currency, stock and active; product_id,
name and price are required, others than these are passed over. JSON is a list of products, or an
object with the list under "products". A product may have `variants` with prices of their own; each
becomes a product, since a customer buys the blue one and not "a bottle".

Prices go from the text to Decimal, never through a float. It is all or nothing: one mistake
anywhere and nothing is read, so that no shop sells from half a catalog.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from shoptalk.errors import UsageError
from shoptalk.importer.files.json_values import (
    Placed,
    elements,
    members,
    records,
    starts_as_json,
)
from shoptalk.importer.files.source import Source, read_source, shown

FIELDS = ("product_id", "name", "description", "price", "currency", "stock", "active")
REQUIRED = ("product_id", "name", "price")

_MOST_DECIMALS = 4  # what the products table keeps
_PRICE_LIMIT = Decimal(10) ** 14  # likewise: eighteen digits in all
_STOCK_LIMIT = 2**63
_PRICE = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

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
class _Problem:
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class _Field:
    """A value of the file and where it stands."""

    value: Any
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Record:
    """One product of the file, not yet checked."""

    line: int
    column: int
    fields: Mapping[str, _Field]


class _Mistake(ValueError):
    """A value is not what its field needs; the text follows the field's name in the error."""


def read_catalog(path: Path, default_currency: str) -> list[CatalogRow]:
    """Read a whole catalog file.

    Args:
        default_currency: of products that name none.

    Raises:
        UsageError: anything at all is wrong; names file, line and column of the first mistake and
            says how many more there are.
    """
    try:
        currency = _currency(default_currency)
    except _Mistake as exc:
        raise UsageError(f"the default currency {exc}") from exc
    source = read_source(path)
    problems: list[_Problem] = []
    found = (
        _json_records(source, problems)
        if starts_as_json(source)
        else _csv_records(source, problems)
    )
    rows: list[CatalogRow] = []
    lines_by_id: dict[str, int] = {}
    for record in found:
        row = _checked(record, currency, problems)
        if row is None:
            continue
        if row.product_id in lines_by_id:
            where, line = record.fields["product_id"], lines_by_id[row.product_id]
            text = f'product_id "{shown(row.product_id)}" is already on line {line}'
            problems.append(_Problem(where.line, where.column, text))
            continue
        lines_by_id[row.product_id] = record.line
        rows.append(row)
    if problems:
        first = min(problems, key=lambda problem: (problem.line, problem.column))
        others = len(problems) - 1
        more = f" (and {others} more mistake{'s' * (others > 1)})" if others else ""
        raise source.error_in(first.line, first.column, first.text + more)
    return rows


def _csv_records(source: Source, problems: list[_Problem]) -> Iterator[_Record]:
    delimiter = max(",;\t", key=lambda each: len(_columns(source, each)[0]))
    columns, width, header_line = _columns(source, delimiter)
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        problem = f"the header row has no column {missing[0]}; a catalog has {', '.join(FIELDS)}"
        raise source.error_in(header_line, 1, problem)
    reader = csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            problems.append(_Problem(line, 1, f"not readable as CSV: {exc}"))
            return
        if cells is None:
            return
        if reader.line_num <= header_line or not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            problem = (
                f"the row has {len(cells)} columns and the header {width}; "
                "text that holds the separator belongs in double quotes"
            )
            problems.append(_Problem(line, min(len(cells), width) + 1, problem))
            continue
        fields = {
            name: _Field(cells[position], line, position + 1) for name, position in columns.items()
        }
        yield _Record(line, 1, fields)


def _columns(source: Source, delimiter: str) -> tuple[Mapping[str, int], int, int]:
    """Where the columns we know are, how many there are in all, and the line the header ends on."""
    reader = csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter)
    try:
        header = next(cells for cells in reader if any(cell.strip() for cell in cells))
    except (csv.Error, StopIteration) as exc:
        problem = f"not readable as CSV: {exc}".removesuffix(": ")
        raise source.error_in(max(reader.line_num, 1), 1, problem) from exc
    columns: dict[str, int] = {}
    for position, cell in enumerate(header):
        name = cell.strip().casefold()
        if name in columns:
            problem = f"the column {name} is there twice"
            raise source.error_in(reader.line_num, position + 1, problem)
        if name in FIELDS:
            columns[name] = position
    return columns, len(header), reader.line_num


def _json_records(source: Source, problems: list[_Problem]) -> Iterator[_Record]:
    for product in records(source, "products"):
        record = _json_record(source, product, "product", problems)
        if record is None:
            continue
        variants = record.fields.get("variants")
        if variants is None or variants.value in (None, []):
            yield record
        elif isinstance(variants.value, list):
            yield from _variants(source, product, record, problems)
        else:
            problems.append(_Problem(variants.line, variants.column, "variants must be a list"))


def _json_record(
    source: Source, placed: Placed, what: str, problems: list[_Problem]
) -> _Record | None:
    line, column = source.place(placed.offset)
    if not isinstance(placed.value, dict):
        problems.append(_Problem(line, column, f"a {what} must be an object"))
        return None
    found, _ = members(source, placed.offset)
    fields = {name: _Field(each.value, *source.place(each.offset)) for name, each in found.items()}
    return _Record(line, column, fields)


def _variants(
    source: Source, product: Placed, record: _Record, problems: list[_Problem]
) -> Iterator[_Record]:
    """Each variant as a product: what it does not say, its product says."""
    found, _ = members(source, product.offset)
    placed, _ = elements(source, found["variants"].offset)
    for each in placed:
        variant = _json_record(source, each, "variant", problems)
        if variant is None:
            continue
        own = variant.fields
        if "variant_id" not in own:
            problems.append(_Problem(variant.line, variant.column, "variant_id is missing"))
            continue
        inherited = ("description", "price", "currency", "active")
        fields = {name: record.fields[name] for name in inherited if name in record.fields}
        fields |= {name: own[name] for name in (*inherited, "stock") if name in own}
        fields["product_id"] = own["variant_id"]
        try:
            if "name" in record.fields:
                fields["name"] = _variant_name(record.fields, variant)
            if not _is_available(own.get("available")):
                fields["stock"] = _Field(0, variant.line, variant.column)
        except _Mistake as exc:
            problems.append(_Problem(variant.line, variant.column, str(exc)))
            continue
        yield _Record(variant.line, variant.column, fields)


def _variant_name(product: Mapping[str, _Field], variant: _Record) -> _Field:
    """ "NAME (blue, 750ml)", the options in the product's order where it gives one."""
    name = product["name"]
    options = variant.fields["options"].value if "options" in variant.fields else None
    if not isinstance(name.value, str) or not options:
        return name
    if isinstance(options, dict):
        listed = product["options"].value if "options" in product else None
        order = list(listed) if isinstance(listed, (list, dict)) else []
        first = [key for key in order if isinstance(key, str) and key in options]
        values = [options[key] for key in dict.fromkeys([*first, *options])]
    elif isinstance(options, list):
        values = options
    else:
        raise _Mistake("options must be an object or a list")
    texts = [text for value in values if (text := _option_text(value))]
    described = f" ({', '.join(texts)})" if texts else ""
    return _Field(name.value.strip() + described, name.line, name.column)


def _option_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, Decimal)):
        return str(value).strip()
    raise _Mistake("options must hold plain values")


def _is_available(field: _Field | None) -> bool:
    if field is None or field.value is None:
        return True
    if not isinstance(field.value, bool):
        raise _Mistake("available must be true or false")
    return field.value


def _checked(record: _Record, default_currency: str, problems: list[_Problem]) -> CatalogRow | None:
    """The product, or None after its mistakes were noted."""
    before = len(problems)

    def take(name: str, convert: Callable[[object], T], default: T) -> T:
        field = record.fields.get(name)
        if field is None or field.value is None or not str(field.value).strip():
            if name in REQUIRED:
                where = field or record
                problems.append(_Problem(where.line, where.column, f"{name} is missing"))
            return default
        try:
            return convert(field.value)
        except _Mistake as exc:
            problems.append(_Problem(field.line, field.column, f"{name} {exc}"))
            return default

    row = CatalogRow(
        product_id=take("product_id", _identifier, ""),
        name=take("name", _text, ""),
        description=take("description", _text, ""),
        price=take("price", _price, Decimal(0)),
        currency=take("currency", _currency, default_currency),
        stock=take("stock", _stock, None),
        active=take("active", _active, True),
    )
    return row if len(problems) == before else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Mistake("must be text")
    if _UNSTORABLE.search(value):
        raise _Mistake("holds a character that cannot be stored")
    return value.strip()


def _identifier(value: object) -> str:
    # Shops number their products; 42 and "42" are the same one.
    return str(value) if type(value) is int else _text(value)


def _price(value: object) -> Decimal:
    if isinstance(value, str) and _PRICE.fullmatch(value.strip()):
        price = Decimal(value.strip())
    elif isinstance(value, Decimal) or type(value) is int:
        price = Decimal(value)
    else:
        raise _Mistake("must be a number with a decimal point, like 12.50")
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int):
        raise _Mistake("must be a finite number")
    if price < 0:
        raise _Mistake("must not be negative")
    if -exponent > _MOST_DECIMALS:
        raise _Mistake(f"must not have more than {_MOST_DECIMALS} decimals")
    if price >= _PRICE_LIMIT:
        raise _Mistake("is too large")
    # "1E+2" is written out as 100, and -0 as 0.
    return abs(price) if exponent <= 0 else abs(price).quantize(Decimal(1))


def _currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value.strip()):
        raise _Mistake("must be three letters (ISO 4217), like USD")
    return value.strip().upper()


def _stock(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value.strip()):
        value = int(value)
    if type(value) is not int or value < 0:
        raise _Mistake("must be a whole number, 0 or more, or empty where it is not tracked")
    if value >= _STOCK_LIMIT:
        raise _Mistake("is too large")
    return value


def _active(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, (str, int)) else ""
    if word not in _YES_NO:
        raise _Mistake("must be true or false (or yes, no, 1, 0)")
    return _YES_NO[word]
