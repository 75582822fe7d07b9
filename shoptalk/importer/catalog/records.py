"""Products of a file before they are checked, and what was noticed while it was read."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shoptalk.errors import UsageError
from shoptalk.importer.files.source import shown

FIELDS = ("product_id", "name", "description", "price", "currency", "stock", "active")
REQUIRED = ("product_id", "name", "price")

MOST_SHOWN = 20  #: mistakes or warnings, before the rest is only counted


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the file and where it stands."""

    value: Any
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Record:
    """One product of the file, not yet checked."""

    line: int
    column: int
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Unusable:
    """What a cell holds that no product can have; the text follows the field's name."""

    problem: str


@dataclass(frozen=True, slots=True)
class IgnoredColumn:
    """A column or field of the file that no product has."""

    name: str
    meant: str | None  #: the one whose name is nearly the same, if the file lacks that

    def __str__(self) -> str:
        meant = f" (did you mean {self.meant}?)" if self.meant else ""
        return shown(self.name) + meant


@dataclass(frozen=True, slots=True, order=True)
class _Note:
    line: int
    column: int
    text: str


@dataclass(slots=True)
class Notes:
    """What was noticed while a file was read: mistakes refuse it, warnings do not."""

    path: Path
    ignored: list[IgnoredColumn] = field(default_factory=list)
    _mistakes: list[_Note] = field(default_factory=list)
    _warnings: list[_Note] = field(default_factory=list)
    _general: list[str] = field(default_factory=list)
    _sheet: str | None = None

    @property
    def mistakes(self) -> int:
        return len(self._mistakes)

    @property
    def row(self) -> str:
        return "on line" if self._sheet is None else "in row"

    def stands_in(self, sheet: str) -> None:
        """From now on places are cells of this sheet of a workbook."""
        self._sheet = sheet

    def mistake(self, line: int, column: int, text: str) -> None:
        self._mistakes.append(_Note(line, column, text))

    def warn(self, line: int, column: int, text: str) -> None:
        self._warnings.append(_Note(line, column, text))

    def warn_of_all(self, text: str) -> None:
        """A warning that is about no single place."""
        self._general.append(text)

    def ignore(self, names: Collection[str], known: Collection[str]) -> None:
        """Note columns that are passed over, with the one that each may stand for."""
        lacking = [each for each in FIELDS if each not in known]
        for name in names:
            near = difflib.get_close_matches(column_name(name), lacking, n=1, cutoff=0.7)
            self.ignored.append(IgnoredColumn(name, near[0] if near else None))

    def warnings(self) -> list[str]:
        placed = [f"{self.place(each)}: {each.text}" for each in sorted(self._warnings)]
        return self._general + placed

    def error_at(self, line: int, column: int, text: str) -> UsageError:
        return UsageError(f"{self.path}, {self.place(_Note(line, column, text))}: {text}")

    def refuse(self) -> None:
        """Refuse the file if there are mistakes.

        Raises:
            UsageError: says the first mistakes with their places, and how many more there are.
        """
        mistakes = sorted(self._mistakes)
        if len(mistakes) == 1:
            raise self.error_at(mistakes[0].line, mistakes[0].column, mistakes[0].text)
        if mistakes:
            lines = [f"{self.place(each)}: {each.text}" for each in mistakes]
            head = f"{self.path} has {len(lines):,} mistakes, so nothing of it was imported:"
            raise UsageError("\n  ".join([head, *at_most(lines)]))

    def place(self, note: _Note) -> str:
        if self._sheet is None:
            return f"line {note.line}, column {note.column}"
        return f'sheet "{shown(self._sheet)}", cell {_letters(note.column)}{note.line}'


def at_most(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - MOST_SHOWN
    return [*lines[:MOST_SHOWN], f"and {more:,} more"] if more > 0 else lines


def column_name(text: str) -> str:
    """A column's name however it is typed: "Product ID" is product_id."""
    return "_".join(text.replace("-", " ").replace("_", " ").split()).casefold()


def _letters(column: int) -> str:
    """The name that spreadsheets give a column: A, Z, AA."""
    letters = ""
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
