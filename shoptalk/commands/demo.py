"""`shoptalk demo`: the whole of it, against the sandbox, in half a minute."""

import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from shoptalk.commands.demo_accounts import EVERY_PLATFORM, MESSENGER, PLAIN, Branch, open_the_shop
from shoptalk.commands.demo_customers import WAVES, Customers, customers_of
from shoptalk.commands.demo_stage import Stage, open_stage


@click.command()
@click.option(
    "--seconds", type=click.IntRange(5, 3600), default=30, show_default=True, help="How long."
)
@click.option("--all", "everywhere", is_flag=True, help="On every platform, not only two.")
@click.option("--keep", is_flag=True, help="Leave it running until Ctrl-C.")
def demo(seconds: int, everywhere: bool, keep: bool) -> None:
    """Everything against the sandbox: history, shoppers, answers, orders. No account needed.

    Uses a database and a home of its own in a temporary folder, gone afterwards.

    Exit status: 0 all well; with --all, 1 if a platform got no answer.

    \b
    Examples:
      shoptalk demo
      shoptalk demo --all --seconds 60
    """
    from shoptalk.commands import demo_story

    with open_stage() as stage:
        played = "the platforms" if everywhere else "Messenger, Instagram"
        click.echo(f"A sandbox plays {played} and the model on {stage.control.url}.")
        branches = open_the_shop(stage, EVERY_PLATFORM if everywhere else PLAIN)
        _import_history(stage)
        _let_a_person_answer(stage)
        who = "on every platform" if everywhere else "sixteen of them"
        click.echo(f"Customers write in, {who}, and one whom a person answers.\n")
        was_played_out = _run(stage, branches, seconds=None if keep else seconds)
        demo_story.tell_counts(stage.app)
        left_out = []
        if everywhere:
            left_out = demo_story.tell_each_platform(stage.app, branches)
        else:
            demo_story.tell_one_in_full(stage.app)
        demo_story.tell_why_not(stage.app)
        if not keep:
            demo_story.tell_how_to_connect()
    if left_out and was_played_out:  # who stops it early has seen what he wanted
        click.echo(f"Error: nobody was answered on {', '.join(left_out)}.", err=True)
        raise click.exceptions.Exit(1)


def _import_history(stage: Stage) -> None:
    from shoptalk.commands.progress import importing
    from shoptalk.db.channels import list_channels

    app = stage.app
    with app.database.transaction() as session:
        channels = list_channels(session, app.workspace_id())
    polled = [channel for channel in channels if app.is_polled(channel)]
    with importing("Importing") as on_progress:
        reports = app.importer().import_side_by_side(polled, on_progress=on_progress)
    for report in reports:
        if report.kind == "history":
            calls = "1 call" if report.calls == 1 else f"{report.calls} calls"
            click.echo(
                f"History of {report.channel_name}: {report.stored.conversations} conversations, "
                f"{report.stored.new} messages, {calls}."
            )


def _let_a_person_answer(stage: Stage) -> None:
    """One customer is answered from the shop's own phone, before the AI's turn comes."""
    page, who = MESSENGER.account_id, "7200000000000001"
    stage.control.add_message(page, who, "Hello, is Sam in today?", customer_name="Lina Haddad")
    stage.control.add_message(page, who, "Hi Lina, Sam here!", side="employee")


def _run(stage: Stage, branches: Sequence[Branch], *, seconds: int | None) -> bool:
    """The scheduler, as `shoptalk run` has it, for so long or (None) until Ctrl-C.

    Returns:
        Whether it came to its own end and nobody stopped it.
    """
    from shoptalk.commands.run import run_scheduler

    until = threading.Event()
    live = sys.stdout.isatty()
    if seconds is None:
        click.echo("Look around from another shell, end with Ctrl-C here:")
        click.echo(f"  SHOPTALK_HOME={stage.home} WORKSPACE=demo shoptalk status\n")
    customers = [customers_of(stage, branch) for branch in branches]
    with ThreadPoolExecutor(max_workers=1) as pool:
        direction = pool.submit(_direct, stage, customers, seconds, until, live)
        try:
            run_scheduler(stage.app, until=until, live=live)
        finally:
            until.set()
    return direction.result()


def _direct(
    stage: Stage,
    customers: Sequence[Customers],
    seconds: int | None,
    until: threading.Event,
    live: bool,
) -> bool:
    """Send customers in, and end the run when they are done or the time is over.

    Returns:
        False if somebody else ended it.
    """
    second = 0
    try:
        while True:
            second += 1
            for each in customers:
                if second in WAVES:
                    each.come(second)
                each.act()
            if until.wait(1):
                return False
            if not live and second % 5 == 0:
                click.echo(f"{second:>4} s  {_progress_line(stage)}")
            if seconds is not None and (
                second >= seconds
                or (second > WAVES[-1] and all(each.are_done() for each in customers))
            ):
                return True
    finally:
        until.set()


def _progress_line(stage: Stage) -> str:
    from shoptalk.db.status import totals

    app = stage.app
    with app.database.transaction() as session:
        counts = totals(session, app.workspace_id(), since=stage.began_at, now=app.clock())
    answered = counts.turns_by_outcome.get("answered", 0)
    return (
        f"{counts.messages_imported} messages imported, {answered} turns answered, "
        f"{counts.orders} orders"
    )
