"""Who is killed, where and how often, and what the seed repeats."""

import random
import re
from pathlib import Path

import pytest

import shoptalk
from shoptalk.failpoints import POINTS, START_POINTS
from tests.torture import deaths
from tests.torture.customers import Customer
from tests.torture.deaths import FIRST, WORKERS, Mortals
from tests.torture.truth import Written

FAILPOINT = re.compile(r'\bfailpoint\("([a-z._]+)"\)')


class Village:
    """Processes that are born and die without a machine."""

    def __init__(self) -> None:
        self.born: list[tuple[int, str | None]] = []
        self.living: set[int] = set()

    def spawn(self, crash_at: str | None = None, *, passes: int = 1) -> int:
        pid = len(self.born) + 1
        self.born.append((pid, crash_at))
        self.living.add(pid)
        return pid


@pytest.fixture
def village(monkeypatch: pytest.MonkeyPatch) -> Village:
    village = Village()
    monkeypatch.setattr(deaths, "is_alive", village.living.__contains__)
    monkeypatch.setattr(deaths, "kill", village.living.discard)
    return village


def mortals(village: Village, seed: int = 1) -> Mortals:
    return Mortals(village, random.Random(seed))  # type: ignore[arg-type]


def test_who_is_killed_is_replaced_and_counted(village: Village) -> None:
    crowd = mortals(village)
    crowd.begin()
    for _ in range(100):
        crowd.kill_one()
        assert len(village.living) == WORKERS
    assert (crowd.killed, crowd.died_at.total()) == (100, 0)
    crowd.end()
    assert not village.living


def test_death_comes_round_to_each_named_point(village: Village) -> None:
    crowd = mortals(village)
    crowd.begin()
    for _ in range(500):
        if armed := [pid for pid, point in village.born if point and pid in village.living]:
            village.living.discard(armed[0])  # it met its point
            crowd.replace_the_dead()
        else:
            crowd.kill_one()
    assert crowd.died_at.keys() == POINTS
    assert crowd.died_at[FIRST] == WORKERS


def test_who_is_to_die_at_a_point_is_mostly_given_the_time(village: Village) -> None:
    crowd = mortals(village)
    crowd.begin()
    for _ in range(1000):
        crowd.kill_one()
    bound = {pid for pid, point in village.born if point not in (None, FIRST)}
    killed = bound - village.living
    assert 0 < len(killed) < 1000 / 4


def test_nobody_is_to_die_when_all_comes_to_rest(village: Village) -> None:
    crowd = mortals(village)
    crowd.begin()
    crowd.make_way()
    assert [point for pid, point in village.born if pid in village.living] == [None] * WORKERS


def test_a_worker_that_ends_by_itself_is_an_error(village: Village) -> None:
    crowd = mortals(village)
    crowd.begin()
    crowd.make_way()
    village.living.pop()
    with pytest.raises(RuntimeError, match="by itself"):
        crowd.replace_the_dead()


def test_the_seed_repeats_who_is_chosen_and_where_he_is_to_die(village: Village) -> None:
    chosen = []
    for seed in (1, 1, 2):
        village.born.clear()
        village.living.clear()
        crowd = mortals(village, seed)
        crowd.begin()
        for _ in range(50):
            crowd.kill_one()
        chosen.append((list(village.born), set(village.living)))
    assert chosen[0] == chosen[1] != chosen[2]


def test_the_seed_repeats_what_a_customer_writes() -> None:
    def words(seed: int, number: int) -> list[str]:
        customer, written = Customer(number, str(number), seed), Written()
        return [text for _ in range(50) for text in customer.burst(written)]

    assert words(1, 7) == words(1, 7)
    assert words(1, 7) != words(2, 7)
    assert words(1, 7) != words(1, 8)


def test_each_named_point_is_in_the_program_and_each_in_the_program_is_named() -> None:
    program = Path(shoptalk.__file__).parent.rglob("*.py")
    reached = {name for file in program for name in FAILPOINT.findall(file.read_text())}
    assert reached == POINTS | START_POINTS
