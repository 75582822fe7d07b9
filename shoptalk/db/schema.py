"""Whether the schema fits the program, and bringing it there."""

import time
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from shoptalk.db.engine import Database
from shoptalk.errors import UsageError

if TYPE_CHECKING:
    from alembic.config import Config

#: oldest first; kept here so that a check need not load Alembic
REVISIONS = tuple(f"{number:04}" for number in range(1, 13))
HEAD = REVISIONS[-1]
WAIT_SECONDS = 0.1  #: between two looks whether another upgrade has ended
UPGRADE_LOCK = 0x73686F70  #: any constant; two upgrades at once wait for each other on it


def current_revision(database: Database) -> str | None:
    """The schema's revision; None for an empty database.

    Raises:
        UsageError: the database does not answer.
    """
    try:
        with database.engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (OperationalError, ProgrammingError) as exc:  # no answer, or an address it cannot use
        said = [line.strip() for line in str(exc.orig or "").splitlines()]
        # libpq closes with questions to the reader; the reason stands before them
        reason = next((line for line in said[::-1] if line and not line.endswith("?")), "no answer")
        raise UsageError(f"The database cannot be reached: {reason}") from None
    return None if revision is None else str(revision)


def check(database: Database) -> None:
    """Raise UsageError unless the schema is exactly the program's."""
    revision = current_revision(database)
    if revision == HEAD:
        return
    if revision is not None and revision not in REVISIONS:
        raise UsageError(
            f"The database schema ({revision}) is newer than this shoptalk ({HEAD}): "
            "upgrade shoptalk on this machine."
        )
    raise UsageError("The database schema is missing or old: run `shoptalk db upgrade`.")


def upgrade(database: Database) -> str:
    """Create or migrate the schema; return its revision. Safe to run twice at once."""
    revision = current_revision(database)
    if revision is not None and revision not in REVISIONS:
        check(database)
    from alembic import command

    with database.engine.connect() as connection:
        _wait_for_upgrade_lock(connection)
        try:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": UPGRADE_LOCK})
            connection.commit()
    return HEAD


def _wait_for_upgrade_lock(connection: Connection) -> None:
    """Asked for again and again, in short transactions: an index that is built concurrently
    waits for every transaction that is open, also for one that waits for this lock.
    """
    question = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.scalar(question, {"key": UPGRADE_LOCK}):
        connection.commit()
        time.sleep(WAIT_SECONDS)
    connection.commit()


def alembic_config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "shoptalk:migrations")
    return config
