"""Asking a platform: paced, counted, and with smaller questions where it wants them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from shoptalk.errors import TimedOut, TooMuchData
from shoptalk.importer.pace import Pace
from shoptalk.importer.report import RunReport, storable
from shoptalk.importer.sizes import PageSize, PageSizes
from shoptalk.platforms.base import Page, Platform, ShowsPast, ThreadPage, Usage
from shoptalk.types import Unreadable

Answer = TypeVar("Answer", Page, ThreadPage)


class Reader:
    """One channel's platform during one run. For one thread at a time.

    Args:
        politely: let other readers of the account go first.
    """

    def __init__(
        self,
        platform: Platform,
        pace: Pace,
        report: RunReport,
        sizes: PageSizes,
        *,
        politely: bool = False,
    ) -> None:
        self.platform = platform
        self.usage: Usage | None = None
        self.sizes = sizes
        self._asked_for = 0  # in the last question
        self._pace = pace
        self._report = report
        self._politely = politely

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

    @property
    def shows_past(self) -> bool:
        """Whether `past` shows more than `page`."""
        return isinstance(self.platform, ShowsPast)

    def thread(self, thread_id: str, cursor: str) -> ThreadPage:
        page = self._asked(
            self.sizes.thread,
            lambda limit: self.platform.fetch_thread(thread_id, cursor=cursor, limit=limit),
        )
        self._report.put_aside(page.unreadable)
        return page

    def _listed(self, size: PageSize, question: Callable[[int], Page]) -> Page:
        page = _without_unstorable(self._asked(size, question))
        self._report.put_aside(page.unreadable)
        return page

    def _asked(self, size: PageSize, question: Callable[[int], Answer]) -> Answer:
        """Ask for half as much as often as the platform says "less"."""
        while True:
            self._pace.wait(politely=self._politely)
            self._report.calls += 1
            self._asked_for = size.now
            try:
                answer = question(size.now)
            except TooMuchData:
                if not size.refused():
                    raise
            except TimedOut:
                size.timed_out()  # repeated later, and then for less
                raise
            else:
                count, has_more = _extent(answer)
                size.answered(count, in_full=count >= size.now or not has_more)
                self.usage = answer.usage or self.usage
                return answer

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
