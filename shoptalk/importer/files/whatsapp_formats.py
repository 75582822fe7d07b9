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
from shoptalk.importer.files.day_periods import hour_of, simplified, stands_beside_times

#: Left-to-right and right-to-left marks, embeddings and isolates: they only steer the display.
MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_M = f"[{MARKS}]*+"  # possessive: a line of nothing but marks must not take forever
_MARK = re.compile(f"[{MARKS}]")

#: WhatsApp began in 2009. Other years mean another calendar, or no date at all.
YEARS = range(2009, 2100)
BUDDHIST = 543  #: years that Thai phones add

# \s also stands for U+00A0 and U+202F, \d also for Arabic-Indic digits.
_WORD = r"[^\W\d_][^\d\n\[\]:/،,<>\-]{0,23}?"  # beside a time: "p. m.", "오후", "klo"
_SPACE = rf"{_M}\s?{_M}"
_DATE = rf"""
    (?P<first>\d{{1,4}}) {_M} (?: (?P<sign>[./-]) | \s?(?P<year>[年년]) ) {_SPACE}
    (?P<second>\d{{1,2}}) {_M} (?: (?(sign)(?P=sign)|\s?[月월]) ) {_SPACE}
    (?P<third>\d{{1,4}}) (?(year)\s?[日일]|\.?(?:\s?г\.)?) {_M}
"""
_TIME = rf"""
    (?:(?P<before>{_WORD}) {_SPACE})?
    (?P<hour>\d{{1,2}}) (?P<colon>\s?[hч]\s?|[:.：]) (?P<minute>\d{{2}})
    (?:(?:(?P=colon)|\s?min\s?) (?P<seconds>\d{{2}}) (?:\s?s\b)?)?
    (?:{_SPACE} (?P<after>{_WORD}))?
"""
_COMMA = rf"(?P<comma>[,،，、])? {_M}"
_BEGIN = rf"{_M} (?P<bracket>\[)? {_M}"
_END = rf"{_M} (?(bracket)\]|\s[-–]) (?:\s|$)"
_HEADERS = [
    re.compile(rf"{_BEGIN} {_DATE} {_COMMA} \s? {_M} {_TIME} {_END}", re.VERBOSE),
    re.compile(rf"{_BEGIN} {_TIME} {_M} {_COMMA} \s {_M} {_DATE} {_END}", re.VERBOSE),
]

_SPACED_DOTS = re.compile(r"\d\.\s\d{1,2}\.\s\d+\.")
_HANGUL = re.compile("[\uac00-\ud7a3]")

#: Two numbers or more, and then what ends a header: a phone may have written it.
_LIKE_HEADER = re.compile(
    rf"{_M}(?:\[[^\]\n\"{{]{{0,40}}\d[^\]\n\"{{]{{0,40}}\d[^\]\n\"{{]{{0,30}}\]"
    rf"|[^\[{{\"\n]{{0,30}}\d[^\n]{{0,20}}\d[:.٫]\d\d[^\n]{{0,25}}?\s[-–])\s[^\n]*\S",
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
    is_time_first: bool = False


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
    is_korean: bool  #: "25. 3. 28." beside Korean letters: CLDR's form there, the year first
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
        year -= BUDDHIST if self.shape.year_digits == 4 and year - BUDDHIST in YEARS else 0
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
    found = _match(line)
    if found is None:
        return None
    match, hour, half = found
    first, third = match["first"], match["third"]
    is_year_first = len(first) == 4
    year = first if is_year_first else third
    other = third if is_year_first else first
    if len(year) not in (2, 4) or len(other) > 2:
        return None
    minute, second = int(match["minute"]), int(match["seconds"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    has_ascii_digits = first.isascii()
    return Header(
        shape=Shape(
            is_bracketed=bool(match["bracket"]),
            date_sign=match["sign"] or match["year"],
            is_year_first=is_year_first,
            year_digits=len(year),
            comma=match["comma"] or "",
            time_sign=match["colon"].strip(),
            has_seconds=match["seconds"] is not None,
            has_halves=bool(half),
            has_ascii_digits=has_ascii_digits,
            is_time_first=match.start("hour") < match.start("first"),
        ),
        date=(int(first), int(match["second"]), int(third)),
        date_text=without_marks(line[match.start("first") : match.end("third")]),
        date_column=match.start("first") + 1,
        hour=hour,
        minute=minute,
        second=second,
        has_arabic=not has_ascii_digits or match["comma"] == "،" or half in ("ص", "م"),
        is_korean=_SPACED_DOTS.search(line[: match.end()]) is not None
        and _HANGUL.search(line) is not None,
        rest=line[match.end() :],
    )


def is_like_header(line: str) -> bool:
    """Whether a phone may have begun a message so, in a form that need not be known."""
    return _LIKE_HEADER.match(line) is not None


def has_unknown_words(line: str) -> bool:
    """Whether it is a header but for words beside the time that are not known."""
    return find_header(line) is None and any(
        (match := each.match(line)) and (match["before"] or match["after"]) for each in _HEADERS
    )


def _match(line: str) -> tuple[re.Match[str], int, str] | None:
    """A header's parts, the hour from 0 on, and the word for the half of the day, if any.

    None where a word beside the time is not known: nobody can tell what it says.
    """
    for pattern in _HEADERS:
        match = pattern.match(line)
        if match is None:
            continue
        words = [match["before"] or "", match["after"] or ""]
        halves = [half for word in words if (half := _without_literals(word))]
        hour: int | None = int(match["hour"])
        if len(halves) == 1:
            hour = hour_of(int(match["hour"]), halves[0])
        if hour is not None and len(halves) < 2:
            return match, hour, "".join(halves)
    return None


def _without_literals(words: str) -> str:
    """The word for a half of the day, without "klo" or "à" beside it."""
    plain = without_marks(words).strip()
    if not plain or simplified(plain) in ("am", "pm"):
        return plain
    if hour_of(12, plain) is not None:
        return plain
    return " ".join(
        word
        for word in plain.split()
        if hour_of(12, word) is not None or not stands_beside_times(word)
    )
