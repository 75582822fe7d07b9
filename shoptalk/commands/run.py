"""`shoptalk run`: the scheduler, with a live view on a terminal."""

import signal
import sys
import threading

import click

from shoptalk.app import App
from shoptalk.commands.common import with_app


@click.command()
@with_app
def run(app: App) -> None:
    """Import and reply every POLL_INTERVAL_SECONDS until stopped (Ctrl-C or SIGTERM).

    On a terminal it shows a live view; elsewhere it writes log lines to stderr.
    """
    run_scheduler(app, until=threading.Event(), live=sys.stdout.isatty())


def run_scheduler(app: App, *, until: threading.Event, live: bool) -> None:
    """Run the scheduler until the event, SIGTERM or SIGINT."""
    from shoptalk import logs
    from shoptalk.commands.live import LiveView
    from shoptalk.pickup import picking_up
    from shoptalk.scheduler import Schedule, Ticker

    if not live:
        logs.set_up(level=app.settings.log_level, style=app.settings.log_format)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: until.set())
    importer = app.importer()
    ticker = Ticker(app, importer, app.responder())
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
