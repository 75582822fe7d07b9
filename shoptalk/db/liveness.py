"""Who is alive: a lock in the database that lives and dies with the process that holds it.

A claim names its claimant, and a claimant's lock goes the moment its connection does, also by
`kill -9`. So what a dead process had begun is taken over at once, and not when its claim lapses.
A claim is only ever taken over from somebody whose lock is gone *or* whose time is up; that a
claimant may be wrongly thought dead (its connection broke, it did not) costs a lost claim, which
every later write checks, and never a second reply.
"""

import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from socket import gethostname

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

LOCK_CLASS = 0x7374  #: the first half of all our presence locks
WORK_CLASS = 0x7375  #: and of the locks on pieces of work
NAME = "shoptalk: "

#: Whether the claimant named in a row no longer holds its lock; for `WHERE`. The locks are read
#: after the row, so that a claim made meanwhile cannot look like a dead one's.
CLAIMANT_IS_GONE = f"""split_part(claimed_by, ':', 1) NOT IN (
    SELECT objid::text FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {LOCK_CLASS} AND granted
)"""  # noqa: S608


class Liveness:
    """One process's lock. `name` begins with the lock's number.

    Args:
        what: it does, for those who look who is there.
    """

    def __init__(self, engine: Engine, what: str = "a command") -> None:
        self._what = what
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._key = 0

    def name(self) -> str:
        """Our name for a claim, after making sure that the lock is held.

        A lock that was lost is replaced by one of another number: what was claimed under the old
        one is up for anybody, ourselves included.
        """
        with self._lock:
            if self._connection is not None and not self._answers(self._connection):
                self._connection = None  # also when there is none to be had just now
            self._connection = self._connection or self._take()
            return f"{self._key}:{secrets.token_hex(4)}"

    @contextmanager
    def alone_at(self, work: int) -> Iterator[bool]:
        """Whether no other process is at a piece of work; it is ours until the block ends.

        Args:
            work: its number, below 2**31. Two threads of one process are not told apart.
        """
        self.name()
        numbers = {"class": WORK_CLASS, "key": work}
        is_ours = bool(self._ask("SELECT pg_try_advisory_lock(:class, :key)", numbers))
        try:
            yield is_ours
        finally:
            if is_ours:
                self._ask("SELECT pg_advisory_unlock(:class, :key)", numbers)

    def _ask(self, question: str, values: Mapping[str, int]) -> object:
        with self._lock:
            return self._connection and self._connection.scalar(text(question), values)

    def leave(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None

    def _take(self) -> Connection:
        self._key = secrets.randbelow(2**31)
        connection = self._engine.connect()
        connection.execute(
            text("SELECT set_config('application_name', :name, false)"),
            {"name": f"{NAME}{self._what} {gethostname()}:{os.getpid()}"[:63]},
        )
        connection.execute(
            text("SELECT pg_advisory_lock(:class, :key)"),
            {"class": LOCK_CLASS, "key": self._key},
        )
        return connection

    def _answers(self, connection: Connection) -> bool:
        try:
            connection.execute(text("SELECT 1"))
        except DBAPIError:
            connection.invalidate()
            connection.close()
            return False
        return True


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """A process that answers or imports, and since when."""

    what: str  #: with its machine and process id
    since: datetime


_PRESENT = text("""
    SELECT substr(activity.application_name, length(:name) + 1) AS what,
        activity.backend_start AS since
    FROM pg_stat_activity AS activity
    WHERE starts_with(activity.application_name, :name)
      AND activity.datname = current_database()
    ORDER BY activity.backend_start
""")


def live_processes(session: Session) -> Sequence[LiveProcess]:
    """Everybody who holds a lock of presence now. The server itself knows: no row to go stale."""
    return [LiveProcess(row.what, row.since) for row in session.execute(_PRESENT, {"name": NAME})]
