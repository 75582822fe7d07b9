"""The schema: models and migrations agree, upgrades are safe, and what does not fit is said."""

import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text

from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import Base
from shoptalk.errors import UsageError

COLUMNS = """
    SELECT table_name, column_name, data_type, numeric_precision, numeric_scale, is_nullable,
        column_default, is_identity, identity_generation
    FROM information_schema.columns WHERE table_schema = 'public'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""


@contextmanager
def empty_database(server: EmbeddedServer) -> Iterator[Database]:
    """A database of its own on the same server, gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    home = connect(server.url, pool_size=1)
    with home.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as outside:
        outside.execute(text(f"CREATE DATABASE {name}"))
        address = make_url(server.url).set(database=name)
        database = connect(address.render_as_string(hide_password=False))
        yield database
        database.close()
        outside.execute(text(f"DROP DATABASE {name}"))
    home.close()


@pytest.fixture
def empty(server: EmbeddedServer) -> Iterator[Database]:
    with empty_database(server) as database:
        yield database


def facts(database: Database, question: str) -> set[tuple[object, ...]]:
    with database.transaction() as session:
        return {
            tuple(row)
            for row in session.execute(text(question))
            if row[0] != "alembic_version"  # the migrations' own note
        }


@pytest.mark.parametrize(
    "question", [COLUMNS, INDEXES, CONSTRAINTS], ids=["columns", "indexes", "constraints"]
)
def test_models_and_migrations_make_the_same_tables(
    migrated: Database, modelled: Database, question: str
) -> None:
    by_migrations, by_models = facts(migrated, question), facts(modelled, question)
    assert by_migrations - by_models == set()
    assert by_models - by_migrations == set()
    assert {row[0] for row in by_models} == set(Base.metadata.tables)


@pytest.fixture(scope="module")
def modelled(server: EmbeddedServer) -> Iterator[Database]:
    with empty_database(server) as database:
        Base.metadata.create_all(database.engine)
        yield database


def test_the_program_knows_the_revisions_that_there_are() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    oldest_first = [script.revision for script in scripts.walk_revisions()][::-1]
    assert list(schema.REVISIONS) == oldest_first
    assert scripts.get_heads() == [schema.HEAD]


def test_every_migration_says_which_lock_it_takes_and_what_becomes_of_old_code() -> None:
    for script in ScriptDirectory.from_config(schema.alembic_config()).walk_revisions():
        assert re.search(r"Lock: .+ Old code: .+", script.doc, re.DOTALL), script.revision


def test_two_upgrades_at_once_are_safe(empty: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(schema.upgrade, [empty] * 4)) == [schema.HEAD] * 4
    schema.check(empty)


def test_upgrading_again_changes_nothing(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.transaction() as session:
        session.execute(text("INSERT INTO workspaces (name) VALUES ('kept')"))
    before = [facts(empty, question) for question in (COLUMNS, INDEXES, CONSTRAINTS)]
    assert schema.upgrade(empty) == schema.HEAD
    assert [facts(empty, question) for question in (COLUMNS, INDEXES, CONSTRAINTS)] == before
    with empty.transaction() as session:
        assert session.scalar(text("SELECT name FROM workspaces")) == "kept"


def test_an_upgrade_that_fails_lets_the_next_one_in(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.command.upgrade", fail)
        with pytest.raises(RuntimeError, match="half way"):
            schema.upgrade(empty)
    assert schema.upgrade(empty) == schema.HEAD


@pytest.mark.parametrize("step", [schema.check, schema.upgrade])
def test_a_newer_schema_asks_for_a_newer_program(
    empty: Database, step: Callable[[Database], object]
) -> None:
    schema.upgrade(empty)
    with empty.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError) as caught:
        step(empty)
    assert str(caught.value) == (
        f"The database schema (9999) is newer than this shoptalk ({schema.HEAD}): "
        "upgrade shoptalk on this machine."
    )
    assert schema.current_revision(empty) == "9999"


def test_a_missing_schema_names_the_command_that_makes_it(empty: Database) -> None:
    assert schema.current_revision(empty) is None
    with pytest.raises(UsageError, match="missing or old: run `shoptalk db upgrade`"):
        schema.check(empty)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hunter2@127.0.0.1:1/shop",
        "postgres://shop:hunter2@127.0.0.1:1/shop",
        "postgresql:///shop?host=/nowhere&password=hunter2",
        "postgresql://shop:hunter2@127.0.0.1:1/shop?nonsense=1",
        "postgresql://shop:hunter2@127.0.0.1:1/shop?sslmode=nonsense",
        "postgresql://shop:hunter2@127.0.0.1:1/shop?connect_timeout=soon",
    ],
)
@pytest.mark.parametrize("step", [schema.check, schema.upgrade])
def test_an_unreachable_database_is_one_clear_sentence(
    url: str, step: Callable[[Database], object]
) -> None:
    database = connect(url)
    with pytest.raises(UsageError, match=r"^The database cannot be reached: .") as caught:
        step(database)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    database.close()


