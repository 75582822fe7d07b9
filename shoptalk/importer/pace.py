"""Spacing calls so that an account stays inside its allowance a second."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets one caller through every `1 / per_second` seconds; 0 lets everyone through.

    Shared by the threads that read the same account: each takes the next free moment and waits
    for it, so none starves.
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

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self.sleep(turn - now)
