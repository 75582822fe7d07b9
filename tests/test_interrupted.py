"""Ctrl-C at any instant, also twice: no traceback, and the embedded server ends with us."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from shoptalk.db.embedded import DATA
from tests.patience import PATIENCE, eventually

#: What the console script does, with a word between hearing Ctrl-C and all that takes time.
SCRIPT = """
from shoptalk.__main__ import hear_ctrl_c, main
hear_ctrl_c()
print("begins", flush=True)
main()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """Not below pytest's own folder, which as root the server cannot enter."""
    with tempfile.TemporaryDirectory(prefix="shoptalk-tests-") as folder:
        home = Path(folder) / "home"
        yield home
        for each in servers_of(home):
            each.kill()
            each.wait(PATIENCE)


def servers_of(home: Path) -> list[psutil.Process]:
    """The postmaster of this home, if it runs, and whoever starts or makes it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if (
                str(home / DATA) in process.cmdline()
                and process.status() != psutil.STATUS_ZOMBIE
                and process.name().startswith("postgres")
            ):
                found.append(process)
    return found


def start(home: Path, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "SHOPTALK_HOME": str(home)}
        | {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENAI_API_KEY": "none"}
        | {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own: a terminal signals all of it
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    return process


def ended_well(process: subprocess.Popen[bytes], home: Path) -> None:
    said = process.communicate(timeout=PATIENCE)[1].decode()
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert "KeyboardInterrupt" not in said
    assert process.returncode in {0, 1, 130}, said
    assert servers_of(home) == []


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.3, 0.7, 1.2, 1.8, 2.5])
def test_ctrl_c_at_any_instant_ends_a_command_and_its_server(
    home: Path, tmp_path: Path, seconds: float, times: int
) -> None:
    process = start(home, tmp_path, "run")
    for pause in (seconds, 0.05)[:times]:
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    ended_well(process, home)


def test_ctrl_c_while_the_server_is_stopped_does_not_keep_it(home: Path, tmp_path: Path) -> None:
    process = start(home, tmp_path, "channels", "list")
    note = home / DATA / "postmaster.pid"
    eventually(note.exists)
    while process.poll() is None:  # from the start until the last moment, again and again
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    ended_well(process, home)
