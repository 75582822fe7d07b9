"""Importing a file into a channel: the way in for platforms that cannot be polled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from shoptalk.db.engine import Database
from shoptalk.db.inbox import ThreadRows, store_threads
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.own_messages import own_replies
from shoptalk.db.runs import add_run
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.errors import UsageError
from shoptalk.importer.files import FileOptions, FileThread, read_file
from shoptalk.importer.files.source import shown
from shoptalk.importer.run_report import RunReport
from shoptalk.importer.threads import rows_of
from shoptalk.platforms.base import ThreadSlice
from shoptalk.types import OUR_SIDE, InboundMessage

CLOCKS_DIFFER_BY = timedelta(minutes=15)  #: a phone's that is ahead of ours; less than any zone
FILE_TIMES_DIFFER_BY = timedelta(minutes=2)  #: they are cut to the minute, by another clock


def import_file(
    database: Database,
    channel: ChannelIntegration,
    path: Path,
    options: FileOptions,
    *,
    now: datetime,
) -> RunReport:
    """Store a file's messages, each once, in one transaction.

    What was written before the channel's cut-over is history, as from anywhere else.

    Raises:
        UsageError: the file cannot be read, nor any record of it; nothing is stored.
    """
    content = read_file(path, options)
    report = RunReport.begin("file", channel, now=now)
    report.notes += content.notes
    if content.skipped_system:
        report.notes.append(f"{content.skipped_system} lines were the app's own and left out")
    report.put_aside(content.unreadable)
    for thread in content.threads:
        report.put_aside(thread.unreadable)
    if report.unreadable:
        one = report.set_aside[0]["reason"]
        if not any(thread.messages for thread in content.threads):
            raise UsageError(f"{path}: no record of it can be read, for instance: {one}.")
        report.notes.append(f"{report.unreadable} records cannot be read, for instance: {one}")
    _refuse_the_future(path, content.threads, now)
    rows = [
        rows_of(_slice(thread), thread.messages[::-1], history_complete=False)
        for thread in content.threads
    ]
    with database.transaction() as session:
        rows = _without_own_replies(session, channel, rows, report)
        report.stored += store_threads(session, channel, rows, imported_at=now)
        if report.stored.new:
            wake(session, Wakeup(WakeupKind.REPLY, channel.id))
        report.finish(now=now)
        add_run(session, report.as_row())
    return report


def _refuse_the_future(path: Path, threads: Sequence[FileThread], now: datetime) -> None:
    """Refuse a file whose times are read wrongly: as new messages, they would be answered.

    Raises:
        UsageError: a message would be later than now.
    """
    late = [
        (message.created_at, message.text)
        for thread in threads
        for message in thread.messages
        if message.created_at > now + CLOCKS_DIFFER_BY
    ]
    if late:
        moment, text = min(late)
        also = f"{len(late):,} messages of it" if len(late) > 1 else "a message of it"
        raise UsageError(
            f"{path}: {also} would be later than now, the first ({shown(text)}) on "
            f"{moment:%Y-%m-%d %H:%M} UTC: see whether its dates are right; of an exported "
            "chat, give --date-order and --timezone as the phone had them"
        )


def _slice(thread: FileThread) -> ThreadSlice:
    return ThreadSlice(
        thread_id=thread.thread_id, customer=thread.customer, updated_at=None, older=None
    )


def _without_own_replies(
    session: Session, channel: ChannelIntegration, rows: Sequence[ThreadRows], report: RunReport
) -> list[ThreadRows]:
    """The threads without what the AI said in them: that is stored under the platform's ids.

    A file knows neither those ids nor who was speaking for the shop, and times by the minute.
    """
    moments = [message.created_at for thread in rows for message in thread.messages]
    if not moments:
        return list(rows)
    said = own_replies(
        session,
        channel.id,
        [thread.thread_id for thread in rows],
        since=min(moments) - FILE_TIMES_DIFFER_BY,
        until=max(moments) + FILE_TIMES_DIFFER_BY,
    )
    left = [
        replace(thread, messages=_not_said(thread.messages, said[thread.thread_id]))
        if thread.thread_id in said
        else thread
        for thread in rows
    ]
    count = len(moments) - sum(len(thread.messages) for thread in left)
    if count:
        report.notes.append(f"{count} messages are replies of the AI, stored before, and left out")
    return left


def _not_said(
    messages: Sequence[InboundMessage], said: Sequence[tuple[datetime, str]]
) -> list[InboundMessage]:
    """The messages without those of our side that were said, each of which counts once."""
    remaining = [(at, " ".join(words.split())) for at, words in said]
    left = []
    for message in messages:
        words = " ".join(message.text.split())
        same = [
            each
            for each in remaining
            if message.sender_type in OUR_SIDE
            and each[1] == words
            and abs(each[0] - message.created_at) <= FILE_TIMES_DIFFER_BY
        ]
        if same:
            remaining.remove(min(same, key=lambda each: abs(each[0] - message.created_at)))
        else:
            left.append(message)
    return left
