"""What a product's fields may hold, and what each value means."""

import re
from decimal import Decimal

MOST_DECIMALS = 4  # what the products table keeps
_PRICE_LIMIT = Decimal(10) ** 14  # likewise: eighteen digits in all
_STOCK_LIMIT = 2**63
_PRICE = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_STOCK = re.compile(r"([-\N{MINUS SIGN}]?)([0-9]{1,19})(?:[.,](0+))?", re.ASCII)
_CUT_SHORT = re.compile(r"[0-9][.,][0-9]+E\+[0-9]+", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Mistake(ValueError):
    """A value is not what its field needs; the text follows the field's name in the error."""


def text_of(value: object) -> str:
    if not isinstance(value, str):
        raise Mistake("must be text")
    if _UNSTORABLE.search(value):
        raise Mistake("holds a character that cannot be stored")
    return value.strip()


def identifier(value: object) -> str:
    # Shops number their products; 42 and "42" are the same one.
    return str(value) if type(value) is int else text_of(value)


def is_cut_short(product_id: str) -> bool:
    """Whether a spreadsheet has put a long number this way, and lost its last digits."""
    return _CUT_SHORT.fullmatch(product_id) is not None


def price_of(value: object) -> Decimal:
    if isinstance(value, str) and _PRICE.fullmatch(value.strip()):
        price = Decimal(value.strip())
    elif isinstance(value, Decimal) or type(value) is int:
        price = Decimal(value)
    else:
        raise Mistake("must be a number with a decimal point, like 12.50")
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int):
        raise Mistake("must be a finite number")
    if price < 0:
        raise Mistake("must not be negative")
    if -exponent > MOST_DECIMALS:
        raise Mistake(f"must not have more than {MOST_DECIMALS} decimals")
    if price >= _PRICE_LIMIT:
        raise Mistake("is too large")
    # "1E+2" is written out as 100, and -0 as 0.
    return abs(price) if exponent <= 0 else abs(price).quantize(Decimal(1))


def currency_of(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value.strip()):
        raise Mistake("must be three letters (ISO 4217), like USD")
    return value.strip().upper()


def stock_of(value: object) -> int:
    """A whole number, below zero where more was sold than there was."""
    if isinstance(value, str):
        value = _stock_in_text(value.strip())
    elif isinstance(value, Decimal) and value.is_finite() and abs(value) < _STOCK_LIMIT:
        value = int(value) if value == int(value) else value
    if type(value) is not int:
        raise Mistake("must be a whole number, or empty where it is not tracked")
    if abs(value) >= _STOCK_LIMIT:
        raise Mistake("is too large")
    return value


def _stock_in_text(text: str) -> int | None:
    match = _STOCK.fullmatch(text)
    if match is None:
        return None
    sign, digits, zeros = match.groups()
    if zeros is not None and len(zeros) == 3:
        raise Mistake(f"{text} may be {digits} or {digits}{zeros}: write it without a separator")
    return -int(digits) if sign else int(digits)


def active_of(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, (str, int)) else ""
    if word not in _YES_NO:
        raise Mistake("must be true or false (or yes, no, 1, 0)")
    return _YES_NO[word]
