"""Log lines: one record a line, and what a customer wrote cannot change that."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk import logs
from shoptalk.logs import JsonFormatter, TextFormatter

HOSTILE = [
    "a\nb",
    "a\r\nb",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x08\x7f",
    "a\u2028b\u2029c\x85d\x0b\x0c",
    "\u202egnp.exe",
    "\ud800",
    '"}\n{"level": "error"',
    "2026-03-01T09:00:00.000+00:00 ERROR forged",
]


def record(
    message: str = "imported", *, error: BaseException | None = None, **fields: object
) -> logging.LogRecord:
    made = logging.LogRecord(
        name="shoptalk.test",
        level=logging.INFO,
        pathname=__file__,
        lineno=1,
        msg="%s",
        args=(message,),
        exc_info=(type(error), error, error.__traceback__) if error else None,
    )
    made.created = 1772355600.5
    vars(made).update(fields)
    return made


def test_a_text_line_says_when_how_bad_what_and_about_what() -> None:
    line = TextFormatter().format(record(channel_id=1, name_of_shop="Corner Bakery", gone=None))
    assert line == (
        '2026-03-01T09:00:00.500+00:00 INFO imported channel_id=1 name_of_shop="Corner Bakery"'
    )


def test_text_that_people_can_read_stays_readable() -> None:
    assert TextFormatter().format(record("وصلت ٣ رسائل")).endswith("INFO وصلت ٣ رسائل")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_can_break_a_line_or_steer_a_terminal(
    formatter: logging.Formatter, value: str
) -> None:
    for made in (
        record(value),
        record(text=value),
        record(deep={"a": [value]}),
        record(thing=Odd(value)),
    ):
        line = formatter.format(made)
        assert line.isprintable()
        assert line.startswith(("2026-03-01T09:00:00.500+00:00 INFO ", '{"at": "2026-03-01T'))


class Odd:
    """Something JSON does not know."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


@settings(max_examples=200)
@given(st.text(), st.text())
def test_any_text_is_one_line_and_one_json_object(message: str, value: str) -> None:
    made = record(message, text=value)
    assert TextFormatter().format(made).isprintable()
    line = JsonFormatter().format(made)
    assert line.isprintable()
    assert json.loads(line) == {
        "at": "2026-03-01T09:00:00.500+00:00",
        "level": "info",
        "logger": "shoptalk.test",
        "message": message,
        "text": value,
    }


def raised(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as exc:
        return exc


@pytest.mark.parametrize("value", HOSTILE)
def test_what_an_exception_quotes_cannot_look_like_a_line_of_ours(value: str) -> None:
    hostile = f"x\n{value}\n2026-03-01T09:00:00.000+00:00 ERROR forged"
    first, *others = TextFormatter().format(record(error=raised(hostile))).split("\n")
    assert first == "2026-03-01T09:00:00.500+00:00 INFO imported"
    assert "    Traceback (most recent call last):" in others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_an_exception_stays_inside_its_json_object() -> None:
    line = JsonFormatter().format(record(error=raised("a\nb\x1b[2J")))
    assert line.isprintable()
    assert "ValueError: a\nb\x1b[2J" in json.loads(line)["exception"]


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was, whatever a test sets up."""
    root, ours = logging.getLogger(), logging.getLogger("shoptalk")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("style", ["text", "json"])
def test_our_lines_go_to_stderr_and_others_speak_up_from_warnings(
    monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.set_up(level="INFO", style=style)
    logging.getLogger("shoptalk.importer").debug("too small")
    logging.getLogger("shoptalk.importer").info("ours", extra={"text": "a\nb"})
    logging.getLogger("urllib3").info("theirs")
    logging.getLogger("urllib3").warning("theirs, and bad")
    logging.getLogger("urllib3.connection").warning("it quotes a URL: ?input_token=secret")
    lines = stderr.getvalue().splitlines()
    assert len(lines) == 2
    if style == "json":
        assert [json.loads(line)["message"] for line in lines] == ["ours", "theirs, and bad"]
        assert json.loads(lines[0])["text"] == "a\nb"
    else:
        assert lines[0].endswith('INFO ours text="a\\nb"')
