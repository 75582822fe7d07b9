"""`shoptalk run`: the scheduler, with a live view on a terminal."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from shoptalk import __version__
from shoptalk.commands.common import moment, with_app
from shoptalk.commands.display import count, span
from shoptalk.errors import FolderGone, NoWayToModel, ShoptalkError, UsageError
from shoptalk.types import Outcome, Work
from shoptalk.wiring import App

if TYPE_CHECKING:
    from shoptalk.responder.passes import Responder

log = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(minutes=1)  #: of trying to start our own server again


@click.command()
@click.option(
    "--no-worker",
    is_flag=True,
    help="Only sort what came in; importing and answering are left to `shoptalk worker`.",
)
@with_app
def run(app: App, no_worker: bool) -> None:
    """Import and reply every POLL_INTERVAL_SECONDS until stopped (Ctrl-C or SIGTERM).

    On a terminal it shows a live view; elsewhere it writes log lines to stderr.

    \b
    Example:
      shoptalk run
    """
    works = set() if no_worker else set(Work)
    run_and_tell(app, live=sys.stdout.isatty(), works=works)


def run_and_tell(app: App, *, live: bool, works: Collection[Work]) -> None:
    """Run the scheduler until stopped; say how it begins, who waits, and what was done."""
    from shoptalk import logs

    if not live:
        logs.set_up(level=app.settings.log_level, style=app.settings.log_format)
    began = app.clock()
    ticks = run_scheduler(
        app,
        until=threading.Event(),
        live=live,
        works=works,
        begins=lambda: _tell_beginning(app, live=live),
    )
    _tell_end(app, ticks, began=began, live=live)


def _tell_beginning(app: App, *, live: bool) -> None:
    """A line for the log, one for each reason why customers wait, and one where nothing can come.

    The live view shows the last two for itself.
    """
    from shoptalk.commands.waiting import waiting_for_people
    from shoptalk.db.channels import list_channels

    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        connected = [row for row in list_channels(session, workspace_id) if row.is_connected]
    log.info(
        "started",
        extra={
            "version": __version__,
            "channels": len(connected),
            "poll_interval_seconds": app.settings.poll_interval_seconds,
            "database": "embedded" if app.settings.database_url is None else "DATABASE_URL",
        },
    )
    if live:
        return
    if not connected:
        log.warning(
            "no channel is connected",
            extra={"what_to_do": "it waits until `shoptalk channels connect` has added one"},
        )
    for reason in waiting_for_people(app, workspace_id):
        log.warning(
            "customers wait for a person",
            extra={
                "reason": reason.name,
                "conversations": reason.conversations,
                "since": moment(reason.since),
                "what_to_do": reason.what_to_do,
            },
        )


def _tell_end(app: App, ticks: int, *, began: datetime, live: bool) -> None:
    """What was done, in one line; what the database cannot tell now is left out."""
    from sqlalchemy.exc import SQLAlchemyError

    from shoptalk.db.status import totals

    now = app.clock()
    done: dict[str, int] = {"ticks": ticks}
    try:
        with app.database.transaction() as session:
            counts = totals(session, app.workspace_id(), since=began, now=now)
        done["messages_imported"] = counts.messages_imported
        done["turns_answered"] = counts.turns_by_outcome.get(Outcome.ANSWERED, 0)
    except (SQLAlchemyError, ShoptalkError):
        log.debug("the database does not tell what was done")
    seconds = round((now - began).total_seconds())
    if not live:
        log.info("stopped", extra={**done, "seconds": seconds})
        return
    nouns = {"ticks": "tick", "messages_imported": "message", "turns_answered": "turn"}
    after = {"messages_imported": " imported", "turns_answered": " answered"}
    parts = [count(number, nouns[name]) + after.get(name, "") for name, number in done.items()]
    click.echo(f"Stopped after {span(seconds)}: {', '.join(parts)}.")


def run_scheduler(
    app: App,
    *,
    until: threading.Event,
    live: bool,
    works: Collection[Work] = frozenset(Work),
    begins: Callable[[], None] = lambda: None,
) -> int:
    """Run the scheduler until the event, SIGTERM or SIGINT; return how often it ticked.

    Args:
        begins: called once all that is needed is there.
    """
    from shoptalk import logs
    from shoptalk.commands.live import LiveView
    from shoptalk.scheduler import Schedule, Ticker
    from shoptalk.wakeup_handler import handling_wakeups

    if not live:
        logs.set_up(level=app.settings.log_level, style=app.settings.log_format)
    _ = app.database  # a first start that is interrupted ends at once: nothing is half done yet
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: until.set())
    app.role = " and ".join(sorted(works)) or "run --no-worker"
    importer = app.importer() if Work.IMPORT in works else None
    responder = _responder(app, works)
    if responder is not None:
        responder.try_models_again()  # settings may have been mended
    ticker = Ticker(app, importer, responder)
    app.liveness.name()  # seen in `status` from now on
    schedule = Schedule(
        ticker,
        poll_seconds=app.settings.poll_interval_seconds,
        reply_seconds=app.settings.buffer_processing_interval_ms / 1000,
    )
    begins()
    with (
        LiveView(app, enabled=live) as view,
        handling_wakeups(app, importer, reply=ticker.reply, until=until),
    ):
        watch = _Watch(app, until)

        def each_second() -> None:
            watch.look()
            view.refresh()

        schedule.run_until(until, each_second=each_second)
    return ticker.ticks


class _Watch:
    """Looks whether our own server is alive, and starts it again where it is not."""

    def __init__(self, app: App, until: threading.Event) -> None:
        self._app = app
        self._until = until
        self._gone_since: datetime | None = None

    def look(self) -> None:
        """Raise ShoptalkError where it has not been started again for a minute."""
        try:
            if self._app.revive_server():
                log.warning("the embedded PostgreSQL had died and was started again")
            self._gone_since = None
        except UsageError as exc:
            now = self._app.clock()
            self._gone_since = self._gone_since or now
            if now - self._gone_since >= GIVE_UP_AFTER or isinstance(exc, FolderGone):
                self._until.set()
                raise ShoptalkError(str(exc)) from exc


def _responder(app: App, works: Collection[Work]) -> "Responder | None":
    """Whoever answers. Where only the way to the model is barred, importing goes on without."""
    if Work.REPLY not in works:
        return None
    try:
        return app.responder()
    except NoWayToModel as exc:
        if Work.IMPORT not in works:
            raise
        click.echo(f"Nothing is answered until this is mended: {exc}", err=True)
        return None
