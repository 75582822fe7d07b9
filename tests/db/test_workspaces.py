"""Workspaces never meet: every row says to which it belongs, and its parent belongs to the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shoptalk.db import schema
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Base, Message
from tests.db.rows import customer_writes, open_channel, store, thread
from tests.db.test_schema import empty_database
from tests.patience import eventually

SHARED = {"workspaces", "circuits", "alembic_version"}  #: tables of no workspace's own


def test_every_table_of_a_workspaces_rows_says_whose_they_are() -> None:
    lacking = [
        name
        for name, table in Base.metadata.tables.items()
        if name not in SHARED and "workspace_id" not in table.columns
    ]
    assert lacking == []


def test_a_message_cannot_belong_to_another_workspace_than_its_conversation(
    database: Database,
) -> None:
    ours = open_channel(database, workspace="ours", account="a")
    theirs = open_channel(database, workspace="theirs", account="b")
    store(database, ours, thread(customer_writes("m1")))
    with database.transaction() as session:
        [message] = session.query(Message).all()
        assert message.workspace_id == ours.workspace_id
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(
            text("UPDATE messages SET workspace_id = :other"), {"other": theirs.workspace_id}
        )
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(
            text("UPDATE conversations SET workspace_id = :other"), {"other": theirs.workspace_id}
        )


@pytest.fixture
def before(server: EmbeddedServer) -> Iterator[Database]:
    """A database of the revision before, with a message that the old code stored."""
    with empty_database(server) as database:
        _upgrade(database, "0009")
        with database.transaction() as session:
            session.execute(text("INSERT INTO workspaces (name) VALUES ('first'), ('second')"))
            session.execute(
                text("""
                    INSERT INTO channel_integrations (workspace_id, channel, external_id,
                        display_name, config, connected_at)
                    SELECT id, 'facebook', name, name, 'sealed', now() FROM workspaces
                """)
            )
            session.execute(
                text("""
                    INSERT INTO conversations (channel_integration_id, workspace_id, customer_id,
                        thread_id, platform, channel)
                    SELECT id, workspace_id, 'c', 't', channel, channel FROM channel_integrations
                """)
            )
        _old_code_stores(database, "before")
        yield database


def test_an_upgrade_fills_in_whose_old_messages_are(before: Database) -> None:
    schema.upgrade(before)
    assert _whose(before) == [("before_1", 1), ("before_2", 2)]


def test_the_code_before_may_store_messages_after_the_upgrade(before: Database) -> None:
    schema.upgrade(before)
    _old_code_stores(before, "after")
    assert _whose(before)[:2] == [("after_1", 1), ("after_2", 2)]


def test_an_upgrade_that_was_cut_off_half_way_is_simply_repeated(
    before: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise ConnectionAbortedError

    for step in ("fill", "require", "replace_foreign_key"):
        with monkeypatch.context() as patch:
            patch.setattr(f"shoptalk.migrations.online.{step}", cut_off)
            with pytest.raises(ConnectionAbortedError):
                schema.upgrade(before)
        assert schema.current_revision(before) == "0009"
    assert schema.upgrade(before) == schema.HEAD
    assert _whose(before) == [("before_1", 1), ("before_2", 2)]


def test_writers_get_through_while_an_upgrade_waits_for_a_long_reader(before: Database) -> None:
    """A statement that waited for its lock in the queue would hold up every writer behind it."""
    with ThreadPoolExecutor(1) as pool, before.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM messages"))  # its lock stays until it ends
        upgrade = pool.submit(schema.upgrade, before)
        eventually(lambda: _is_waiting_for_lock(before))
        for number in range(20):
            with before.transaction() as session:
                session.execute(text("SET LOCAL lock_timeout = '5s'"))
                _insert(session, f"meanwhile_{number}")
        assert not upgrade.done()
        reader.rollback()
        assert upgrade.result() == schema.HEAD
    assert len(_whose(before)) == 2 + 20 * 2


def _upgrade(database: Database, revision: str) -> None:
    with database.engine.connect() as connection:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _old_code_stores(database: Database, name: str) -> None:
    with database.transaction() as session:
        _insert(session, name)


def _insert(session: Session, name: str) -> None:
    session.execute(
        text("""
            INSERT INTO messages (conversation_id, message_id, content, sender_type, is_old,
                created_at, imported_at, sequence_no)
            SELECT id, :name || '_' || id, 'Hello', 'customer', false, now(), now(), 1
            FROM conversations
        """),
        {"name": name},
    )


def _whose(database: Database) -> list[tuple[str, int]]:
    question = "SELECT message_id, workspace_id FROM messages ORDER BY message_id"
    with database.transaction() as session:
        return [(row.message_id, row.workspace_id) for row in session.execute(text(question))]


def _is_waiting_for_lock(database: Database) -> bool:
    question = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
    with database.transaction() as session:
        return bool(session.scalar(text(question)))
