"""`shoptalk demo`: it tells the whole story, and leaves nothing behind."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SECONDS = 8
MAIN = "from shoptalk.cli import main; main()"
pytestmark = pytest.mark.timeout(60)


def processes_about(folder: Path) -> list[str]:
    """What still runs and names the folder; zombies do not run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                words = [*process.cmdline(), *process.environ().values()]
                if any(str(folder) in word for word in words):
                    found.append(" ".join(process.cmdline()))
        except psutil.Error:  # it has ended meanwhile, or is not ours to look into
            continue
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, whose path is too long for a socket's."""
    with tempfile.TemporaryDirectory(prefix="shop-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root the embedded server runs as somebody else
        yield folder


def test_a_demo_tells_the_whole_story_and_leaves_nothing_behind(folder: Path) -> None:
    home, temporary = folder / "home", folder / "tmp"
    for each in (home, temporary):
        each.mkdir()
    began_at = time.monotonic()
    demo = subprocess.run(
        [sys.executable, "-c", MAIN, "demo", "--seconds", str(SECONDS)],
        cwd=home,
        env={
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=45,
    )
    assert demo.returncode == 0, demo.stderr
    assert time.monotonic() - began_at >= SECONDS
    assert "Traceback" not in demo.stdout + demo.stderr

    def count(what: str) -> int:
        found = re.search(rf"^  {what} +(\d+)$", demo.stdout, re.M)
        assert found, demo.stdout
        return int(found[1])

    assert count("conversations imported") >= 36  # a past of 35, and a customer who writes now
    assert count("messages imported") > count("history, left alone") > 0
    assert count("turns answered") > 0
    count("orders made")

    _, _, story = demo.stdout.partition("What happened\n")
    assert "One conversation in full\n  Conversation " in story
    assert "Why one message was not answered\n  $ shoptalk why " in story
    assert "A person at the shop answered it" in story
    assert "Your own account\n" in story
    assert "shoptalk channels connect facebook" in story

    assert list(home.iterdir()) == []
    # The library that brings PostgreSQL keeps one lock file for all its servers.
    assert {path.name for path in temporary.iterdir()} <= {".lockfile"}
    ends_at = time.monotonic() + 5
    while left := processes_about(folder):
        assert time.monotonic() < ends_at, left
        threading.Event().wait(0.05)
