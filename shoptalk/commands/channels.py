"""`shoptalk channels`: connected accounts."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shoptalk import values
from shoptalk.commands.common import (
    Group,
    json_option,
    moment,
    print_done,
    print_rows,
    visible,
    with_app,
)
from shoptalk.commands.display import column, print_lines, to_the_second
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import ChannelStopped, UsageError
from shoptalk.wiring import App

#: The settings that have an option of their own.
_OPTIONS = frozenset({"app_secret", "login", "base_url", "inbox", "number", "api_key"})


@click.group(cls=Group)
def channels() -> None:
    """Connect, list, test and disconnect accounts.

    \b
    Examples:
      shoptalk channels connect facebook --account-id PAGE_ID
      shoptalk channels list
    """


@channels.command()
@click.argument("platform")
@click.option(
    "--account-id",
    required=True,
    help="The platform's id: of a Page, a phone number, a Chatwoot account; Twilio's account SID.",
)
@click.option(
    "--access-token",
    envvar="SHOPTALK_ACCESS_TOKEN",
    help="Seen by others in the process list: better by SHOPTALK_ACCESS_TOKEN, file or prompt.",
)
@click.option(
    "--access-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds the token alone.",
)
@click.option(
    "--app-secret",
    envvar="SHOPTALK_APP_SECRET",
    help='Signs each call; kept until another is given, "" takes it away.',
)
@click.option("--login", type=click.Choice(["page", "instagram"]), help="Instagram: which login.")
@click.option("--base-url", help="Chatwoot: the server's address; default: CHATWOOT_BASE_URL.")
@click.option("--inbox", help="Chatwoot: the id of the only inbox to answer; default: all of them.")
@click.option(
    "--number",
    help="Twilio: the number customers write to, +15550100 or whatsapp:+15550100.",
)
@click.option("--api-key", help="Twilio: the SID of an API key, whose secret is then the token.")
@click.option(
    "--config",
    "more",
    metavar="NAME=VALUE",
    multiple=True,
    help="What else a platform wants to know; may be repeated.",
)
@click.option("--name", help="What to call it; default: as before, else the platform's own name.")
@click.option(
    "--ai",
    type=click.Choice(["on", "off"]),
    help="Whether new conversations start with the AI switched on; default: as before, else on.",
)
@json_option
@with_app
def connect(
    app: App,
    platform: str,
    account_id: str,
    access_token: str | None,
    access_token_file: Path | None,
    app_secret: str | None,
    login: str | None,
    base_url: str | None,
    inbox: str | None,
    number: str | None,
    api_key: str | None,
    more: tuple[str, ...],
    name: str | None,
    ai: str | None,
    as_json: bool,
) -> None:
    """Connect an account: check its token, keep it encrypted, set the cut-over to now.

    What was written before now is history, and is never answered. A platform that takes no token
    is not asked for one.

    \b
    Examples:
      shoptalk channels connect facebook --account-id PAGE_ID
      shoptalk channels connect twilio --account-id ACCOUNT_SID --number +15550100
      shoptalk channels connect webchat --account-id corner-shop.example
    """
    from shoptalk.platforms.registry import adapter
    from shoptalk.services.connecting import connect_channel
    from shoptalk.services.token_health import credential_warnings

    capabilities = adapter(platform).capabilities
    config = {
        "app_secret": app_secret,
        "login": login,
        "base_url": base_url,
        "inbox": inbox,
        "number": number,
        "api_key": api_key,
    }
    config = _known_to(capabilities.settings, config)
    config |= _pairs(more, taken=[*config, "access_token"])
    _refuse_unknown(platform, capabilities.settings, config)
    if capabilities.needs_token:
        if access_token_file is not None:
            _refuse_two_tokens()
            access_token = _token_in(access_token_file)
        if access_token is None:
            access_token = _ask_for_token()
    else:
        _refuse_token(platform, access_token_file)
        access_token = None
    config["access_token"] = access_token
    config = _looked_at(config)
    channel = connect_channel(
        app,
        platform,
        account_id,
        {key: value for key, value in config.items() if value is not None},
        name=name,
        ai_default=None if ai is None else ai == "on",
    )
    warnings = credential_warnings(channel, now=app.clock())
    print_done(
        f"Connected {channel.channel} {channel.display_name!r} as channel {channel.id}. "
        f"What was written before {to_the_second(channel.connected_at)} is history.",
        _named(channel) | {"connected_at": moment(channel.connected_at), "warnings": warnings},
        as_json=as_json,
    )
    _warn(warnings)


def _named(channel: ChannelIntegration) -> dict[str, Any]:
    """What a channel is called, for JSON."""
    return {
        "id": channel.id,
        "channel": channel.channel,
        "external_id": channel.external_id,
        "display_name": channel.display_name,
    }


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.echo(visible(f"Warning: {warning}"), err=True)


def _token_in(path: Path) -> str:
    try:
        return path.read_text().strip()
    except ValueError:
        raise UsageError(f"{path} is not text: the file holds the token alone.") from None
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}.") from None


def _refuse_two_tokens() -> None:
    source = click.get_current_context().get_parameter_source("access_token")
    if source == ParameterSource.COMMANDLINE:
        raise UsageError("Give --access-token or --access-token-file, not both.")


def _refuse_token(platform: str, path: Path | None) -> None:
    """One that is exported for other platforms is no mistake; one that is given here is."""
    source = click.get_current_context().get_parameter_source("access_token")
    if path is not None or source == ParameterSource.COMMANDLINE:
        raise UsageError(f"The platform {platform!r} takes no access token: leave it out.")


def _known_to(
    known: Collection[str] | None, config: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Leave out what is exported for other platforms: only what is typed can be a mistake."""
    context = click.get_current_context()
    typed = {
        name for name in config if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    return {
        name: value if known is None or name in known or name in typed else None
        for name, value in config.items()
    }


def _refuse_unknown(
    platform: str, known: Collection[str] | None, config: Mapping[str, str | None]
) -> None:
    """Nothing is taken that would have no effect."""
    if known is None:
        return
    for name, value in config.items():
        if value is None or name in known:
            continue
        option = f"--{name.replace('_', '-')}" if name in _OPTIONS else f"--config {visible(name)}"
        takes = ", ".join(
            f"--{each.replace('_', '-')}" if each in _OPTIONS else f"--config {each}=…"
            for each in sorted(known)
        )
        raise UsageError(
            f"The platform {platform!r} does not take {option}. "
            + (f"It takes {takes}." if takes else "It takes no settings of its own.")
        )


def _pairs(given: Sequence[str], *, taken: Collection[str]) -> dict[str, str | None]:
    pairs: dict[str, str | None] = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not (name and separator) or name in taken or name in pairs:
            raise UsageError(
                f"--config {visible(name)} cannot be used so: write NAME=VALUE, each name once, "
                f"and none of {', '.join(taken)}, which have options of their own."
            )
        pairs[name] = value
    return pairs


def _looked_at(config: dict[str, str | None]) -> dict[str, str | None]:
    """Secrets and the address without what was pasted along with them; an empty one stays."""
    rules = {
        "access_token": values.secret,
        "app_secret": values.secret,
        "api_key": values.secret,
        "base_url": values.web_address,
    }
    looked_at = dict(config)
    for name, rule in rules.items():
        value = config.get(name)
        if not value:
            continue
        try:
            looked_at[name] = rule(value)
        except ValueError as exc:
            raise UsageError(f"The {name.replace('_', ' ')} {exc}.") from None
    return looked_at


def _ask_for_token() -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt("Access token", hide_input=True, err=True)
        return answer
    click.echo("Access token: ", nl=False, err=True)
    try:
        token = sys.stdin.readline().strip()
    except ValueError:
        raise UsageError("The access token that was piped in is not text.") from None
    click.echo(err=True)
    if not token:
        raise UsageError(
            "There is no terminal to ask for the access token: "
            "give it by SHOPTALK_ACCESS_TOKEN or --access-token-file, or pipe it in."
        )
    return token


@channels.command("list")
@json_option
@with_app
def list_(app: App, as_json: bool) -> None:
    """List the connected accounts.

    \b
    Example:
      shoptalk channels list --json
    """
    from shoptalk.db.channels import list_channels
    from shoptalk.services.token_health import credential_warnings

    now = app.clock()
    with app.database.transaction() as session:
        found = list_channels(session, app.workspace_id())
    rows = [
        {
            "id": channel.id,
            "channel": channel.channel,
            "external_id": channel.external_id,
            "display_name": channel.display_name,
            "state": _state(channel.is_connected, channel.stopped_at is not None),
            "ai_default": channel.ai_default,
            "connected_at": channel.connected_at,
            "last_fetch_timestamp": channel.last_fetch_timestamp,
            "last_error": channel.last_error,
            "remedy": channel.remedy,
            "token_checked_at": channel.token_checked_at,
            "token_expires_at": channel.token_expires_at,
            "data_access_expires_at": channel.data_access_expires_at,
            "missing_permissions": channel.missing_permissions,
            "warnings": credential_warnings(channel, now=now),
        }
        for channel in found
    ]
    columns = [
        column("id"),
        column("channel", "platform"),
        column("external_id", "account id"),
        column("display_name", "name", text=True),
        column("state"),
        column("connected_at", "connected", spare=True),
        column("last_error", "error", text=True),
    ]
    print_rows(rows, as_json=as_json, columns=columns, empty="No channel is connected yet.")
    if as_json:
        return
    for channel in found:
        says = [channel.remedy, *credential_warnings(channel, now=now)]
        print_lines(f"channel {channel.id}: {each}" for each in says if each)


def _state(is_connected: bool, is_stopped: bool) -> str:
    if not is_connected:
        return "disconnected"
    return "stopped" if is_stopped else "connected"


@channels.command()
@click.argument("channel_id", metavar="ID")
@json_option
@with_app
def test(app: App, channel_id: str, as_json: bool) -> None:
    """Ask the platform whether the account's credentials work, and for how long.

    A stopped channel that the platform accepts again is started.

    \b
    Example:
      shoptalk channels test CHANNEL_ID
    """
    from shoptalk.db.channels import get_channel, restart_channel
    from shoptalk.services.token_health import check_channel, credential_warnings, refuse

    with app.database.transaction() as session:
        channel = get_channel(session, app.workspace_id(), channel_id)
    try:
        checked = check_channel(app, channel)
    except ChannelStopped as exc:
        refuse(app, channel, exc)
        raise
    with app.database.transaction() as session:
        restart_channel(session, channel.id)
    name = checked.identity.display_name
    warnings = credential_warnings(checked.channel, now=app.clock())
    print_done(
        f"Channel {channel.id} works: {channel.channel} {name!r}.",
        _named(channel) | {"display_name": name, "warnings": warnings},
        as_json=as_json,
    )
    _warn(warnings)


@channels.command()
@click.argument("channel_id", metavar="ID")
@json_option
@with_app
def disconnect(app: App, channel_id: str, as_json: bool) -> None:
    """Stop polling and answering an account. What is stored stays.

    \b
    Example:
      shoptalk channels disconnect CHANNEL_ID
    """
    from shoptalk.db.channels import disconnect_channel, get_channel

    with app.database.transaction() as session:
        channel = get_channel(session, app.workspace_id(), channel_id)
        if not channel.is_connected:
            raise UsageError(f"Channel {channel.id} is disconnected already.")
        disconnect_channel(session, channel.id)
    print_done(
        f"Disconnected channel {channel.id}, {channel.channel} {channel.display_name!r}.",
        _named(channel) | {"state": "disconnected"},
        as_json=as_json,
    )
