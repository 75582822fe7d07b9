"""What the commands share: the running app, and printing that customers' text cannot break."""

import functools
import json
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from shoptalk import logs, settings
from shoptalk.app import App, running

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most."
)

#: Invisible characters that turn text around or hide it; shown by their code instead.
_TRICKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def now() -> datetime:
    return datetime.now(UTC)


def with_app(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Give the command a running app as its first argument, closed when it ends."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        given = settings.load()
        # A command that ends by itself warns only, where nobody asked for more.
        level = given.log_level if "log_level" in given.model_fields_set else "WARNING"
        logs.set_up(level=level, style=given.log_format)
        with running(given, clock=now) as app:
            return command(app, *args, **kwargs)

    return run


def visible(text: str) -> str:
    """Text for a terminal: whatever could steer one is shown as its code, nothing is dropped."""
    return "".join(
        f"\\u{ord(character):04x}"
        if character in _TRICKS or unicodedata.category(character) in {"Cc", "Cs"}
        else character
        for character in text
    )


def print_json(document: Any) -> None:
    """Print one JSON document; what could steer a terminal is escaped, as JSON allows."""
    click.echo(visible(json.dumps(document, default=str, ensure_ascii=False)))


def print_rows(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, columns: Sequence[str], empty: str
) -> None:
    """Print a list: a table for people, or every field as JSON."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(empty)
        return
    titles = [column.replace("_", " ") for column in columns]
    cells = [[visible(_cell(row[column])) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        _print_lines([titles, *cells])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for line in cells:
        table.add_row(*line)
    Console(markup=False, highlight=False, emoji=False).print(table)


def _print_lines(lines: Sequence[Sequence[str]]) -> None:
    """A row a line, however long: for files, pipes and the mail of cron."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return str(value)


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC, for JSON."""
    return value.astimezone(UTC).isoformat() if value else None


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
