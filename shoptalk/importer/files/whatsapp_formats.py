"""How a line of WhatsApp's exported chats begins, in every locale.

Android writes ``18/03/2024, 11:57 - Omar: hi``, the iPhone ``[18/03/2024, 11:57:50] Omar: hi``; the
phone's language and region decide the rest: the order and signs of the date, twelve or twenty-four
hours, the comma, the digits. A *header* is that beginning. One export has one *shape* of header
throughout, which is how a later line of a message that looks like a date is told from a header.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shoptalk.importer.files.base import DateOrder

#: Left-to-right and right-to-left marks, embeddings and isolates: they only steer the display.
MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_M = f"[{MARKS}]*+"  # possessive: a line of nothing but marks must not take forever
_MARK = re.compile(f"[{MARKS}]")

#: WhatsApp began in 2009. Other years mean another calendar, or no date at all.
YEARS = range(2009, 2100)

# \s also stands for U+00A0 and U+202F, \d also for Arabic-Indic digits.
_HEADER = re.compile(
    rf"""
    {_M} (?P<bracket>\[)? {_M}
    (?P<first>\d{{1,4}}) {_M} (?P<sign>[./-]) \s? {_M}
    (?P<second>\d{{1,2}}) {_M} (?P=sign) \s? {_M}
    (?P<third>\d{{1,4}}) \.? {_M}
    (?P<comma>[,،])? {_M} \s {_M} (?:à\s)?
    (?P<hour>\d{{1,2}}) (?P<colon>[:.]) (?P<minute>\d{{2}}) (?:(?P=colon) (?P<seconds>\d{{2}}))?
    (?: {_M} \s? {_M} (?P<half>[AaPp]\.?\s?[Mm]\.?|[صم]) )? {_M}
    (?(bracket)\]|\s-) (?:\s|$)
    """,
    re.VERBOSE,
)


class Shape(NamedTuple):
    """What all headers of one export have in common."""

    is_bracketed: bool  #: the iPhone's
    date_sign: str
    is_year_first: bool
    year_digits: int
    comma: str
    time_sign: str
    has_seconds: bool
    has_halves: bool  #: AM and PM, in whatever language
    has_ascii_digits: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a line, understood but for the order of day and month."""

    shape: Shape
    date: tuple[int, int, int]  #: the three numbers as they stand
    date_text: str  #: as written, without marks
    date_column: int  #: from 1
    hour: int  #: 0 to 23
    minute: int
    second: int
    has_arabic: bool  #: Arabic digits, comma or halves
    rest: str  #: what follows: author and text, or a notice

    def moment(self, order: DateOrder) -> datetime | None:
        """The local time, or None where the numbers are no date in this order."""
        if (order == "YMD") is not self.shape.is_year_first and self.shape.year_digits == 4:
            return None
        first, second, third = self.date
        year, month, day = {
            "DMY": (third, second, first),
            "MDY": (third, first, second),
            "YMD": (first, second, third),
        }[order]
        year += 2000 if self.shape.year_digits == 2 else 0
        if year not in YEARS:
            return None
        try:
            return datetime(  # noqa: DTZ001  exports are in naive local time
                year, month, day, self.hour, self.minute, self.second
            )
        except ValueError:
            return None


def without_marks(text: str) -> str:
    return _MARK.sub("", text)


def find_header(line: str) -> Header | None:
    """The header a line begins with, or None. Says nothing about whether the date exists."""
    match = _HEADER.match(line)
    if match is None:
        return None
    first, third, half = match["first"], match["third"], match["half"] or ""
    is_year_first = len(first) == 4
    year = first if is_year_first else third
    other = third if is_year_first else first
    if len(year) not in (2, 4) or len(other) > 2:
        return None
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["seconds"] or 0)
    if half:
        if hour > 12:
            return None
        hour = hour % 12 + (12 if half[0] in "pPم" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    has_ascii_digits = first.isascii()
    return Header(
        shape=Shape(
            is_bracketed=bool(match["bracket"]),
            date_sign=match["sign"],
            is_year_first=is_year_first,
            year_digits=len(year),
            comma=match["comma"] or "",
            time_sign=match["colon"],
            has_seconds=match["seconds"] is not None,
            has_halves=bool(half),
            has_ascii_digits=has_ascii_digits,
        ),
        date=(int(first), int(match["second"]), int(third)),
        date_text=without_marks(line[match.start("first") : match.end("third")]),
        date_column=match.start("first") + 1,
        hour=hour,
        minute=minute,
        second=second,
        has_arabic=not has_ascii_digits or match["comma"] == "،" or half in ("ص", "م"),
        rest=line[match.end() :],
    )
