"""Numbers of a workbook as its owner sees them: 12.5 under the format 0.00 is 12.50."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from shoptalk.importer.catalog.values import Mistake

_KEPT_DIGITS = 15  #: that a spreadsheet keeps of a number
_LITERAL = re.compile(r'"([^"]*)"|\\(.)')
_NOT_SHOWN = re.compile(r"\[[^\]]*\]|_.|\*.")
_PLACES = re.compile(r"[0#?,]*(?:\.[0#?]*)?")


@dataclass(frozen=True, slots=True)
class _Form:
    """What a number format says, as far as it changes the number."""

    before: str = ""  #: text in front of the number
    least_digits: int = 1
    decimals: int | None = None  #: None: as many as there are
    least_decimals: int = 0


def exact(value: float) -> Decimal:
    """The number as a spreadsheet keeps it, without what binary fractions add."""
    return Decimal(value) if isinstance(value, int) else Decimal(f"{value:.{_KEPT_DIGITS}g}")


def as_shown(value: float, number_format: str, *, with_text: bool = False) -> str:
    """The number as it stands in its cell, but with a point and nothing between thousands.

    Args:
        with_text: with what the format puts in front: SKU-0042.

    Raises:
        Mistake: it is shown as something else, or its last digits are lost.
    """
    form = _form(number_format)
    number = exact(value)
    if form.decimals is not None:
        try:
            number = number.quantize(Decimal(1).scaleb(-form.decimals), ROUND_HALF_UP)
        except ArithmeticError as exc:
            raise Mistake("is too large") from exc
    whole, point, decimals = f"{abs(number):f}".partition(".")
    if form.decimals is not None:
        least = form.least_decimals
        decimals = decimals[:least] + decimals[least:].rstrip("0")
    sign = "-" if number < 0 else ""
    before = form.before if with_text else ""
    return before + sign + whole.zfill(form.least_digits) + (point + decimals if decimals else "")


def digits_are_lost(value: float) -> bool:
    """Whether the number is too long for a spreadsheet to have kept all of its digits."""
    return abs(value) >= float(10**_KEPT_DIGITS)


@lru_cache(maxsize=256)
def _form(number_format: str) -> _Form:
    section = _first_section(number_format)
    bare = _NOT_SHOWN.sub("", _LITERAL.sub("", section))
    if "%" in bare:
        raise Mistake("is a percentage: format the column as a number")
    if "/" in bare or re.search("e[+-]", bare, re.IGNORECASE) or "general" in bare.casefold():
        return _Form()
    places = max(_PLACES.findall(bare), key=len, default="")
    whole, _, decimals = places.partition(".")
    if not re.search("[0#?]", places):
        return _Form()
    if whole.endswith(","):
        raise Mistake("is shown in thousands: format the column as a number")
    return _Form(
        before=_before(section),
        least_digits=max(1, whole.count("0")),
        decimals=len(decimals),
        least_decimals=decimals.count("0"),
    )


def _before(section: str) -> str:
    start = re.match(r'(?:"[^"]*"|\\.|\[[^\]]*\]|_.|\*.)*', section)
    assert start is not None
    return "".join(quoted or escaped for quoted, escaped in _LITERAL.findall(start[0]))


def _first_section(number_format: str) -> str:
    """The part for numbers above zero: it ends at a semicolon that is not text."""
    match = re.match(r'(?:"[^"]*"|\\.|[^;"\\])*', number_format)
    return match[0] if match else number_format
