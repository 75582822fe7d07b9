"""Whether the schema fits the program, and bringing it there."""

import time
from typing import TYPE_CHECKING

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import NotSupportedError, OperationalError, ProgrammingError

from shoptalk.db.engine import Database
from shoptalk.db.outage import reason
from shoptalk.errors import UsageError

if TYPE_CHECKING:
    from alembic.config import Config

#: oldest first; kept here so that a check need not load Alembic
REVISIONS = tuple(f"{number:04}" for number in range(1, 14))
HEAD = REVISIONS[-1]
WAIT_SECONDS = 0.1  #: between two looks whether another upgrade has ended
UPGRADE_LOCK = 0x73686F70  #: any constant; two upgrades at once wait for each other on it
OLDEST_SERVER = 14  #: the oldest that its makers still mend

_WHAT_IT_IS = text("""
    SELECT current_setting('server_encoding'), current_setting('server_version_num'),
        to_regclass('alembic_version')
""")
_NO_RIGHTS = (
    "The user of DATABASE_URL may not use this database as shoptalk must: {reason}. "
    "Make it the owner of the database, or give it CREATE and USAGE on the schema public."
)


def current_revision(database: Database) -> str | None:
    """The schema's revision; None for an empty database.

    Raises:
        UsageError: the database does not answer, or cannot hold what customers write.
    """
    try:
        with database.engine.connect() as connection:
            encoding, version, table = connection.execute(_WHAT_IT_IS).one()
            _refuse_unfit(encoding, int(version))
            if table is None:
                return None
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as exc:
        if not isinstance(exc.orig, InsufficientPrivilege):
            raise _unreachable(exc) from None
        raise UsageError(_NO_RIGHTS.format(reason=reason(exc))) from None
    except (OperationalError, NotSupportedError, UnicodeError) as exc:
        raise _unreachable(exc) from None
    return None if revision is None else str(revision)


def _refuse_unfit(encoding: str, version: int) -> None:
    if version < OLDEST_SERVER * 10_000:
        raise UsageError(
            f"The database server is PostgreSQL {version // 10_000}: "
            f"shoptalk needs {OLDEST_SERVER} or newer."
        )
    if encoding != "UTF8":
        raise UsageError(
            f"The database has the encoding {encoding}, which cannot hold all that customers "
            "write: make one with CREATE DATABASE shoptalk ENCODING 'UTF8' TEMPLATE template0, "
            "and name it in DATABASE_URL."
        )


def _unreachable(error: Exception) -> UsageError:
    return UsageError(f"The database cannot be reached: {reason(error)}")


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
        except ProgrammingError as exc:
            if not isinstance(exc.orig, InsufficientPrivilege):
                raise
            raise UsageError(_NO_RIGHTS.format(reason=reason(exc))) from None
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
