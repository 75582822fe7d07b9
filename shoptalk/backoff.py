"""How long to wait before trying again: longer each time, and not all at the same moment."""

import random
from collections.abc import Sequence
from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_exponential_jitter


def backoff(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The wait after so many failures in a row, from 1 on; a fifth of `first` is jitter."""
    strategy = wait_exponential_jitter(
        multiplier=first.total_seconds(),
        max=longest.total_seconds(),
        jitter=first.total_seconds() / 5,
    )
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = max(1, failures)
    return timedelta(seconds=strategy(state))


def stepped(failures: int, steps: Sequence[timedelta]) -> timedelta:
    """The wait after so many failures in a row, from 1 on; up to a fifth more is jitter."""
    step = steps[min(max(1, failures), len(steps)) - 1]
    return step * random.uniform(1, 1.2)  # noqa: S311 - spreads load, hides nothing
