"""Cutting a reply into messages a platform takes, without cutting a character in two."""

import regex

from shoptalk.platforms.base import TextUnit

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
    end, used = 0, 0
    for match in _GRAPHEME.finditer(text):
        used += length(match.group(), unit)
        if used > limit:
            break
        end = match.end()
    if end:
        return text[:end]
    used = 0
    for end, character in enumerate(text):
        used += length(character, unit)
        if used > limit:
            return text[: max(end, 1)]
    return text


def _best_break(head: str, text: str) -> int | None:
    """Where in the head's last half to end a part; None where nothing pauses there."""
    if text[len(head) : len(head) + 1].isspace():
        return len(head)
    for pattern in _BREAKS:
        ends: list[int] = [match.end() for match in pattern.finditer(head)]
        if ends and ends[-1] > len(head) // 2:
            return ends[-1]
    return None
