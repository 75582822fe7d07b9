"""Working ahead: in order, never too far, and not at all once nobody wants it."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shoptalk.importer.prefetch import Prefetcher
from tests.patience import PATIENCE, eventually


def ahead(items: Iterator[int], **words: Any) -> Prefetcher[int]:
    return Prefetcher(
        items, **{"weigh": lambda item: item, "most": 100, "enough": 1, "patience": 0.01, **words}
    )


def taken(made: Prefetcher[int]) -> Iterator[int]:
    while items := made.take():
        yield from items


def test_all_items_come_in_order() -> None:
    with ahead(iter(range(1000)), most=0) as made:
        assert list(taken(made)) == list(range(1000))


def test_what_was_made_before_an_error_comes_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2)
        raise ConnectionError

    with ahead(broken()) as made:
        rest = taken(made)
        assert [next(rest), next(rest)] == [1, 2]
        with pytest.raises(ConnectionError):
            next(rest)


def test_it_waits_while_what_nobody_took_weighs_too_much() -> None:
    asked: list[int] = []
    has_asked = threading.Semaphore(0)

    def noted() -> Iterator[int]:
        for item in (3, 3, 3, 3):
            asked.append(item)
            has_asked.release()
            yield item

    with ahead(noted(), most=4, enough=99, patience=0) as made:
        for _ in range(3):  # two are handed over; the third waits for room
            assert has_asked.acquire(timeout=PATIENCE)
        assert not has_asked.acquire(timeout=0.05)
        assert made.take() == [3, 3]
        assert has_asked.acquire(timeout=PATIENCE)
    assert len(asked) == 4


def test_little_is_not_taken_at_once_but_after_a_while() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        yield 2
        go_on.wait(PATIENCE)
        yield 3

    with ahead(slow(), enough=10, patience=1) as made:
        assert made.take() == [1, 2]
        go_on.set()
        assert made.take() == [3]
        assert made.take() == []


def test_nothing_is_made_once_the_block_has_ended() -> None:
    asked: list[int] = []
    is_making, go_on = threading.Event(), threading.Event()

    def noted() -> Iterator[int]:
        for item in range(1, 10):
            asked.append(item)
            if item == 2:
                is_making.set()
                go_on.wait(PATIENCE)
            yield item

    with ahead(noted()) as made:
        assert made.take() == [1]
        assert is_making.wait(PATIENCE)
        threading.Thread(target=_once_it_has_ended, args=(made, go_on.set)).start()
    assert asked == [1, 2]  # the one under way is made, and no other
    assert not made._thread.is_alive()


def _once_it_has_ended(made: Prefetcher[int], happens: Callable[[], None]) -> None:
    eventually(lambda: not made._is_wanted)
    happens()
