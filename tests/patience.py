"""Waiting for what threads and other processes do, on however slow a machine."""

import threading
import time
from collections.abc import Callable

PATIENCE = 90.0  #: seconds; nothing in a test takes as long unless it is broken


def eventually(holds: Callable[[], object]) -> None:
    """Wait until it holds; it is asked often, and the wait is bounded."""
    ends_at = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends_at, "it never came to hold"
        threading.Event().wait(0.01)
