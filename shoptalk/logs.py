"""Log lines on stderr: text for people, JSON for machines. Values are data, never structure."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and value is not None
    }


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextFormatter(logging.Formatter):
    """2026-11-21T10:00:00.000+00:00 INFO imported channel_id=1 new=3"""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(
            f" {name}={json.dumps(value, default=str)}" for name, value in _fields(record).items()
        )
        line = f"{_moment(record)} {record.levelname} {record.getMessage()}{fields}"
        lines = [line]
        if record.exc_info:
            # indented: what an exception quotes cannot look like a line of ours
            lines += [f"    {row}" for row in self.formatException(record.exc_info).splitlines()]
        return "\n".join(map(_printable, lines))


def _printable(line: str) -> str:
    return line if line.isprintable() else line.encode("unicode_escape").decode()


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at that moment: a live view puts itself in between."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


def set_up(*, level: str, style: str) -> None:
    """Send our log lines to stderr; other libraries speak up from warnings only."""
    handler = _Stderr(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("shoptalk").setLevel(level)
    # It warns of odd headers by quoting the whole URL, and one of ours holds a token.
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
