"""What the commands share: the running app, and printing that customers' text cannot break."""

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from shoptalk import logs, settings
from shoptalk.commands.display import Column, Row, column, print_table, use_zone
from shoptalk.commands.display import visible as visible
from shoptalk.errors import UsageError
from shoptalk.wiring import App, running

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="The most to show.",
)


class Group(click.Group):
    """A group whose list of commands shows each command's first sentence whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(limit=1000)) for name, each in commands if each]
            )


def now() -> datetime:
    return datetime.now(UTC)


def with_app(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Give the command a running app as its first argument, closed when it ends."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        doubts = settings.doubts()
        try:
            given = settings.load()
        except UsageError:  # one may be what is wrong
            _tell(doubts)
            raise
        use_zone(given.shop_timezone)
        # A command that ends by itself warns only, where nobody asked for more.
        level = given.log_level if "log_level" in given.model_fields_set else "WARNING"
        logs.set_up(level=level, style=given.log_format)
        _tell(doubts, given.log_format)
        with running(given, clock=now) as app:
            return command(app, *args, **kwargs)

    return run


def _tell(doubts: Sequence[str], style: str = "text") -> None:
    """Say what may be meant as a setting and is none."""
    for doubt in doubts:
        if style == "json":  # every line is a document
            log.warning("a setting is doubtful", extra={"error": doubt})
        else:
            click.echo(visible(f"Warning: {doubt}"), err=True)


def print_json(document: Any) -> None:
    """Print one JSON document; what could steer a terminal is escaped, as JSON allows."""
    click.echo(visible(json.dumps(document, default=_for_json, ensure_ascii=False)))


def _for_json(value: Any) -> str | None:
    return moment(value) if isinstance(value, datetime) else str(value)


def print_done(sentence: str, document: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what a command has done: a sentence for people, or the same as one JSON document."""
    if as_json:
        print_json(document)
    else:
        click.echo(visible(sentence))


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC, for JSON."""
    return value.astimezone(UTC).isoformat() if value else None


def print_rows(
    rows: Sequence[Row], *, as_json: bool, columns: Sequence[str | Column], empty: str
) -> None:
    """Print a list: a table for people, or every field as JSON.

    Args:
        columns: those of the table; a bare name is a field that is short.
    """
    if as_json:
        print_json(list(rows))
    elif not rows:
        click.echo(empty)
    else:
        print_table(rows, [column(each) if isinstance(each, str) else each for each in columns])


class Moment(click.ParamType[datetime]):
    """A date or a date and time; without a zone it is UTC."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(value)
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a date: write it as 2026-11-21 or 2026-11-21T09:30:00+02:00.",
                param,
                ctx,
            )
