"""A file as text, and where in it something stands.

Everything that is read from a file goes through here, so that an error always names the file, the
line and the column in the same words. Lines end at "\\n" alone: the other characters Unicode calls
line breaks occur inside messages.
"""

import re
from bisect import bisect_right
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass, field
from pathlib import Path

from shoptalk.errors import UsageError
from shoptalk.importer.files.kinds import kind_of

_LONGEST_SHOWN = 60  #: characters of the file's own words in an error


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, without its byte order mark."""

    path: Path
    text: str = field(repr=False)
    _line_starts: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        object.__setattr__(self, "_line_starts", starts)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def error_at(self, offset: int, problem: str) -> UsageError:
        """An error that names the file and the place in it."""
        line, column = self.place(offset)
        return self.error_in(line, column, problem)

    def error_in(self, line: int, column: int, problem: str) -> UsageError:
        return UsageError(f"{self.path}, line {line}, column {column}: {problem}")


def read_source(path: Path) -> Source:
    """Read a text file: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        UsageError: the file is missing, empty, packed, or not text.
    """
    return as_source(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read a file of any kind.

    Raises:
        UsageError: it is missing or may not be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a path with NUL in it
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "bad name"
        raise UsageError(f"{path} cannot be read: {reason}") from exc


def as_source(path: Path, data: bytes) -> Source:
    """The text that a file's bytes are.

    Raises:
        UsageError: they are none; says what they are where that is known.
    """
    if kind := kind_of(data):
        raise UsageError(f"{path} is {kind.name}: {kind.remedy}")
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode(encoding, errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = f"not {encoding.removesuffix('-sig').upper()} text: save the file as UTF-8"
        raise UsageError(f"{path}, line {line}, column {column}: {problem}") from exc
    if not text.strip():
        raise UsageError(f"{path}, line 1, column 1: the file is empty")
    return Source(path, text)


def shown(text: str) -> str:
    """Words out of a file, made fit for an error: one line, no control characters, not too long."""
    printable = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return printable if len(printable) <= _LONGEST_SHOWN else printable[:_LONGEST_SHOWN] + "..."
