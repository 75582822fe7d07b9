"""When a channel is polled next: a hot one every tick, a quiet one slower, none beyond its means.

Platforms count calls over a sliding day and tell which share of the allowance is used up. From
half of it on, what is left is spread over a day: as it shrinks the wait grows, and it is never
used up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: A channel waits this share of the time it has been silent for: a customer who writes after an
#: hour of silence is seen within a minute of it.
WAIT_OF_SILENCE = 1 / 60
EARLY = 0.9  #: of a wait, after which a tick may end it: ticks do not come to the millisecond
SPARE_FROM_PERCENT = 50
LONGEST_SPARING = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """The owner's limits: how often a hot channel is polled, and how seldom a quiet one."""

    interval: timedelta
    longest: timedelta

    @property
    def longest_wait(self) -> timedelta:
        """From one poll to the next, whatever `next_poll_at` is asked."""
        return max(self.interval, self.longest, LONGEST_SPARING)

    def not_before(self, claimed_at: datetime) -> datetime:
        """Until when nobody else polls a channel that is polled now."""
        return claimed_at + self.interval * EARLY

    def next_poll_at(
        self, begun_at: datetime, *, active_at: datetime | None, spare: timedelta = timedelta(0)
    ) -> datetime | None:
        """When to poll again a channel whose poll was begun then; None: with the next tick.

        Args:
            active_at: when something was last seen to change there; None: never yet.
            spare: what its allowance asks for, see `sparing`.
        """
        silence = begun_at - active_at if active_at is not None else timedelta(0)
        quiet = min(silence * WAIT_OF_SILENCE, self.longest)
        if max(quiet, spare) <= self.interval:
            return None
        return begun_at + max(quiet * EARLY, spare)


def throttle(*, usage_percent: int, calls_of_day: int) -> timedelta:
    """The wait from one poll to the next at which an allowance lasts."""
    if usage_percent <= SPARE_FROM_PERCENT:
        return timedelta(0)
    left = calls_of_day * (100 - usage_percent) / usage_percent
    return min(DAY / max(left, 1), LONGEST_SPARING)


EVERY_TICK = PollSchedule(interval=timedelta(0), longest=timedelta(0))
