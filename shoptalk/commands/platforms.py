"""`shoptalk platforms`: what can be connected."""

from typing import Any

import click

from shoptalk.commands.common import Group, json_option, print_json, print_rows, visible
from shoptalk.commands.display import Column, column

#: What a text's length is counted in, as people say it.
_UNITS = {
    "utf8_bytes": "bytes",
    "utf16_units": "characters, an emoji is two",
    "sms_segments": "SMS segments",
}

_COLUMNS: list[str | Column] = [
    *("name", "polled", "history", "typing", "token"),
    column("max_text", "longest text"),
    "reply_window",
    column("distribution", "comes with", text=True, spare=True),
]


@click.group(cls=Group)
def platforms() -> None:
    """List what can be connected, and what each can do.

    \b
    Example:
      shoptalk platforms list
    """


@platforms.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the platforms, also those of other distributions, and what each can do.

    One that cannot be loaded is listed with the reason; the others are not harmed.

    \b
    Example:
      shoptalk platforms list
    """
    from shoptalk.platforms import registry

    rows = [_row(name) for name in registry.names()]
    if as_json:
        print_json(rows)
        return
    print_rows(
        [row | {"max_text": _text(row), "reply_window": _window(row)} for row in rows],
        as_json=False,
        columns=_COLUMNS,
        empty="No platform is installed.",
    )
    for row in rows:
        if row["error"]:
            click.echo(visible(row["error"]))


def _row(name: str) -> dict[str, Any]:
    from shoptalk.errors import UsageError
    from shoptalk.platforms import registry

    row: dict[str, Any] = {
        "name": name,
        "polled": None,
        "history": None,
        "typing": None,
        "token": None,
        "max_text": None,
        "text_unit": None,
        "reply_window_seconds": None,
        "distribution": registry.distribution(name),
        "error": None,
    }
    try:
        capabilities = registry.adapter(name).capabilities
    except UsageError as exc:
        return row | {"error": str(exc)}
    window = capabilities.reply_window
    return row | {
        "polled": capabilities.polled,
        "history": capabilities.history,
        "typing": capabilities.typing,
        "token": capabilities.needs_token,
        "max_text": capabilities.max_text,
        "text_unit": str(capabilities.text_unit),
        "reply_window_seconds": None if window is None else round(window.total_seconds()),
    }


def _text(row: dict[str, Any]) -> str | None:
    if row["max_text"] is None:
        return None
    unit = _UNITS.get(row["text_unit"], row["text_unit"])
    return f"{row['max_text']:,} {unit}"


def _window(row: dict[str, Any]) -> str | None:
    if row["reply_window_seconds"] is None:
        return None
    hours = row["reply_window_seconds"] / 3600
    return f"{hours:g} h"
