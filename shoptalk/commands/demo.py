"""`shoptalk demo`: the whole of it, against the sandbox, in half a minute."""

import itertools
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import click
import requests

from shoptalk.app import App, running
from shoptalk.commands.common import now, visible
from shoptalk.commands.conversations import transcript
from shoptalk.settings import Settings
from shoptalk.types import Outcome

MODEL = "sandbox-clerk"
TOKEN = "demo-token"  # noqa: S105  # opens nothing but the sandbox
PAGE, INSTAGRAM = "550011", "17841400000000001"
SEED = 7
WAVES = (1, 6, 11, 16)  #: seconds at which more customers begin to write


@dataclass(frozen=True, slots=True)
class Stage:
    """A running sandbox and the shoptalk that talks to it."""

    app: App
    url: str
    home: Path
    began_at: datetime


@click.command()
@click.option(
    "--seconds", type=click.IntRange(5, 3600), default=30, show_default=True, help="How long."
)
@click.option("--keep", is_flag=True, help="Leave it running until Ctrl-C.")
def demo(seconds: int, keep: bool) -> None:
    """Everything against the sandbox: history, shoppers, answers, orders. No account needed.

    Uses a database and a home of its own in a temporary folder, gone afterwards.
    """
    with _stage() as stage:
        _open_the_shop(stage)
        _import_history(stage)
        _let_a_person_answer(stage)
        _run(stage, seconds=None if keep else seconds)
        _tell_what_happened(stage)
        if not keep:
            _tell_how_to_connect()


@contextmanager
def _stage() -> Iterator[Stage]:
    from shoptalk.sandbox.server import SandboxServer

    home = Path(tempfile.mkdtemp(prefix="shoptalk-demo-"))
    try:
        with SandboxServer() as server:
            settings = _settings(home, server.environment)
            with running(settings, clock=now) as app:
                yield Stage(app, server.url, home, now())
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, environment: dict[str, str]) -> Settings:
    """The demo's own settings; nothing of the real ones comes near the sandbox."""
    values = {name.lower(): value for name, value in environment.items()}
    return Settings(
        _env_file=None,
        **values,  # type: ignore[arg-type]
        database_url=None,
        shoptalk_secret_key=None,
        shoptalk_home=home,
        workspace="demo",
        openai_model=MODEL,
        openai_api_style="auto",
        poll_interval_seconds=1,
        poll_overlap_seconds=10,
        graph_calls_per_second=0,
        message_buffer_duration_ms=2000,
        buffer_processing_interval_ms=500,
        log_level="WARNING",
    )


def _open_the_shop(stage: Stage) -> None:
    """Two accounts on the sandbox with a past, a catalog, and shoptalk connected to both."""
    from shoptalk.connect import connect_channel
    from shoptalk.db.catalog import put_products
    from shoptalk.importer.catalog_file import read_catalog
    from shoptalk.sandbox.client import SandboxControl

    click.echo(f"A sandbox plays Messenger, Instagram and the model on {stage.url}.")
    with SandboxControl(stage.url) as control:
        control.add_account("facebook", PAGE, "Nour Store", TOKEN)
        control.add_account("instagram", INSTAGRAM, "nour.store", TOKEN + "-ig", login="instagram")
        for account in (PAGE, INSTAGRAM):
            # Meta allows 2 reads a second; a demo of half a minute has no time for that.
            control.change_settings(account, two_reads_per_second=False)
    for account, count in ((PAGE, 25), (INSTAGRAM, 10)):
        _control(stage, "history", {"account_id": account, "count": count, "seed": SEED})
    connect_channel(
        stage.app, "facebook", PAGE, {"access_token": TOKEN}, name=None, ai_default=True
    )
    connect_channel(
        stage.app,
        "instagram",
        INSTAGRAM,
        {"access_token": TOKEN + "-ig", "login": "instagram"},
        name=None,
        ai_default=True,
    )
    with as_file(files("shoptalk.sandbox") / "data" / "catalog.json") as path:
        rows = read_catalog(path, default_currency="USD")
    workspace_id = stage.app.workspace_id()
    with stage.app.database.transaction() as session:
        count = put_products(session, workspace_id, [asdict(row) for row in rows])
    click.echo(f"Connected a Page and an Instagram account; the catalog has {count} products.")


def _control(stage: Stage, path: str, body: dict[str, object]) -> None:
    requests.post(f"{stage.url}/control/{path}", json=body, timeout=10).raise_for_status()


def _import_history(stage: Stage) -> None:
    from shoptalk.commands.progress import importing
    from shoptalk.db.channels import list_channels

    app = stage.app
    with app.database.transaction() as session:
        channels = list_channels(session, app.workspace_id())
    with importing("Importing") as on_progress:
        reports = app.importer().import_side_by_side(channels, on_progress=on_progress)
    for report in reports:
        if report.kind == "history":
            calls = "1 call" if report.calls == 1 else f"{report.calls} calls"
            click.echo(
                f"History of {report.channel_name}: {report.stored.conversations} conversations, "
                f"{report.stored.new} messages, {calls}."
            )


