"""Storing what one poll has read.

Rows and watermark commit together, so that a watermark never passes what is not stored. It comes
from the first page of the walk: what changes while we page is newer, and is seen next time.

Where the list is of bare messages, newest first, a walk that was not whole has read messages and
may have missed older ones of the same threads. What it read is stored, and waits unanswered until
a walk is whole, or until that has been waited for long enough.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from shoptalk.db.channels import advance_watermark, note_usage, resume_history
from shoptalk.db.delivery_reports import first_check
from shoptalk.db.inbox import Stored, store_threads
from shoptalk.db.missing_messages import (
    WAITS_FOR,
    find_missing_since,
    hides_what_waits,
    note_complete,
    note_malformed,
    note_missing,
    note_well_formed,
)
from shoptalk.db.opt_outs import note_words
from shoptalk.db.runs import add_run, calls_since
from shoptalk.db.threads import read_again_later
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.failpoints import failpoint
from shoptalk.importer.opt_out_keywords import words_of
from shoptalk.importer.poll_batch import PollBatch
from shoptalk.importer.poll_run import PollRun
from shoptalk.importer.poll_schedule import DAY, SPARE_FROM_PERCENT, throttle
from shoptalk.importer.watermark import ChannelFacts, Decision, WalkFacts, decide, reached


def store_poll(run: PollRun, poll_batch: PollBatch, *, complete: bool) -> None:
    """Store what was read, and how far that goes, in one transaction.

    Args:
        complete: the list was read to its end.
    """
    now = run.clock()
    failpoint("import.before_store")
    with run.database.transaction() as session:
        walk, before = _facts(session, run, poll_batch, complete=complete)
        decision = decide(before, walk, overlap=run.overlap, now=now)
        if not poll_batch.is_empty or poll_batch.read_again_at or not complete:
            # First, for it locks the channel's row: who stores for one channel takes turns.
            note_usage(session, run.channel.id, percent=_percent(run))
        stored = _store_rows(session, run, poll_batch, now=now)
        if stored.new or (decision.is_whole and run.channel.missing_since is not None):
            wake(session, Wakeup(WakeupKind.REPLY, run.channel.id))
        for thread_id, at, failed in poll_batch.read_again_at:
            read_again_later(session, run.channel.id, thread_id, at=at, failed=failed)
        _note_completeness(session, run, poll_batch, walk, decision, now=now)
        if decision.gives_up:
            _declare_gap(run, poll_batch, walk, before)
        if complete:
            advance_watermark(
                session,
                run.channel.id,
                to=decision.watermark,
                has_moved=poll_batch.has_moved,
                begun_at=poll_batch.begun_at,
                polled_at=now,
                next_poll_at=_next_poll_at(session, run, poll_batch, now),
                usage_percent=_percent(run),
            )
            run.report.finish(now=now)
            add_run(session, run.report.as_row())
        failpoint("import.in_transaction")
    failpoint("import.after_store")


def _facts(
    session: Session, run: PollRun, poll_batch: PollBatch, *, complete: bool
) -> tuple[WalkFacts, ChannelFacts]:
    """What the walk saw, and the channel before it, as of now: another walk may have broken off."""
    walk = poll_batch.facts(complete=complete)
    if not run.lists_messages:
        return walk, replace(poll_batch.before, incomplete_since=run.channel.malformed_since)
    since = run.channel.missing_since = find_missing_since(session, run.channel.id)
    is_hidden = (
        complete
        and since is not None
        and hides_what_waits(session, run.channel.id, since=since, shown=poll_batch.shown)
    )
    return replace(walk, hides_waiting=is_hidden), replace(
        poll_batch.before, incomplete_since=since
    )


def _store_rows(session: Session, run: PollRun, poll_batch: PollBatch, *, now: datetime) -> Stored:
    rows = poll_batch.ready()
    check_at = first_check(is_told=run.reader.tells_delivery, now=now)
    stored = store_threads(session, run.channel, rows, imported_at=now, check_at=check_at)
    run.report.stored += stored
    capabilities = run.reader.platform.capabilities
    note_words(session, run.channel.id, words_of(rows, capabilities.keywords))
    if stored.unfinished and capabilities.history:
        resume_history(session, run.channel.id)
    return stored


def _note_completeness(
    session: Session,
    run: PollRun,
    poll_batch: PollBatch,
    walk: WalkFacts,
    decision: Decision,
    *,
    now: datetime,
) -> None:
    """Remember since when something is missing, or that nothing is."""
    channel = run.channel
    is_incomplete = bool(walk.malformed) or walk.is_doubtful
    if run.lists_messages:
        if not decision.is_whole:
            if not poll_batch.is_empty or is_incomplete:
                note_missing(session, channel.id, at=now)
        elif not is_incomplete and channel.missing_since is not None:
            note_complete(session, channel.id, begun_at=poll_batch.begun_at)
    elif is_incomplete:
        note_malformed(session, channel.id, at=now)
    elif walk.complete and channel.malformed_since is not None:
        note_well_formed(session, channel.id, begun_at=poll_batch.begun_at)


def _declare_gap(
    run: PollRun, poll_batch: PollBatch, walk: WalkFacts, before: ChannelFacts
) -> None:
    """Say once what was waited for in vain: the watermark goes on without it."""
    what = (
        "records of the list have made no sense"
        if walk.malformed
        else "the list has led from one page to itself"
    )
    run.report.declare_gap(
        None,
        f"{what} for {WAITS_FOR.seconds // 60} minutes",
        since=poll_batch.look_back_to,
        until=reached(before, walk, run.overlap),
        at_most=None if walk.is_doubtful else walk.malformed,
    )


def _next_poll_at(
    session: Session, run: PollRun, poll_batch: PollBatch, now: datetime
) -> datetime | None:
    channel, usage = run.channel, run.reader.usage
    percent = usage.percent if usage else channel.usage_percent or 0
    calls = calls_since(session, channel.id, now - DAY) if percent > SPARE_FROM_PERCENT else 0
    return run.plan.next_poll_at(
        poll_batch.begun_at,
        active_at=now if poll_batch.has_moved else channel.watermark_moved_at,
        spare=throttle(usage_percent=percent, calls_of_day=calls + run.report.calls),
    )


def _percent(run: PollRun) -> int | None:
    return run.reader.usage.percent if run.reader.usage else None
