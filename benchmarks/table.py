"""What was measured, beside what was promised."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    value: float | int
    unit: str = ""  #: "times", "MB"; a count needs none
    target: str = ""  #: in words, "at most 2"; "" for a figure that only explains another
    ok: bool | None = None  #: whether the target is met; None: there is none


def at_most(name: str, value: float, limit: float, *, unit: str = "") -> Figure:
    return Figure(
        name=name, value=value, unit=unit, target=f"at most {limit:,g}", ok=value <= limit
    )


def at_least(name: str, value: float, limit: float, *, unit: str = "") -> Figure:
    return Figure(
        name=name, value=value, unit=unit, target=f"at least {limit:,g}", ok=value >= limit
    )


def print_table(title: str, figures: Sequence[Figure]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("target")
    table.add_column("")
    for figure in figures:
        verdict = {True: "pass", False: "FAIL", None: ""}[figure.ok]
        table.add_row(figure.name, _shown(figure), figure.target, verdict)
    Console(width=110).print(table)


def _shown(figure: Figure) -> str:
    number = f"{figure.value:,.2f}" if figure.value < 100 else f"{figure.value:,.0f}"
    if isinstance(figure.value, int):
        number = f"{figure.value:,}"
    return f"{number} {figure.unit}".rstrip()
