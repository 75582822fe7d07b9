"""The way into the database: one pool a process, short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from shoptalk.errors import UsageError

DRIVER = "postgresql+psycopg://"
PING_AFTER_SECONDS = 1.0
SPARE_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class Database:
    """A pool and the sessions from it. Objects stay readable after their transaction."""

    engine: Engine
    _sessions: sessionmaker[Session]
    _reading: sessionmaker[Session]

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session without a transaction, for reads that need not agree with each other.

        Each statement is one round trip, where a transaction takes two more.
        """
        with self._reading() as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def connect(url: str, *, pool_size: int = 5) -> Database:
    """Make a pool; nothing is contacted yet.

    Args:
        url: postgresql:// (or postgres://) with whatever parameters libpq knows.
        pool_size: connections kept; a few more may be opened for a moment.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise UsageError(
            "DATABASE_URL must begin with postgresql://, as in postgresql://user:password@host/name."
        )
    try:
        engine = create_engine(
            DRIVER + rest,
            pool_size=pool_size,
            max_overflow=SPARE_CONNECTIONS,
            connect_args={"connect_timeout": 5, "client_encoding": "utf8"},
        )
    except (ArgumentError, ValueError):
        raise UsageError("DATABASE_URL cannot be understood as a PostgreSQL address.") from None
    _speak_utc(engine)
    _ping_after_idling(engine)
    return Database(
        engine,
        sessionmaker(engine, expire_on_commit=False),
        sessionmaker(
            engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        ),
    )


def _speak_utc(engine: Engine) -> None:
    """By a statement: a pooler refuses `options` among the parameters of a connection."""

    @event.listens_for(engine, "connect")
    def set_zone(connection: psycopg.Connection[Any], _record: ConnectionPoolEntry) -> None:
        before, connection.autocommit = connection.autocommit, True  # no rollback undoes it
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = before


def _ping_after_idling(engine: Engine) -> None:
    """A restarted server costs one ping, not one failed statement; a busy connection costs none."""

    @event.listens_for(engine, "checkin")
    def note_use(_dbapi_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if monotonic() - record.info.get("used_at", monotonic()) < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as exc:
            raise DisconnectionError from exc  # the pool then makes another
