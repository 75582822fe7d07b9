"""Pages of a list, newest first, and the opaque cursors between them.

A cursor holds a place in the order, not a row number: a thread that gets a message while
somebody pages jumps to the front, and is passed over or seen twice, as on the real thing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar

from shoptalk.sandbox.faults import Fired
from shoptalk.sandbox.graph.errors import bad_parameter
from shoptalk.sandbox.graph.question import Question
from shoptalk.sandbox.messages import Activity

Row = TypeVar("Row")

DEFAULT_LIMIT = 25
NEWEST: Activity = (1 << 62, 0)  # a place above every row
_PREFIX = "QVFI"
_AGE_UNIT = 600  # coarse, so that an idle inbox keeps its ETag from one poll to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursors:
    """Makes and reads the cursors of one list."""

    list_name: str  #: what tells this list from every other
    now: datetime
    lifetime: timedelta

    def write(self, place: Activity) -> str:
        issued = int(self.now.timestamp()) // _AGE_UNIT
        text = f"{place[0]:x}.{place[1]:x}.{issued:x}"
        return _PREFIX + urlsafe_b64encode(f"{self._seal(text)}.{text}".encode()).decode()

    def read(self, cursor: str) -> Activity:
        """Return the place that `cursor` holds.

        Raises:
            GraphError: 100, it is not a cursor of this list, or no longer one.
        """
        try:
            text = urlsafe_b64decode(cursor.removeprefix(_PREFIX)).decode()
            seal, _, text = text.partition(".")
            at, sequence_no, issued = (int(part, 16) for part in text.split("."))
        except ValueError as exc:  # of which malformed base64 and UTF-8 are kinds
            raise self._refusal() from exc
        good_until = datetime.fromtimestamp((issued + 1) * _AGE_UNIT, tz=self.now.tzinfo)
        if seal != self._seal(text) or self.now > good_until + self.lifetime:
            raise self._refusal()
        return at, sequence_no

    def _seal(self, text: str) -> str:
        return sha256(f"{self.list_name}|{text}".encode(errors="replace")).hexdigest()[:12]

    @staticmethod
    def _refusal() -> Exception:
        return bad_parameter("Invalid cursors values: the cursor does not belong to this list")


@dataclass(frozen=True, slots=True)
class Shape:
    """How faults bend a page; the plain one bends nothing."""

    back: int = 0  #: rows of the page before that are shown again; negative: rows passed over
    repeats: bool = False  #: the whole page before again
    most_rows: int | None = None

    @classmethod
    def of(cls, alterations: Iterable[Fired]) -> "Shape":
        back, repeats, most_rows = 0, False, None
        for fired in alterations:
            match fired.name:
                case "empty_page":
                    most_rows = 0
                case "short_page":
                    rows = max(0, int(fired.params["rows"]))
                    most_rows = rows if most_rows is None else min(rows, most_rows)
                case "repeat_page":
                    repeats = True
                case "shift_page":
                    back += int(fired.params["by"])
        return cls(back, repeats, most_rows)


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    rows: Sequence[Row]  #: newest first
    newest: Activity  #: where the page begins and ends
    oldest: Activity
    has_older: bool
    has_newer: bool


def cut(
    rows: Sequence[Row],
    place_of: Callable[[Row], Activity],
    *,
    limit: int,
    after: Activity | None = None,
    before: Activity | None = None,
    is_shown: Callable[[Row], bool] | None = None,
    shape: Shape | None = None,
) -> Slice[Row]:
    """Cut a page out of `rows`, which are sorted oldest first.

    Costs what the page holds and the hidden rows between, whatever the length of the list.
    """
    shape = shape or Shape()
    if before is not None and after is None:
        return _cut_newer(rows, place_of, limit, before, is_shown)
    start = (len(rows) if after is None else bisect_left(rows, after, key=place_of)) - 1
    if after is not None:
        start = min(start + shape.back + (limit if shape.repeats else 0), len(rows) - 1)
    wanted = limit if shape.most_rows is None else min(limit, shape.most_rows)
    if wanted == 0:
        place = after or NEWEST
        return Slice((), place, place, True, after is not None)
    found: list[Row] = []
    for position in range(start, -1, -1):
        row = rows[position]
        if is_shown is None or is_shown(row):
            if len(found) == wanted:
                return Slice(found, place_of(found[0]), place_of(found[-1]), True, bool(after))
            found.append(row)
    newest = place_of(found[0]) if found else after or NEWEST
    oldest = place_of(found[-1]) if found else after or NEWEST
    return Slice(found, newest, oldest, False, after is not None)


def _cut_newer(
    rows: Sequence[Row],
    place_of: Callable[[Row], Activity],
    limit: int,
    before: Activity,
    is_shown: Callable[[Row], bool] | None,
) -> Slice[Row]:
    found: list[Row] = []
    has_newer = False
    for position in range(bisect_right(rows, before, key=place_of), len(rows)):
        row = rows[position]
        if is_shown is None or is_shown(row):
            if len(found) == limit:
                has_newer = True
                break
            found.append(row)
    found.reverse()
    newest = place_of(found[0]) if found else before
    oldest = place_of(found[-1]) if found else before
    return Slice(found, newest, oldest, bool(found), has_newer)


def edge(
    data: Sequence[Any],
    piece: Slice[Any],
    cursors: Cursors,
    question: Question,
    path: str,
    params: dict[str, str],
) -> dict[str, Any]:
    """Write a page as Graph does: rows, cursors, and links where there is more."""
    if not data and not piece.has_older:
        return {"data": []}
    before, after = cursors.write(piece.newest), cursors.write(piece.oldest)
    paging: dict[str, Any] = {"cursors": {"before": before, "after": after}}
    if piece.has_older:
        paging["next"] = question.link(path, **params, after=after)
    if piece.has_newer:
        paging["previous"] = question.link(path, **params, before=before)
    return {"data": list(data), "paging": paging}
