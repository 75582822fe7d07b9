"""ModelCircuit a platform: paced, counted, and with smaller questions where it wants them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from shoptalk.errors import (
    BadPayload,
    ForeignLink,
    RetryLater,
    Throttled,
    TimedOut,
    TooMuchData,
)
from shoptalk.importer.page_size import PageSize, PageSizeMemory
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.importer.run_report import RunReport, storable
from shoptalk.platforms.base import (
    FetchesAttachments,
    Page,
    Platform,
    ShowsPast,
    TellsDelivery,
    ThreadPage,
    Usage,
)
from shoptalk.types import Attachment, DeliveryReport, Unreadable

TIMES_ASKED = 3  #: for a page that is not whole, before it is taken as it is
LONGEST_PAUSE_SECONDS = 2.0  #: before a question is asked again
VAIN_QUESTIONS = 3  #: about records that made no sense, before such are left as they are

Answer = TypeVar("Answer", Page, ThreadPage)
T = TypeVar("T")


class PlatformReader:
    """One channel's platform during one run. For one thread at a time.

    Args:
        politely: let other readers of the account go first.
        comes_back: what makes no sense now is read again by a later run.
    """

    def __init__(
        self,
        platform: Platform,
        pace: RateLimiter,
        report: RunReport,
        sizes: PageSizeMemory,
        *,
        more_tries: int = 0,
        politely: bool = False,
        comes_back: bool = True,
    ) -> None:
        self.platform = platform
        self.usage: Usage | None = None
        self.sizes = sizes
        self._more_tries = more_tries
        self._asked_for = 0  # in the last question
        self._pace = pace
        self._report = report
        self._politely = politely
        self._questions_left = 0 if comes_back else VAIN_QUESTIONS

    def page(self, cursor: str | None, *, since: datetime | None) -> Page:
        """The next page of the list."""
        return self._listed(
            self.sizes.list,
            lambda limit: self.platform.fetch_page(cursor=cursor, limit=limit, since=since),
        )

    def past(self, cursor: str | None, *, since: datetime | None) -> Page:
        """The next page of the list, with as much of each thread as the platform shows there."""
        platform = self.platform
        if not isinstance(platform, ShowsPast):
            return self.page(cursor, since=since)
        messages = self.sizes.thread.now
        try:
            return self._listed(
                self.sizes.past,
                lambda limit: platform.fetch_past(cursor=cursor, limit=limit, messages=messages),
            )
        except TooMuchData:  # even a single thread is too much to be shown whole
            return self.page(cursor, since=since)

    def attachments(self, message_id: str) -> Sequence[Attachment]:
        assert isinstance(self.platform, FetchesAttachments)
        return self._ask(partial(self.platform.fetch_attachments, message_id))

    def delivery(self, message_id: str) -> DeliveryReport | None:
        assert isinstance(self.platform, TellsDelivery)
        return self._counted(partial(self.platform.fetch_delivery, message_id))

    def put_aside(self, reason: str, thread_id: str | None, message_id: str) -> None:
        """Put on record what could not be read of one message."""
        self._report.put_aside(
            [Unreadable(reason=reason, thread_id=thread_id, message_id=message_id)]
        )

    @property
    def shows_past(self) -> bool:
        """Whether `past` shows more than `page`."""
        return isinstance(self.platform, ShowsPast)

    @property
    def tells_delivery(self) -> bool:
        return isinstance(self.platform, TellsDelivery)

    def thread(self, thread_id: str, cursor: str) -> ThreadPage:
        page = self._sensible(
            self.sizes.thread,
            lambda limit: self.platform.fetch_thread(thread_id, cursor=cursor, limit=limit),
        )
        self._report.put_aside(page.unreadable)
        return page

    def _listed(self, size: PageSize, question: Callable[[int], Page]) -> Page:
        page = self._sensible(size, question)
        for _ in range(TIMES_ASKED - 1):
            if not self._is_whole(page):
                page = self._asked(size, question)
        if page.left_out:
            said = "the platform counts more threads than it shows"
            self._report.declare_gap(None, said, at_most=page.left_out)
        page = _without_unstorable(page)
        self._report.put_aside(page.unreadable)
        return page

    def _is_whole(self, page: Page) -> bool:
        """Whether it shows what it counts; and, for a list of bare messages, makes sense of all.

        There, what comes after a record that makes no sense waits for it.
        """
        is_spoilt = self.platform.capabilities.lists_messages and page.unreadable
        return not (page.left_out or is_spoilt)

    def _sensible(self, size: PageSize, question: Callable[[int], Answer]) -> Answer:
        """One answer; what makes no sense in it is asked for again, as long as that helps."""
        answer = self._asked(size, question)
        for _ in range(TIMES_ASKED - 1):
            senseless = _count_senseless(answer)
            if not senseless or not self._questions_left:
                break
            answer = self._asked(size, question)
            self._questions_left -= _count_senseless(answer) >= senseless
        return answer

    def _asked(self, size: PageSize, question: Callable[[int], Answer]) -> Answer:
        """One answer; what the platform finds too much is asked for in halves."""
        while True:
            try:
                answer = self._ask(partial(self._sized, size, question))
            except TooMuchData:
                if not size.refused():
                    raise
            else:
                count, has_more = _extent(answer)
                size.answered(count, in_full=count >= size.now or not has_more)
                self.usage = answer.usage or self.usage
                return answer

    def _sized(self, size: PageSize, question: Callable[[int], Answer]) -> Answer:
        self._asked_for = size.now
        try:
            return question(size.now)
        except TimedOut:
            size.timed_out()  # it may have been too much
            raise

    def _ask(self, ask: Callable[[], T]) -> T:
        """One question, asked again soon where the platform merely stumbled over it.

        A walk of many pages would hardly ever end on a platform that fails now and then.
        """
        patience = Retrying(
            stop=stop_after_attempt(1 + self._more_tries),
            retry=retry_if_exception(_is_stumble),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_SECONDS),
            sleep=self._pace.sleep,
            reraise=True,
        )
        answer: T = patience(self._counted, ask)
        return answer

    def _counted(self, ask: Callable[[], T]) -> T:
        self._pace.wait(politely=self._politely)
        self._report.calls += 1
        return ask()

    def is_last_page_again(self, page: Page | ThreadPage) -> bool:
        """Whether a page that comes again and again may be taken for the end.

        Some platforms hand out the cursor of their last page for ever. It is short, as a rule,
        and never empty.
        """
        count, _ = _extent(page)
        return 0 < count < self._asked_for


def _extent(answer: Page | ThreadPage) -> tuple[int, bool]:
    """How many records came, and whether there are more."""
    if isinstance(answer, Page):
        return len(answer.threads) + len(answer.unreadable), answer.next_cursor is not None
    return len(answer.messages) + len(answer.unreadable), answer.older is not None


def _count_senseless(answer: Page | ThreadPage) -> int:
    pieces = answer.threads if isinstance(answer, Page) else ()
    return len(answer.unreadable) + sum(len(piece.unreadable) for piece in pieces)


def _is_stumble(error: BaseException) -> bool:
    """Whether the next try may well succeed, and the platform did not ask to wait."""
    if isinstance(error, RetryLater):
        return not isinstance(error, Throttled) and error.retry_after is None
    return isinstance(error, BadPayload) and not isinstance(error, ForeignLink)


def _without_unstorable(page: Page) -> Page:
    """A thread whose id the database cannot hold could never be found again."""
    wrong = [piece for piece in page.threads if storable(piece.thread_id) != piece.thread_id]
    if not wrong:
        return page
    reason = "the id of the thread cannot be stored"
    return replace(
        page,
        threads=[piece for piece in page.threads if piece not in wrong],
        unreadable=[
            *page.unreadable,
            *(Unreadable(reason=reason, thread_id=piece.thread_id) for piece in wrong),
        ],
    )
