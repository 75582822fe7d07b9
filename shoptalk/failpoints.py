"""Named points at which a test can kill the process, to prove that no instant is a bad one.

`failpoint(NAME)` does nothing unless that point was armed; then the process dies there as by
`kill -9`: no clean-up, no flush, no goodbye.
"""

import os
import signal
import threading

POINTS = frozenset(
    {
        "import.page_read",
        "import.before_store",
        "import.in_transaction",
        "import.after_store",
        "history.page_stored",
        "reply.gathered",
        "reply.claimed",
        "reply.context_read",
        "reply.model_answered",
        "order.in_transaction",
        "order.committed",
        "reply.in_write_down",
        "reply.written_down",
        "send.marked",
        "send.answered",
        "send.recorded",
        "reply.in_close",
        "reply.closed",
    }
)

#: in the first start of the embedded server
START_POINTS = frozenset(
    {
        "embedded.folder_made",
        "embedded.cluster_made",
        "embedded.place_cleared",
        "embedded.cluster_in_place",
        "embedded.started",
    }
)

_armed: dict[str, int] = {}
_lock = threading.Lock()


def arm(name: str, *, passes: int = 1) -> None:
    """Die when `name` is reached for the `passes`-th time from now.

    Raises:
        KeyError: there is no such point.
    """
    if name not in POINTS | START_POINTS:
        raise KeyError(name)
    with _lock:
        _armed[name] = passes


def failpoint(name: str) -> None:
    if _armed:
        _count_down(name)


def _count_down(name: str) -> None:
    with _lock:
        left = _armed.get(name)
        if left is None:
            return
        _armed[name] = left - 1
        if left <= 1:
            os.kill(os.getpid(), signal.SIGKILL)
