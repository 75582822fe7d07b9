"""The sandbox's clock: real time plus an offset, a quicker time, or a still instant.

Windows, limits, token expiry, cursors and every `Date` header read this clock and no other,
so that a test can let a day pass without waiting for it.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any


class SandboxClock:
    """Runs with real time until it is set or frozen."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._origin = self._shows = datetime.now(UTC)
        self._rate = 1.0
        self._frozen_at: datetime | None = None

    @property
    def is_frozen(self) -> bool:
        return self._frozen_at is not None

    def now(self) -> datetime:
        """Return the sandbox's present, aware and in UTC."""
        with self._lock:
            return self._now()

    def set(self, at: datetime) -> None:
        """Jump to `at`; a running clock runs on from there, a frozen one stands there."""
        with self._lock:
            self._jump(_aware(at))

    def freeze(self, at: datetime | None = None) -> None:
        """Stand still, at `at` or at the present."""
        with self._lock:
            self._frozen_at = _aware(at) if at is not None else self._now()

    def advance(self, by: timedelta) -> None:
        """Jump by `by`, which may be negative: servers' clocks are corrected too."""
        with self._lock:
            self._jump(self._now() + by)

    def run(self, rate: float = 1.0) -> None:
        """Go on from wherever the clock stands, `rate` times as fast as real time."""
        with self._lock:
            now = self._now()
            self._frozen_at, self._rate = None, rate
            self._jump(now)

    def reset(self) -> None:
        """Show real time again."""
        with self._lock:
            self._origin = self._shows = datetime.now(UTC)
            self._frozen_at, self._rate = None, 1.0

    def as_json(self) -> dict[str, Any]:
        return {"now": self.now().isoformat(), "is_frozen": self.is_frozen}

    def _now(self) -> datetime:
        return self._frozen_at or self._shows + (datetime.now(UTC) - self._origin) * self._rate

    def _jump(self, at: datetime) -> None:
        if self._frozen_at is not None:
            self._frozen_at = at
        else:
            self._origin, self._shows = datetime.now(UTC), at


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone, e.g. 2026-10-04T09:15:42+00:00")
    return at.astimezone(UTC)
