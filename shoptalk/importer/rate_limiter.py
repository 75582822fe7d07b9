"""Spacing calls so that an account stays inside its allowance a second."""

import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Lets one caller through every `1 / per_second` seconds; 0 lets everyone through.

    Shared by the threads that read the same account: each takes the next free moment and waits
    for it, so none starves. Who waits politely comes after all others.
    """

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._monotonic = monotonic
        self.sleep = sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, *, politely: bool = False) -> None:
        """Wait for the next free moment; politely, for one that nobody else waits for."""
        if not self._gap:
            return
        while (delay := self._take(only_free=politely)) is not None:
            self.sleep(delay)
            if not politely:
                return

    def _take(self, *, only_free: bool) -> float | None:
        """Take the next moment, or with `only_free` this one; seconds to wait, None: none."""
        with self._lock:
            now = self._monotonic()
            delay = self._next - now
            if delay <= 0 or not only_free:
                self._next = max(now, self._next) + self._gap
            return delay if delay > 0 else None
