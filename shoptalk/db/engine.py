"""The way into the database: one pool a process, short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from shoptalk.errors import UsageError

DRIVER = "postgresql+psycopg://"


@dataclass(frozen=True, slots=True)
class Database:
    """A pool and the sessions from it. Objects stay readable after their transaction."""

    engine: Engine
    _sessions: sessionmaker[Session]

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def connect(url: str, *, pool_size: int = 5) -> Database:
    """Make a pool; nothing is contacted yet.

    Args:
        url: postgresql:// (or postgres://) with whatever parameters libpq knows.
        pool_size: connections kept; as many again may be opened for a moment.
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
            max_overflow=pool_size,
            pool_pre_ping=True,  # a restarted server costs one ping, not one failed statement
            connect_args={"connect_timeout": 5, "options": "-c timezone=UTC"},
        )
    except (ArgumentError, ValueError):
        raise UsageError("DATABASE_URL cannot be understood as a PostgreSQL address.") from None
    return Database(engine, sessionmaker(engine, expire_on_commit=False))
