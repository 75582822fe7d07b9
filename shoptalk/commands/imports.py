"""`shoptalk import` and `shoptalk backfill`: how messages come in, by hand or from cron."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from shoptalk.commands.common import Moment, json_option, print_rows, visible, with_app
from shoptalk.commands.display import column
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import UsageError
from shoptalk.wiring import App

if TYPE_CHECKING:
    from shoptalk.importer.channels import OnProgress
    from shoptalk.importer.run_report import RunReport

_OF_FILES = frozenset({"shop_names", "customer_phone", "timezone", "date_order"})


@click.command("import")
@click.option("--channel", "handle", metavar="ID", help="Only this one; default: all connected.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read messages from a file: JSON, JSONL or an exported WhatsApp chat.",
)
@click.option(
    "--shop-name", "shop_names", multiple=True, help="File: what the chat calls the shop."
)
@click.option("--customer-phone", help="File: the customer's number, as +4915112345678.")
@click.option("--timezone", default="UTC", show_default=True, help="File: the phone's time zone.")
@click.option(
    "--date-order",
    type=click.Choice(["DMY", "MDY", "YMD"], case_sensitive=False),
    help="File: day or month first.",
)
@json_option
@with_app
def import_(
    app: App,
    handle: str | None,
    path: Path | None,
    shop_names: tuple[str, ...],
    customer_phone: str | None,
    timezone: str,
    date_order: Literal["DMY", "MDY", "YMD"] | None,
    as_json: bool,
) -> None:
    """Import once, then exit. Safe in cron and beside a running `shoptalk run`.

    Exit status: 0 all well, 1 a channel failed, 2 wrong usage or settings, or a platform
    refuses a channel until its owner acts.

    \b
    Examples:
      shoptalk import
      shoptalk import --channel PHONE_NUMBER_ID --file chat.txt --shop-name "Corner Shop"
    """
    if path is not None:
        if handle is None:
            raise UsageError("--file needs --channel: say which channel its messages belong to.")
        from shoptalk.importer.file_import import import_file
        from shoptalk.importer.files import FileOptions

        channel = _channel(app, handle)
        options = FileOptions(
            platform=channel.channel,
            shop_names=shop_names,
            customer_phone=customer_phone,
            timezone=timezone,
            date_order=date_order,
        )
        _finish([import_file(app.database, channel, path, options, now=app.clock())], as_json)
        return
    _refuse_options_of_files()
    found, stopped = _to_import(app, handle)
    importer = app.importer()
    with _watched("Importing") as on_progress:
        reports = importer.import_side_by_side(found, on_progress=on_progress)
    _finish([*reports, *(_stopped_report(app, channel) for channel in stopped)], as_json)


def _refuse_options_of_files() -> None:
    """Without a file they would have no effect, and nobody would be told."""
    context = click.get_current_context()
    for each in context.command.params:
        is_given = context.get_parameter_source(each.name or "") == ParameterSource.COMMANDLINE
        if is_given and each.name in _OF_FILES:
            raise UsageError(f"{each.opts[0]} says how to read a file: give --file too.")


def _watched(what: str) -> "AbstractContextManager[OnProgress]":
    """A progress bar; where nobody watches, nothing is loaded for it."""
    if not sys.stderr.isatty():
        return nullcontext(lambda _channel, _progress: None)
    from shoptalk.commands.progress import importing

    return importing(what)


def _channel(app: App, handle: str) -> ChannelIntegration:
    from shoptalk.db.channels import get_channel

    with app.database.transaction() as session:
        return get_channel(session, app.workspace_id(), handle)


def _to_import(
    app: App, handle: str | None
) -> tuple[list[ChannelIntegration], list[ChannelIntegration]]:
    """The channels to poll, and those that their platform refuses."""
    from shoptalk.db.channels import list_channels

    if handle is not None:
        channel = _channel(app, handle)
        if not channel.is_connected:
            raise UsageError(f"Channel {channel.id} is disconnected: connect it again first.")
        if not app.is_polled(channel):
            raise UsageError(
                f"Channel {channel.id} is {channel.channel}, which cannot be polled: "
                "its messages come in by `shoptalk import --file`."
            )
        wanted = [channel]
    else:
        with app.database.transaction() as session:
            wanted = [
                channel
                for channel in list_channels(session, app.workspace_id())
                if channel.is_connected and app.is_polled(channel)
            ]
        if not wanted:
            click.echo("No channel to poll: `shoptalk channels connect` adds one.", err=True)
    return (
        [channel for channel in wanted if channel.stopped_at is None],
        [channel for channel in wanted if channel.stopped_at is not None],
    )


def _stopped_report(app: App, channel: ChannelIntegration) -> "RunReport":
    from shoptalk.importer.run_report import RunReport

    report = RunReport.begin("poll", channel, now=app.clock())
    report.error, report.remedy = channel.last_error or "stopped", channel.remedy
    return report


def _finish(reports: "Sequence[RunReport]", as_json: bool) -> None:
    """Print what was done; exit by the worst that happened."""
    columns = [
        column("channel", text=True),
        column("kind"),
        column("new"),
        column("duplicate", "known already"),
        column("unreadable"),
        column("calls"),
        column("error", text=True),
    ]
    print_rows(
        [report.as_json() for report in reports],
        as_json=as_json,
        columns=columns,
        empty="Nothing was imported.",
    )
    for report in reports:
        for note in report.notes:
            click.echo(f"Note: {visible(note)}", err=True)
        if report.error is not None:
            remedy = f" {report.remedy}" if report.remedy else ""
            sentence = f"{report.channel_name}: {report.error}.{remedy}"
            click.echo(f"Error: {visible(sentence)}", err=True)
    failed = [report for report in reports if report.error is not None]
    if failed:
        owner_must_act = all(report.remedy for report in failed)
        raise click.exceptions.Exit(2 if owner_must_act else 1)


@click.command()
@click.option("--channel", "handle", metavar="ID", required=True, help="Which channel.")
@click.option("--since", type=Moment(), help="Leave out what was written before.")
@click.option("--until", type=Moment(), help="Leave out what was written after.")
@json_option
@with_app
def backfill(
    app: App, handle: str, since: datetime | None, until: datetime | None, as_json: bool
) -> None:
    """Import a channel's history again. Interrupted, it goes on where it stopped.

    \b
    Example:
      shoptalk backfill --channel PAGE_ID --since 2026-01-01
    """
    from shoptalk.db.channels import begin_backfill

    if since and until and since > until:
        raise UsageError("--since is later than --until: nothing lies between them.")
    channels, stopped = _to_import(app, handle)
    if stopped:
        raise UsageError(
            f"Channel {stopped[0].id} is stopped: {stopped[0].last_error}. {stopped[0].remedy}"
        )
    channel, importer = channels[0], app.importer()
    with app.database.transaction() as session:
        if channel.history_state == "done":
            begin_backfill(session, channel.id, since=since)
    channel = _channel(app, str(channel.id))
    with _watched("Reading history") as on_progress:
        report = importer.read_history(
            channel, kind="backfill", until=until, on_progress=on_progress, at_once=True
        )
    _finish([report], as_json)
