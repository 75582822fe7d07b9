"""The contract of an adapter whose other side is at hand: a folder, a table, a queue.

    class TestContract(LocalPlatformContract):
        name = "folder"

        @pytest.fixture(autouse=True)
        def other_side(self, tmp_path: Path) -> None: ...

        def make(self) -> Folder: ...
        def customer_writes(self, thread_id: str, text: str, at: datetime) -> str: ...
        def employee_writes(self, thread_id: str, text: str, at: datetime) -> str: ...

The suite plays the customer and the person at the shop, and then reads and sends by the adapter.
"""

import traceback
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest

from shoptalk.errors import DeliveryUncertain, GiveUp, PlatformError, RetryLater, UsageError
from shoptalk.platforms.base import (
    CredentialHealth,
    Page,
    Platform,
    Recipient,
    TellsCredentialHealth,
    credential_health,
)
from shoptalk.platforms.testing.common import (
    LIMIT,
    NINE,
    WORDS,
    AdapterContract,
    leaves,
    longest_text,
)
from shoptalk.types import InboundMessage, SenderType, Unreadable

MOST_PAGES = 100  #: of a walk, before it is taken to have no end
THREADS = ("ann", "bob", "carol")
NOBODY = Recipient(thread_id="nobody", customer_id="nobody")
ODD_TEXTS = (
    " spaces around and\n\nlines\n",
    "<b>markup</b> & 'quotes' \"too\" \\ {} %s",
    "\u202eturned\u2066 \x1b[31mred",
    "👩‍👩‍👧 مرحبا ﷽ Ångström",
)


