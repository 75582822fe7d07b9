"""The real adapters against the sandbox over HTTP: history and new messages, faults included."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from shoptalk.db.engine import Database
from shoptalk.platforms.base import AdapterContext, Platform
from shoptalk.platforms.meta.instagram import Instagram
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.sandbox.faults import Rule
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import SandboxAccount, World
from shoptalk.types import Account
from tests.importer.fake_platform import HOUR, MINUTE, NINE, OVERLAP, SECOND, Desk, StillClock

PAGE, LINKED, LOGIN = "550011", "17841400000000001", "17841400000000002"
THREADS = 30  # more than a page of the list
LONG = 40  # messages of the longest thread: more than Messenger's list shows, or Instagram at all

TRANSIENT: list[tuple[str, dict[str, Any]]] = [
    ("graph_error", {"code": 2, "is_transient": True}),
    ("graph_error", {"code": 1, "message": "Please reduce the amount of data you're asking for"}),
    ("graph_error", {"code": 613}),
    ("http_status", {"status": 503}),
    ("html", {}),
    ("drop_before", {}),
    ("drop_after", {}),
    ("truncate", {"keep": 0.5}),
    ("empty_page", {}),
    ("short_page", {"rows": 1}),
    ("repeat_page", {}),
    ("shift_page", {}),
]
DAMAGE: list[tuple[str, dict[str, Any]]] = [
    ("null_record", {"index": 0}),
    ("garbage_record", {"index": 0}),
    ("missing_field", {"index": 0, "field": "updated_time"}),
    ("missing_field", {"index": 0, "field": "participants"}),
    ("missing_field", {"index": 0, "field": "created_time", "at": "messages"}),
    ("missing_field", {"index": 0, "field": "from", "at": "messages"}),
    ("foreign_next", {}),
]


class WorldClock(StillClock):
    """The sandbox's time and ours are one."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        world.clock.freeze(self.now)

    def advance(self, by: timedelta) -> None:
        super().advance(by)
        self._world.clock.freeze(self.now)


class Sandbox(Desk):
    """A desk with a Page and an Instagram account of each login."""

    def __init__(self, database: Database, server: SandboxServer) -> None:
        self.world = server.world
        super().__init__(database, WorldClock(server.world))
        add = self.world.add_account
        self.accounts = [
            add("facebook", PAGE, "Bakery", "page-token"),
            add("instagram", LINKED, "Bakery", "page-token", page_id=PAGE),
            add("instagram", LOGIN, "Bakery", "login-token", login="instagram"),
        ]
        for account in self.accounts:
            account.settings.two_reads_per_second = False  # no second passes on a still clock
        settings = {name.lower(): value for name, value in server.environment.items()}
        self.session = requests.Session()
        self.session.trust_env = False
        self._surroundings = AdapterContext(
            session=self.session, settings=settings, clock=self.clock
        )

    def past(self) -> None:
        """Write what will be history: a long thread, and many short ones."""
        for account in self.accounts:
            for number in range(LONG):
                self.write(account, "c0", f"long {number}", at=NINE - HOUR + number * SECOND)
            for number in range(1, THREADS):
                self.write(account, f"c{number}", "short", at=NINE - number * HOUR)

    def open(self) -> list[int]:
        self.clock.advance(SECOND)
        return [self.connect(self._adapter(account)) for account in self.accounts]

    def write(self, account: SandboxAccount, customer: str, text: str, **words: Any) -> None:
        self.world.add_message(account.account_id, customer, text, **words)

    def busy_minute(self) -> None:
        """New messages of old customers and new ones, several in one second, the shop's too."""
        for second in range(3):
            for account in self.accounts:
                for number in range(4):
                    self.write(account, f"c{number}", f"{second}: from c{number}")
                    self.write(account, f"c{number}", f"{second}: answer", side="employee")
                self.write(account, f"n{second}", f"{second}: hello")
            self.clock.advance(SECOND)

    def break_once(self, fault: str, params: dict[str, Any], *, after: int) -> list[Rule]:
        """Let each account's list, and its threads, go wrong once; pages are small ones."""
        kinds = ["list"] if params.get("at") else ["list", "thread"]
        for account in self.accounts:
            # What Instagram repeats counts among the 20 messages that can be read of a thread.
            account.settings.max_page_limit = 3 if account.platform == "facebook" else 20
        return [
            self.world.faults.add(
                fault,
                match={"kind": kind, "account": account.account_id},
                count=1,
                after=after,
                params=params,
            )
            for kind in kinds
            for account in self.accounts
        ]

    def import_all(self) -> list[str | None]:
        channels = [self.channel(each) for each in self.platforms]
        return [each.error for each in self.importer.import_side_by_side(channels)]

    def import_until_quiet(self) -> None:
        for wait in (10 * SECOND, MINUTE, OVERLAP, OVERLAP, HOUR):
            self.import_all()
            self.clock.advance(wait)
        assert set(self.import_all()) == {None}

    def what_is_there(self, *, readable: int) -> list[dict[str, list[str]]]:
        """The texts of each account's threads; of Instagram's those that can be read."""
        return [
            {
                thread.id: [
                    message.text
                    for message in thread.messages[
                        -(len(thread.messages) if account.platform == "facebook" else readable) :
                    ]
                ]
                for thread in account.threads.by_customer.values()
            }
            for account in self.accounts
        ]

    def what_is_stored(self) -> list[dict[str, list[str]]]:
        return [
            {
                thread.id: self.texts(thread.id, channel_id)
                for thread in account.threads.by_customer.values()
            }
            for account, channel_id in zip(self.accounts, self.platforms, strict=True)
        ]

    def _adapter(self, account: SandboxAccount) -> Platform:
        adapter = Messenger if account.platform == "facebook" else Instagram
        config: dict[str, Any] = {"access_token": account.token}
        asked = adapter(Account(external_id=account.account_id, config=config), self._surroundings)
        learnt = {**config, **asked.identify().config}
        return adapter(Account(external_id=account.account_id, config=learnt), self._surroundings)


