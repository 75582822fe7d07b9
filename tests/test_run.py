"""`shoptalk run` as a process of its own: it answers, and ends with nothing half done."""

import json
import logging
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shoptalk.db.models import Delivery, Turn
from tests.loop.shop import Shop
from tests.patience import PATIENCE, eventually
from tests.process import HELLO, Process, environment_of, half_done


@pytest.mark.parametrize(
    ("number", "log_format"), [(signal.SIGTERM, "text"), (signal.SIGINT, "json")]
)
def test_run_answers_and_ends_with_nothing_half_done_when_told(
    open_now: Shop, tmp_path: Path, number: signal.Signals, log_format: str
) -> None:
    shop = open_now
    with Process(shop, tmp_path, LOG_FORMAT=log_format) as process:
        process.wait_until_it_works()
        shop.customer_writes(HELLO)
        eventually(lambda: [turn.status for turn in shop.rows(Turn)] == ["answered"])
        shop.model_says({"text": "You are welcome", "delay_seconds": 3})
        shop.customer_writes("Thanks")
        eventually(lambda: half_done(shop))
        assert process.tell(number) == 0
    assert half_done(shop) == []
    assert [turn.status for turn in shop.rows(Turn)] == ["answered", "answered"]
    assert [row.status for row in shop.rows(Delivery)] == ["sent", "sent"]
    assert shop.sent()[1] == "You are welcome"
    assert process.stdout.read_text() == ""
    if log_format == "json":
        logged = [json.loads(line) for line in process.lines]
        assert {"imported", "a turn ended"} <= {line["message"] for line in logged}
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ [A-Z]+ \S", line) for line in process.lines)
        assert any(" INFO a turn ended " in line for line in process.lines)


def test_two_runs_at_once_answer_each_message_once(open_now: Shop, tmp_path: Path) -> None:
    shop = open_now
    with (
        Process(shop, tmp_path, name="one") as one,
        Process(shop, tmp_path, name="other") as other,
    ):
        one.wait_until_it_works()
        other.wait_until_it_works()
        for number in range(12):
            shop.customer_writes(HELLO, who=f"7300{number}")
        eventually(lambda: len(shop.sent()) >= 12)
        assert one.tell(signal.SIGTERM) == 0
        assert other.tell(signal.SIGTERM) == 0
    assert len(shop.sent()) == 12
    assert [turn.status for turn in shop.rows(Turn)] == ["answered"] * 12
    assert half_done(shop) == []
    assert not any("Traceback" in line for line in [*one.lines, *other.lines])


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """Not below pytest's own folder, which as root the server cannot enter."""
    with tempfile.TemporaryDirectory(prefix="shoptalk-tests-") as folder:
        yield Path(folder) / "home"


def postmaster(home: Path) -> int:
    try:
        return int((home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return 0


def test_run_starts_its_own_server_again_and_ends_where_its_folder_is_gone(
    open_now: Shop, tmp_path: Path, embedded_home: Path
) -> None:
    home = embedded_home
    own = {"DATABASE_URL": "", "SHOPTALK_HOME": str(home)}
    command = [sys.executable, "-c", "from shoptalk.cli import main; main()"]
    environment = environment_of(open_now) | own
    connected = subprocess.run(
        [*command, "channels", "connect", "webchat", "--account-id", "site"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert connected.returncode == 0, connected.stderr
    with Process(open_now, tmp_path, **own) as process:
        process.wait_until_it_works()
        killed = postmaster(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: any("was started again" in line for line in process.lines))
        eventually(lambda: postmaster(home) not in {0, killed})
        seen = len(process.lines)
        eventually(lambda: any(" imported" in line for line in process.lines[seen:]))
        second = postmaster(home)
        shutil.rmtree(home, ignore_errors=True)
        assert process.ends() == 1
        with suppress(ProcessLookupError):
            os.kill(second, signal.SIGQUIT)
    assert "has lost its folder" in process.lines[-1]
    assert not any("Traceback" in line for line in process.lines)


def test_run_shows_a_live_view_on_a_terminal(open_now: Shop, tmp_path: Path) -> None:
    shop = open_now
    shop.customer_writes(HELLO)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from shoptalk.cli import main; main()", "run"],
        cwd=tmp_path,
        env=environment_of(shop) | {"TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    reading = threading.Thread(target=read_all, args=(ours, shown))
    reading.start()
    try:
        eventually(lambda: b"1 answered" in shown)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reading.join(PATIENCE)
        os.close(ours)
    screen = shown.decode()
    assert re.search(r"facebook Corner Shop +(reading history|connected)", screen)
    for words in ("messages imported 1", "queue  ", "turns ended       1 answered", "orders  "):
        assert words in screen
    assert "Traceback" not in screen
    assert len(shop.sent()) == 1


def read_all(terminal: int, into: bytearray) -> None:
    """Read what a terminal shows until the last process has let go of it."""
    try:
        while piece := os.read(terminal, 65536):
            into += piece
    except OSError:  # how Linux says that nobody is there any more
        logging.getLogger(__name__).debug("the terminal is closed")
