"""A person at a terminal, inside the test's process: types a command, sees what comes of it."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from shoptalk import cli, settings
from shoptalk.commands import common
from shoptalk.db.engine import Database
from shoptalk.db.models import Base
from tests.loop.shop import Shop


@dataclass(frozen=True, slots=True)
class Screen:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; what is not exactly that fails the test."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one error on stderr; click may say before it how the command is used."""
        usage, found, rest = self.err.partition("Error: ")
        assert found, f"no error on stderr: {self.err!r}"
        assert usage == "" or usage.startswith("Usage: "), usage
        assert "Traceback" not in rest
        assert rest.count("\n") == 1, f"more than one line: {rest!r}"
        assert rest.endswith("\n")
        return rest.removesuffix("\n")


class Terminal:
    """Runs `shoptalk.cli.main` as the console script does.

    Args:
        environment: what is exported.
        clock: the time of day that commands see.
    """

    def __init__(
        self, environment: Mapping[str, str | None], clock: Callable[[], datetime]
    ) -> None:
        self.environment = dict(environment)
        self._clock = clock

    def exporting(self, environment: Mapping[str, str | None]) -> "Terminal":
        """The same terminal after some more exports; None: not exported."""
        return Terminal({**self.environment, **environment}, self._clock)

    def types(
        self, *words: str, answers: str = "", charset: str = "utf-8", **environment: str | None
    ) -> Screen:
        """Run `shoptalk WORDS`.

        Args:
            answers: what is typed where the command asks.
            charset: what the terminal can show.
            environment: exported for this command alone.
        """
        exported = self.environment | environment
        with (
            pytest.MonkeyPatch.context() as patch,
            _as_it_was_before(),
            CliRunner(charset).isolation(answers) as (out, err, _),
        ):
            for name, value in exported.items():
                if value is None:
                    patch.delenv(name, raising=False)
                else:
                    patch.setenv(name, value)
            patch.setattr(sys, "argv", ["shoptalk", *words])
            patch.setattr(common, "now", self._clock)
            settings.load.cache_clear()
            with pytest.raises(SystemExit) as exit_:
                cli.main()
            code = exit_.value.code
            sys.stdout.flush()
            sys.stderr.flush()
            assert isinstance(code, int)
            return Screen(code, out.getvalue().decode(charset), err.getvalue().decode(charset))


@contextmanager
def _as_it_was_before() -> Iterator[None]:
    """Signal handlers and logging are the process's, and this process is the test's."""
    root, ours = logging.getLogger(), logging.getLogger("shoptalk")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        settings.load.cache_clear()
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
        for number, handler in signals.items():
            signal.signal(number, handler)


def terminal_of(shop: Shop) -> Terminal:
    """A terminal whose environment points at the shop's sandbox, database and home."""
    ours = shop.app.settings
    assert ours.database_url is not None
    environment = shop.server.environment | {
        "DATABASE_URL": ours.database_url.get_secret_value(),
        "SHOPTALK_HOME": str(ours.shoptalk_home),
        "OPENAI_MODEL": ours.openai_model,
        "OPENAI_MAX_RETRIES": "0",
        "GRAPH_CALLS_PER_SECOND": "0",
        "COLUMNS": "60",  # nothing that is piped is folded
        "SHOP_TIMEZONE": "UTC",
    }
    return Terminal(environment, shop.world.clock.now)


def everything_stored(database: Database) -> dict[str, list[str]]:
    """Every row of every table, as PostgreSQL writes it."""
    with database.transaction() as session:
        return {
            table.name: sorted(session.scalars(text(f"SELECT row::text FROM {table.name} AS row")))
            for table in Base.metadata.sorted_tables
        }