def _without_order(accounts: list[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    return [{thread: sorted(texts) for thread, texts in each.items()} for each in accounts]


@pytest.fixture
def sandbox(database: Database) -> Iterator[Sandbox]:
    with SandboxServer() as server:
        sandbox = Sandbox(database, server)
        yield sandbox
        sandbox.session.close()


def test_history_and_new_messages_are_stored_exactly(sandbox: Sandbox) -> None:
    sandbox.past()
    channels = sandbox.open()
    sandbox.write(sandbox.accounts[0], "c5", "new")
    assert set(sandbox.import_all()) == {None}
    assert sandbox.what_is_stored() == sandbox.what_is_there(readable=20)
    assert [row.content for row in sandbox.messages() if not row.is_old] == ["new"]
    assert [[gap["thread_id"] for gap in sandbox.gaps(each)] for each in channels] == [
        [],
        *(
            [thread.id]
            for account in sandbox.accounts[1:]
            if (thread := account.threads.by_customer["c0"])
        ),
    ]
    for each in channels:
        assert sandbox.channel(each).history_state == "done"


def test_the_second_import_is_one_list_call_a_channel(sandbox: Sandbox) -> None:
    sandbox.past()
    sandbox.open()
    sandbox.import_all()
    sandbox.world.ledger.clear()
    sandbox.import_all()
    assert sandbox.world.ledger.counts() == {"list": 3}
    accounts = [call.account_id for call in sandbox.world.ledger.calls()]
    assert sorted(str(each) for each in accounts) == sorted([PAGE, LINKED, LOGIN])


def test_new_messages_are_stored_in_order_and_an_idle_import_is_one_call_again(
    sandbox: Sandbox,
) -> None:
    sandbox.open()
    sandbox.import_all()
    sandbox.busy_minute()
    sandbox.import_all()
    assert sandbox.what_is_stored() == sandbox.what_is_there(readable=1000)
    for _ in range(4):
        sandbox.clock.advance(OVERLAP)
        sandbox.import_all()
    sandbox.world.ledger.clear()
    sandbox.import_all()
    assert sandbox.world.ledger.counts() == {"list": 3}


@pytest.mark.thorough
@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    ("fault", "params"), TRANSIENT + DAMAGE, ids=lambda value: value if type(value) is str else ""
)
def test_no_fault_while_new_messages_are_read_loses_one(
    sandbox: Sandbox, fault: str, params: dict[str, Any], after: int
) -> None:
    sandbox.open()
    sandbox.import_all()
    sandbox.busy_minute()
    rules = sandbox.break_once(fault, params, after=after)
    sandbox.import_until_quiet()
    assert any(rule.fired for rule in rules)
    stored, there = sandbox.what_is_stored(), sandbox.what_is_there(readable=1000)
    if (fault, params) in DAMAGE:  # read later than its second: behind what was read of it before
        stored, there = _without_order(stored), _without_order(there)
    assert stored == there
    assert sandbox.world.ledger.tokens_sent_abroad() == []


@pytest.mark.thorough
@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize(
    ("fault", "params"), TRANSIENT, ids=lambda value: value if type(value) is str else ""
)
def test_no_fault_while_history_is_read_loses_a_message(
    sandbox: Sandbox, fault: str, params: dict[str, Any], after: int
) -> None:
    sandbox.past()
    sandbox.open()
    rules = sandbox.break_once(fault, params, after=after)
    sandbox.import_until_quiet()
    assert any(rule.fired for rule in rules)
    assert sandbox.what_is_stored() == sandbox.what_is_there(readable=20)


def test_a_message_that_shows_late_is_found_on_each_platform(sandbox: Sandbox) -> None:
    sandbox.open()
    sandbox.import_all()
    for account in sandbox.accounts:
        sandbox.write(account, "c1", "late", shown_after=OVERLAP)
        sandbox.write(account, "c2", "late and alone", shown_after=OVERLAP)
    sandbox.clock.advance(SECOND)
    for account in sandbox.accounts:
        for number in range(12):
            sandbox.write(account, "c1", f"in time {number}")
    sandbox.import_until_quiet()
    assert sandbox.what_is_stored() == sandbox.what_is_there(readable=1000)
