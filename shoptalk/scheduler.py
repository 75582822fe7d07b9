"""When things run. One tick imports what is new and then answers what is due.

A tick hands channels out and never waits for a slow one: a channel that is still being read when
the next tick comes is left alone until it is done. APScheduler fires the ticks; a tick it could
not fire in time is run late rather than dropped, and one that finds its predecessor at work says
so.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import SQLAlchemyError

from shoptalk.db.channels import claim_due_channels
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.outage import Outage
from shoptalk.db.runs import forget_uneventful
from shoptalk.importer.channels import Importer
from shoptalk.responder.passes import Responder
from shoptalk.services.token_health import check_next_due
from shoptalk.wiring import App

log = logging.getLogger(__name__)

TIDY_EVERY = timedelta(days=1)
SHORTEST_WAIT_SECONDS = 0.05  #: for a turn that is due and that nobody could claim just now
KEEP_UNEVENTFUL = timedelta(days=2)  #: import runs that met nothing


def utc_now() -> datetime:
    return datetime.now(UTC)


class Ticker:
    """The work of a tick, and what is under way. Knows no schedule.

    Any number of them share a database: each takes the channels and turns that nobody else has.

    Args:
        importer: None: another process imports.
        responder: None: another process answers.
    """

    def __init__(
        self, app: App, importer: Importer | None = None, responder: Responder | None = None
    ) -> None:
        self._app = app
        self.ticks = 0  #: made so far
        self._importer = importer
        self._responder = responder
        self._selector = app.selector()
        self._outage = Outage(app.clock)
        self._concurrency = app.settings.worker_concurrency
        self._ahead = self._concurrency // 2  #: channels claimed beyond what there are threads for
        self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="import")
        self._history_pool = ThreadPoolExecutor(2, thread_name_prefix="history")
        self._check_pool = ThreadPoolExecutor(1, thread_name_prefix="check")
        self._polling: dict[int, Future[None]] = {}
        self._unfinished = 0  # polls that were handed out
        self._are_more_due = False
        self._ticked_at = app.clock()
        self._claiming = threading.Lock()
        self._reading_history: dict[int, Future[None]] = {}
        self._checking: dict[int, Future[None]] = {}
        self._replier: threading.Thread | None = None
        self._is_reply_wanted = threading.Event()
        self._is_replying = False
        self._tidied_at: datetime | None = None
        self._starting = threading.Lock()
        self._stopping = threading.Event()

    def tick(self) -> None:
        """Start importing every due channel that is not being imported, and a responder pass."""
        if self._stopping.is_set():
            return
        self.ticks += 1
        if self._importer is not None:
            self._ticked_at = self._app.clock()
            self._whatever_happens(self._import_due)
        self._start(self._checking, self._check_pool, 0, self._look_after)
        self.reply()

    def reply(self) -> None:
        """Have a responder pass made; one that is under way is followed by another.

        It has a thread of its own: while a model takes its time, importing goes on.
        """
        with self._starting:
            if self._stopping.is_set():
                return
            self._is_reply_wanted.set()
            if self._replier is None:
                self._replier = threading.Thread(target=self._reply_when_wanted, name="reply")
                self._replier.start()

    def stop(self) -> None:
        """Begin nothing more, and wait until nothing is half done."""
        with self._starting:
            self._stopping.set()
        self._is_reply_wanted.set()
        if self._replier is not None:
            self._replier.join()
        for pool in (self._pool, self._history_pool, self._check_pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def _whatever_happens(self, work: Callable[[], object]) -> None:
        """Nobody waits for what runs in a pool: what goes wrong there is said here."""
        try:
            work()
        except Exception as exc:
            if not self._outage.tell(exc):
                log.error(
                    "a run failed",
                    extra={"error": type(exc).__name__},
                    exc_info=log.isEnabledFor(logging.DEBUG),
                )

    def _import_due(self, at_least: int = 1) -> None:
        """Claim channels that are due, some more than there are threads for.

        Whatever is claimed until the next tick counts as claimed at this one: a channel whose turn
        came late in it is due with the next one all the same.

        Args:
            at_least: so many; no claim is made for fewer.
        """
        with self._claiming:
            wanted = self._concurrency + self._ahead - self._unfinished
            if wanted < at_least:
                return
            plan = self._app.poll_schedule
            with self._app.database.transaction() as session:
                channels = claim_due_channels(
                    session,
                    not_polled=self._app.not_polled,
                    now=self._app.clock(),
                    not_before=plan.not_before(self._ticked_at),
                    limit=wanted,
                    longest_wait=plan.longest_wait,
                )
            self._outage.is_over()
            self._are_more_due = len(channels) == wanted
            for channel in channels:
                self._hand_out(channel)

    def _hand_out(self, channel: ChannelIntegration) -> None:
        if self._start(self._polling, self._pool, channel.id, partial(self._poll, channel)):
            with self._starting:
                self._unfinished += 1
        if channel.history_state == "waiting" and channel.last_poll_at is not None:
            self._start(
                self._reading_history,
                self._history_pool,
                channel.id,
                partial(self._history, channel),
            )

    def _start(
        self,
        under_way: dict[int, Future[None]],
        pool: ThreadPoolExecutor,
        key: int,
        work: Callable[[], None],
    ) -> bool:
        """Whether it was handed to the pool: what is under way is not started again."""
        with self._starting:
            before = under_way.get(key)
            if self._stopping.is_set() or not (before is None or before.done()):
                return False
            under_way[key] = pool.submit(self._whatever_happens, work)
            return True

    def _reply_when_wanted(self) -> None:
        """Make a pass whenever one is asked for, and when the next turn is due."""
        wait: float | None = None
        while True:
            self._is_reply_wanted.wait(wait)
            self._is_replying = True
            self._is_reply_wanted.clear()
            if self._stopping.is_set():
                return
            wait = None  # for the next tick, should this fail
            self._whatever_happens(self._reply)
            self._is_replying = False
            with suppress(SQLAlchemyError):  # the next tick tells
                wait = self._seconds_until_due()

    def _reply(self) -> None:
        if self._responder is None:
            self._selector.select()
        else:
            self._responder.answer_all_due(stop=self._stopping.is_set)
        self._outage.is_over()

    def _seconds_until_due(self) -> float | None:
        due_at = self._selector.next_due()
        if due_at is None or self._responder is None:
            return None
        return max((due_at - self._app.clock()).total_seconds(), SHORTEST_WAIT_SECONDS)

    def _look_after(self) -> None:
        """What is done once a day; polling does not wait for it."""
        while not self._stopping.is_set() and check_next_due(self._app):
            pass
        now = self._app.clock()
        if self._tidied_at is None or now - self._tidied_at >= TIDY_EVERY:
            with self._app.database.transaction() as session:
                forget_uneventful(session, before=now - KEEP_UNEVENTFUL)
            self._tidied_at = now

    def _poll(self, channel: ChannelIntegration) -> None:
        """Import a channel. Where more are due than were claimed, claim the next."""
        assert self._importer is not None
        try:
            report = self._importer.poll(channel)
        finally:
            with self._starting:
                self._unfinished -= 1
        if report.stored.new:
            self.reply()  # opens the turn now, so that its buffer is not a tick longer
        if self._are_more_due and not self._stopping.is_set():
            self._import_due(at_least=max(self._ahead, 1))

    def _history(self, channel: ChannelIntegration) -> None:
        assert self._importer is not None
        with self._app.liveness.alone_at(channel.id) as is_ours:
            if is_ours:
                self._importer.read_history(channel, stop=self._stopping.is_set)


class Schedule:
    """APScheduler around a ticker."""

    def __init__(self, ticker: Ticker, *, poll_seconds: float, reply_seconds: float) -> None:
        self._ticker = ticker
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={
                # Its default drops, without a word, whatever is a second late.
                "misfire_grace_time": None,
                "coalesce": True,
                "max_instances": 1,
            },
        )
        # Its own words for these events come with tracebacks.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._scheduler.add_listener(
            _report_event, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR
        )
        first = utc_now()
        self._add("tick", ticker.tick, poll_seconds, first)
        self._add("reply", ticker.reply, reply_seconds, first)

    def _add(self, name: str, work: Callable[[], None], seconds: float, first: datetime) -> None:
        self._scheduler.add_job(
            work, IntervalTrigger(seconds=seconds, timezone=UTC), id=name, next_run_time=first
        )

    def run_until(self, stop: threading.Event, *, each_second: Callable[[], None]) -> None:
        """Tick until told to stop; then finish what was begun."""
        self._scheduler.start()
        try:
            while not stop.wait(1):
                each_second()
        finally:
            self._ticker.stop()
            self._scheduler.shutdown(wait=True)


def _report_event(event: Any) -> None:
    if event.code == EVENT_JOB_MAX_INSTANCES:
        log.warning(
            "a run was skipped: the one before is still at work", extra={"job": event.job_id}
        )
    elif event.code == EVENT_JOB_MISSED:
        log.warning("a run was missed", extra={"job": event.job_id})
    else:
        log.error(
            "a run failed", extra={"job": event.job_id, "error": type(event.exception).__name__}
        )
