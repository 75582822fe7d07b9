"""How long after the end of its buffer a burst is answered, the model's own time apart.

Customers write at a steady rate, into tables of a shop's size, as the importer stores it; one
`shoptalk worker --only reply` answers. The end of a buffer is when the turn is due, a reply is sent
when the platform has it. Nobody waits in a backlog: what is measured is the way of a single turn.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests
from sqlalchemy import select, text

from benchmarks.quick_vendors import quick_vendors
from benchmarks.start import SHOPTALK
from benchmarks.table import Figure, at_most
from benchmarks.turns import fill, shop
from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, store_threads
from shoptalk.db.liveness import live_processes
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.types import Customer, InboundMessage, SenderType

TITLE = "from the end of a buffer to the reply, model apart"
SIZE = 200  #: customers, who write once each
A_SECOND = 15  #: of them
MODEL_SECONDS = 0.5
BUFFER_SECONDS = 2
AT_ONCE = 20  #: WORKER_CONCURRENCY
MOST_SECONDS = 1.0
SETTLES_WITHIN = 180.0


def measure(size: int) -> list[Figure]:
    with shop() as (database, server, home), quick_vendors(model_seconds=MODEL_SECONDS) as vendors:
        fill(database, home, size)
        with database.transaction() as session:  # so far nobody waits
            session.execute(text("UPDATE messages SET is_old = true, reply_sent = true"))
            session.execute(text("UPDATE channel_integrations SET token_checked_at = now()"))
        with _worker(database, server.url, home, vendors):
            _let_write(database, size)
            sent = _sent(vendors, size)
        counts = requests.get(f"{vendors}/counts", timeout=60).json()
        with database.transaction() as session:
            due = {row.customer_id: row.due_at.timestamp() for row in session.execute(_DUE)}
    wrong = sum(counts.get(who) != 1 for who in due) + abs(len(due) - size)
    delays = sorted(sent[who] - due[who] - MODEL_SECONDS for who in due if who in sent)
    return [
        at_most(
            "buffer end to reply sent, p95", delays[len(delays) * 95 // 100], MOST_SECONDS, unit="s"
        ),
        Figure(name="  half of them", value=delays[len(delays) // 2], unit="s"),
        Figure(name="  the longest", value=delays[-1], unit="s"),
        at_most("customers without a reply, or with two", wrong, 0),
        Figure(name="customers who write, a second", value=A_SECOND),
        Figure(name="the model thinks", value=MODEL_SECONDS, unit="s"),
    ]


_DUE = text("""
    SELECT customer_id, due_at FROM ai_response_queue
    JOIN conversations ON conversations.id = conversation_id
""")


@contextmanager
def _worker(database: Database, url: str, home: Path, vendors: str) -> Iterator[None]:
    environment = {
        "HOME": str(home),
        "SHOPTALK_HOME": str(home),
        "DATABASE_URL": url,
        "FACEBOOK_API_BASE_URL": f"{vendors}/v25.0",
        "OPENAI_BASE_URL": f"{vendors}/v1",
        "OPENAI_API_KEY": "any",
        "OPENAI_API_STYLE": "responses",
        "MESSAGE_BUFFER_DURATION_MS": str(BUFFER_SECONDS * 1000),
        "WORKER_CONCURRENCY": str(AT_ONCE),
        "LOG_LEVEL": "WARNING",
    }
    command = [SHOPTALK, "worker", "--only", "reply"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            while not _is_there(database):
                if process.poll() is not None:
                    raise RuntimeError(f"the worker ended with {process.returncode}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(SETTLES_WITHIN)


def _is_there(database: Database) -> bool:
    with database.transaction() as session:
        return bool(live_processes(session))


def _let_write(database: Database, size: int) -> None:
    with database.transaction() as session:
        channel = session.scalars(select(ChannelIntegration)).one()
    began = time.monotonic()
    for number in range(1, size + 1):
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
        now = datetime.now(UTC)
        message = InboundMessage(
            message_id=f"m_now_{number}",
            sender_type=SenderType.CUSTOMER,
            created_at=now,
            text="Can I have it by Friday?",
        )
        rows = ThreadRows(
            thread_id=f"t_{number}",
            customer=Customer(customer_id=f"73{number}"),
            messages=[message],
            updated_at=now,
            history_complete=True,
        )
        with database.transaction() as session:
            stored = store_threads(session, channel, [rows], imported_at=now)
            wake(session, Wakeup(WakeupKind.REPLY, channel.id))
        if stored.new != 1:
            raise RuntimeError("a message was not stored")


def _sent(vendors: str, size: int) -> dict[str, float]:
    """When each customer was sent a reply, once all were."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while True:
        sent: dict[str, float] = requests.get(f"{vendors}/moments", timeout=60).json()
        if len(sent) >= size or time.monotonic() > deadline:
            return sent
        time.sleep(0.2)
