"""Row-level security: a confined session meets one workspace, whatever its queries forget."""

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from shoptalk.db.engine import Database
from shoptalk.db.models import Base, ChannelIntegration, Conversation, Message, Workspace
from shoptalk.db.row_security import ROLE, confine
from tests.db.rows import customer_writes, open_channel, store, thread

SHARED = {"circuits"}


@pytest.fixture
def shops(database: Database) -> tuple[ChannelIntegration, ChannelIntegration]:
    ours = open_channel(database, workspace="ours", account="a")
    theirs = open_channel(database, workspace="theirs", account="b")
    store(database, ours, thread(customer_writes("mine", text="ours to read")))
    store(database, theirs, thread(customer_writes("foreign", text="not ours")))
    return ours, theirs


def test_every_table_of_a_workspaces_rows_is_confined(database: Database) -> None:
    with database.transaction() as session:
        confined = set(
            session.scalars(
                text("""
                    SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
                    WHERE relrowsecurity
                """)
            )
        )
    assert set(Base.metadata.tables) - confined == SHARED


def test_a_confined_session_reads_its_own_workspace_though_its_query_names_none(
    database: Database, shops: tuple[ChannelIntegration, ChannelIntegration]
) -> None:
    ours, _ = shops
    with database.transaction() as session:
        confine(session, ours.workspace_id)
        assert session.scalars(select(Message.content)).all() == ["ours to read"]
        assert session.scalars(select(Workspace.name)).all() == ["ours"]
        assert session.scalars(select(ChannelIntegration.external_id)).all() == ["a"]


def test_it_changes_and_deletes_nothing_of_another(
    database: Database, shops: tuple[ChannelIntegration, ChannelIntegration]
) -> None:
    ours, theirs = shops
    with database.transaction() as session:
        confine(session, ours.workspace_id)
        session.execute(update(Conversation).values(customer_name="Changed"))
        session.execute(delete(Message))
    planted = insert(ChannelIntegration).values(
        workspace_id=theirs.workspace_id,
        channel="facebook",
        external_id="c",
        display_name="Planted",
        config="sealed",
        connected_at=func.now(),
    )
    with database.transaction() as session:
        confine(session, ours.workspace_id)
        with pytest.raises(ProgrammingError, match="row-level security"):
            session.execute(planted)
        session.rollback()
    with database.transaction() as session:
        assert session.scalars(select(Message.message_id)).all() == ["foreign"]
        names = dict(
            session.execute(select(Conversation.workspace_id, Conversation.customer_name)).all()
        )
    assert names[ours.workspace_id] == "Changed"
    assert names[theirs.workspace_id] != "Changed"


def test_the_confinement_ends_with_its_transaction(
    database: Database, shops: tuple[ChannelIntegration, ChannelIntegration]
) -> None:
    ours, _ = shops
    for _ in range(3):  # whichever connection of the pool it was
        with database.transaction() as session:
            confine(session, ours.workspace_id)
        with database.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Message)) == 2


def test_a_confined_role_without_a_workspace_sees_nothing(
    database: Database, shops: tuple[ChannelIntegration, ChannelIntegration]
) -> None:
    with database.transaction() as session:
        session.execute(text(f"SET LOCAL ROLE {ROLE}"))
        assert session.scalar(select(func.count()).select_from(Message)) == 0
