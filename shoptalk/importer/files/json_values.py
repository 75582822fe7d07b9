"""JSON with places: where in the file each record and each field stands.

`json.loads` forgets positions once it succeeds. Here the outer levels of a document are walked by
hand, and only what lies inside a record is left to the decoder.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from shoptalk.importer.files.source import Source

_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Placed:
    """A value and the offset of its first character."""

    value: Any
    offset: int


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


#: Numbers with a point become Decimal: a price must not pass through a float.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def starts_as_json(source: Source) -> bool:
    return source.text.lstrip(" \t\r\n").startswith(("[", "{"))


def skip_space(source: Source, offset: int) -> int:
    match = _SPACE.match(source.text, offset)
    assert match is not None  # it matches nothing as well
    return match.end()


def value_at(source: Source, offset: int) -> tuple[Any, int]:
    """The value that starts at `offset`, and the offset after it.

    Raises:
        UsageError: there is no JSON value; line and column are those of the mistake.
    """
    try:
        return _DECODER.raw_decode(source.text, offset)
    except json.JSONDecodeError as exc:
        raise source.error_at(exc.pos, f"not valid JSON: {exc.msg}") from exc
    except RecursionError as exc:
        raise source.error_at(offset, "not readable: nested too deeply") from exc
    except ValueError as exc:  # NaN, Infinity, or an integer of thousands of digits
        raise source.error_at(offset, f"not valid JSON: {exc}") from exc
    except ArithmeticError as exc:  # a number whose exponent is beyond Decimal
        raise source.error_at(offset, "not readable: a number is out of range") from exc


def elements(source: Source, offset: int) -> tuple[Sequence[Placed], int]:
    """The elements of the list whose "[" is at `offset`, and the offset after it."""
    found: list[Placed] = []
    offset = skip_space(source, offset + 1)
    if source.text[offset : offset + 1] == "]":
        return found, offset + 1
    while True:
        value, end = value_at(source, offset)
        found.append(Placed(value, offset))
        offset, closed = _after_item(source, end, "]")
        if closed:
            return found, offset


def members(source: Source, offset: int) -> tuple[Mapping[str, Placed], int]:
    """The members of the object whose "{" is at `offset`, and the offset after it.

    Raises:
        UsageError: as `value_at`, and where a name stands twice: one of the two would be lost.
    """
    found: dict[str, Placed] = {}
    offset = skip_space(source, offset + 1)
    if source.text[offset : offset + 1] == "}":
        return found, offset + 1
    while True:
        if source.text[offset : offset + 1] != '"':
            raise source.error_at(offset, "not valid JSON: a name in double quotes is missing")
        name, end = value_at(source, offset)
        if name in found:
            raise source.error_at(offset, "not readable: the name is there twice")
        end = skip_space(source, end)
        if source.text[end : end + 1] != ":":
            raise source.error_at(end, "not valid JSON: ':' is missing")
        start = skip_space(source, end + 1)
        value, end = value_at(source, start)
        found[name] = Placed(value, start)
        offset, closed = _after_item(source, end, "}")
        if closed:
            return found, offset


def _after_item(source: Source, offset: int, closing: str) -> tuple[int, bool]:
    """Where the next item starts, or where the list or object ends."""
    offset = skip_space(source, offset)
    match source.text[offset : offset + 1]:
        case ",":
            return skip_space(source, offset + 1), False
        case char if char == closing:
            return offset + 1, True
        case _:
            raise source.error_at(offset, f"not valid JSON: ',' or '{closing}' is missing")


def records(source: Source, key: str) -> Sequence[Placed]:
    """The records of a document that is a list, or an object with the list under `key`."""
    offset = skip_space(source, 0)
    if source.text.startswith("[", offset):
        found, end = elements(source, offset)
    elif source.text.startswith("{", offset):
        outer, end = members(source, offset)
        if key not in outer or not isinstance(outer[key].value, list):
            raise source.error_at(offset, f'not readable: there is no list "{key}"')
        found, _ = elements(source, outer[key].offset)
    else:
        raise source.error_at(offset, f'not JSON: a list, or an object with a list "{key}"')
    end = skip_space(source, end)
    if end < len(source.text):
        raise source.error_at(end, "not valid JSON: the document has ended before")
    return found
