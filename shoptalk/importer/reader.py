"""Asking a platform: paced, counted, and with smaller questions where it wants them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from shoptalk.errors import BadPayload, ForeignLink, RetryLater, Throttled, TooMuchData
from shoptalk.importer.pace import Pace
from shoptalk.importer.report import RunReport, storable
from shoptalk.platforms.base import (
    FetchesAttachments,
    Page,
    Platform,
    TellsDelivery,
    ThreadPage,
    Usage,
)
from shoptalk.types import Attachment, DeliveryReport, Unreadable

LIST_LIMIT = 25  #: threads asked for at once; what the platform gives without complaint
THREAD_LIMIT = 50  #: messages of one thread asked for at once
LONGEST_PAUSE_SECONDS = 2.0  #: before a question is asked again

Answer = TypeVar("Answer", Page, ThreadPage)
T = TypeVar("T")


class Reader:
    """One channel's platform during one run."""

    def __init__(
        self,
        platform: Platform,
        pace: Pace,
        report: RunReport,
        *,
        list_limit: int | None = None,
        more_tries: int = 0,
    ) -> None:
        self.platform = platform
        self.usage: Usage | None = None
        self.list_limit = list_limit or LIST_LIMIT
        self.thread_limit = min(THREAD_LIMIT, platform.can.readable_messages or THREAD_LIMIT)
        self._wanted_less = False
        self._more_tries = more_tries
        self._pace = pace
        self._report = report

    def page(self, cursor: str | None, *, since: datetime | None) -> Page:
        """The next page of the list; asks for half as often as the platform says "less"."""
        while True:
            ask = partial(
                self.platform.fetch_page, cursor=cursor, limit=self.list_limit, since=since
            )
            try:
                page = self._ask(ask)
            except TooMuchData:
                if self.list_limit == 1:
                    raise
                self.list_limit //= 2
                self._wanted_less = True
                continue
            page = _without_unstorable(page)
            self._report.put_aside(page.unreadable)
            return self._noted(page)

    def thread(self, thread_id: str, cursor: str) -> ThreadPage:
        while True:
            ask = partial(
                self.platform.fetch_thread, thread_id, cursor=cursor, limit=self.thread_limit
            )
            try:
                page = self._ask(ask)
            except TooMuchData:
                if self.thread_limit == 1:
                    raise
                self.thread_limit //= 2
                continue
            self._report.put_aside(page.unreadable)
            return self._noted(page)

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
    def next_list_limit(self) -> int:
        """What the next run may ask for: twice as much, as long as the platform answers."""
        return self.list_limit if self._wanted_less else min(LIST_LIMIT, self.list_limit * 2)

    def is_last_page_again(self, page: Page | ThreadPage) -> bool:
        """Whether a page that comes again and again may be taken for the end.

        Some platforms hand out the cursor of their last page for ever. It is short, as a rule,
        and never empty.
        """
        if isinstance(page, Page):
            return 0 < len(page.threads) + len(page.unreadable) < self.list_limit
        return 0 < len(page.messages) + len(page.unreadable) < self.thread_limit

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
        self._pace.wait()
        self._report.calls += 1
        return ask()

    def _noted(self, answer: Answer) -> Answer:
        if answer.usage is not None:
            self.usage = answer.usage
        return answer


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
