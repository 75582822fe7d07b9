"""Importing channels: each by itself, side by side, whatever happens to one of them."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from shoptalk.backoff import backoff
from shoptalk.db import circuits
from shoptalk.db.channels import (
    LONGEST_WAIT_OF_FAILED,
    note_failure,
    note_page_sizes,
    put_history_off,
    stop_channel,
)
from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.outage import is_outage, reason
from shoptalk.db.runs import add_run
from shoptalk.db.threads import count_history
from shoptalk.errors import ChannelStopped, PlatformError, RetryLater, ShoptalkError, Throttled
from shoptalk.importer.history import Progress, import_history
from shoptalk.importer.page_size import PageSizeMemory
from shoptalk.importer.platform_reader import PlatformReader
from shoptalk.importer.poll import poll_channel
from shoptalk.importer.poll_run import PollRun
from shoptalk.importer.poll_schedule import EVERY_TICK, PollSchedule
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.importer.run_report import RunReport
from shoptalk.platforms.base import Platform
from shoptalk.types import Clock

log = logging.getLogger(__name__)

POLL = "poll"
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=10)
MOST_ROUNDS = 5  #: of poll and history in one import, where customers never pause
CIRCUIT_READ_EVERY = timedelta(seconds=1)  #: that is not known to have failed

OnProgress = Callable[[ChannelIntegration, Progress], None]


class _CircuitOpen(RetryLater):
    """The platform was not even asked."""


class Importer:
    """Imports channels of one database.

    Args:
        platform_of: the adapter of a channel, connected with its credentials.
        rate_limiter_of: the pace of a channel's reads, the same one each time it is asked.
        more_tries: how often a question is asked again at once that the platform stumbled over.
    """

    def __init__(
        self,
        database: Database,
        *,
        platform_of: Callable[[ChannelIntegration], Platform],
        rate_limiter_of: Callable[[ChannelIntegration], RateLimiter],
        overlap: timedelta,
        concurrency: int,
        more_tries: int = 0,
        plan: PollSchedule = EVERY_TICK,
        clock: Clock,
    ) -> None:
        self._database = database
        self._platform_of = platform_of
        self._pace_of = rate_limiter_of
        self._overlap = overlap
        self._concurrency = concurrency
        self._more_tries = more_tries
        self._plan = plan
        self._clock = clock
        self._listed: dict[int, int] = {}  # records of the list that a channel's last poll saw
        self._sound: dict[str, datetime] = {}  # platforms without a failure, when we looked

    def import_side_by_side(
        self,
        channels: Sequence[ChannelIntegration],
        *,
        on_progress: OnProgress = lambda _channel, _progress: None,
    ) -> list[RunReport]:
        """Poll each channel and read what its history lacks; reports in the order of runs."""
        if not channels:
            return []
        with ThreadPoolExecutor(min(len(channels), self._concurrency)) as pool:
            runs = pool.map(lambda channel: self.import_one(channel, on_progress), channels)
            return [report for reports in runs for report in reports]

    def import_one(
        self,
        channel: ChannelIntegration,
        on_progress: OnProgress = lambda _channel, _progress: None,
    ) -> list[RunReport]:
        """What is new first, history after it: a customer who waits comes before the archive.

        A poll may meet a thread that history has not come across, and customers write while
        history is walked: so both are asked for again until neither leaves anything to the other.
        """
        reports = [self.poll(channel)]
        for _ in range(MOST_ROUNDS):
            channel = self._as_it_is_now(channel)
            brought_new = len(reports) > 1 and reports[-1].kind == POLL
            is_waiting = channel.history_state == "waiting"
            if reports[-1].error is not None or not (is_waiting or brought_new):
                return reports
            if is_waiting:
                reports.append(self.read_history(channel, on_progress=on_progress))
                channel = self._as_it_is_now(channel)
                if reports[-1].error is not None or channel.history_state == "waiting":
                    break
            meanwhile = self.poll(channel)
            if not meanwhile.stored.new and meanwhile.error is None:
                channel = self._as_it_is_now(channel)
                if channel.history_state != "waiting":
                    return reports
            reports.append(meanwhile)
        channel = self._as_it_is_now(channel)
        if reports[-1].error is None and channel.history_state == "waiting":
            reports[-1].notes += self._what_is_left(channel)
        return reports

    def _as_it_is_now(self, channel: ChannelIntegration) -> ChannelIntegration:
        """The row as it is stored; as it was, where the database is gone."""
        with suppress(SQLAlchemyError), self._database.reading() as session:
            return session.get_one(ChannelIntegration, channel.id)
        return channel

    def _what_is_left(self, channel: ChannelIntegration) -> Sequence[str]:
        with suppress(SQLAlchemyError), self._database.reading() as session:
            _, unfinished = count_history(session, channel.id)
            threads = f", of {unfinished} known threads at least" if unfinished else ""
            name = f"{channel.channel} {channel.display_name}"
            goes_on = "the next `shoptalk import`, or a running `shoptalk run`, goes on with it"
            return [f"{name}: history is left to be read{threads}; {goes_on}"]
        return []

    def poll(self, channel: ChannelIntegration) -> RunReport:
        report = self._run(
            POLL,
            channel,
            lambda reader, report: poll_channel(
                PollRun(
                    database=self._database,
                    channel=channel,
                    reader=reader,
                    report=report,
                    overlap=self._overlap,
                    plan=self._plan,
                    clock=self._clock,
                )
            ),
        )
        if report.error is None:
            self._listed[channel.id] = report.listed
        else:  # the next one has more to see
            self._listed.pop(channel.id, None)
        return report

    def read_history(
        self,
        channel: ChannelIntegration,
        *,
        kind: str = "history",
        until: datetime | None = None,
        on_progress: OnProgress = lambda _channel, _progress: None,
        stop: Callable[[], bool] = lambda: False,
        at_once: bool = False,
    ) -> RunReport:
        """Read what the channel's history lacks, unless it is to wait; `at_once` it does not."""
        waits_until = None if at_once else self._history_waits_until(channel)
        if waits_until is not None:
            report = RunReport.begin(kind, channel, now=self._clock())
            report.notes.append(f"its history waits until {waits_until:%Y-%m-%d %H:%M:%S} UTC")
            return report
        return self._run(
            kind,
            channel,
            lambda reader, report: import_history(
                self._database,
                channel,
                reader,
                report,
                until=until,
                clock=self._clock,
                on_progress=lambda progress: on_progress(channel, progress),
                stop=stop,
            ),
        )

    def _history_waits_until(self, channel: ChannelIntegration) -> datetime | None:
        moment = None
        with suppress(SQLAlchemyError), self._database.transaction() as session:
            moment = session.get_one(ChannelIntegration, channel.id).history_next_at
        return moment if moment is not None and moment > self._clock() else None

    def _run(
        self,
        kind: str,
        channel: ChannelIntegration,
        work: Callable[[PlatformReader, RunReport], None],
    ) -> RunReport:
        """Do one channel's work; whatever goes wrong ends in its report and on its row."""
        report = RunReport.begin(kind, channel, now=self._clock())
        try:
            has_failed = self._check_circuit(channel)
            platform = self._platform_of(channel)
            sizes = PageSizeMemory(
                channel.page_sizes,
                platform.capabilities,
                clock=self._clock,
                listed=self._listed.get(channel.id) if kind == POLL else None,
            )
            pace = self._pace_of(channel)
            reader = PlatformReader(
                platform,
                pace,
                report,
                sizes,
                more_tries=self._more_tries,
                politely=kind != POLL,
                comes_back=kind == POLL,
            )
            try:
                work(reader, report)
            finally:
                self._note_sizes(channel, sizes)
            if has_failed:
                self._note_answered(channel)
        except PlatformError as exc:
            self._note_failure(channel, report, exc, str(exc))
        except Exception as exc:
            # The database is gone, or we have a defect: this channel's import ends, no other.
            report.finish(now=self._clock(), error=f"broke off: {_reason(exc)}")
            log.error(
                "an import broke off",
                extra={"channel_id": channel.id, "error": report.error},
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            with suppress(SQLAlchemyError):  # where the database is gone, the log has to do
                self._note_failure(channel, report, exc, f"broke off: {_reason(exc)}")
            return report
        log.info(
            "imported",
            extra={
                "run": report.kind,
                "channel_id": channel.id,
                "new": report.stored.new,
                "seen": report.stored.seen,
                "calls": report.calls,
                "error": report.error,
            },
        )
        return report

    def _check_circuit(self, channel: ChannelIntegration) -> bool:
        """A platform that fails for everybody is not asked once a channel.

        Returns:
            Whether it has failed lately.
        """
        now = self._clock()
        looked_at = self._sound.get(channel.channel)
        if looked_at is not None and now - looked_at < CIRCUIT_READ_EVERY:
            return False
        with self._database.reading() as session:
            broken = circuits.find(session, channel.channel)
        if broken is None or not broken.failures:
            self._sound[channel.channel] = now
        pause = circuits.pause_left(broken, now=now)
        if broken is not None and pause:
            raise _CircuitOpen(
                f"the platform fails again and again: {broken.last_error}",
                platform=channel.channel,
                retry_after=pause,
            )
        return broken is not None and broken.failures > 0

    def _note_sizes(self, channel: ChannelIntegration, sizes: PageSizeMemory) -> None:
        learnt = sizes.learnt()
        if learnt:
            with self._database.transaction() as session:
                note_page_sizes(session, channel.id, learnt)

    def _note_answered(self, channel: ChannelIntegration) -> None:
        with self._database.transaction() as session:
            circuits.note_success(session, channel.channel, now=self._clock())

    def _note_failure(
        self, channel: ChannelIntegration, report: RunReport, error: Exception, said: str
    ) -> None:
        now = self._clock()
        self._sound.pop(channel.channel, None)
        report.finish(now=now, error=said)
        with self._database.transaction() as session:
            if isinstance(error, ChannelStopped):
                report.remedy = error.remedy
                stop_channel(
                    session,
                    channel.id,
                    said,
                    error.remedy,
                    now=now,
                    config=channel.config,
                )
            elif report.kind == POLL or isinstance(error, Throttled):
                wait_until = now + _wait(error, channel.failures)
                note_failure(session, channel.id, said, wait_until=wait_until)
            else:
                wait_until = now + _wait(error, channel.history_failures)
                put_history_off(session, channel.id, until=wait_until, failed=True)
            if isinstance(error, RetryLater) and not isinstance(error, Throttled | _CircuitOpen):
                circuits.note_failure(session, channel.channel, said, now=now)
            add_run(session, report.as_row())


def _reason(error: Exception) -> str:
    """What the server said, without the statement and its values."""
    if isinstance(error, ShoptalkError):
        return str(error)
    if is_outage(error):
        return f"the database does not answer: {reason(error)}"
    original = getattr(error, "orig", None)
    said = str(original).strip().splitlines() if original is not None else []
    return f"{type(error).__name__} {said[0] if said else ''}".strip()


def _wait(error: Exception, failures: int) -> timedelta:
    if isinstance(error, RetryLater) and error.retry_after is not None:
        return min(error.retry_after, LONGEST_WAIT_OF_FAILED)
    return backoff(failures + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)
