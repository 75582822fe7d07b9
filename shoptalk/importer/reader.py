"""Asking a platform: paced, counted, and with smaller questions where it wants them."""

from datetime import datetime
from typing import TypeVar

from shoptalk.errors import TooMuchData
from shoptalk.importer.pace import Pace
from shoptalk.importer.report import RunReport
from shoptalk.platforms.base import Page, Platform, ThreadPage, Usage

LIST_LIMIT = 25  #: threads asked for at once; what the platform gives without complaint
THREAD_LIMIT = 50  #: messages of one thread asked for at once

Answer = TypeVar("Answer", Page, ThreadPage)


class Reader:
    """One channel's platform during one run."""

    def __init__(
        self, platform: Platform, pace: Pace, report: RunReport, *, list_limit: int | None = None
    ) -> None:
        self.platform = platform
        self.usage: Usage | None = None
        self.list_limit = list_limit or LIST_LIMIT
        self._thread_limit = min(THREAD_LIMIT, platform.can.readable_messages or THREAD_LIMIT)
        self._pace = pace
        self._report = report

    def page(self, cursor: str | None, *, since: datetime | None) -> Page:
        """The next page of the list; asks for half as often as the platform says "less"."""
        while True:
            self._before_call()
            try:
                page = self.platform.fetch_page(cursor=cursor, limit=self.list_limit, since=since)
            except TooMuchData:
                if self.list_limit == 1:
                    raise
                self.list_limit //= 2
                continue
            self._report.put_aside(page.unreadable)
            return self._noted(page)

    def thread(self, thread_id: str, cursor: str) -> ThreadPage:
        limit = self._thread_limit
        while True:
            self._before_call()
            try:
                page = self.platform.fetch_thread(thread_id, cursor=cursor, limit=limit)
            except TooMuchData:
                if limit == 1:
                    raise
                limit //= 2
                continue
            self._report.put_aside(page.unreadable)
            return self._noted(page)

    def _before_call(self) -> None:
        self._pace.wait()
        self._report.calls += 1

    def _noted(self, answer: Answer) -> Answer:
        if answer.usage is not None:
            self.usage = answer.usage
        return answer
