"""A shoptalk in a process of its own, with short intervals, against a shop of the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.db.models import Delivery, Turn
from tests.loop.shop import Shop
from tests.patience import PATIENCE, eventually

HELLO = "Hello!"


class Process:
    """`shoptalk run`, or what the words say, on the shop's sandbox and database."""

    def __init__(
        self, shop: Shop, folder: Path, *words: str, name: str = "run", **environment: str
    ) -> None:
        self._words = words or ("run",)
        self.stderr = folder / f"{name}.stderr"
        self.stdout = folder / f"{name}.stdout"
        self._environment = environment_of(shop) | environment
        self._folder = folder

    def __enter__(self) -> "Process":
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from shoptalk.cli import main; main()", *self._words],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def lines(self) -> Sequence[str]:
        return self.stderr.read_text().splitlines()

    def wait_until_it_works(self) -> None:
        eventually(lambda: any("imported" in line for line in self.lines))

    def ends(self) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(PATIENCE)

    def tell(self, number: signal.Signals) -> int:
        """Send the signal; return the exit code."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)


def environment_of(shop: Shop) -> dict[str, str]:
    ours = shop.app.settings
    assert ours.database_url is not None
    return {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        **shop.server.environment,
        "HOME": str(ours.shoptalk_home),
        "SHOPTALK_HOME": str(ours.shoptalk_home),
        "DATABASE_URL": ours.database_url.get_secret_value(),
        "OPENAI_MODEL": ours.openai_model,
        "GRAPH_CALLS_PER_SECOND": "0",
        "POLL_INTERVAL_SECONDS": "0.2",
        "BUFFER_PROCESSING_INTERVAL_MS": "200",
        "MESSAGE_BUFFER_DURATION_MS": "300",
    }


def half_done(shop: Shop) -> list[Any]:
    """Turns that somebody holds, and deliveries of which nobody knows whether they left."""
    return [turn for turn in shop.rows(Turn) if turn.claimed_until is not None] + [
        delivery for delivery in shop.rows(Delivery) if delivery.status == "sending"
    ]
