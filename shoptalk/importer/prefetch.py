"""Working ahead: one thread asks while another stores what was answered before."""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Runs an iterator in a thread of its own, ahead of who takes its items.

    Args:
        weigh: an item's weight.
        most: the iterator waits while what was not taken weighs more.
        enough: what is worth taking; less is taken after `patience` seconds, and at the end.

    The iterator is left alone once the block ends: no item is made after the one under way.
    """

    def __init__(
        self,
        items: Iterable[T],
        *,
        weigh: Callable[[T], int],
        most: int,
        enough: int,
        patience: float,
    ) -> None:
        self._items = items
        self._weigh = weigh
        self._most = most
        self._enough = enough
        self._patience = patience
        self._made: list[T] = []
        self._weight = 0
        self._error: BaseException | None = None
        self._is_over = False
        self._is_wanted = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)

    def __enter__(self) -> "Prefetcher[T]":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_wanted = False
            self._changed.notify_all()
        self._thread.join()

    def take(self) -> list[T]:
        """All that was made meanwhile, at least one item; nothing at the end.

        Raises:
            Exception: what the iterator raised, once all it had made before was taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._made or self._is_over)
            self._changed.wait_for(self._has_enough, timeout=self._patience)
            taken, self._made, self._weight = self._made, [], 0
            self._changed.notify_all()
        if not taken and self._error is not None:
            raise self._error
        return taken

    def _make(self) -> None:
        try:
            for item in self._items:
                if not self._hand_over(item):
                    break
        except BaseException as exc:
            self._error = exc
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _has_enough(self) -> bool:
        return self._is_over or self._weight >= self._enough

    def _hand_over(self, item: T) -> bool:
        """Wait for room; whether more is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._weight <= self._most or not self._is_wanted)
            self._made.append(item)
            self._weight += self._weigh(item)
            self._changed.notify_all()
            return self._is_wanted
