"""A text in tokens: words, marks and numbers, however their letters and digits are written."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from shoptalk.shop.price_guard.words import CAPITALS, CENTS, DOTTED, MARKS, SIGNS

_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    r"(?P<skip>(?:https?://|www\.)\S+|[\w.+-]{1,64}@[\w-]+\.[\w.-]+)"
    rf"|(?P<sign>(?:(?<!{_LETTER})(?:US|CA|AU|NZ|HK|MX|EG|[CASER]))?[{SIGNS}]"
    rf"(?:(?:US|CA)(?!{_LETTER}))?)"
    rf"|(?P<dotted>(?<!{_LETTER}){_LETTER}\.{_LETTER}(?!{_LETTER})\.?)"
    r"|(?P<number>\d+(?:(?:[.,'٫٬]|[ \xa0](?=\d{3}(?!\d)))\d+)*)"
    rf"|(?P<word>{_LETTER}+)|(?P<line>[\n\r])|(?P<other>[^\s\u200b])"
)
_FOLDED = str.maketrans("ىةیکگٱ’`", "يهيككا''", "ـ")
_ARABIC_PREFIXES = ("وبال", "وال", "بال", "لل", "ال", "ب", "ل", "و", "ف")
_ENDS = re.compile(r"\s*(?:\Z|[^\w\s])")
_DIGITS = re.compile(r"\d+")
Span = tuple[int, int]


@dataclass(slots=True)
class Token:
    kind: str
    text: str  #: folded, in lower case
    start: int
    end: int
    means: tuple[str, ...] | None = None  #: the codes of a mark; () for hundredths
    values: tuple[Decimal, ...] = ()  #: of a number, likeliest first


NOTHING = Token("line", "\n", -1, -1)  #: what stands before and after a text


@lru_cache(maxsize=4096)
def _plain_char(char: str) -> str:
    if char in "\xa0\u202f\u2009":  # spaces that do not end a number
        return "\xa0"
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    split = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", char))
    kept = (part for part in split if unicodedata.category(part) not in ("Mn", "Me", "Cf"))
    return "".join(kept).translate(_FOLDED)


def plain_of(text: str) -> tuple[str, Sequence[int]]:
    """A text without variants of digits and letters, and where each character came from."""
    if text.isascii():
        return text, range(len(text) + 1)
    parts = [_plain_char(char) for char in text]
    origins = [place for place, part in enumerate(parts) for _ in part]
    return "".join(parts), [*origins, len(text)]


def stems(word: str) -> Iterator[str]:
    """A word as it is, and without the particles that Arabic writes before it."""
    yield word
    if word > "z":
        for prefix in _ARABIC_PREFIXES:
            if word.startswith(prefix) and len(word) > len(prefix) + 1:
                yield word[len(prefix) :]


def is_in(words: Collection[str], word: str) -> bool:
    return any(stem in words for stem in stems(word))


def tokens_of(plain: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(plain):
        kind, text = str(match.lastgroup), match.group().lower()
        token = Token(kind, text, *match.span())
        if kind == "number":
            yield from _numbers(match.group(), match.start())
            continue
        if kind == "dotted":
            token.means = DOTTED.get(text.replace(".", ""))
        elif kind in ("sign", "word"):
            token.means = _meaning(text, plain, token)
        if token.means is None and kind == "dotted":
            token.text = text.replace(".", "")
        yield token


def _meaning(text: str, plain: str, token: Token) -> tuple[str, ...] | None:
    if text in CAPITALS:
        capitals = plain[token.start : token.end].isupper()
        last = text == "le" and _ENDS.match(plain, token.end)  # "50 le.", not "50 le lundi"
        return (CAPITALS[text],) if capitals or last else None
    for stem in stems(text):
        if stem in MARKS:
            return MARKS[stem]
        if stem in CENTS:
            return ()
    return None


def _numbers(written: str, start: int) -> Iterator[Token]:
    values = _values(written)
    if values is not None:
        yield Token("number", written, start, start + len(written), values=values)
        return
    # A list ("10,20,30"), or a date or a version, whose parts count only beside a mark.
    for part in re.finditer(r"[^,]+" if "," in written else r"\d+", written):
        if "," in written:
            yield from _numbers(part.group(), start + part.start())
        else:
            span = (start + part.start(), start + part.end())
            yield Token("broken", part.group(), *span, values=(Decimal(part.group()),))


def _values(written: str) -> tuple[Decimal, ...] | None:
    """What a number may mean, likeliest first; None when it is not one number."""
    head, space, tail = written.rpartition(" ")
    if space:  # "2 150.00": one number, or two
        return (_values(f"{head}'{tail}".replace(" ", "'")) or ()) + (_values(tail) or ()) or None
    parts, marks = _DIGITS.findall(written), "".join(_DIGITS.split(written))
    marks = marks.replace("\xa0", "'").replace("٬", "'")
    if not marks:
        return (Decimal(written),)
    last = marks[-1]
    if last != "'" and marks.count(last) == 1 and (len(marks) > 1 or last == "٫"):
        if len(set(marks[:-1])) > 1 or not _is_grouped(parts[:-1]):
            return None
        return (Decimal(f"{''.join(parts[:-1])}.{parts[-1]}"),)
    whole: tuple[Decimal, ...] = ()
    if len(set(marks)) == 1 and _is_grouped(parts):
        whole = (Decimal("".join(parts)),)
    if len(marks) == 1 and last in ".,":
        whole += (Decimal(f"{parts[0]}.{parts[1]}"),)
    return whole or None


def _is_grouped(parts: Sequence[str]) -> bool:
    if len(parts) == 1:
        return True
    *middle, last = parts[1:]
    return (
        len(parts[0]) <= 3
        and not parts[0].startswith("0")
        and len(last) == 3
        and len({len(part) for part in middle} | {0}) <= 2
        and all(len(part) in (2, 3) for part in middle)  # two in India
    )