def _let_shoppers_in(stage: Stage, wave: int) -> None:
    """A few customers begin to write, the same ones in every demo."""
    for account, count in ((PAGE, 3), (INSTAGRAM, 1)):
        _control(
            stage,
            "shoppers",
            {
                "account_id": account,
                "count": count,
                "seed": SEED + wave,
                "pace": 0.7,
                "patience": 60,
            },
        )


def _let_a_person_answer(stage: Stage) -> None:
    """One customer is answered from the shop's own phone, before the AI's turn comes."""
    from shoptalk.sandbox.client import SandboxControl

    with SandboxControl(stage.url) as control:
        control.add_message(
            PAGE, "7200000000000001", "Hello, is Sam in today?", customer_name="Lina Haddad"
        )
        control.add_message(PAGE, "7200000000000001", "Hi Lina, Sam here!", side="employee")


def _run(stage: Stage, *, seconds: int | None) -> None:
    """The scheduler, as `shoptalk run` has it, for so long or (None) until Ctrl-C."""
    from shoptalk.commands.run import run_scheduler

    until = threading.Event()
    live = sys.stdout.isatty()
    click.echo("Customers write in, sixteen of them, and one whom a person answers.\n")
    if seconds is None:
        click.echo("Look around from another shell, end with Ctrl-C here:")
        click.echo(f"  SHOPTALK_HOME={stage.home} WORKSPACE=demo shoptalk status\n")
    direction = threading.Thread(target=_direct, args=(stage, seconds, until, live), daemon=True)
    direction.start()
    run_scheduler(stage.app, until=until, live=live)


def _direct(stage: Stage, seconds: int | None, until: threading.Event, live: bool) -> None:
    """Send customers in, and end the run when they are done or the time is over."""
    for second in itertools.count(1):
        if second in WAVES:
            _let_shoppers_in(stage, second)
        if until.wait(1):
            return
        if not live and second % 5 == 0:
            click.echo(f"{second:>4} s  {_progress_line(stage)}")
        if seconds is not None and (
            second >= seconds or (second > WAVES[-1] and _shoppers_are_done(stage))
        ):
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


def _shoppers_are_done(stage: Stage) -> bool:
    counts = requests.get(f"{stage.url}/control/shoppers", timeout=10).json()["counts"]
    return not counts.get("writing") and not counts.get("waiting")


def _tell_what_happened(stage: Stage) -> None:
    from shoptalk.db.catalog import list_orders
    from shoptalk.db.conversations import get_conversation, last_messages, list_messages
    from shoptalk.db.status import inbox_counts

    app = stage.app
    workspace_id = app.workspace_id()
    with app.database.transaction() as session:
        counts = inbox_counts(session, workspace_id)
        orders = list_orders(session, workspace_id, limit=50)
        unanswered = list_messages(
            session,
            workspace_id,
            unreplied=False,
            outcome=Outcome.ANSWERED_BY_PERSON,
            limit=1,
        )
        answered = list_messages(
            session, workspace_id, unreplied=False, outcome=Outcome.ANSWERED, limit=1
        )
        example = None
        ids = [order.conversation_id for order in orders]
        ids += [message.conversation_id for message in answered]
        if ids:
            conversation = get_conversation(session, workspace_id, str(ids[0]))
            example = conversation, last_messages(session, conversation.id, limit=50)
    _title("What happened")
    click.echo(f"  conversations imported    {counts.conversations}")
    click.echo(f"  messages imported         {counts.messages}")
    click.echo(f"  history, left alone       {counts.history}")
    click.echo(f"  turns answered            {counts.turns_answered}")
    click.echo(f"  orders made               {len(orders)}")
    for order in orders:
        customer = order.customer_name or "-"
        what = f"{order.quantity} × {order.product_name}, {order.total:.2f} {order.currency}"
        click.echo(visible(f"    {what}, for {customer}"))
    if example is not None:
        _title("One conversation in full")
        for line in transcript(*example):
            click.echo(f"  {line}")
    for message in unanswered:
        _explain(stage, message.message_id)


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _explain(stage: Stage, message_id: str) -> None:
    from shoptalk.db.conversations import get_message
    from shoptalk.responder.why import explain

    app = stage.app
    with app.database.transaction() as session:
        message, conversation = get_message(session, app.workspace_id(), message_id)
        explanation = explain(
            session,
            message,
            conversation,
            now=app.clock(),
            backlog_after=timedelta(seconds=app.settings.backlog_after_seconds),
        )
    _title("Why one message was not answered")
    click.echo(f"  $ shoptalk why {message_id}")
    click.echo(f"  {visible(message.content)!r}: {explanation.sentence}")
    for condition in explanation.conditions:
        click.echo(f"    {visible(str(condition))}")


def _tell_how_to_connect() -> None:
    _title("Your own account")
    click.echo("  export OPENAI_API_KEY=...    # or any compatible server with OPENAI_BASE_URL")
    click.echo("  shoptalk channels connect facebook --account-id PAGE_ID   # asks for the token")
    click.echo("  shoptalk products import catalog.csv")
    click.echo("  shoptalk run")
