"""Simulated: how soon a message is seen on 100,000 pages, and how many calls that takes, by policy.

Pages differ by orders of magnitude in how much is written there (log-normal), and within a day by
the hour. A customer writes a few messages in a row, the answer follows, also a change of the page.
Meta allows a page 200 calls a day for each customer who wrote within that day; a page on which
nobody wrote is given what one customer earns it. What is over the allowance is refused until
calls of the day before have aged out.

Two days are played, the second is counted. A fixed interval is worked out by arithmetic, page by
page. Ours decides by the program's own functions, poll by poll, for a sample of pages drawn
evenly; the sums are scaled up. No network, no database: `python -m benchmarks.pages --seed 2`.
"""

import argparse
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from benchmarks.table import Figure, at_most, print_table
from shoptalk.importer.poll_schedule import PollSchedule, throttle
from shoptalk.settings import Settings

TITLE = "pages under Meta's allowance, simulated"
SIZE = 100_000  #: pages
SEED = 1
MOST_PLAYED = 1_000  #: pages that are played poll by poll
MESSAGES_A_DAY = 3.0  #: the median page's; the mean is five times as much
SPREAD = 1.8
MESSAGES_EACH = 3.0  #: of a customer, on average, in one go
CALLS_A_CUSTOMER = 200
DAY_SECONDS = 86_400
ANSWERED_AFTER = 40  #: seconds
BY_HOUR = (1, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 8, 8, 7, 7, 7, 8, 9, 10, 10, 9, 7, 4, 2)
MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    written: Sequence[float]  #: when customers wrote, in seconds of the two days, sorted
    allowed: int  #: calls within a day


@dataclass(slots=True)
class Result:
    delays: list[float] = field(default_factory=list)
    calls: int = 0
    throttled: int = 0  #: pages that were refused a call
    pages: int = 0

    def figures(self, name: str, pages: int, *, ours: bool = False) -> Iterator[Figure]:
        scale = pages / self.pages
        throttled = 100 * self.throttled / self.pages
        self.delays.sort()
        for percent in (50, 95, 99):
            seconds = self.delays[min(len(self.delays) * percent // 100, len(self.delays) - 1)]
            yield Figure(name=f"{name}: seen after, p{percent}", value=seconds, unit="s")
        millions = self.calls * scale / 1e6
        yield Figure(name=f"{name}: calls a day", value=millions, unit="million")
        if ours:
            yield at_most(f"{name}: pages refused a call", throttled, 0.0, unit="%")
        else:
            yield Figure(name=f"{name}: pages refused a call", value=throttled, unit="%")


def measure(size: int, seed: int = SEED) -> list[Figure]:
    settings = Settings(_env_file=None)
    plan = PollSchedule(
        interval=timedelta(seconds=settings.poll_interval_seconds),
        longest=timedelta(seconds=settings.poll_interval_max_seconds),
    )
    every_10, every_60, ours = Result(), Result(), Result()
    one_in = math.ceil(size / MOST_PLAYED)
    for number, page in enumerate(_pages(size, seed)):
        _at_fixed_interval(page, 10, every_10)
        _at_fixed_interval(page, 60, every_60)
        if number % one_in == 0:
            _by_plan(page, plan, ours)
    return [
        *every_10.figures("every 10 s", size),
        *every_60.figures("every 60 s", size),
        *ours.figures("ours", size, ours=True),
        Figure(name="pages played poll by poll for ours", value=ours.pages),
        Figure(name="messages a day", value=len(every_10.delays)),
    ]


def _pages(size: int, seed: int) -> Iterator[Page]:
    draw = random.Random(seed)
    for _ in range(size):
        a_day = draw.lognormvariate(math.log(MESSAGES_A_DAY), SPREAD)
        written: list[float] = []
        customers_of_a_day = []
        for day in range(2):
            customers = _poisson(draw, a_day / MESSAGES_EACH)
            customers_of_a_day.append(customers)
            for _ in range(customers):
                hour = draw.choices(range(24), BY_HOUR)[0]
                moment = day * DAY_SECONDS + (hour + draw.random()) * 3600
                for _ in range(1 + _poisson(draw, MESSAGES_EACH - 1)):
                    written.append(moment)
                    moment += draw.expovariate(1 / 45)
        # The poorer of the two days: what a page may ask for does not jump at midnight.
        allowed = CALLS_A_CUSTOMER * max(1, min(customers_of_a_day))
        yield Page(sorted(moment for moment in written if moment < 2 * DAY_SECONDS), allowed)


def _poisson(draw: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        count += 1
    return count


def _at_fixed_interval(page: Page, interval: int, result: Result) -> None:
    """Calls until the allowance is used up; then none until the first of them is a day old."""
    wanted = DAY_SECONDS // interval
    made = min(wanted, page.allowed)
    open_seconds = made * interval
    result.pages += 1
    result.calls += made
    result.throttled += made < wanted
    for moment in page.written[bisect_left(page.written, DAY_SECONDS) :]:
        into_day = moment % DAY_SECONDS
        seen = math.ceil(into_day / interval) * interval
        if seen >= open_seconds and made < wanted:
            seen = DAY_SECONDS
        result.delays.append(seen - into_day)


def _by_plan(page: Page, plan: PollSchedule, result: Result) -> None:
    """Play the page's two days, poll by poll, as `importer/poll.py` plans them."""
    tick = plan.interval.total_seconds()
    changes = sorted([*page.written, *_answers(page.written)])
    calls: deque[float] = deque()
    active_at: datetime | None = None
    seen = shown = 0  # of the changes, and of what customers wrote
    was_refused = False
    now = 0.0
    result.pages += 1
    while now < 2 * DAY_SECONDS:
        while calls and calls[0] <= now - DAY_SECONDS:
            calls.popleft()
        if len(calls) >= page.allowed:
            was_refused |= now >= DAY_SECONDS
            now = _next_tick(calls[0] + DAY_SECONDS, tick)
            continue
        moment = MIDNIGHT + timedelta(seconds=now)
        before = seen
        while seen < len(changes) and changes[seen] <= now:
            seen += 1
        while shown < len(page.written) and page.written[shown] <= now:
            if page.written[shown] >= DAY_SECONDS:
                result.delays.append(now - page.written[shown])
            shown += 1
        if seen > before:
            active_at = moment
        calls.append(now)
        result.calls += now >= DAY_SECONDS
        percent = 100 * len(calls) // page.allowed
        due = plan.next_poll_at(
            moment,
            active_at=active_at,
            spare=throttle(usage_percent=percent, calls_of_day=len(calls)),
        )
        now = now + tick if due is None else _next_tick((due - MIDNIGHT).total_seconds(), tick)
    result.throttled += was_refused


def _answers(written: Iterable[float]) -> Iterator[float]:
    """A reply to each burst: what comes within its buffer belongs to it."""
    last = -math.inf
    for moment in written:
        if moment - last > ANSWERED_AFTER and last > 0:
            yield last + ANSWERED_AFTER
        last = moment
    if last > 0:
        yield last + ANSWERED_AFTER


def _next_tick(moment: float, tick: float) -> float:
    return math.ceil(moment / tick) * tick


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.pages", description=TITLE)
    parser.add_argument("--size", type=int, default=SIZE, help="pages")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    print_table(f"pages: {TITLE}, seed {asked.seed}", measure(asked.size, asked.seed))


if __name__ == "__main__":
    main()
