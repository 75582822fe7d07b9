"""Whatever happens in whatever order: nobody is answered twice, nor when the AI should be silent.

Hypothesis lets customers and employees write, time pass, requests fail, the AI be switched and the
process die at a chosen point. The sandbox's record is the truth that every step is held against.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from shoptalk import failpoints
from shoptalk.db.catalog import put_products
from shoptalk.db.conversations import get_conversation, switch_ai
from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Base, Message
from shoptalk.errors import UsageError
from shoptalk.failpoints import POINTS
from shoptalk.importer.run_report import RunReport
from shoptalk.responder.passes import Responder
from shoptalk.sandbox.ids import thread_id
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.messages import StoredMessage
from shoptalk.sandbox.server import SandboxServer
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.types import Outcome, SenderType
from shoptalk.wiring import App
from tests.loop.shop import KETTLE, NINE, PAGE, TOKEN, Shop
from tests.promises.counting import PARROT, is_at_rest
from tests.torture.truth import marks_of

pytestmark = pytest.mark.thorough

MODEST = settings(max_examples=25, stateful_step_count=20)
WINDOW = timedelta(hours=24)
PEOPLE = ["7300000000000001", "7300000000000002"]
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("send", "drop_before", {}),
    ("send", "drop_after", {}),
    ("send", "error_after", {}),
    ("send", "http_status", {"status": 500, "body": "oops", "after_work": True}),
    ("send", "truncate", {"keep": 0.5}),
    ("send", "graph_error", {"code": 613, "status": 400}),
    ("send", "graph_error", {"code": 551}),
    ("send", "graph_error", {"code": 10, "subcode": 2018300}),
    ("model", "drop_after", {}),
    ("model", "http_status", {"status": 500, "body": "oops"}),
    ("model", "html", {}),
    ("list", "drop_after", {}),
    ("list", "truncate", {"keep": 0.6}),
    ("list", "empty_page", {}),
    ("list", "graph_error", {"code": 2, "status": 500, "is_transient": True}),
    ("thread", "drop_after", {}),
    ("thread", "graph_error", {"code": 2, "status": 500, "is_transient": True}),
    ("typing", "drop_after", {}),
]

people = st.sampled_from(PEOPLE)
spans = st.sampled_from([1, 5, 29, 31, 59, 61, 150, 400, 3600, 5 * 3600, 13 * 3600, 25 * 3600])


class Died(BaseException):
    """What stands for `kill -9`, within one process."""


@dataclass(slots=True, kw_only=True)
class Mark:
    """One message of a customer, as the test knows it."""

    who: str
    message: StoredMessage
    is_old: bool
    answered_by_person: bool = False  #: and the shop has been told so, by an import


class Inbox(RuleBasedStateMachine):
    server: SandboxServer
    values: dict[str, Any]
    database: Database

    @initialize(history=st.lists(people, max_size=2))
    def open(self, history: list[str]) -> None:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        with self.database.transaction() as session:
            session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        self.world = self.server.world
        self.world.reset()
        self.world.clock.freeze(NINE)
        settings_ = {"two_reads_per_second": False, "daily_budget": False}
        self.world.add_account("facebook", PAGE, "Shop", TOKEN, settings=settings_)
        self.marks: dict[int, Mark] = {}
        self.ai_off: set[str] = set()
        self.employee_wrote: dict[str, int] = {}
        self.is_broken = False
        self.counted = 0  # of what the platform has received
        self.named: set[int] = set()
        self.start_process()
        self.say_to_model(PARROT)
        for who in history:
            self.customer_writes(who, burst=1, is_old=True)
        self.world.clock.advance(timedelta(minutes=1))
        connect_channel(
            self.app, "facebook", PAGE, {"access_token": TOKEN}, name=None, ai_default=True
        )
        with self.app.database.transaction() as session:
            row = {name: getattr(KETTLE, name) for name in KETTLE.__dataclass_fields__}
            put_products(session, self.app.workspace_id(), [row])
        self.world.clock.advance(timedelta(seconds=1))

    def start_process(self) -> None:
        given = Settings(_env_file=None, **self.values)
        self.app = App(given, clock=self.world.clock.now)
        self.responder: Responder = self.app.responder()

    def teardown(self) -> None:
        if hasattr(self, "app"):
            try:
                if not self.is_broken:
                    self.come_to_rest()
            finally:
                self.app.close()

    def say_to_model(self, step: dict[str, Any]) -> None:
        requests.post(
            f"{self.server.url}/control/model", json={"script": [step]}, timeout=10
        ).raise_for_status()

    # What people do

    @rule(who=people, burst=st.sampled_from([1, 1, 1, 2, 3]))
    def write(self, who: str, burst: int) -> None:
        self.customer_writes(who, burst=burst, is_old=False)

    def customer_writes(self, who: str, *, burst: int, is_old: bool) -> None:
        for _ in range(burst):
            number = len(self.marks) + 1
            message = self.world.add_message(PAGE, who, f"hello #{number}")
            self.marks[number] = Mark(who=who, message=message, is_old=is_old)

    @rule(who=people, is_seen=st.booleans())
    def employee_writes(self, who: str, is_seen: bool) -> None:
        message = self.world.add_message(PAGE, who, "Sam here", side="employee")
        self.employee_wrote[who] = message.sequence_no
        if is_seen:
            self.imports()

    @rule(who=people, enabled=st.booleans())
    def switch_ai(self, who: str, enabled: bool) -> None:
        account = self.world.get_account(PAGE)
        with self.app.database.transaction() as session:
            try:
                conversation = get_conversation(
                    session, self.app.workspace_id(), thread_id(account, who)
                )
            except UsageError:
                return  # it was not imported yet
            switch_ai(session, conversation, enabled=enabled, now=self.world.clock.now())
        (self.ai_off.discard if enabled else self.ai_off.add)(who)

    # What shoptalk does

    @rule()
    def imports(self) -> None:
        self.note_import(self.import_pass())

    def import_pass(self) -> list[RunReport]:
        from shoptalk.db.channels import list_channels

        with self.app.database.transaction() as session:
            channels = list_channels(session, self.app.workspace_id())
        return self.app.importer().import_side_by_side(channels)

    def note_import(self, reports: list[RunReport]) -> None:
        """After a full import the shop knows what its people have written."""
        if any(report.error or report.gaps for report in reports) or self.is_anything_hidden():
            return
        for mark in self.marks.values():
            if self.employee_wrote.get(mark.who, 0) > mark.message.sequence_no:
                mark.answered_by_person = True

    def is_anything_hidden(self) -> bool:
        return any(rule.fault == "empty_page" for rule in self.world.faults.rules)

    @rule(seconds=st.sampled_from([0, 31, 61, 61]))
    def replies(self, seconds: int = 0) -> None:
        """Without an import before it, which would have met what arrived."""
        self.world.clock.advance(timedelta(seconds=seconds))
        self.responder.answer_all_due()
        self.nobody_is_answered_who_should_not_be()

    @rule(point=st.sampled_from(sorted(POINTS)), passing=st.integers(1, 3))
    def dies(self, point: str, passing: int) -> None:
        """A tick that is cut short, and a new process."""
        try:
            with dying_at(point, passing):
                self.note_import(self.import_pass())
                self.responder.answer_all_due()
        except Died:
            self.app.close()  # its connections, its presence lock among them
            self.start_process()

    # What happens to it

    @rule(seconds=spans)
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from([31, 61]))
    def ticks(self, seconds: int) -> None:
        self.imports()
        self.replies()
        self.world.clock.advance(timedelta(seconds=seconds))
        self.imports()
        self.replies()

    @rule(fault=st.sampled_from(FAULTS), count=st.sampled_from([1, 1, 2]))
    def something_fails(self, fault: tuple[str, str, dict[str, Any]], count: int) -> None:
        kind, name, params = fault
        self.world.faults.add(name, match={"kind": kind}, count=count, params=params)

    @rule(
        who=people,
        fault=st.sampled_from([fault for fault in FAULTS if fault[0] == "send"]),
        meanwhile=st.sampled_from(["nothing", "nothing", "person", "switch", "more"]),
        seconds=st.sampled_from([5, 61, 61, 3600]),
    )
    def a_reply_goes_wrong(
        self, who: str, fault: tuple[str, str, dict[str, Any]], meanwhile: str, seconds: int
    ) -> None:
        """A send meets a fault, something happens, and the next pass takes the turn up again."""
        self.customer_writes(who, burst=1, is_old=False)
        self.world.clock.advance(timedelta(seconds=31))
        self.imports()
        self.something_fails(fault, 1)
        self.replies()
        match meanwhile:
            case "person":
                self.employee_writes(who, is_seen=True)
            case "switch":
                self.switch_ai(who, enabled=False)
            case "more":
                self.customer_writes(who, burst=1, is_old=False)
        self.replies(seconds)

    @rule(who=people, point=st.sampled_from(sorted(POINTS)))
    def dies_answering(self, who: str, point: str) -> None:
        self.customer_writes(who, burst=1, is_old=False)
        self.world.clock.advance(timedelta(seconds=31))
        self.dies(point, 1)

    # What must hold

    @invariant()
    def nobody_is_answered_who_should_not_be(self) -> None:
        if not hasattr(self, "world"):
            return
        self.is_broken = True
        for sent in self.delivered()[self.counted :]:
            self.counted += 1
            named = marks_of(sent.text)
            for number in named:
                mark = self.marks[number]
                assert mark.who == sent.recipient_id, f"#{number} was answered to somebody else"
                assert not mark.answered_by_person, f"a person had answered #{number}"
                # the model is told of history too; it must not be answered for its own sake
                assert mark.is_old or number not in self.named, f"#{number} was answered twice"
                self.named.add(number)
            newest = self.marks[max(named)]
            assert not newest.is_old, f"#{max(named)} is history"
            assert newest.who not in self.ai_off, f"#{max(named)} was answered with the AI off"
            assert sent.at - newest.message.created_at < WINDOW, f"#{max(named)} was too old"
        self.is_broken = False

    def delivered(self) -> list[Sent]:
        return [sent for sent in list(self.world.sent) if sent.message_id is not None]

    def come_to_rest(self) -> None:
        """Nothing fails any more, time passes: everything must have its one outcome."""
        self.world.faults.clear()
        shop = Shop(self.server, self.app)
        for pause in [70] * 8 + [700] * 6 + [25 * 3600, 70, 70, 70]:
            self.ticks(31)
            if is_at_rest(shop):
                break
            self.world.clock.advance(timedelta(seconds=pause))
        self.nobody_is_answered_who_should_not_be()
        assert is_at_rest(shop), "it did not come to rest"
        with self.database.transaction() as session:
            rows = session.execute(
                select(Message.content, Message.outcome, Message.reply_sent).where(
                    Message.sender_type == SenderType.CUSTOMER
                )
            ).all()
        outcomes = {marks_of(row.content)[0]: row.outcome for row in rows}
        assert outcomes.keys() == self.marks.keys(), "messages were lost"
        assert all((row.outcome in ("answered", "history")) == row.reply_sent for row in rows)
        history = {number for number, mark in self.marks.items() if mark.is_old}
        assert history == {n for n, outcome in outcomes.items() if outcome == Outcome.HISTORY}
        answered = {number for number, outcome in outcomes.items() if outcome == Outcome.ANSWERED}
        assert answered <= self.named, "what is called answered was not"
        replies: dict[str, list[int]] = {}
        for sent in self.delivered():
            replies.setdefault(sent.recipient_id, []).append(max(marks_of(sent.text)))
        for who, newest in replies.items():
            assert newest == sorted(set(newest)), f"answers to {who} came out of order: {newest}"
            assert answered.issuperset(newest), f"what was answered to {who} is not called so"


@contextmanager
def dying_at(point: str, passing: int) -> Iterator[None]:
    """Every thread of the process dies at its next point, once one has come to this one."""
    left = passing
    dead = False

    def count_down(name: str) -> None:
        nonlocal left, dead
        left -= name == point
        dead = dead or left <= 0
        if dead:
            raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_armed", {"any": 1})
        patch.setattr(failpoints, "_count_down", count_down)
        yield


def test_whatever_happens_everybody_is_answered_once_or_for_a_reason_not(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    with SandboxServer() as sandbox:
        Inbox.server = sandbox
        Inbox.database = database
        Inbox.values = {
            **{name.lower(): value for name, value in sandbox.environment.items()},
            "database_url": server.url,
            "shoptalk_home": tmp_path / "home",
            "openai_model": "sandbox-clerk",
            "graph_calls_per_second": 0,
            "openai_max_retries": 0,
            "worker_concurrency": 3,
        }
        run_state_machine_as_test(Inbox, settings=MODEST)
