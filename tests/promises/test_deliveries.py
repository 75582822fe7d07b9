"""Each reply goes out once, or it is on record why not, whatever is lost, cut or restarted."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shoptalk import failpoints
from shoptalk.db.deliveries import deliveries_of
from shoptalk.db.engine import Database
from shoptalk.db.models import Delivery, Message, Order, Turn
from shoptalk.errors import DeliveryUncertain
from shoptalk.failpoints import POINTS
from shoptalk.importer.file_import import import_file
from shoptalk.importer.files import FileOptions
from shoptalk.platforms.base import Recipient, ThreadPage
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.platforms.meta.whatsapp import WhatsApp
from shoptalk.responder import answer
from shoptalk.types import Outcome
from tests.cli.terminal import Terminal
from tests.loop.shop import ANN, KETTLE, PAGE, Shop
from tests.promises.counting import PARROT, a_tick, another_process, come_to_rest, counted
from tests.torture.truth import Written, marks_of

BUFFER_SECONDS = 31
READ_BACK_SECONDS = 61
MAX_BUFFER_AGE = timedelta(minutes=5)
NUMBER, NUMBER_TOKEN, PHONE = "770022", "EAAG-number-token-value", "4915112345678"
PARTS = 3
LONG = "\n".join(f"Line {line} of a long answer, which goes on and on." for line in range(100))

LOST_AFTER_THE_WORK: list[tuple[str, dict[str, Any]]] = [
    ("drop_after", {}),
    ("error_after", {}),  # 1/1357046
    ("http_status", {"status": 500, "body": "oops", "after_work": True}),
    ("http_status", {"status": 200, "body": "oops", "after_work": True}),
    ("html", {"after_work": True}),
    ("truncate", {"keep": 0.5}),
    ("graph_error", {"code": 2, "status": 500, "is_transient": True, "after_work": True}),
]
LOST_BEFORE_THE_WORK: list[tuple[str, dict[str, Any]]] = [
    ("drop_before", {}),
    ("http_status", {"status": 503, "body": "oops"}),
    ("graph_error", {"code": 2, "status": 500, "is_transient": True}),
]


def asked(shop: Shop, text: str = "Hello? #1", *, who: str = ANN) -> str:
    """A customer's message whose turn is due."""
    message_id = shop.customer_writes(text, who=who)
    shop.wait(seconds=BUFFER_SECONDS)
    shop.imports()
    return message_id


def number_opens(shop: Shop, terminal: Terminal) -> None:
    """A WhatsApp number, which cannot be read back."""
    shop.world.add_account("whatsapp", NUMBER, "Corner Shop", NUMBER_TOKEN)
    words = ("channels", "connect", "whatsapp", "--account-id", NUMBER)
    assert terminal.types(*words, "--access-token", NUMBER_TOKEN).code == 0


def number_gets(shop: Shop, *lines: tuple[str, str]) -> None:
    """Import a chat by file: (who, text), all written now."""
    file = shop.app.settings.shoptalk_home / "chat.json"
    file.write_text(
        json.dumps(
            [
                {
                    "thread_id": f"whatsapp_{PHONE}",
                    "message_id": f"file-{shop.now:%H%M%S}-{place}",
                    "sender": who,
                    "created_at": shop.now.isoformat(),
                    "text": said,
                    "customer_id": PHONE,
                    "customer_phone": f"+{PHONE}",
                }
                for place, (who, said) in enumerate(lines)
            ]
        )
    )
    [channel] = [each for each in shop.channels() if each.external_id == NUMBER]
    import_file(shop.app.database, channel, file, FileOptions(platform="whatsapp"), now=shop.now)


def statuses(shop: Shop) -> list[str]:
    return [delivery.status for delivery in shop.rows(Delivery)]


def outcomes(shop: Shop) -> list[str | None]:
    return [turn.outcome for turn in shop.rows(Turn)]


