"""Whether the dates of an exported chat are day first or month first. Never a guess.

Proof is a number above 12. Failing that: the date in the name of an attached file, which is always
year, month, day; a language or script whose every region writes the day first; points between the
numbers, likewise. Where none of these speaks, or where they disagree, the person who imports must.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shoptalk.errors import UsageError
from shoptalk.importer.files.base import DATE_ORDERS, DateOrder
from shoptalk.importer.files.source import Source
from shoptalk.importer.files.whatsapp_formats import Header
from shoptalk.importer.files.whatsapp_wording import Described, LineKind, NoticeReader

#: No region that speaks these writes the month first.
_DAY_FIRST_LANGUAGES = frozenset({"ar", "de", "fr"})

# Names WhatsApp gives itself: "IMG-20231209-WA0002.jpg", "00000030-PHOTO-2023-12-09-23-58-52.jpg".
# A document's own name may hold any date.
_DATED_NAME = re.compile(
    r"(?:[A-Z]{3}-(?P<android>\d{8})-WA\d|\d{8}-[A-Z]+-(?P<iphone>\d{4}-\d\d-\d\d)-)", re.ASCII
)

_ASK = "give --date-order DMY, MDY or YMD"


@dataclass(frozen=True, slots=True)
class DatedLine:
    """A line that begins with a header."""

    number: int  #: from 1
    header: Header


def decide_date_order(
    source: Source, lines: Sequence[DatedLine], reader: NoticeReader, wanted: DateOrder | None
) -> DateOrder:
    """The order in which all dates of the chat are to be read.

    Args:
        lines: all of one shape, at least one.
        wanted: what the person who imports says; an error where the file proves otherwise.

    Raises:
        UsageError: the file does not tell, or contradicts itself or `wanted`.
    """
    first = lines[0]
    if all(first.header.moment(order) is None for order in DATE_ORDERS):
        raise _error(
            source,
            first,
            f"{first.header.date_text} is no date from 2009 to 2099; "
            "export the chat with the Gregorian calendar",
        )
    order = wanted or _proven_order(source, lines, reader)
    # Single lines may be text that happens to look like a header. They are not held against an
    # order that other lines need; where no line needs it and some forbid it, it is wrong.
    bad = [line for line in lines if line.header.moment(order) is None]
    other: DateOrder = "MDY" if order == "DMY" else "DMY"
    is_needed = any(_reads_only(line, order, not_as=other) for line in lines)
    if bad and (bad[0] is first or not is_needed):
        problem = f"{bad[0].header.date_text} is no date when read as {order}"
        raise _error(source, bad[0], f"{problem}; give another --date-order")
    return order


def _proven_order(source: Source, lines: Sequence[DatedLine], reader: NoticeReader) -> DateOrder:
    if lines[0].header.shape.is_year_first:
        return "YMD"
    if any(line.header.is_korean for line in lines):
        readable = [line.header.moment("YMD") is not None for line in lines]
        if all(readable):
            return "YMD"
    only_day_first = [line for line in lines if _reads_only(line, "DMY", not_as="MDY")]
    only_month_first = [line for line in lines if _reads_only(line, "MDY", not_as="DMY")]
    if only_day_first and only_month_first:
        day_first, month_first = only_day_first[0], only_month_first[0]
        raise _error(
            source,
            max(day_first, month_first, key=lambda line: line.number),
            f"line {day_first.number} can only be read day first, "
            f"line {month_first.number} only month first; {_ASK}",
        )
    if only_day_first or only_month_first:
        return "DMY" if only_day_first else "MDY"
    in_doubt = [line for line in lines if line.header.date[0] != line.header.date[1]]
    if not in_doubt:  # the third of the third, whichever way it is read
        return "DMY"
    told = set(_told_by_names(in_doubt, reader)) | set(_told_by_language(lines, reader))
    if len(told) == 1:
        return told.pop()
    problem = "other lines of the chat disagree" if told else "nothing else in the chat tells"
    raise _error(
        source,
        in_doubt[0],
        f"{in_doubt[0].header.date_text} can be read day first or month first "
        f"and {problem}; {_ASK}",
    )


def _reads_only(line: DatedLine, order: DateOrder, *, not_as: DateOrder) -> bool:
    return line.header.moment(order) is not None and line.header.moment(not_as) is None


def _told_by_names(lines: Sequence[DatedLine], reader: NoticeReader) -> Iterator[DateOrder]:
    for line in lines:
        for described in _described(line, reader):
            if match := _DATED_NAME.match(described.filename or ""):
                date = (match["android"] or match["iphone"]).replace("-", "")
                for order in DATE_ORDERS[:2]:
                    moment = line.header.moment(order)
                    if moment is not None and f"{moment:%Y%m%d}" == date:
                        yield order


def _told_by_language(lines: Sequence[DatedLine], reader: NoticeReader) -> Iterator[DateOrder]:
    for line in lines:
        languages = {described.language for described in _described(line, reader)}
        if (
            line.header.shape.date_sign == "."
            or line.header.has_arabic
            or languages & _DAY_FIRST_LANGUAGES
        ):
            yield "DMY"
            return


def _described(line: DatedLine, reader: NoticeReader) -> Iterator[Described]:
    """WhatsApp's own words on a line, wherever its author may end."""
    pieces = line.header.rest.split(": ")[:4]
    for start in range(len(pieces)):
        words = ": ".join(pieces[start:])
        if language := reader.notice_language(words):
            yield Described(kind=LineKind.SYSTEM, text=words, language=language)
        else:
            yield reader.describe(words)


def _error(source: Source, line: DatedLine, problem: str) -> UsageError:
    return source.error_in(line.number, line.header.date_column, problem)
