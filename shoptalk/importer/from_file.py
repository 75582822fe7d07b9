"""Importing a file into a channel: the way in for platforms that cannot be polled."""

from datetime import datetime
from pathlib import Path

from shoptalk.db.engine import Database
from shoptalk.db.inbox import store_threads
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.runs import add_run
from shoptalk.db.wakeup import Wakeup, WakeupKind, wake
from shoptalk.importer.files import FileOptions, FileThread, read_file
from shoptalk.importer.report import RunReport
from shoptalk.importer.threads import rows_of
from shoptalk.platforms.base import ThreadSlice


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
        UsageError: the file cannot be read; nothing is stored.
    """
    content = read_file(path, options)
    report = RunReport.begin("file", channel, now=now)
    report.notes += content.notes
    if content.skipped_system:
        report.notes.append(f"{content.skipped_system} lines were the app's own and left out")
    report.put_aside(content.unreadable)
    for thread in content.threads:
        report.put_aside(thread.unreadable)
    rows = [
        rows_of(_slice(thread), thread.messages[::-1], history_complete=False)
        for thread in content.threads
    ]
    with database.transaction() as session:
        report.stored += store_threads(session, channel, rows, imported_at=now)
        if report.stored.new:
            wake(session, Wakeup(WakeupKind.REPLY, channel.id))
        report.finish(now=now)
        add_run(session, report.as_row())
    return report


def _slice(thread: FileThread) -> ThreadSlice:
    return ThreadSlice(
        thread_id=thread.thread_id, customer=thread.customer, updated_at=None, older=None
    )
