"""`shoptalk doctor`: what is configured, reachable, missing."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

import click

from shoptalk import settings
from shoptalk.commands.common import json_option, print_json, visible, with_app
from shoptalk.errors import ChannelStopped, ModelUnavailable, ShoptalkError
from shoptalk.wiring import App

WAITS_TOO_LONG = timedelta(hours=1)  #: for a person's answer


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    ok: bool
    says: str


@click.command()
@json_option
@with_app
def doctor(app: App, as_json: bool) -> None:
    """Check settings, database, model and every connected channel.

    Exit status: 0 all is well, 1 something needs attention.

    \b
    Example:
      shoptalk doctor
    """
    findings = list(_examine(app))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "ok " if finding.ok else "BAD"
            click.echo(visible(f"{mark}  {finding.what}: {finding.says}"))
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(1)


def _settings() -> Iterator[Finding]:
    """Names that are no settings, and what was left out of those that are."""
    for doubt in settings.doubts():
        yield Finding("settings", False, doubt)
    for each in settings.trimmed():
        left_out = " and ".join(each.left_out)
        also = f"; {left_out} at its ends was left out" if left_out else ""
        yield Finding("settings", True, f"{each.name} is set ({each.where}){also}")


def _examine(app: App) -> Iterator[Finding]:
    yield from _settings()
    where = "embedded" if app.settings.database_url is None else "DATABASE_URL"
    try:
        workspace_id = app.workspace_id()
    except ShoptalkError as exc:
        yield Finding("database", False, f"{where}: {exc}")
        return
    yield Finding("database", True, f"{where}, schema up to date")
    yield _key(app)
    yield _model(app)
    yield from _open_circuits(app)
    yield from _channels(app, workspace_id)
    yield _catalog(app, workspace_id)
    yield from _waiting(app, workspace_id)


def _key(app: App) -> Finding:
    try:
        _ = app.vault
    except ShoptalkError as exc:
        return Finding("secret key", False, str(exc))
    if app.settings.shoptalk_secret_key is not None:
        return Finding("secret key", True, "from SHOPTALK_SECRET_KEY")
    return Finding("secret key", True, f"in {app.settings.shoptalk_home}")


def _model(app: App) -> Finding:
    from shoptalk.agents.models.openai_client import check_model

    given = app.settings
    if given.openai_api_key is None:
        return Finding("model", False, "OPENAI_API_KEY is not set; nothing can be answered")
    asked = f"OPENAI_MODEL {given.openai_model} at {given.openai_base_url}"
    try:
        says = check_model(given, given.openai_api_key.get_secret_value())
    except ModelUnavailable as exc:
        remedy = f" {exc.remedy}" if exc.remedy else ""
        return Finding("model", False, f"{asked}: {exc}.{remedy}")
    except ShoptalkError as exc:  # also a proxy that cannot be used
        return Finding("model", False, str(exc))
    return Finding("model", True, says)


def _catalog(app: App, workspace_id: int) -> Finding:
    from shoptalk.db.catalog import has_products

    with app.database.transaction() as session:
        is_filled = has_products(session, workspace_id)
    if is_filled:
        return Finding("catalog", True, "there are products to sell")
    return Finding(
        "catalog",
        False,
        "no product is active, so the AI knows no price and can sell nothing: "
        "`shoptalk products import FILE`",
    )


def _waiting(app: App, workspace_id: int) -> Iterator[Finding]:
    """Customers who wait for a person; who has just been taken over is in good hands."""
    from shoptalk.commands.waiting import BACKLOG, waiting_for_people

    now = app.clock()
    for reason in waiting_for_people(app, workspace_id):
        is_recent = reason.name != BACKLOG and now - reason.since < WAITS_TOO_LONG
        yield Finding("customers who wait", is_recent, reason.line(now=now))


def _open_circuits(app: App) -> Iterator[Finding]:
    """What is left alone just now, for having failed."""
    from shoptalk.db.circuits import pause_left, troubled

    now = app.clock()
    with app.database.transaction() as session:
        circuits = troubled(session)
    for circuit in circuits:
        pause = pause_left(circuit, now=now)
        if pause:
            seconds = round(pause.total_seconds())
            yield Finding(circuit.name, False, f"not asked for {seconds} s: {circuit.last_error}")


def _channels(app: App, workspace_id: int) -> Iterator[Finding]:
    from shoptalk.db.channels import list_channels
    from shoptalk.services.token_health import check_channel, credential_warnings

    with app.database.transaction() as session:
        channels = list_channels(session, workspace_id)
    if not channels:
        yield Finding("channels", False, "none is connected: `shoptalk channels connect`")
    for channel in channels:
        what = f"channel {channel.id} ({channel.channel} {channel.display_name})"
        if not channel.is_connected:
            yield Finding(what, True, "disconnected")
            continue
        try:
            checked = check_channel(app, channel)
        except ChannelStopped as exc:
            yield Finding(what, False, f"{exc}. {exc.remedy}")
        except ShoptalkError as exc:  # also credentials that our key does not open
            yield Finding(what, False, str(exc))
        else:
            warnings = credential_warnings(checked.channel, now=app.clock())
            yield Finding(what, not warnings, " ".join(warnings) or "its credentials work")
