"""Group commit: what many threads want to write at one time shares a transaction.

A transaction costs the same round trips for ten turns as for one. Whoever comes first does the
work at once; who comes meanwhile waits until it is done, and one of those does it for all of them.
So nobody waits who is alone, and the busier it gets, the less each piece of work costs.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_TOGETHER = 50


class GroupCommit(Generic[Item, Result]):
    """Calls `work` with the items of all threads that wait.

    Args:
        work: gives a result for each item, in their order. Where it raises, it has done nothing:
            then it is called with each item alone, so that a bad one harms no other. Where the
            database failed, they fail together.
        key: items of one key are never worked on together, but one after the other.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Sequence[Result]], *, key: Callable[[Item], Hashable]
    ) -> None:
        self._work = work
        self._key = key
        self._lock = threading.Lock()
        self._waiting: list[_Place[Item, Result]] = []  # the first of them leads next
        self._is_led = False

    def __call__(self, item: Item) -> Result:
        """What `work` gives for the item. Raises what it raises."""
        place: _Place[Item, Result] = _Place(item)
        with self._lock:
            self._waiting.append(place)
            is_led, self._is_led = self._is_led, True
        if is_led:
            place.is_called.wait()
        if not place.result.done():
            self._lead()
        return place.result.result()

    def _lead(self) -> None:
        """Work on those that wait, then call them, and the one who leads next."""
        with self._lock:
            places = self._take()
        try:
            self._serve(places)
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._is_led = successor is not None
            for place in places:
                place.result.cancel()  # unless it has one
                place.is_called.set()
            if successor is not None:
                successor.is_called.set()

    def _take(self) -> "list[_Place[Item, Result]]":
        taken: dict[Hashable, _Place[Item, Result]] = {}
        for place in self._waiting:
            if len(taken) < MOST_TOGETHER:
                taken.setdefault(self._key(place.item), place)
        places = list(taken.values())
        self._waiting = [place for place in self._waiting if place not in places]
        return places

    def _serve(self, places: "Sequence[_Place[Item, Result]]") -> None:
        try:
            results = self._work([place.item for place in places])
        except Exception as exc:
            # Without the database each of them would wait in vain.
            if len(places) == 1 or isinstance(exc, OperationalError):
                for place in places:
                    place.result.set_exception(exc)
            else:
                for place in places:
                    self._serve([place])
        else:
            for place, result in zip(places, results, strict=True):
                place.result.set_result(result)


@dataclass(frozen=True, eq=False, slots=True)
class _Place(Generic[Item, Result]):
    """One thread's place among those that wait."""

    item: Item
    result: Future[Result] = field(default_factory=Future)
    #: It has its result, or is to lead
    is_called: threading.Event = field(default_factory=threading.Event)
