"""What many threads write at one time shares a transaction."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from shoptalk.responder.group_commit import MOST_TOGETHER, GroupCommit
from tests.patience import PATIENCE, eventually


class Book:
    """Doubles numbers, notes which were given together, and can be kept busy."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_busy = threading.Event()
        self.may_go_on = threading.Event()

    def work(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        if numbers[0] == 0:
            self.is_busy.set()
            assert self.may_go_on.wait(PATIENCE)
        if 13 in numbers:
            raise ValueError("thirteen")
        if 500 in numbers:
            raise OperationalError("SELECT", None, Exception("the server is gone"))
        return [2 * number for number in numbers]


def while_busy(book: Book, numbers: Sequence[int], *, keys: int = 10**6) -> list[Future[int]]:
    """What comes of numbers that come, in order, while 0 is worked on."""
    commit = GroupCommit(book.work, key=lambda number: number % keys)
    with ThreadPoolExecutor(len(numbers) + 1) as pool:
        futures = [pool.submit(commit, 0)]
        assert book.is_busy.wait(PATIENCE)
        for count, number in enumerate(numbers, 1):
            futures.append(pool.submit(commit, number))
            eventually(lambda: len(commit._waiting) == count)  # noqa: B023
        book.may_go_on.set()
    return futures[1:]


def test_who_comes_alone_is_served_alone_and_at_once() -> None:
    book = Book()
    commit = GroupCommit(book.work, key=lambda number: number)
    assert [commit(number) for number in (1, 2, 3)] == [2, 4, 6]
    assert book.batches == [[1], [2], [3]]


def test_who_comes_while_one_is_served_is_served_together() -> None:
    book = Book()
    assert [each.result() for each in while_busy(book, [3, 1, 2])] == [6, 2, 4]
    assert book.batches == [[0], [3, 1, 2]]


def test_no_more_than_so_many_are_served_together() -> None:
    book = Book()
    numbers = list(range(1000, 1000 + MOST_TOGETHER + 2))
    assert [each.result() for each in while_busy(book, numbers)] == [2 * each for each in numbers]
    assert [len(batch) for batch in book.batches] == [1, MOST_TOGETHER, 2]


def test_two_of_one_key_are_served_one_after_the_other() -> None:
    book = Book()
    assert [each.result() for each in while_busy(book, [1, 11, 2, 21], keys=10)] == [2, 22, 4, 42]
    assert book.batches == [[0], [1, 2], [11], [21]]


def test_one_that_fails_harms_no_other() -> None:
    book = Book()
    good, bad, other = while_busy(book, [1, 13, 2])
    assert (good.result(), other.result()) == (2, 4)
    with pytest.raises(ValueError, match="thirteen"):
        bad.result()
    assert book.batches == [[0], [1, 13, 2], [1], [13], [2]]


def test_where_the_database_fails_all_fail_at_once() -> None:
    book = Book()
    for each in while_busy(book, [1, 500, 2]):
        with pytest.raises(OperationalError, match="the server is gone"):
            each.result()
    assert book.batches == [[0], [1, 500, 2]]


def test_after_a_failure_it_goes_on() -> None:
    book = Book()
    commit = GroupCommit(book.work, key=lambda number: number)
    with pytest.raises(ValueError, match="thirteen"):
        commit(13)
    assert commit(1) == 2


def test_in_a_crowd_each_is_served_once_with_its_own_result() -> None:
    book = Book()
    commit = GroupCommit(book.work, key=lambda number: number % 7)
    numbers = [*range(1000, 1600)]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(commit, numbers)) == [2 * number for number in numbers]
    assert sorted(number for batch in book.batches for number in batch) == numbers
    for batch in book.batches:
        assert len({number % 7 for number in batch}) == len(batch)
