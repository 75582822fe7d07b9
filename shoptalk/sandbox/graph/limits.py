"""The meters that Meta runs for each account. All of them read the sandbox's clock.

A call made while blocked still counts, so hammering prolongs the block.
"""

from collections import deque
from datetime import datetime, timedelta

DAY = timedelta(days=1)
CALLS_PER_ENGAGED_USER = 200  # a rolling day
JITTER = timedelta(milliseconds=50)  # forgiven: calls paced exactly arrive a little uneven
PAIR_INTERVAL = timedelta(seconds=6)
PAIR_BURST = 45


class RateWindow:
    """At most so many calls in any second."""

    def __init__(self) -> None:
        self._times: deque[datetime] = deque()

    def allows(self, now: datetime, per_second: int) -> bool:
        """Count one call and say whether it was within the limit."""
        horizon = now - timedelta(seconds=1) + JITTER
        times = self._times
        while times and (times[0] <= horizon or times[0] > now):
            times.popleft()
        times.append(now)
        while len(times) > per_second + 1:  # older ones cannot change the verdict
            times.popleft()
        return len(times) <= per_second


class DailyBudget:
    """Calls of a rolling day, kept in minutes so that a busy day stays small."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[datetime, int]] = deque()
        self.total = 0  #: within the rolling day, as of the last call

    def add(self, now: datetime, calls: int = 1) -> None:
        minute = now.replace(second=0, microsecond=0)
        self._forget(now)
        if self._minutes and self._minutes[-1][0] == minute:
            minute, before = self._minutes.pop()
            self._minutes.append((minute, before + calls))
        else:
            self._minutes.append((minute, calls))
        self.total += calls

    def minutes_until_below(self, now: datetime, limit: int) -> int:
        """Return after how many minutes `limit` has room again; 0 when it has now."""
        excess = self.total - limit
        if excess < 0:
            return 0
        for minute, calls in self._minutes:
            excess -= calls
            if excess < 0:
                return max(1, int((minute + DAY - now) / timedelta(minutes=1)) + 1)
        return int(DAY / timedelta(minutes=1))

    def _forget(self, now: datetime) -> None:
        while self._minutes and self._minutes[0][0] <= now - DAY:
            self.total -= self._minutes.popleft()[1]


class PairLimit:
    """One message per six seconds to the same person, 45 of them borrowed from later."""

    def __init__(self) -> None:
        self._debts: dict[str, tuple[datetime, float]] = {}

    def allows(self, now: datetime, recipient: str) -> bool:
        since, debt = self._debts.get(recipient, (now, 0.0))
        debt = max(0.0, debt - (now - since) / PAIR_INTERVAL)
        if debt + 1 > PAIR_BURST:
            return False
        self._debts[recipient] = (now, debt + 1)
        return True


class Meters:
    """Everything counted for one account."""

    def __init__(self) -> None:
        self.reads = RateWindow()
        self.sends = RateWindow()
        self.budget = DailyBudget()
        self.pairs = PairLimit()
        self.calls = 0  #: since the account was added; usage headers come once there were enough
