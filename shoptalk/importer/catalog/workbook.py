"""A catalog in an Excel workbook: the first sheet that has the columns, as its owner sees it."""

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shoptalk.errors import UsageError
from shoptalk.importer.catalog.numbers import as_shown, digits_are_lost, exact
from shoptalk.importer.catalog.records import Field, Notes, Record, Unusable
from shoptalk.importer.catalog.tables import Header, Row, check_header, find_header, holds_any
from shoptalk.importer.catalog.values import Mistake
from shoptalk.importer.files.source import shown

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_MOST_UNPACKED = 200 * 1024 * 1024  #: bytes of a workbook's parts, pictures left out
_MOST_ROWS = 200_000
_MOST_COLUMNS = 500

_SAVE_ANEW = 'open it in Excel, and save it as "CSV UTF-8"'
_BROKEN = f"cannot be read as an Excel workbook: {_SAVE_ANEW}"


def workbook_records(data: bytes, notes: Notes) -> Iterator[Record]:
    """The products of a workbook.

    Raises:
        UsageError: it is broken or too large, or no sheet has the columns.
    """
    _check_size(data, notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what openpyxl leaves out: validations, styles
        try:
            records = list(_records(data, notes))
        except UsageError:
            raise
        except Exception as exc:  # openpyxl lets through whatever a broken part leads to
            raise UsageError(f"{notes.path} {_BROKEN}") from exc
    yield from records


def _check_size(data: bytes, notes: Notes) -> None:
    """Refuse what unpacks to more than memory holds; a part never unpacks to more than it says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = [each for each in archive.infolist() if "/media/" not in each.filename]
    except zipfile.BadZipFile as exc:
        raise UsageError(f"{notes.path} {_BROKEN}") from exc
    if sum(each.file_size for each in parts) > _MOST_UNPACKED:
        most = _MOST_UNPACKED // 1024 // 1024
        raise UsageError(
            f"{notes.path} unpacks to more than {most} MB: save the sheet with the catalog as CSV"
        )


def _records(data: bytes, notes: Notes) -> Iterator[Record]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    try:
        sheet, header = _sheet_with_columns(book, notes)
        notes.stands_in(sheet.title)
        check_header(header, notes)
        for line, cells in _rows(sheet, header.width):
            if line <= header.line or not holds_any([cell.value for cell in cells]):
                continue
            if line > _MOST_ROWS:
                raise notes.error_at(line, 1, f"a sheet may have at most {_MOST_ROWS:,} rows")
            yield _record(header, line, cells, notes)
    finally:
        book.close()


def _sheet_with_columns(book: "Workbook", notes: Notes) -> tuple["ReadOnlyWorksheet", Header]:
    found: list[tuple[Any, Header]] = []
    sheets = sorted(book.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
    for sheet in sheets:
        sheet.reset_dimensions()  # some programs write down fewer cells than there are
        rows = _rows(sheet, _MOST_COLUMNS)
        if header := find_header((line, [cell.value for cell in cells]) for line, cells in rows):
            found.append((sheet, header))
    whole = [each for each in found if not each[1].missing]
    if not found:
        raise UsageError(
            f"{notes.path} has no sheet with anything on it that can be read: {_SAVE_ANEW}"
        )
    if not whole:
        sheet, header = max(found, key=lambda each: len(each[1].columns))
        return sheet, header
    for sheet, _ in whole[1:]:
        notes.warn_of_all(
            f'sheet "{shown(sheet.title)}" has the columns too, and was not read: '
            f'only sheet "{shown(whole[0][0].title)}" was'
        )
    return whole[0]


def _rows(sheet: Any, width: int) -> Iterator[Row]:
    yield from enumerate(sheet.iter_rows(max_col=width), start=1)


def _record(header: Header, line: int, cells: Sequence[Any], notes: Notes) -> Record:
    fields = {}
    for name, position in header.columns.items():
        cell = cells[position]
        column = position + 1
        value: str | Unusable | None
        try:
            value = _as_text(name, cell)
        except Mistake as exc:
            value = Unusable(str(exc))
        fields[name] = Field(value, line, column)
        if name == "price" and isinstance(value, str) and _is_rounded(cell.value, value):
            text = f"price {exact(cell.value):f} is taken as it is shown: {value}"
            notes.warn(line, column, text)
    return Record(line, 1, fields)


def _as_text(name: str, cell: Any) -> str | None:
    """What the cell shows, as a CSV file would have it."""
    value = cell.value
    if value is None or isinstance(value, str):
        if cell.data_type == "e":
            raise Mistake(f"is an error of a formula ({shown(value or '')})")
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (date, time, timedelta)):
        raise Mistake("is a date or time: format the column as text, and type it again")
    if name == "stock":
        return f"{exact(value):f}"
    if name == "product_id" and digits_are_lost(value):
        raise Mistake(
            "has more digits than a spreadsheet keeps: format the column as text, and type it again"
        )
    return as_shown(value, cell.number_format, with_text=name in ("product_id", "name"))


def _is_rounded(value: object, shown_as: str) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return exact(value) != Decimal(shown_as)
