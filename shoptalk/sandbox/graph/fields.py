"""Graph's field expansion: `id,messages.limit(10){id,from{name}}` as a tree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shoptalk.sandbox.graph.errors import GraphError, bad_parameter

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARGUMENT = re.compile(r"\(([^()]*)\)")
_MODIFIERS = frozenset({"limit", "after", "before"})
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    children: tuple["Field", ...] | None = None  #: None: what the node shows by default
    limit: int | None = None
    after: str | None = None
    before: str | None = None

    def __str__(self) -> str:
        """Write the children back, as `next` links carry them."""
        inner = "{" + ",".join(map(str, self.children)) + "}" if self.children else ""
        limit = f".limit({self.limit})" if self.limit is not None else ""
        return f"{self.name}{limit}{inner}"


def plain(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name) for name in names)


def parse_fields(text: str) -> tuple[Field, ...]:
    """Read the value of `fields`.

    Raises:
        GraphError: 2500, it cannot be parsed; 100, a modifier makes no sense.
    """
    reader = _Reader(text)
    fields = reader.fields(1)
    if reader.rest():
        raise reader.error()
    return fields


def weight(fields: Sequence[Field], default_limit: int) -> int:
    """Say how much one row of these fields costs: each field one, nested rows times their own."""
    total = 0
    for field in fields:
        rows = field.limit or (default_limit if field.name == "messages" else 1)
        total += rows * weight(field.children, default_limit) if field.children else 1
    return total


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :].strip()

    def error(self) -> GraphError:
        where = self._text[self._at : self._at + 10]
        return GraphError(
            2500,
            f'Syntax error "Expected end of string instead of \\"{where}\\"." '
            f"at character {self._at}",
        )

    def fields(self, depth: int) -> tuple[Field, ...]:
        if depth > DEEPEST:
            raise self.error()
        found = [self._field(depth)]
        while self._skip(","):
            found.append(self._field(depth))
        unique = {field.name: field for field in found}
        return tuple(unique.values())

    def _field(self, depth: int) -> Field:
        name = self._name()
        given: dict[str, str] = {}
        while self._skip("."):
            modifier = self._name()
            argument = _ARGUMENT.match(self._text, self._at)
            if modifier not in _MODIFIERS or argument is None:
                raise self.error()
            given[modifier] = argument[1].strip()
            self._at = argument.end()
        children = None
        if self._skip("{"):
            children = self.fields(depth + 1)
            if not self._skip("}"):
                raise self.error()
        limit = limit_of(given["limit"]) if "limit" in given else None
        return Field(name, children, limit, given.get("after"), given.get("before"))

    def _name(self) -> str:
        self._space()
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise self.error()
        self._at = match.end()
        return match[0]

    def _skip(self, sign: str) -> bool:
        self._space()
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        return True

    def _space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1


def limit_of(text: str) -> int:
    """Read a `limit`.

    Raises:
        GraphError: 100, it is not a positive whole number.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise bad_parameter("Param limit must be an integer greater than or equal to 1")
    return int(text)
