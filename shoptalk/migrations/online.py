"""Changing the schema beside writers: no statement holds, or waits for, a lock for long.

A statement that must wait for a lock lets nobody behind it pass. So each one gives up after
`LOCK_TIMEOUT_MS`, and is tried again. Rows are filled in batches, each a transaction of its own.
Every step may be run again: an upgrade that died half way is simply repeated.
"""

import time
from collections.abc import Sequence

from alembic import op
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

LOCK_TIMEOUT_MS = 100
WAIT_SECONDS = 0.2  #: between two tries, so that writers who queued meanwhile get through
MOST_TRIES = 1500  #: some seven minutes
BATCH = 5000  #: rows; some 50 ms


def run(*statements: str) -> None:
    """Run each statement in a transaction of its own, however often another holds its lock.

    Raises:
        OperationalError: another transaction held the lock for minutes.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
        try:
            for statement in statements:
                _run(connection, statement)
        finally:
            connection.execute(text("RESET lock_timeout"))


def _run(connection: Connection, statement: str) -> None:
    for tries_left in range(MOST_TRIES, 0, -1):
        try:
            connection.execute(text(statement))
        except OperationalError as exc:
            if not isinstance(exc.orig, LockNotAvailable) or tries_left == 1:
                raise
            time.sleep(WAIT_SECONDS)
        else:
            return


def fill(table: str, assignment: str, *, missing: str) -> None:
    """Set what `missing` finds, by ranges of ids.

    Args:
        assignment: SET and what follows of an UPDATE of `table`, up to its WHERE.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        last = connection.scalar(text(f"SELECT max(id) FROM {table}")) or 0  # noqa: S608
        for first in range(0, last + 1, BATCH):
            connection.execute(
                text(
                    f"UPDATE {table} SET {assignment} AND {table}.id >= {first}"  # noqa: S608
                    f" AND {table}.id < {first + BATCH} AND {table}.{missing}"
                )
            )


def require(table: str, column: str) -> None:
    """Make a column NOT NULL. The table is scanned without a lock that writers wait for."""
    check = f"ck_{table}_{column}_is_set"
    run(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}",
        f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}",
        f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",  # believes the check
        f"ALTER TABLE {table} DROP CONSTRAINT {check}",
    )


def make_unique(table: str, columns: Sequence[str]) -> None:
    """Add a unique constraint whose index was built beside writers."""
    name = f"uq_{table}_{'_'.join(columns)}"
    is_there = op.get_bind().scalar(
        text("SELECT count(*) FROM pg_constraint WHERE conname = :name"), {"name": name}
    )
    if not is_there:
        run(
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",  # one that was begun is not valid
            f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({', '.join(columns)})",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}",
        )


def replace_foreign_key(table: str, columns: Sequence[str], referred: str, *, name: str) -> None:
    """Give the foreign key `name` other columns: they refer to `id` and the same in `referred`."""
    there = ", ".join(["id", *columns[1:]])
    run(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}_new",
        f"ALTER TABLE {table} ADD CONSTRAINT {name}_new FOREIGN KEY ({', '.join(columns)}) "
        f"REFERENCES {referred} ({there}) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}_new",
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}",
        f"ALTER TABLE {table} RENAME CONSTRAINT {name}_new TO {name}",
    )
