"""How moments, money, counts and tables are shown: piped, and on terminals of several widths."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from shoptalk.commands import display
from shoptalk.commands.display import column, count, money, plain_amount, shortened, when

NOON = datetime(2026, 12, 1, 12, 3, 9, tzinfo=UTC)
LONG_ID = "m_" + "AbC9" * 45
ARABIC = "مرحبا، هل القلادة متوفرة؟"


@pytest.fixture(autouse=True)
def zone() -> None:
    display.use_zone(UTC)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (UTC, "2026-12-01 12:03 UTC"),
        (ZoneInfo("Europe/Berlin"), "2026-12-01 13:03 CET"),
        (ZoneInfo("Asia/Riyadh"), "2026-12-01 15:03 +03"),
        (ZoneInfo("America/New_York"), "2026-12-01 07:03 EST"),
    ],
)
def test_a_moment_is_shown_in_the_shops_zone_with_its_name(
    zone: ZoneInfo | timezone, shown: str
) -> None:
    display.use_zone(zone)
    assert when(NOON) == shown
    assert when(NOON, seconds=True) == shown.replace("03 ", "03:09 ", 1)


@pytest.mark.parametrize(
    ("amount", "currency", "shown", "in_json"),
    [
        ("12.5000", "USD", "12.50 USD", "12.50"),
        ("1250.0000", "JPY", "1,250 JPY", "1250"),
        ("1.2500", "KWD", "1.250 KWD", "1.250"),
        ("1234567.8900", "EUR", "1,234,567.89 EUR", "1234567.89"),
        ("0.1250", "USD", "0.125 USD", "0.125"),
        ("1000.0000", "ZZZ", "1,000.00 ZZZ", "1000.00"),
        ("0.0000", "USD", "0.00 USD", "0.00"),
    ],
)
def test_money_has_the_decimals_of_its_currency_and_loses_none(
    amount: str, currency: str, shown: str, in_json: str
) -> None:
    assert money(Decimal(amount), currency) == shown
    assert plain_amount(Decimal(amount), currency) == in_json


def test_one_is_not_many() -> None:
    assert [count(number, "message") for number in (0, 1, 2, 1500)] == [
        "0 messages",
        "1 message",
        "2 messages",
        "1,500 messages",
    ]


def test_line_ends_of_a_text_are_seen_and_nothing_steers_the_terminal() -> None:
    assert display.one_line("Hi\r\nyou\n\nthere\tnow") == "Hi ⏎ you ⏎  ⏎ there now"
    assert display.one_line("\x1b[2Jx\u202e") == "\\u001b[2Jx\\u202e"
    assert shortened("a" * 50, 10) == "aaaaaaaaa…"


COLUMNS = [
    column("id"),
    column("customer", text=True),
    column("content", cut=True),
    column("message_id", for_pipes=True),
]
ROWS = [
    {"id": 1, "customer": "Ann", "content": "Hello\nthere", "message_id": LONG_ID},
    {"id": 2, "customer": "محمد بن عبد الله", "content": ARABIC * 9, "message_id": LONG_ID},
    {"id": 30, "customer": "山田 太郎", "content": "", "message_id": LONG_ID},
]


def test_a_piped_table_has_a_row_a_line_and_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    display.print_table(ROWS, COLUMNS)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "customer", "content", "message", "id"]
    assert len(lines) == len(ROWS)
    assert all(line.endswith(LONG_ID) for line in lines)
    assert "Hello ⏎ there" in lines[0]
    assert ARABIC * 9 in lines[1]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_fits_the_terminal_with_each_row_on_one_line(width: int) -> None:
    console = Console(width=width, force_terminal=True, color_system=None)
    shown = [each for each in COLUMNS if not each.is_for_pipes]
    with console.capture() as capture:
        console.print(display.table_for(ROWS, shown, width))
    lines = capture.get().splitlines()
    assert len(lines) >= len(ROWS) + 1
    assert all(display._width(line.rstrip()) <= width for line in lines)
    assert not any(LONG_ID[:20] in line for line in lines)
    assert sum("…" in line for line in lines) == 1, "the long text is cut, visibly"


def test_a_terminal_too_narrow_for_a_table_gets_a_field_a_line() -> None:
    columns = [column("id"), column("customer", text=True), column("message_id", "message")]
    console = Console(width=60, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(display.table_for(ROWS[:1], columns, 60))
    assert re.search(r"^id +1 *\ncustomer +Ann", capture.get())


def test_what_can_be_spared_goes_before_the_table_does() -> None:
    columns = [column("id"), column("customer", text=True), column("message_id", spare=True)]
    console = Console(width=60, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(display.table_for(ROWS[:1], columns, 60))
    assert [line.split() for line in capture.get().splitlines()] == [
        ["id", "customer"],
        ["1", "Ann"],
    ]


def test_a_span_is_told_in_its_largest_unit() -> None:
    shown = [display.ago(NOON - timedelta(seconds=n), now=NOON) for n in (9, 70, 7300, 200_000)]
    assert shown == ["9 s ago", "1 min ago", "2 h ago", "2 d ago"]
    assert display.ago(NOON + timedelta(hours=3), now=NOON) == "3 h from now"
