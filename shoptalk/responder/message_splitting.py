"""Cutting a reply into messages a platform takes, without cutting a character in two."""

from bisect import bisect_right
from itertools import takewhile

import regex

from shoptalk.platforms.base import TextUnit
from shoptalk.platforms.sms_segments import GSM_ALONE, segments

_GRAPHEME = regex.compile(r"\X")
#: Where a reader would pause, best first: paragraph, line, sentence (Latin and Arabic), word.
_BREAKS = (
    regex.compile(r"\n\s*\n"),
    regex.compile(r"\n"),
    regex.compile(r"(?<=[.!?…؟۔])\s+"),
    regex.compile(r"\s+"),
)


def length(text: str, unit: TextUnit) -> int:
    match unit:
        case TextUnit.CHARACTERS:
            return len(text)
        case TextUnit.UTF8_BYTES:
            return len(text.encode())
        case TextUnit.UTF16_UNITS:
            return len(text.encode("utf-16-le")) // 2
        case TextUnit.SMS_SEGMENTS:
            return segments(text)


def split(text: str, *, limit: int, unit: TextUnit) -> list[str]:
    """The text in parts of at most `limit` units, none of them empty.

    Parts end at a paragraph, line, sentence or word where one ends in their last half; a stretch
    without any is cut between graphemes, and a grapheme longer than the limit between code points.
    """
    parts = []
    rest = text.strip()
    while length(rest, unit) > limit:
        head = _longest_head(rest, limit, unit)
        at = _best_break(head, rest) or len(head)
        parts.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [part for part in (*parts, rest) if part]


def _longest_head(text: str, limit: int, unit: TextUnit) -> str:
    """The longest run of whole graphemes at the start that fits."""

    def used(end: int) -> int:
        return length(text[:end], unit)

    most = limit * GSM_ALONE if unit is TextUnit.SMS_SEGMENTS else limit  # code points
    found = takewhile(lambda match: match.start() < most, _GRAPHEME.finditer(text))
    # A longer head never takes less; what it takes need not be the sum of what is in it
    ends: list[int] = [match.end() for match in found]
    fitting = bisect_right(ends, limit, key=used)
    if fitting:
        return text[: ends[fitting - 1]]
    return text[: max(1, bisect_right(range(1, len(text) + 1), limit, key=used))]


def _best_break(head: str, text: str) -> int | None:
    """Where in the head's last half to end a part; None where nothing pauses there."""
    if text[len(head) : len(head) + 1].isspace():
        return len(head)
    for pattern in _BREAKS:
        ends: list[int] = [match.end() for match in pattern.finditer(head)]
        if ends and ends[-1] > len(head) // 2:
            return ends[-1]
    return None
