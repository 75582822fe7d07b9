from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
import requests

from shoptalk.db import webchat_rows
from shoptalk.db.engine import Database, connect
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.webchat_desk import ChatTables
from shoptalk.errors import UsageError
from shoptalk.platforms.base import AdapterContext
from shoptalk.platforms.testing import NINE, LocalPlatformContract
from shoptalk.platforms.webchat.adapter import WebChat
from shoptalk.types import Account
from tests.db.rows import open_channel

SITE = "corner-shop.example"


class TestContract(LocalPlatformContract):
    name = "webchat"
    secrets = ("hunter2",)
    repeats_safely = True

    @pytest.fixture(autouse=True)
    def other_side(self, database: Database) -> None:
        self.database = self.reached = database
        with database.transaction() as session:
            channel = open_channel(database, account=SITE)
            session.add(channel)
            channel.channel = "webchat"
            self.channel = channel

    def make(self) -> WebChat:
        return webchat(self.reached)

    def customer_writes(self, thread_id: str, text: str, at: datetime) -> str:
        with self.database.transaction() as session:
            visitor = webchat_rows.keep_visitor(session, self.channel, f"visitor of {thread_id}")
            found = webchat_rows.open_session(session, visitor, thread_id)
            assert found is not None
            return f"webchat_{webchat_rows.visitor_writes(session, found, text, now=at).id}"

    def employee_writes(self, thread_id: str, text: str, at: datetime) -> str:
        with self.database.transaction() as session:
            found = webchat_rows.find_session(session, "webchat", SITE, thread_id)
            assert found is not None
            return f"webchat_{webchat_rows.employee_writes(session, found, text, now=at).id}"

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        self.reached = connect("postgresql://shop:hunter2@127.0.0.1:1/shop")
        try:
            yield
        finally:
            self.reached.close()
            self.reached = self.database


def webchat(database: Database, site: str = SITE) -> WebChat:
    tables = ChatTables(database, "webchat", site)
    surroundings = AdapterContext(
        session=requests.Session(), settings={}, clock=lambda: NINE, chat=tables
    )
    return WebChat(Account(external_id=site, config={}), surroundings)


def test_a_site_is_named_as_it_can_stand_in_an_address(database: Database) -> None:
    for site in ("corner-shop.example", "a", "Shop_2", "9" * 100):
        assert webchat(database, site).identify().external_id == site
    for site in ("", "-x", ".x", "a b", "a/b", "متجر", "9" * 101, "x\n"):
        with pytest.raises(UsageError, match="a name for the site"):
            webchat(database, site).identify()


def test_it_needs_tables() -> None:
    surroundings = AdapterContext(session=requests.Session(), settings={}, clock=lambda: NINE)
    with pytest.raises(UsageError, match="needs the shop's own tables"):
        WebChat(Account(external_id=SITE, config={}), surroundings)


def test_a_session_in_which_nothing_was_written_is_not_listed(database: Database) -> None:
    channel: ChannelIntegration = open_channel(database, account=SITE)
    with database.transaction() as session:
        session.add(channel)
        channel.channel = "webchat"
        visitor = webchat_rows.keep_visitor(session, channel, "v1")
        assert webchat_rows.open_session(session, visitor, "s1") is not None
    assert webchat(database).fetch_page(cursor=None, limit=25, since=None).threads == []
