"""`shoptalk run`: the scheduler, with a live view on a terminal."""

import signal
import sys
import threading
from collections.abc import Collection

import click

from shoptalk.app import App
from shoptalk.commands.common import with_app
from shoptalk.types import Work


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
    """
    works = set() if no_worker else set(Work)
    run_scheduler(app, until=threading.Event(), live=sys.stdout.isatty(), works=works)


def run_scheduler(
    app: App, *, until: threading.Event, live: bool, works: Collection[Work] = frozenset(Work)
) -> None:
    """Run the scheduler until the event, SIGTERM or SIGINT."""
    from shoptalk import logs
    from shoptalk.commands.live import LiveView
    from shoptalk.pickup import picking_up
    from shoptalk.scheduler import Schedule, Ticker

    if not live:
        logs.set_up(level=app.settings.log_level, style=app.settings.log_format)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: until.set())
    app.role = " and ".join(sorted(works)) or "run --no-worker"
    importer = app.importer() if Work.IMPORT in works else None
    ticker = Ticker(app, importer, app.responder() if Work.REPLY in works else None)
    app.presence.name()  # seen in `status` from now on
    schedule = Schedule(
        ticker,
        poll_seconds=app.settings.poll_interval_seconds,
        reply_seconds=app.settings.buffer_processing_interval_ms / 1000,
    )
    with (
        LiveView(app, enabled=live) as view,
        picking_up(app, importer, reply=ticker.reply, until=until),
    ):
        schedule.run_until(until, each_second=view.refresh)