class TestLostAnswers:
    @pytest.mark.parametrize(("fault", "params"), LOST_AFTER_THE_WORK)
    def test_what_arrived_is_found_by_reading_back_and_not_sent_again(
        self, shop: Shop, fault: str, params: dict[str, Any]
    ) -> None:
        shop.opens("facebook")
        asked(shop)
        shop.world.faults.add(fault, match={"kind": "send"}, count=1, params=params)
        assert shop.replies() == {"waiting": 1}
        come_to_rest(shop)
        assert len(shop.sent()) == 1
        [delivery] = shop.rows(Delivery)
        assert (delivery.status, delivery.attempts) == ("sent", 1)
        assert outcomes(shop) == [Outcome.ANSWERED]

    @pytest.mark.parametrize(("fault", "params"), LOST_BEFORE_THE_WORK)
    def test_what_did_not_arrive_is_sent_again_after_reading_back(
        self, shop: Shop, fault: str, params: dict[str, Any]
    ) -> None:
        shop.opens("facebook")
        asked(shop)
        shop.world.faults.add(fault, match={"kind": "send"}, count=2, params=params)
        come_to_rest(shop)
        assert len(shop.sent()) == 1
        [delivery] = shop.rows(Delivery)
        assert (delivery.status, delivery.attempts) == ("sent", 3)
        assert outcomes(shop) == [Outcome.ANSWERED]

    def test_polling_that_meets_the_reply_first_settles_it(self, shop: Shop) -> None:
        shop.opens("facebook")
        asked(shop)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        shop.replies()
        shop.wait(seconds=5)
        shop.imports()
        shop.world.faults.add("drop_before", match={"kind": "thread"}, count=None)
        shop.wait(seconds=READ_BACK_SECONDS)
        assert shop.replies() == {"answered": 1}  # without reading the thread
        assert len(shop.sent()) == 1
        assert [each.sender_type for each in shop.rows(Message)] == ["customer", "agent"]

    def test_an_import_that_meets_it_just_before_the_thread_is_read_settles_it(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.opens("facebook")
        asked(shop)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        shop.replies()
        shop.wait(seconds=READ_BACK_SECONDS)
        read = deliveries_of

        def read_and_then_imported(session: Session, turn: Turn) -> Sequence[Delivery]:
            found = read(session, turn)
            shop.imports()
            return found

        monkeypatch.setattr(answer, "deliveries_of", read_and_then_imported)
        assert shop.replies() == {"answered": 1}
        assert len(shop.sent()) == 1

    def test_an_import_that_meets_it_while_the_thread_is_read_keeps_it_from_being_sent_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The list shows it already, and the thread not yet."""
        shop.opens("facebook")
        asked(shop)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        shop.replies()
        shop.wait(seconds=READ_BACK_SECONDS)
        fetch = Messenger.fetch_thread

        def is_behind(self: Messenger, thread_id: str, *, cursor: str, limit: int) -> ThreadPage:
            page = fetch(self, thread_id, cursor=cursor, limit=limit)
            monkeypatch.undo()
            shop.imports()
            return replace(page, messages=page.messages[1:])

        monkeypatch.setattr(Messenger, "fetch_thread", is_behind)
        assert shop.replies() == {"waiting": 1}
        shop.wait(seconds=READ_BACK_SECONDS)
        assert shop.replies() == {"answered": 1}
        assert len(shop.sent()) == 1

    def test_an_import_that_meets_it_while_it_is_given_up_settles_it(
        self, shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number_opens(shop, terminal)
        shop.wait(seconds=5)
        shop.world.add_message(NUMBER, PHONE, "Hello?")
        number_gets(shop, ("customer", "Hello?"))
        shop.wait(seconds=BUFFER_SECONDS)
        send = WhatsApp.send

        def is_lost(self: WhatsApp, recipient: Recipient, text: str) -> str:
            send(self, recipient, text)
            number_gets(shop, ("employee", text))
            raise DeliveryUncertain("no answer in time", platform="whatsapp")

        monkeypatch.setattr(WhatsApp, "send", is_lost)
        assert shop.replies() == {"waiting": 1, "answered": 1}
        assert statuses(shop) == ["sent"]

    def test_the_same_words_said_earlier_are_not_taken_for_this_reply(self, shop: Shop) -> None:
        shop.opens("facebook")
        shop.model_says({"text": "One moment.", "repeat": None})
        asked(shop, "Hello?")
        assert shop.replies() == {"answered": 1}
        asked(shop, "Are you there?")
        shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
        assert shop.replies() == {"waiting": 1}
        come_to_rest(shop)
        assert shop.sent() == ["One moment."] * 2
        assert outcomes(shop) == [Outcome.ANSWERED] * 2

    def test_the_same_words_said_earlier_do_not_hide_that_this_reply_arrived(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        shop.model_says({"text": "One moment.", "repeat": None})
        asked(shop, "Hello?")
        assert shop.replies() == {"answered": 1}
        asked(shop, "Are you there?")
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        assert shop.replies() == {"waiting": 1}
        come_to_rest(shop)
        assert shop.sent() == ["One moment."] * 2
        assert len({each.message_id for each in shop.rows(Delivery)}) == 2

    def test_where_nothing_can_be_read_back_a_person_has_to_look(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        number_opens(shop, terminal)
        shop.wait(seconds=5)
        shop.world.add_message(NUMBER, PHONE, "Hello?")
        number_gets(shop, ("customer", "Hello?"))
        shop.wait(seconds=BUFFER_SECONDS)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        assert shop.replies() == {"delivery_uncertain": 1}
        [delivery] = shop.rows(Delivery)
        assert delivery.status == "uncertain"
        assert "connection broke" in delivery.failure_reason
        shop.wait(hours=1)
        assert shop.replies() == {}
        assert len(shop.sent()) == 1


class TestParts:
    @pytest.mark.parametrize("part", range(PARTS))
    @pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
    def test_a_reply_goes_on_at_the_part_that_was_lost(
        self, shop: Shop, fault: str, part: int
    ) -> None:
        shop.opens("facebook")
        shop.model_says({"text": LONG})
        asked(shop)
        shop.world.faults.add(fault, match={"kind": "send"}, count=1, after=part)
        come_to_rest(shop)
        deliveries = shop.rows(Delivery)
        assert len(deliveries) == PARTS
        assert shop.sent() == [delivery.content for delivery in deliveries]
        assert statuses(shop) == ["sent"] * PARTS

    def test_parts_of_the_same_words_are_told_apart(self, shop: Shop) -> None:
        shop.opens("facebook")
        same = "x" * 2000
        shop.model_says({"text": " ".join([same] * PARTS)})
        asked(shop)
        shop.world.faults.add("drop_before", match={"kind": "send"}, count=1, after=1)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1, after=1)
        come_to_rest(shop)
        assert shop.sent() == [same] * PARTS
        assert len({each.message_id for each in shop.rows(Delivery)}) == PARTS

    def test_a_throttled_part_waits_and_the_parts_before_it_stay_sent(self, shop: Shop) -> None:
        shop.opens("facebook")
        shop.model_says({"text": LONG})
        asked(shop)
        throttle = {"code": 613, "status": 400}
        shop.world.faults.add(
            "graph_error", match={"kind": "send"}, count=1, after=1, params=throttle
        )
        assert shop.replies() == {"waiting": 1}
        assert statuses(shop) == ["sent", "waiting", "waiting"]
        come_to_rest(shop)
        assert shop.sent() == [delivery.content for delivery in shop.rows(Delivery)]

    def test_what_a_customer_wrote_between_two_parts_gets_its_own_answer_after_them(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        shop.model_says({"text": LONG}, PARROT)
        asked(shop, "Tell me everything #1")
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1, after=1)
        shop.replies()
        asked(shop, "and this #2")
        come_to_rest(shop)
        assert len(shop.sent()) == PARTS + 1
        assert marks_of(shop.sent()[-1]) == [2]
        assert outcomes(shop) == [Outcome.ANSWERED] * 2


class TestPeopleFirst:
    def test_a_person_who_answers_before_the_second_try_is_not_talked_over(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        message_id = asked(shop)
        shop.world.faults.add("drop_before", match={"kind": "send"}, count=1)
        assert shop.replies() == {"waiting": 1}
        shop.wait(seconds=10)
        shop.employee_writes("Sam here, I have seen it")
        shop.wait(seconds=READ_BACK_SECONDS)
        shop.imports()
        assert shop.replies() == {"answered_by_person": 1}
        assert shop.sent() == []
        assert shop.message(message_id).outcome == Outcome.ANSWERED_BY_PERSON
        assert statuses(shop) == ["failed"]

    def test_a_reply_that_had_arrived_before_the_person_wrote_counts_as_sent(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        message_id = asked(shop)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        assert shop.replies() == {"waiting": 1}
        shop.wait(seconds=10)
        shop.employee_writes("Sam here, I have seen it")
        shop.wait(seconds=READ_BACK_SECONDS)
        shop.imports()
        assert shop.replies() == {"answered": 1}
        assert len(shop.sent()) == 1
        assert shop.message(message_id).outcome == Outcome.ANSWERED
        assert statuses(shop) == ["sent"]

    @pytest.mark.parametrize("what", ["person", "switch"])
    def test_between_two_parts_the_ai_falls_silent_when_a_person_takes_over(
        self, shop: Shop, terminal: Terminal, what: str
    ) -> None:
        shop.opens("facebook")
        shop.model_says({"text": LONG})
        asked(shop)
        throttle = {"code": 613, "status": 400}
        shop.world.faults.add(
            "graph_error", match={"kind": "send"}, count=1, after=1, params=throttle
        )
        assert shop.replies() == {"waiting": 1}
        if what == "person":
            shop.employee_writes("Sam here, in short: yes")
        else:
            assert terminal.types("conversations", "ai", "1", "off").code == 0
        shop.wait(minutes=5)
        shop.imports()
        expected = Outcome.ANSWERED_BY_PERSON if what == "person" else Outcome.AI_OFF
        assert shop.replies() == {expected: 1}
        assert len(shop.sent()) == 1
        assert statuses(shop) == ["sent", "failed", "failed"]
        assert expected.sentence in shop.rows(Delivery)[-1].failure_reason

    def test_what_a_person_answered_is_left_out_when_the_customer_writes_on(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.model_says(PARROT)
        first = shop.customer_writes("Are you open? #1")
        shop.imports()
        shop.replies()
        shop.wait(seconds=5)
        shop.employee_writes("Yes, until six")
        shop.wait(seconds=5)
        shop.imports()
        assert terminal.types("conversations", "ai", "1", "on").code == 0  # handed back
        shop.wait(seconds=5)
        second = asked(shop, "And how much is a kettle? #2")
        assert shop.replies() == {"answered": 1}
        assert [marks_of(sent) for sent in shop.sent()] == [[2]]
        assert shop.message(first).outcome == Outcome.ANSWERED_BY_PERSON
        assert shop.message(second).outcome == Outcome.ANSWERED
        assert [turn.message_count for turn in shop.rows(Turn)] == [1]


class TestFiles:
    def test_a_reply_of_ours_in_an_exported_chat_is_no_persons(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        self.answered(shop, terminal)
        shop.wait(seconds=45)
        number_gets(shop, ("employee", shop.sent()[0]), ("customer", "Thanks! And tea?"))
        assert [row.sender_type for row in shop.rows(Message)] == ["customer", "agent", "customer"]
        shop.wait(seconds=BUFFER_SECONDS)
        assert shop.replies() == {"answered": 1}

    def test_a_person_who_says_the_same_again_has_spoken(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        self.answered(shop, terminal)
        said = shop.sent()[0]
        number_gets(shop, ("employee", said), ("employee", said), ("employee", "Sam here"))
        assert [row.sender_type for row in shop.rows(Message)][2:] == ["employee", "employee"]

    @staticmethod
    def answered(shop: Shop, terminal: Terminal) -> None:
        number_opens(shop, terminal)
        shop.wait(seconds=5)
        shop.world.add_message(NUMBER, PHONE, "Hello?")
        number_gets(shop, ("customer", "Hello?"))
        shop.wait(seconds=BUFFER_SECONDS)
        assert shop.replies() == {"answered": 1}


class TestByHand:
    def test_an_uncertain_delivery_is_sent_again_when_a_person_says_so(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        self.make_uncertain(shop, terminal)
        screen = terminal.types("deliveries", "retry", "1")
        assert screen.out == "Delivery 1 goes out with the next responder pass.\n"
        assert shop.replies() == {"answered": 1}
        assert len(shop.sent()) == 2  # a person has looked: the first was not seen
        assert statuses(shop) == ["sent"]
        assert outcomes(shop) == [Outcome.ANSWERED]
        assert {m.outcome for m in shop.rows(Message) if m.sender_type == "customer"} == {
            Outcome.ANSWERED
        }
        assert terminal.types("deliveries", "retry", "1").code == 2

    def test_what_turned_out_to_have_arrived_is_not_sent_again_by_hand(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        self.make_uncertain(shop, terminal)
        number_gets(shop, ("employee", shop.sent()[0]))
        assert statuses(shop) == ["sent"]
        assert outcomes(shop) == [Outcome.ANSWERED]
        assert terminal.types("deliveries", "retry", "1").code == 2
        assert shop.replies() == {}
        assert len(shop.sent()) == 1

    def test_a_failed_delivery_is_sent_again_when_what_hindered_it_is_gone(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        shop.model_says({"text": LONG})
        asked(shop)
        shop.world.faults.add(
            "graph_error", match={"kind": "send"}, count=1, after=1, params={"code": 551}
        )
        assert shop.replies() == {"unreachable": 1}
        assert statuses(shop) == ["sent", "failed", "failed"]
        assert "not available" in shop.rows(Delivery)[1].failure_reason
        assert terminal.types("deliveries", "retry", "2").code == 0
        assert shop.replies() == {"answered": 1}
        assert shop.sent() == [delivery.content for delivery in shop.rows(Delivery)]
        assert statuses(shop) == ["sent"] * PARTS

    def test_a_persons_decision_to_send_again_stands_although_they_have_written_since(
        self, shop: Shop, terminal: Terminal
    ) -> None:
        shop.opens("facebook")
        asked(shop)
        shop.control.change_thread(PAGE, ANN, is_blocked=True)
        assert shop.replies() == {"unreachable": 1}
        shop.control.change_thread(PAGE, ANN, is_blocked=False)
        shop.employee_writes("I was away; our assistant's answer follows")
        shop.imports()
        assert terminal.types("deliveries", "retry", "1").code == 0
        assert shop.replies() == {"answered": 1}
        assert len(shop.sent()) == 1

    @staticmethod
    def make_uncertain(shop: Shop, terminal: Terminal) -> None:
        number_opens(shop, terminal)
        shop.wait(seconds=5)
        shop.world.add_message(NUMBER, PHONE, "Hello?")
        number_gets(shop, ("customer", "Hello?"))
        shop.wait(seconds=BUFFER_SECONDS)
        shop.world.faults.add("drop_after", match={"kind": "send"}, count=1)
        assert shop.replies() == {"delivery_uncertain": 1}


class TestSuperseded:
    def test_a_message_that_comes_while_the_model_thinks_is_answered_with_the_rest(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        shop.model_says(PARROT)
        asked(shop, "hello #1")

        def the_customer_goes_on() -> None:
            shop.customer_writes("and #2")
            shop.imports()
            shop.replies()  # another process makes its pass

        shop.replies(while_thinking=the_customer_goes_on)
        assert shop.sent() == []
        shop.wait(seconds=BUFFER_SECONDS)
        assert shop.replies() == {"answered": 1}
        assert [marks_of(sent) for sent in shop.sent()] == [[1, 2]]

    def test_a_customer_who_never_stops_is_answered_when_the_turn_is_old_enough(
        self, shop: Shop
    ) -> None:
        shop.opens("facebook")
        shop.model_says(PARROT)
        marks = itertools.count(1)
        written = Written()

        def writes() -> None:
            mark = next(marks)
            shop.customer_writes(f"and #{mark}")
            written.note(ANN, mark)

        def goes_on() -> None:
            writes()
            shop.imports()
            shop.replies()

        writes()
        began = shop.now
        while not shop.sent():
            assert shop.now - began <= MAX_BUFFER_AGE + timedelta(seconds=2 * BUFFER_SECONDS)
            shop.wait(seconds=BUFFER_SECONDS)
            shop.imports()
            shop.replies(while_thinking=goes_on)
        assert shop.now - began >= MAX_BUFFER_AGE
        come_to_rest(shop)
        assert counted(shop, written).is_clean
        assert set(outcomes(shop)) == {Outcome.ANSWERED}


class TestTwoProcesses:
    def test_two_processes_at_once_answer_each_customer_once(self, shop: Shop) -> None:
        shop.sells(KETTLE)
        shop.model_says(PARROT)
        shop.opens("facebook")
        written = Written()
        for mark in range(1, 41):
            who = f"73000000000{mark % 20:05d}"
            written.note(who, mark)
            shop.customer_writes(f"price of k1 #{mark}", who=who)
        for fault in ("drop_after", "drop_before"):
            shop.world.faults.add(fault, match={"kind": "send"}, probability=0.2)
        shop.wait(seconds=BUFFER_SECONDS)
        apps = [another_process(shop) for _ in range(2)]
        try:
            with ThreadPoolExecutor(2) as pool:
                for _ in range(4):
                    list(pool.map(a_tick, apps))
                    shop.wait(seconds=READ_BACK_SECONDS)
        finally:
            for app in apps:
                app.close()
        shop.world.faults.clear()
        come_to_rest(shop)
        verdict = counted(shop, written)
        assert verdict.is_clean, verdict.lines()
        assert verdict.replies == 20


@pytest.mark.thorough
class TestDatabaseRestarts:
    """All connections are cut, as by a restart of the server."""

    @pytest.fixture(autouse=True)
    def reconnected(
        self, shop: Shop, database: Database, kept_pools: Sequence[Database]
    ) -> Iterator[None]:
        """The pools outlive the test; a connection that was used just now is not pinged."""
        yield
        for cut in (database, *kept_pools):
            cut.engine.dispose()

    def test_before_any_statement(self, shop: Shop, database: Database) -> None:
        self.survives(shop, database, before_statement)

    def test_before_any_commit(self, shop: Shop, database: Database) -> None:
        self.survives(shop, database, before_commit)

    def test_after_any_commit_whose_answer_is_lost(self, shop: Shop, database: Database) -> None:
        self.survives(shop, database, after_commit)

    @pytest.mark.parametrize("point", sorted(POINTS - {"history.page_stored"}))
    def test_at_any_crash_point(
        self, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, point: str
    ) -> None:
        written = opened(shop)
        met: list[str] = []

        def cut(name: str) -> None:
            if name == point and not met:
                met.append(name)
                cut_all_connections(database)

        monkeypatch.setattr(failpoints, "_armed", {"any": 1})
        monkeypatch.setattr(failpoints, "_count_down", cut)
        self.one_customer(shop, written, 0)
        assert met == [point]
        self.assert_clean(shop, written)

    @classmethod
    def survives(
        cls,
        shop: Shop,
        database: Database,
        strikes: Callable[[Engine, int, Callable[[], None]], Any],
    ) -> None:
        """Strike at the 1st occasion of a tick, at the 2nd for the next customer, and so on."""
        shop.app.settings.worker_concurrency = 1  # occasions in one order
        written = opened(shop)
        for number in itertools.count():
            struck: list[int] = []

            def cut(number: int = number, struck: list[int] = struck) -> None:
                struck.append(number)
                cut_all_connections(database)

            with strikes(shop.app.database.engine, number, cut):
                cls.one_customer(shop, written, number)
            if not struck:
                break
            shop.wait(seconds=1)
        assert number > 10  # a tick has at least so many occasions
        cls.assert_clean(shop, written)

    @staticmethod
    def one_customer(shop: Shop, written: Written, number: int) -> None:
        customer, mark = f"74{number:014d}", number + 1
        written.note(customer, mark)
        written.orders[mark] = (customer, "k1")
        shop.customer_writes(f"yes, order k1 x1 #{mark}", who=customer)
        shop.wait(seconds=BUFFER_SECONDS)
        with contextlib.suppress(SQLAlchemyError):  # as for a scheduler: there is another tick
            a_tick(shop.app)

    @staticmethod
    def assert_clean(shop: Shop, written: Written) -> None:
        come_to_rest(shop)
        verdict = counted(shop, written)
        assert verdict.is_clean, verdict.lines()
        assert set(outcomes(shop)) == {Outcome.ANSWERED}
        assert set(statuses(shop)) == {"sent"}
        assert len(shop.rows(Order)) == len(written.orders)


def opened(shop: Shop) -> Written:
    shop.sells(replace(KETTLE, stock=None))
    shop.model_says(PARROT)
    shop.opens("facebook")
    shop.imports()
    return Written()


def cut_all_connections(database: Database) -> None:
    """End every connection but the one that says so."""
    with database.transaction() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )


@contextmanager
def before_statement(engine: Engine, number: int, strike: Callable[[], None]) -> Iterator[None]:
    countdown = itertools.count()

    def hook(*_args: object) -> None:
        if next(countdown) == number:
            strike()

    event.listen(engine, "before_cursor_execute", hook)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", hook)


@contextmanager
def before_commit(engine: Engine, number: int, strike: Callable[[], None]) -> Iterator[None]:
    countdown = itertools.count()

    def hook(_connection: Connection) -> None:
        if next(countdown) == number:
            strike()

    event.listen(engine, "commit", hook)
    try:
        yield
    finally:
        event.remove(engine, "commit", hook)


@contextmanager
def after_commit(engine: Engine, number: int, strike: Callable[[], None]) -> Iterator[None]:
    countdown = itertools.count()
    commit = engine.dialect.do_commit

    def hook(connection: Any) -> None:
        commit(connection)
        if next(countdown) == number:
            strike()
            connection.execute("SELECT 1")  # finds the connection gone, and raises

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.dialect, "do_commit", hook)
        yield