class LocalPlatformContract(AdapterContract):
    """What every such adapter promises, if its platform is polled.

    The abstract methods are the author's part; within a test all meet the same other side.
    """

    name: str  #: the platform's word
    secrets: Sequence[str] = ()  #: what no error text, traceback or repr may hold
    repeats_safely = False  #: two sends with one `Recipient.reference` are one message

    @abstractmethod
    def customer_writes(self, thread_id: str, text: str, at: datetime) -> str:
        """Have a customer write; return the message_id under which the adapter shows it.

        A thread that is not there is begun. Moments come in any order, and twice the same.
        """

    @abstractmethod
    def employee_writes(self, thread_id: str, text: str, at: datetime) -> str:
        """Have a person at the shop write, by other means than the adapter."""

    def unavailable(self) -> AbstractContextManager[None]:
        """Where the other side cannot be reached while the block runs."""
        pytest.skip("nothing can be made unavailable")

    def break_a_record(self) -> None:
        """Put a record among those of thread "ann" that makes no sense."""
        pytest.skip("no record can be broken")

    # What the tests below are made of

    @property
    def expected_name(self) -> str:
        return self.name

    @property
    def hidden(self) -> Sequence[str]:
        return (*self.secrets, WORDS)

    def conversations(self) -> dict[str, list[str]]:
        """Three threads with messages of both sides; their ids, oldest first."""
        ids: dict[str, list[str]] = {}
        for number in range(9):
            thread_id = THREADS[number % 3]
            writes = self.employee_writes if number in (4, 8) else self.customer_writes
            at = NINE - timedelta(hours=1) + timedelta(seconds=number)
            ids.setdefault(thread_id, []).append(writes(thread_id, f"{WORDS} {number}", at))
        return ids

    def recipient(self, thread_id: str, *, reference: str | None = None) -> Recipient:
        """Whom an answer in the thread goes to, as the list of threads says."""
        [found] = {
            piece.customer.customer_id
            for page in self.pages(self.make())
            for piece in page.threads
            if piece.thread_id == thread_id
        }
        return Recipient(thread_id=thread_id, customer_id=found, reference=reference)

    def pages(
        self, platform: Platform, *, limit: int = LIMIT, since: datetime | None = None
    ) -> Iterator[Page]:
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = platform.fetch_page(cursor=cursor, limit=limit, since=since)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
        pytest.fail("the list of threads has no end")

    def back_from(
        self, platform: Platform, thread_id: str, older: str | None, *, limit: int = LIMIT
    ) -> list[InboundMessage]:
        """A thread's messages from a cursor to its beginning, newest first."""
        messages: list[InboundMessage] = []
        for _ in range(MOST_PAGES):
            if older is None:
                return messages
            page = platform.fetch_thread(thread_id, cursor=older, limit=limit)
            messages += page.messages
            older = page.older
        pytest.fail("the thread has no end")

    def whole(self, thread_id: str, *, limit: int = LIMIT) -> list[InboundMessage]:
        """The thread as the adapter shows it, oldest first."""
        return self.back_from(self.make(), thread_id, "", limit=limit)[::-1]

    def failure(self, work: Callable[[Platform], Any]) -> PlatformError:
        """What `work` raises, checked to tell no secrets and no customer's words."""
        platform = self.make()
        with pytest.raises(PlatformError) as caught:
            work(platform)
        error = caught.value
        assert error.platform == self.name
        shown = [str(error), repr(error), repr(platform), *traceback.format_exception(error)]
        assert all(secret not in text for text in shown for secret in self.hidden)
        return error

    # Itself

    def test_it_can_be_polled(self) -> None:
        assert self.make().capabilities.polled, (
            "the suite reads what was sent; without polling it cannot"
        )

    def test_identity_is_told_with_a_time_that_has_a_zone(self) -> None:
        identity = self.make().identify()
        assert identity.external_id
        assert identity.display_name
        assert identity.platform_time is None or identity.platform_time.utcoffset() is not None
        assert all(secret not in str(identity) for secret in self.hidden)

    def test_the_health_of_credentials_is_not_made_up(self) -> None:
        platform = self.make()
        health = credential_health(platform)
        if not isinstance(platform, TellsCredentialHealth):
            assert health == CredentialHealth()
        for moment in (health.expires_at, health.data_access_expires_at):
            assert moment is None or moment.utcoffset() is not None

    def test_typing_changes_no_message_and_one_that_cannot_says_so(self) -> None:
        self.conversations()
        if not self.make().capabilities.typing:
            with pytest.raises(UsageError, match=r"\w+ \w+"):
                self.make().show_typing(NOBODY)
            return
        before = self.whole("ann")
        self.make().show_typing(self.recipient("ann"))
        assert self.whole("ann") == before

    # Reading

    def test_an_empty_other_side_is_an_empty_list(self) -> None:
        assert [list(page.threads) for page in self.pages(self.make())] == [[]]

    def test_reading_twice_gives_the_same_and_no_naive_time(self) -> None:
        self.conversations()
        first, second = (list(self.pages(self.make())) for _ in range(2))
        assert first == second
        assert self.whole("ann") == self.whole("ann")
        for value in (first, self.whole("ann")):
            moments = [each for each in leaves(value) if isinstance(each, datetime)]
            assert moments
            assert all(moment.utcoffset() is not None for moment in moments)

    @pytest.mark.parametrize("limit", [1, 2, LIMIT])
    def test_the_list_shows_each_thread_once_latest_change_first(self, limit: int) -> None:
        self.conversations()
        pages = list(self.pages(self.make(), limit=limit))
        assert all(len(page.threads) <= limit for page in pages)
        assert all("://" not in (page.next_cursor or "") for page in pages)
        listed = [piece for page in pages for piece in page.threads]
        assert all(piece.customer.customer_id for piece in listed)
        assert {piece.thread_id for piece in listed} == set(THREADS)
        changes = [piece.updated_at for piece in listed if piece.updated_at is not None]
        if self.make().capabilities.lists_messages:  # then a thread may come with each
            assert not changes
        else:
            assert [piece.thread_id for piece in listed] == ["carol", "bob", "ann"]
            assert changes == sorted(changes, reverse=True)

    @pytest.mark.parametrize("limit", [1, 2, LIMIT])
    def test_a_thread_is_read_to_its_beginning_newest_first(self, limit: int) -> None:
        ids = self.conversations()
        for thread_id in THREADS:
            messages = self.whole(thread_id, limit=limit)
            assert [message.message_id for message in messages] == ids[thread_id]
            times = [message.created_at for message in messages]
            assert times == sorted(times)

    def test_reading_on_from_the_list_leaves_nothing_out(self) -> None:
        ids = self.conversations()
        for number in range(60):  # more than any list shows
            at = NINE + timedelta(seconds=number)
            ids["ann"].append(self.customer_writes("ann", f"more {number}", at))
        platform = self.make()
        found: dict[str, list[str]] = {}
        for page in self.pages(platform):
            for piece in page.threads:
                rest = self.back_from(platform, piece.thread_id, piece.older)
                both = [each.message_id for each in (*piece.messages, *rest)]
                found.setdefault(piece.thread_id, []).extend(both)
        assert {thread_id: each[::-1] for thread_id, each in found.items()} == ids

    def test_who_wrote_and_what_is_kept(self) -> None:
        self.conversations()
        senders = [message.sender_type for message in self.whole("bob")]
        assert senders == [SenderType.CUSTOMER, SenderType.EMPLOYEE, SenderType.CUSTOMER]
        assert [message.text for message in self.whole("bob")] == [
            f"{WORDS} {number}" for number in (1, 4, 7)
        ]

    @pytest.mark.parametrize("limit", [1, 2, LIMIT])
    def test_messages_of_one_moment_are_all_there_in_their_order(self, limit: int) -> None:
        ids = [self.customer_writes("ann", f"word {number}", NINE) for number in range(7)]
        assert [message.message_id for message in self.whole("ann", limit=limit)] == ids

    def test_threads_that_changed_in_one_moment_are_all_listed(self) -> None:
        people = {f"customer{number}" for number in range(7)}
        for who in people:
            self.customer_writes(who, "Hello", NINE)
        pages = self.pages(self.make(), limit=2)
        assert {piece.thread_id for page in pages for piece in page.threads} == people

    def test_a_thread_that_changes_during_the_walk_hides_no_other(self) -> None:
        self.conversations()
        seen = set()
        for number, page in enumerate(self.pages(self.make(), limit=1)):
            seen |= {piece.thread_id for piece in page.threads}
            if number < 3:
                self.customer_writes("carol", f"me again {number}", NINE)
        assert seen == set(THREADS)

    def test_what_changed_since_a_moment_is_listed_when_only_that_is_wanted(self) -> None:
        self.conversations()
        self.customer_writes("bob", "still there?", NINE)
        for since in (NINE, NINE - timedelta(minutes=1)):
            pages = self.pages(self.make(), since=since)
            assert "bob" in {piece.thread_id for page in pages for piece in page.threads}

    def test_a_change_moves_the_thread_forward(self) -> None:
        self.conversations()
        before = self.updated_at("ann")
        self.customer_writes("ann", "still there?", NINE)
        after = self.updated_at("ann")
        assert before is None or (after is not None and after > before)

    def updated_at(self, thread_id: str) -> datetime | None:
        pages = self.pages(self.make())
        pieces = (piece for page in pages for piece in page.threads)
        return next(piece.updated_at for piece in pieces if piece.thread_id == thread_id)

    def test_a_thread_that_is_not_there_is_given_up(self) -> None:
        self.conversations()
        error = self.failure(lambda p: p.fetch_thread("nobody", cursor="", limit=LIMIT))
        assert isinstance(error, GiveUp)

    def test_a_cursor_that_is_not_its_own_is_an_error(self) -> None:
        self.conversations()
        for cursor in ("not a cursor", "9" * 30, "../ann"):
            self.failure(lambda p: p.fetch_page(cursor=cursor, limit=1, since=None))  # noqa: B023
            self.failure(lambda p: p.fetch_thread("ann", cursor=cursor, limit=1))  # noqa: B023

    def test_a_broken_record_is_set_aside_and_the_rest_kept(self) -> None:
        ids = self.conversations()
        self.break_a_record()
        pages = list(self.pages(self.make()))
        thread = self.make().fetch_thread("ann", cursor="", limit=LIMIT)
        aside = [each for each in leaves([pages, thread]) if isinstance(each, Unreadable)]
        assert aside
        assert all(each.reason and WORDS not in each.reason for each in aside)
        assert {piece.thread_id for page in pages for piece in page.threads} == set(THREADS)
        assert [message.message_id for message in self.whole("ann")] == ids["ann"]

    # Sending

    def test_a_send_returns_the_id_under_which_it_is_shown(self) -> None:
        self.conversations()
        recipient = self.recipient("ann")
        before = self.updated_at("ann")
        message_id = self.make().send(recipient, "Yes, it is.")
        sent = self.whole("ann")[-1]
        assert (sent.message_id, sent.text) == (message_id, "Yes, it is.")
        assert sent.sender_type != SenderType.CUSTOMER
        after = self.updated_at("ann")
        assert before is None or (after is not None and after > before)
        assert len(self.whole("bob")) == 3

    def test_the_longest_text_is_kept_whole(self) -> None:
        self.conversations()
        capabilities = self.make().capabilities
        text = longest_text(capabilities.max_text, capabilities.text_unit)
        self.make().send(self.recipient("ann"), text)
        assert self.whole("ann")[-1].text == text

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_odd_texts_are_kept_as_they_are(self, text: str) -> None:
        self.conversations()
        self.make().send(self.recipient("ann"), text)
        assert self.whole("ann")[-1].text == text
        at = NINE + timedelta(seconds=1)
        assert self.whole("bob")[-1].message_id != self.customer_writes("bob", text, at)
        assert self.whole("bob")[-1].text == text

    def test_the_same_text_twice_is_two_messages(self) -> None:
        self.conversations()
        recipient = self.recipient("ann")
        assert self.make().send(recipient, "Yes.") != self.make().send(recipient, "Yes.")
        assert [message.text for message in self.whole("ann")[-2:]] == ["Yes.", "Yes."]

    def test_a_send_that_is_repeated_with_its_reference_is_one_message(self) -> None:
        if not self.repeats_safely:
            pytest.skip("it makes two of it; shoptalk reads the thread back first")
        self.conversations()
        recipient = self.recipient("ann", reference="delivery_1")
        assert self.make().send(recipient, "Yes.") == self.make().send(recipient, "Yes.")
        assert len(self.whole("ann")) == 4

    def test_sends_from_several_threads_at_once_all_arrive(self) -> None:
        self.conversations()
        platform = self.make()
        recipients = {thread_id: self.recipient(thread_id) for thread_id in THREADS}
        jobs = [(THREADS[number % 3], f"answer {number}") for number in range(12)]
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(lambda job: platform.send(recipients[job[0]], job[1]), jobs))
        assert len(set(sent)) == 12
        shown = {message.message_id for each in THREADS for message in self.whole(each)}
        assert set(sent) <= shown

    def test_nobody_is_reached_in_a_thread_that_is_not_there(self) -> None:
        self.conversations()
        assert isinstance(self.failure(lambda p: p.send(NOBODY, WORDS)), GiveUp)

    # Failing

    def test_an_other_side_that_cannot_be_reached_is_tried_later(self) -> None:
        self.conversations()
        recipient = self.recipient("ann")
        with self.unavailable():
            for read in (
                lambda p: p.fetch_page(cursor=None, limit=LIMIT, since=None),
                lambda p: p.fetch_thread("ann", cursor="", limit=LIMIT),
            ):
                assert isinstance(self.failure(read), RetryLater)
            error = self.failure(lambda p: p.send(recipient, WORDS))
            assert isinstance(error, RetryLater | DeliveryUncertain)
        if isinstance(error, RetryLater):
            assert len(self.whole("ann")) == 3, "what is to be repeated has changed nothing"
        self.make().send(recipient, "here again")
        assert self.whole("ann")[-1].text == "here again"