def test_a_database_that_does_not_exist_is_named(server: EmbeddedServer) -> None:
    database = connect(server.url.replace("/postgres?", "/nobody?"))
    with pytest.raises(UsageError, match=r'The database cannot be reached: .*"nobody"'):
        schema.check(database)
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "localhost/shop",
        "mysql://shop:hunter2@localhost/shop",
        "sqlite:///shop.db",
        "postgresql+asyncpg://shop:hunter2@localhost/shop",
        "postgresql:/localhost/shop",
        "postgresql://shop:hunter2@localhost:port/shop",
        "postgresql://shop:hunter2@localhost:99x/shop",
        "postgresql://[::1/shop",
    ],
)
def test_a_malformed_address_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(UsageError, match=r"^DATABASE_URL ") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@contextmanager
def database_made(server: EmbeddedServer, clause: str) -> Iterator[str]:
    """The address of a database made by CREATE DATABASE with the clause, gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    home = connect(server.url, pool_size=1)
    with home.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as outside:
        outside.execute(text(f"CREATE DATABASE {name} {clause}"))
        try:
            yield make_url(server.url).set(database=name).render_as_string(hide_password=False)
        finally:
            outside.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    home.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
@pytest.mark.parametrize("step", [schema.check, schema.upgrade])
def test_a_database_that_cannot_hold_every_character_is_refused_before_anything_is_made(
    server: EmbeddedServer, encoding: str, step: Callable[[Database], object]
) -> None:
    clause = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with database_made(server, clause) as url:
        database = connect(url)
        with pytest.raises(UsageError) as caught:
            step(database)
        assert f"has the encoding {encoding}" in str(caught.value)
        assert "CREATE DATABASE shoptalk ENCODING 'UTF8' TEMPLATE template0" in str(caught.value)
        assert facts(database, COLUMNS) == set()
        database.close()


def test_a_user_who_may_make_no_tables_is_told_which_rights_are_missing(
    server: EmbeddedServer,
) -> None:
    with database_made(server, "") as url:
        mine = connect(url)
        with mine.transaction() as session:
            session.execute(text("CREATE ROLE guest LOGIN"))
        guest = connect(make_url(url).set(username="guest").render_as_string(hide_password=False))
        try:
            with pytest.raises(UsageError) as caught:
                schema.upgrade(guest)
        finally:
            guest.close()
            with mine.transaction() as session:
                session.execute(text("DROP ROLE guest"))
            mine.close()
    assert "permission denied for schema public" in str(caught.value)
    assert "CREATE and USAGE" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_too_old_is_named(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "OLDEST_SERVER", 999)
    with pytest.raises(UsageError, match=r"is PostgreSQL 18: shoptalk needs 999 or newer\."):
        schema.check(empty)


def test_times_are_read_in_utc_whatever_the_database_prefers(server: EmbeddedServer) -> None:
    """And without the start-up parameter `options`, which PgBouncer refuses."""
    with database_made(server, "") as url:
        database = connect(url)
        with database.transaction() as session:
            name = session.scalar(text("SELECT current_database()"))
            session.execute(text(f"ALTER DATABASE {name} SET timezone = 'Asia/Riyadh'"))
        database.close()
        database = connect(url)
        with database.transaction() as session:
            assert session.scalar(text("SHOW timezone")) == "UTC"
            session.rollback()  # leaves it as it is
        with database.reading() as session:
            assert session.scalar(text("SHOW timezone")) == "UTC"
        with database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            assert "options" not in driver.info.get_parameters()
        database.close()
