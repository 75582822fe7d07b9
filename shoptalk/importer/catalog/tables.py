"""Rows under a header: what CSV files and workbooks have in common."""

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shoptalk.importer.catalog.records import FIELDS, REQUIRED, Field, Notes, Record, column_name
from shoptalk.importer.files.source import Source

_DELIMITERS = ",;\t|"
#: Excel's own hint, above the header; saved again, it may carry separators of its own.
_HINT = re.compile(r'"?sep=([^\w\s"]|\t)"?[,;\t|]*\r?\n', re.ASCII | re.IGNORECASE)
_HEADER_WITHIN = 20  #: rows; a title or a date may stand above it

Row = tuple[int, Sequence[Any]]  #: the line it starts on, and its cells


@dataclass(frozen=True, slots=True)
class Header:
    """The row that names the columns."""

    line: int
    names: Sequence[str]
    columns: Mapping[str, int]  #: the fields of a product, and where they are

    @property
    def missing(self) -> Sequence[str]:
        return [name for name in REQUIRED if name not in self.columns]

    @property
    def width(self) -> int:
        return len(self.names)

    def record(self, line: int, cells: Sequence[Any]) -> Record:
        return Record(
            line,
            1,
            {
                name: Field(cells[position], line, position + 1)
                for name, position in self.columns.items()
                if position < len(cells)
            },
        )


def find_header(rows: Iterable[Row]) -> Header | None:
    """The first row that has what a product needs, or else the one that has most of it."""
    best: Header | None = None
    for line, cells in islice(
        ((line, row) for line, row in rows if holds_any(row)), _HEADER_WITHIN
    ):
        names = [str(cell).strip() if cell is not None else "" for cell in cells]
        columns: dict[str, int] = {}
        for position, name in enumerate(names):
            if (field := column_name(name)) in FIELDS:
                columns.setdefault(field, position)
        header = Header(line, names, columns)
        if not header.missing:
            return header
        if best is None or len(columns) > len(best.columns):
            best = header
    return best


def check_header(header: Header, notes: Notes) -> None:
    """Note the columns that are passed over.

    Raises:
        UsageError: one that a product needs is missing, or one is there twice.
    """
    ignored = []
    for position, name in enumerate(header.names):
        field = column_name(name)
        if field not in FIELDS:
            ignored.append(name)
        elif header.columns[field] != position:
            raise notes.error_at(header.line, position + 1, f"the column {field} is there twice")
    if header.missing:
        lacking = header.missing[0]
        near = difflib.get_close_matches(lacking, map(column_name, header.names), n=1, cutoff=0.7)
        instead = f", but {near[0]}" if near else ""
        problem = (
            f"the header row has no column {lacking}{instead}; a catalog has {', '.join(FIELDS)}"
        )
        raise notes.error_at(header.line, 1, problem)
    notes.ignore(list(dict.fromkeys(filter(None, ignored))), header.columns)


def csv_records(source: Source, notes: Notes) -> Iterator[Record]:
    text, delimiters = source.text, _DELIMITERS
    if hint := _HINT.match(text):
        text = "\n" + text[hint.end() :]  # the lines below keep their numbers
        delimiters = hint[1] + delimiters
    headers = [(each, _csv_header(text, each, notes)) for each in dict.fromkeys(delimiters)]
    delimiter, header = max(headers, key=lambda each: len(each[1].columns))
    check_header(header, notes)
    for line, cells in _csv_rows(text, delimiter, notes):
        if line <= header.line or not holds_any(cells):
            continue
        if len(cells) == header.width:
            yield header.record(line, cells)
            continue
        problem = (
            f"the row has {len(cells)} columns and the header {header.width}; "
            "text that holds the separator belongs in double quotes"
        )
        notes.mistake(line, min(len(cells), header.width) + 1, problem)


def _csv_header(text: str, delimiter: str, notes: Notes) -> Header:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = ((reader.line_num, cells) for cells in reader)
    try:
        header = find_header(rows)
    except csv.Error as exc:
        raise notes.error_at(max(reader.line_num, 1), 1, f"not readable as CSV: {exc}") from exc
    if header is None:
        raise notes.error_at(1, 1, "not readable as CSV: there is no header row")
    return header


def _csv_rows(text: str, delimiter: str, notes: Notes) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            notes.mistake(line, 1, f"not readable as CSV: {exc}")
            return
        if cells is None:
            return
        yield line, cells


def holds_any(cells: Sequence[Any]) -> bool:
    return any(cell is not None and str(cell).strip() for cell in cells)
