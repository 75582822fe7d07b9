"""Waking whoever is at work when a message came by another way than polling.

A wake-up is a NOTIFY in the transaction that stores the message: it is heard when that commits,
by every process that listens, and never for what was rolled back. It carries ids, no text. It may
be lost: nobody listens, or the connection is gone. The tick finds what a wake-up would have said.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from shoptalk.backoff import backoff
from shoptalk.db.outage import is_outage, reason

log = logging.getLogger(__name__)

NAME = "shoptalk_wakeup"  #: PostgreSQL's channel, not one of ours
LOOKS_UP_EVERY = 0.5  #: seconds; how long stopping may take
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=30)

#: A connection that only listens notices by these that the network is gone.
_KEEPALIVES: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class WakeupKind(StrEnum):
    POLL = "poll"  #: the channel's platform has something new
    REPLY = "reply"  #: something new of the channel is stored


@dataclass(frozen=True, slots=True)
class Wakeup:
    kind: WakeupKind
    channel_id: int

    @property
    def payload(self) -> str:
        return f"{self.kind} {self.channel_id}"

    @classmethod
    def find(cls, payload: str) -> "Wakeup | None":
        """None for what is none of ours: anybody who may connect may notify."""
        kind, _, number = payload.partition(" ")
        if kind not in set(WakeupKind) or not (number.isascii() and number.isdigit()):
            return None
        return cls(WakeupKind(kind), int(number))


def wake(session: Session, wakeup: Wakeup) -> None:
    """Wake when this transaction commits; the same wake-up twice in it is one."""
    session.execute(select(func.pg_notify(NAME, wakeup.payload)))


class Listener:
    """A thread that hears wake-ups over a connection of its own, until an event is set.

    Args:
        on_wakeups: called with what was heard at once; what comes meanwhile is heard after it.
        on_connected: called when wake-ups can be heard (again), to see to what was missed.
        until: set by whoever wants it to end.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        on_wakeups: Callable[[frozenset[Wakeup]], None],
        on_connected: Callable[[], None],
        until: threading.Event,
    ) -> None:
        self._engine = engine
        self._on_wakeups = on_wakeups
        self._on_connected = on_connected
        self._until = until
        self._thread = threading.Thread(target=self._listen_until_told, name="wakeup")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, with what it has called."""
        self._thread.join()

    def _listen_until_told(self) -> None:
        failures = 0
        while not self._until.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {NAME}")
                    if failures:
                        log.info("wake-ups are heard again")
                    failures = 0
                    _whatever_happens(self._on_connected)
                    self._hear(connection)
            except psycopg.Error as exc:
                failures += 1
                if failures == 1:
                    log.warning(
                        "no wake-ups are heard; each tick looks for what is new",
                        extra={"reason": reason(exc)},
                    )
                wait = backoff(failures, first=FIRST_WAIT, longest=LONGEST_WAIT)
                self._until.wait(wait.total_seconds())

    def _connect(self) -> "psycopg.Connection[Any]":
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        return psycopg.connect(*arguments, **{**_KEEPALIVES, **options}, autocommit=True)

    def _hear(self, connection: "psycopg.Connection[Any]") -> None:
        while not self._until.is_set():
            heard = connection.notifies(timeout=LOOKS_UP_EVERY, stop_after=1)
            found = (Wakeup.find(each.payload) for each in heard)
            wakeups = frozenset(wakeup for wakeup in found if wakeup is not None)
            if wakeups:
                _whatever_happens(partial(self._on_wakeups, wakeups))


def _whatever_happens(work: Callable[[], None]) -> None:
    """What goes wrong at work is no reason to stop listening."""
    try:
        work()
    except Exception as exc:
        log.error(
            "a wake-up could not be followed",
            extra={"error": reason(exc) if is_outage(exc) else type(exc).__name__},
            exc_info=log.isEnabledFor(logging.DEBUG),
        )
