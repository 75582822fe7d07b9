"""`shoptalk worker`: take work from the shared database, beside any number of others."""

import click

from shoptalk.commands.common import with_app
from shoptalk.types import Work
from shoptalk.wiring import App


@click.command()
@click.option(
    "--only",
    type=click.Choice([each.value for each in Work]),
    help="Do one kind of work; without it, both.",
)
@with_app
def worker(app: App, only: str | None) -> None:
    """Import and reply as `run` does, without a live view, until stopped (Ctrl-C or SIGTERM).

    Start as many as you like, on any machine that reaches the database of DATABASE_URL and has the
    same SHOPTALK_SECRET_KEY: each takes the channels and turns that nobody else has.

    \b
    Examples:
      shoptalk worker
      shoptalk worker --only import
    """
    from shoptalk.commands.run import run_and_tell

    works = {Work(only)} if only else set(Work)
    run_and_tell(app, live=False, works=works)
