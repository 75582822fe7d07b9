"""How the commands show moments, money, counts and tables to people: one home, one style.

Moments are shown in the shop's time zone, money with the decimals of its currency. JSON is for
programs: its moments are ISO 8601 in UTC. Whatever others wrote cannot steer the terminal.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Invisible characters that turn text around or hide it; shown by their code instead.
_TRICKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_ENDS = ("\r\n", "\n", "\r", "\u2028", "\u2029")
LINE_END = " ⏎ "  #: an end of a line, in text that is shown on one

GAP = "  "  #: between the columns of a table
LEAST_WIDTH = 10  #: that a text column is left with before a table becomes a list of records

_zone: list[tzinfo | None] = [None]


def use_zone(zone: tzinfo | None) -> None:
    """Show moments in this time zone from now on; None: the system's."""
    _zone[0] = zone


def when(moment: datetime, *, seconds: bool = False) -> str:
    """A moment as people read it, with its zone."""
    local = moment.astimezone(_zone[0])
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return f"{local:{form}} {local.tzname()}"


def to_the_second(moment: datetime) -> str:
    """As `when`, where minutes are too coarse."""
    return when(moment, seconds=True)


def ago(moment: datetime | None, *, now: datetime) -> str:
    """A distance in time, as people say it."""
    if moment is None:
        return "never"
    seconds = round((now - moment).total_seconds())
    return f"{span(abs(seconds))} {'ago' if seconds >= 0 else 'from now'}"


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    amount = round(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if amount >= size:
            return f"{amount // size} {unit}"
    return f"{amount} s"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: 1 message, 2 messages."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def money(amount: Decimal, currency: str) -> str:
    """An amount as people write it: 1,250.00 USD, 1,250 JPY, 1.250 KWD."""
    return f"{_exact(amount, currency):,f} {currency}"


def plain_amount(amount: Decimal, currency: str) -> str:
    """An amount for JSON: the decimals of its currency, nothing between the thousands."""
    return f"{_exact(amount, currency):f}"


def _exact(amount: Decimal, currency: str) -> Decimal:
    """With as many decimals as the currency has; with more where digits would be lost."""
    from babel.numbers import get_currency_precision

    rounded = amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency)))
    return rounded if rounded == amount else amount.normalize()


def visible(text: str) -> str:
    """Text for a terminal: whatever could steer one is shown as its code, nothing is dropped."""
    return "".join(
        f"\\u{ord(character):04x}"
        if character in _TRICKS or unicodedata.category(character) in {"Cc", "Cs"}
        else character
        for character in text
    )


def one_line(text: str) -> str:
    """Text of somebody's on one line: its line ends are shown as ⏎."""
    for end in _LINE_ENDS:
        text = text.replace(end, LINE_END)
    return visible(text.replace("\t", " ")).strip()


def shortened(text: str, most: int) -> str:
    """The first `most` characters of a text on one line, with … where there are more."""
    line = one_line(text)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Args:
        title: what stands above it.
        value: what a row has there.
        is_text: long as it may be: on a terminal it gives way, line by line.
        is_cut: it gives way by being cut short, so that a row stays a line.
        is_for_pipes: left out on a terminal, where it would push out everything else.
        is_spare: left out on a terminal that is too narrow for all, the last one first.
    """

    title: str
    value: Callable[[Row], Any]
    is_text: bool = False
    is_cut: bool = False
    is_for_pipes: bool = False
    is_spare: bool = False


def column(
    key: str,
    title: str | None = None,
    *,
    text: bool = False,
    cut: bool = False,
    for_pipes: bool = False,
    spare: bool = False,
) -> Column:
    """A column that shows what a row has under a key."""
    return Column(
        title=title or key.replace("_", " "),
        value=lambda row: row[key],
        is_text=text or cut,
        is_cut=cut,
        is_for_pipes=for_pipes,
        is_spare=spare,
    )


def cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return when(value)
    return one_line(str(value))


def print_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """Print rows: fitted to a terminal's width; elsewhere a row a line, however long."""
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(markup=False, highlight=False, emoji=False)
        shown = [each for each in columns if not each.is_for_pipes]
        console.print(table_for(rows, shown, console.width))
        return
    lines = [[each.title for each in columns], *_cells(rows, columns)]
    widths = [max(map(_width, texts)) for texts in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)
        )
        sys.stdout.write(GAP.join(padded).rstrip() + "\n")  # not click: it passes by the charset


def _cells(rows: Sequence[Row], columns: Sequence[Column]) -> list[list[str]]:
    return [[cell(each.value(row)) for each in columns] for row in rows]


def table_for(rows: Sequence[Row], columns: Sequence[Column], width: int) -> "RenderableType":
    """A table that fits a terminal; a field a line where it is too narrow for any table."""
    from rich.table import Table
    from rich.text import Text

    titles, lines = [each.title for each in columns], _cells(rows, columns)
    natural = [max(map(_width, texts)) for texts in zip(titles, *lines, strict=True)]
    widths = fitted(natural, [each.is_text for each in columns], width)
    spare = [each for each in columns if each.is_spare]
    if widths is None and spare:
        return table_for(rows, [each for each in columns if each is not spare[-1]], width)
    if widths is None:
        return Text("\n\n".join(_record(titles, line) for line in lines))
    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0))
    for each, space in zip(columns, widths, strict=True):
        table.add_column(
            each.title,
            width=space,
            no_wrap=each.is_cut,
            overflow="ellipsis" if each.is_cut else "fold",
        )
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def _record(titles: Sequence[str], line: Sequence[str]) -> str:
    broad = max(map(len, titles))
    return "\n".join(
        f"{title:<{broad}}{GAP}{text}" for title, text in zip(titles, line, strict=True)
    )


def fitted(natural: Sequence[int], gives_way: Sequence[bool], width: int) -> list[int] | None:
    """The width of each column; None where even the narrowest table is too wide."""
    widths = list(natural)
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        widest = max(
            (each for each, gives in enumerate(gives_way) if gives),
            key=lambda each: widths[each],
            default=None,
        )
        if widest is None or widths[widest] <= LEAST_WIDTH:
            return None
        widths[widest] -= 1
        excess -= 1
    return widths


def print_lines(lines: Iterable[str]) -> None:
    """Print lines: folded between words on a terminal, never elsewhere."""
    if not sys.stdout.isatty():
        for line in lines:
            sys.stdout.write(visible(line) + "\n")
        return
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    for line in lines:
        console.print(visible(line))


def _width(text: str) -> int:
    """In columns of a terminal: a Chinese character takes two, a mark above a letter none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
