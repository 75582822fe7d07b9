"""Whatever runs often finds its rows by an index, so that it costs the same in any history."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from benchmarks.history import fill_history
from shoptalk.db.channels import claim_due_channels
from shoptalk.db.conversations import (
    get_conversation,
    get_message,
    last_messages,
    list_conversations,
    list_messages,
)
from shoptalk.db.deliveries import list_deliveries
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Delivery
from shoptalk.db.status import channel_statuses, runs_with_gaps, totals
from shoptalk.db.waiting import backlog, left_to_people
from shoptalk.types import ConversationStatus, Outcome
from tests.loop.shop import KETTLE, Shop, open_shop

MESSAGES = 40_000
LARGE = {
    "messages",
    "conversations",
    "ai_response_queue",
    "deliveries",
    "import_runs",
    "orders",
}
Ran = dict[str, tuple[str, Any]]


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop with a long history, in which nothing waits."""
    with open_shop(server.url, tmp_path) as shop:
        shop.sells(KETTLE)
        shop.opens("facebook")
        shop.imports()
        shop.wait(minutes=5)
        shop.imports()
        fill_history(database, shop.channels()[0].id, MESSAGES, now=shop.now)
        yield shop


@contextmanager
def statements_of(shop: Shop) -> Iterator[Ran]:
    """Each statement that runs in the block, by its text, with the values of its last run."""
    ran: Ran = {}

    def note(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, *_others: Any
    ) -> None:
        ran[statement] = (statement, parameters)

    engine = shop.app.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        event.remove(engine, "before_cursor_execute", note)


def sequential_scans(database: Database, ran: Ran) -> list[str]:
    """The statements that read all of a large table, each with the tables."""
    found = []
    with database.engine.connect() as connection:
        # A table may be small enough here to be read whole at less cost; is there another way?
        connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in ran.values():
            if statement.split()[0] not in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}:
                continue
            explained = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement}", parameters
            ).scalar_one()
            plan = explained if isinstance(explained, list) else json.loads(explained)
            tables = sorted(set(_read_whole(plan[0]["Plan"])) & LARGE)
            if tables:
                found.append(f"{', '.join(tables)}: {' '.join(statement.split())}")
    return found


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _read_whole(child)


def test_a_table_that_is_read_whole_is_seen(shop: Shop, database: Database) -> None:
    with statements_of(shop) as ran, shop.app.database.transaction() as session:
        session.execute(text("SELECT count(*) FROM messages WHERE content LIKE :x"), {"x": "%o%"})
    assert [found.split(":")[0] for found in sequential_scans(database, ran)] == ["messages"]


def test_an_idle_tick_and_a_pass_with_nothing_to_do_read_no_large_table(
    shop: Shop, database: Database
) -> None:
    with statements_of(shop) as ran:
        with shop.app.database.transaction() as session:
            claim_due_channels(session, not_polled=(), now=shop.now, not_before=shop.now, limit=100)
        shop.imports()
        shop.replies()
    assert len(ran) > 10
    assert not sequential_scans(database, ran)


def test_an_answer_from_poll_to_delivery_reads_no_large_table(
    shop: Shop, database: Database
) -> None:
    with statements_of(shop) as ran:
        shop.customer_writes("How much is the electric kettle?")
        assert shop.answers()["answered"] == 1
        shop.imports()  # meets what we sent
        shop.customer_writes("I want to buy it. Ann Lee, 12 Main Street, +4915112345678")
        shop.answers()
        shop.employee_writes("I can help you with that.")
        shop.customer_writes("Thank you!")
        shop.imports()
        shop.replies()
    assert any("INSERT INTO deliveries" in statement for statement in ran)
    assert not sequential_scans(database, ran)


def test_what_people_look_at_reads_no_large_table(shop: Shop, database: Database) -> None:
    workspace_id = shop.app.workspace_id()
    with statements_of(shop) as ran, shop.app.database.transaction() as session:
        channel_statuses(session, workspace_id, now=shop.now)
        totals(session, workspace_id, since=shop.now - timedelta(days=1), now=shop.now)
        runs_with_gaps(session, workspace_id, limit=20)
        left_to_people(session, workspace_id)
        backlog(session, workspace_id, held_before=shop.now)
        for status in (None, ConversationStatus.PENDING):
            list_conversations(session, workspace_id, status=status, limit=50)
        conversation = get_conversation(session, workspace_id, "t_filled_77")
        assert get_conversation(session, workspace_id, str(conversation.id)) is conversation
        assert last_messages(session, conversation.id, limit=50)
        get_message(session, workspace_id, "m_filled_77")
        list_messages(session, workspace_id, unreplied=False, outcome=None, limit=50)
        list_messages(session, workspace_id, unreplied=True, outcome=None, limit=50)
        for outcome in Outcome:
            list_messages(session, workspace_id, unreplied=False, outcome=outcome, limit=50)
        for delivery_status in (None, "failed", "uncertain"):
            list_deliveries(session, workspace_id, status=delivery_status, limit=50)
    assert not sequential_scans(database, ran)
    assert shop.rows(Delivery)
