"""The workers, and how they die: at random instants, and at the named points one by one."""

import random
from collections import Counter, deque
from collections.abc import Iterable

from shoptalk.failpoints import POINTS
from tests.torture.worker import Spawner, is_alive, kill

WORKERS = 3
ARMED = 0.25  #: share of the workers that die at a named point, if nobody kills them before
SPARED = 0.9  #: of the blows that would hit one of those, who may need a tick to get there
PASSES = (1, 1, 2, 5)  #: of its point, which turns pass all the time; a poll comes once a tick
FIRST = "history.page_stored"  #: passed at the beginning only


class Mortals:
    """So many workers, each replaced when it dies.

    Args:
        points: at which some are to die.
    """

    def __init__(
        self, spawner: Spawner, dice: random.Random, points: Iterable[str] = POINTS
    ) -> None:
        self._spawner = spawner
        self._dice = dice
        self._points = deque(sorted(point for point in points if point != FIRST))
        self._alive: dict[int, str | None] = {}  #: process id -> where it is to die
        self.killed = 0  #: at random instants
        self.died_at: Counter[str] = Counter()

    def begin(self) -> None:
        """All of them are to die where only the first have the occasion."""
        for _ in range(WORKERS):
            self._spawn(FIRST)

    def kill_one(self) -> None:
        """Kill a worker now, at whatever it is."""
        pid = self._dice.choice(self._exposed() or list(self._alive))
        if not is_alive(pid):
            return  # it met its point just now; somebody else's turn
        kill(pid)
        self.killed += 1
        point = self._alive.pop(pid)
        if point is not None and point != FIRST:
            self._points.append(point)
        self._spawn_another()

    def _exposed(self) -> list[int]:
        if self._dice.random() >= SPARED:
            return list(self._alive)
        return [pid for pid, point in self._alive.items() if point in (None, FIRST)]

    def replace_the_dead(self) -> None:
        """Some have met the point at which their death was arranged."""
        for pid in [pid for pid in self._alive if not is_alive(pid)]:
            point = self._alive.pop(pid)
            if point is None:
                raise RuntimeError("a worker ended by itself, which they never do")
            self.died_at[point] += 1
            if point != FIRST:
                self._points.append(point)
            self._spawn_another()

    def make_way(self) -> None:
        """From now on nobody dies any more."""
        self.end()
        for _ in range(WORKERS):
            self._spawn(None)

    def end(self) -> None:
        for pid in self._alive:
            kill(pid)
        self._alive.clear()

    def _spawn_another(self) -> None:
        if self._points and self._dice.random() < ARMED:
            point, passes = self._points.popleft(), self._dice.choice(PASSES)
            self._spawn(point, passes=1 if point.startswith("import.") else passes)
        else:
            self._spawn(None)

    def _spawn(self, point: str | None, *, passes: int = 1) -> None:
        self._alive[self._spawner.spawn(point, passes=passes)] = point
