"""A shop for tests of the whole loop: a sandbox over HTTP, a shoptalk, one clock for both."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from shoptalk.agents.models.base import Model, ModelSession, Prompt
from shoptalk.db.catalog import put_products
from shoptalk.db.conversations import get_message
from shoptalk.db.models import Base, ChannelIntegration, ChatMessage, Message, Order
from shoptalk.importer.catalog_file import CatalogRow
from shoptalk.importer.run_report import RunReport
from shoptalk.sandbox.client import Json, SandboxControl
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.services.why import explain
from shoptalk.settings import Settings
from shoptalk.types import SenderType
from shoptalk.wiring import App, running
from tests.torture.context import Heard, heard_in, in_platforms_order, is_right

NINE = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
BUFFER = timedelta(seconds=30)
PAGE, INSTAGRAM = "550011", "17841400000000001"
ANN = "7300000000000001"
TOKEN, INSTAGRAM_TOKEN = "EAAG-page-token-value", "IGAA-instagram-token-value"
KETTLE = CatalogRow(
    product_id="k1",
    name="Electric Kettle",
    description="1.7 litres",
    price=Decimal("49.90"),
    currency="USD",
    stock=5,
    active=True,
)


class Shop:
    """Both sides of the counter, and the time of day."""

    def __init__(self, server: SandboxServer, app: App) -> None:
        self.server = server
        self.world = server.world
        self.app = app
        self.control = SandboxControl(server.url)

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def wait(self, **span: float) -> None:
        self.world.clock.advance(timedelta(**span))

    def opens(self, *platforms: str, ai: bool = True) -> None:
        """Connect accounts; what the sandbox has by now is history."""
        for platform in platforms:
            if platform == "facebook":
                config = {"access_token": TOKEN}
                account = PAGE
            else:
                config = {"access_token": INSTAGRAM_TOKEN, "login": "instagram"}
                account = INSTAGRAM
            connect_channel(self.app, platform, account, config, name=None, ai_default=ai)

    def sells(self, *rows: CatalogRow) -> None:
        with self.app.database.transaction() as session:
            put_products(session, self.app.workspace_id(), [asdict(row) for row in rows])

    def customer_writes(self, text: str, *, account: str = PAGE, who: str = ANN) -> str:
        return self.world.add_message(account, who, text, customer_name="Ann").id

    def employee_writes(self, text: str, *, account: str = PAGE, who: str = ANN) -> str:
        return self.world.add_message(account, who, text, side="employee").id

    def imports(self) -> list[RunReport]:
        return self.app.importer().import_side_by_side(self.channels())

    def replies(self, *, while_thinking: Callable[[], None] = lambda: None) -> Counter[str]:
        """A responder pass; `while_thinking` happens once, before the first turn's model call."""
        responder = self.app.responder()
        answerer = responder._answerer
        model = _Interrupted(answerer.model, while_thinking)
        responder._answerer = replace(answerer, model=model)
        return responder.answer_all_due()

    def model_says(self, *steps: dict[str, Any]) -> None:
        """Script what the model answers next, whatever it is asked."""
        requests.post(
            f"{self.server.url}/control/model", json={"script": steps}, timeout=10
        ).raise_for_status()

    def answers(self) -> Counter[str]:
        """A tick, the buffer's time, and another tick."""
        self.imports()
        at_once = self.replies()
        self.wait(seconds=BUFFER.total_seconds() + 1)
        self.imports()
        return at_once + self.replies()

    def channels(self) -> Sequence[ChannelIntegration]:
        with self.app.database.transaction() as session:
            return session.scalars(select(ChannelIntegration).order_by(ChannelIntegration.id)).all()

    def rows(self, model: type[Base]) -> Sequence[Any]:
        with self.app.database.transaction() as session:
            return session.scalars(select(model).order_by(model.__table__.c.id)).all()

    def message(self, message_id: str) -> Message:
        with self.app.database.transaction() as session:
            return session.scalars(select(Message).where(Message.message_id == message_id)).one()

    def orders(self) -> Sequence[Order]:
        return self.rows(Order)

    def sent(self) -> list[str]:
        """The texts that reached customers through the platform, oldest first."""
        return [sent.text for sent in self.world.sent if sent.message_id is not None]

    def why(self, message_id: str) -> str:
        with self.app.database.transaction() as session:
            message, conversation = get_message(session, self.app.workspace_id(), message_id)
            return explain(
                session,
                message,
                conversation,
                now=self.now,
                rules=self.app.rules,
            ).sentence

    def wrong_contexts(self) -> list[Sequence[Heard]]:
        """What the model was shown that no thread held at that time, on no platform."""
        return [
            lines
            for shown in self.control.shown()
            if not any(
                is_right(lines := heard_in(shown), thread)
                for thread in [*self._threads_at(shown), *self._chats_at(shown)]
            )
        ]

    def _threads_at(self, shown: Json) -> Iterator[Sequence[Heard]]:
        """What the threads of the sandbox's platforms held when the model was asked."""
        with self.world.lock:
            for account in self.world.accounts.values():
                for thread in account.threads.by_customer.values():
                    yield [
                        Heard(each.side == "customer", each.text)
                        for each in in_platforms_order(thread, account, self.now)
                        if each.sequence_no <= shown["written"]
                        and each.side not in ("note", "activity")
                    ]

    def _chats_at(self, shown: Json) -> Iterator[Sequence[Heard]]:
        """The same of web chats: what bears that very moment and is ours came after."""
        at = datetime.fromisoformat(shown["at"])
        sessions: dict[str, list[Heard]] = {}
        for each in self.rows(ChatMessage):
            is_customers = each.sender_type == SenderType.CUSTOMER
            if each.created_at < at or (is_customers and each.created_at == at):
                sessions.setdefault(each.session_id, []).append(Heard(is_customers, each.content))
        yield from sessions.values()

    def list_calls(self) -> int:
        return len(self.world.ledger.calls(kind="list"))


class _Interrupted:
    """A model during whose first thought something happens."""

    def __init__(self, model: Model, happens: Callable[[], None]) -> None:
        self._model = model
        self._happens = happens

    def begin(self, prompt: Prompt) -> ModelSession:
        happens, self._happens = self._happens, lambda: None
        happens()
        return self._model.begin(prompt)


@contextmanager
def open_shop(database_url: str, home: Path, **settings: Any) -> Iterator[Shop]:
    """A shop with an empty Page and an empty Instagram account, nothing connected yet."""
    with SandboxServer() as server:
        server.world.clock.freeze(NINE)
        for platform, account, token in (
            ("facebook", PAGE, TOKEN),
            ("instagram", INSTAGRAM, INSTAGRAM_TOKEN),
        ):
            server.world.add_account(
                platform,  # type: ignore[arg-type]
                account,
                "Corner Shop",
                token,
                login="instagram" if platform == "instagram" else "page",
                settings={"two_reads_per_second": False},
            )
        values: dict[str, Any] = {
            **{name.lower(): value for name, value in server.environment.items()},
            "database_url": database_url,
            "shoptalk_home": home,
            "openai_model": "sandbox-clerk",
            "graph_calls_per_second": 0,
            "openai_max_retries": 0,
            **settings,
        }
        with running(Settings(_env_file=None, **values), clock=server.world.clock.now) as app:
            yield Shop(server, app)
