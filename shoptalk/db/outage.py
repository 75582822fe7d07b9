"""That the database is out of reach: recognised, told once a minute, and told when it is over."""

import logging
import threading
from datetime import datetime, timedelta

import psycopg
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError

from shoptalk.types import Clock

log = logging.getLogger(__name__)

TOLD_EVERY = timedelta(minutes=1)


def reason(error: Exception) -> str:
    """What the server or libpq says, in one line."""
    said = str(getattr(error, "orig", None) or ("" if isinstance(error, DBAPIError) else error))
    lines = [line.strip() for line in said.splitlines()]
    # libpq closes with questions to the reader; the reason stands before them. A refused statement
    # is shown below its reason.
    if lines and any(line.startswith("LINE ") for line in lines):
        return lines[0]
    return next((line for line in lines[::-1] if line and not line.endswith("?")), "no answer")


def is_outage(error: BaseException) -> bool:
    """Whether the database does not answer, or not now: the same may be tried again."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(
        error, OperationalError | InterfaceError | DisconnectionError | psycopg.OperationalError
    )


class Outage:
    """What a process that goes on trying says of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at: datetime | None = None
        self._told_at: datetime | None = None

    def tell(self, error: BaseException) -> bool:
        """Whether it is one; said at once, and then each minute."""
        if not is_outage(error):
            return False
        with self._lock:
            now = self._clock()
            self._began_at = self._began_at or now
            if self._told_at is not None and now - self._told_at < TOLD_EVERY:
                return True
            self._told_at = now
            seconds = round((now - self._began_at).total_seconds())
        assert isinstance(error, Exception)
        log.error(
            "the database does not answer and is tried again",
            extra={"reason": reason(error), "seconds": seconds},
        )
        return True

    def is_over(self) -> None:
        """The database has answered."""
        with self._lock:
            if self._began_at is None:
                return
            seconds = round((self._clock() - self._began_at).total_seconds())
            self._began_at = self._told_at = None
        log.info("the database answers again", extra={"seconds": seconds})
