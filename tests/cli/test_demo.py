"""`shoptalk demo`: it tells the whole story, and leaves nothing behind."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import eventually

SECONDS = 15
CATALOG = Path(__file__).parents[2] / "shoptalk" / "sandbox" / "data" / "catalog.json"
MAIN = "from shoptalk.cli import main; main()"
PLATFORMS = [
    "Messenger",
    "Instagram",
    "SMS over Twilio",
    "WhatsApp over Twilio",
    "Chatwoot",
    "Web chat",
    "WhatsApp by file",
]
NOBODY_WRITES = f"""
from dataclasses import replace
from shoptalk.commands import demo, demo_accounts
demo.EVERY_PLATFORM = (
    replace(demo_accounts.MESSENGER, past=0, shoppers=0),
    replace(demo_accounts.WEB_CHAT, shoppers=0),
)
{MAIN}
"""


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


def run_demo(
    folder: Path, *arguments: str, program: str = MAIN
) -> subprocess.CompletedProcess[str]:
    home, temporary = folder / "home", folder / "tmp"
    for each in (home, temporary):
        each.mkdir()
    return subprocess.run(
        [sys.executable, "-c", program, "demo", *arguments],
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
        timeout=300,
    )


def nothing_is_left(folder: Path) -> None:
    assert list((folder / "home").iterdir()) == []
    # The library that brings PostgreSQL keeps one lock file for all its servers.
    assert {path.name for path in (folder / "tmp").iterdir()} <= {".lockfile"}
    eventually(lambda: not processes_about(folder))


def test_a_demo_tells_the_whole_story_and_leaves_nothing_behind(folder: Path) -> None:
    began_at = time.monotonic()
    demo = run_demo(folder, "--seconds", str(SECONDS))
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

    nothing_is_left(folder)


@pytest.mark.thorough
def test_a_demo_of_all_ends_with_an_answer_on_each_platform(folder: Path) -> None:
    demo = run_demo(folder, "--all", "--seconds", "30")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    _, _, told = demo.stdout.partition("\nOn each platform\n")
    lines, _, told = told.partition("\nOne conversation answered on each\n")
    counts = re.findall(r"^  (\S.*?) +(\d+) conversations, +(\d+) answered$", lines, re.M)
    assert [title for title, _, _ in counts] == PLATFORMS
    for title, conversations, answered in counts:
        assert int(conversations) >= int(answered) > 0, title
    examples, _, _ = told.partition("\n\n")
    exchange = r"^  (\S.*)\n    \S.*: .+(?:\n      .+)*\n    shoptalk: (.+(?:\n      .+)*)$"
    shown = re.findall(exchange, examples, re.M)
    assert [title for title, _ in shown] == PLATFORMS
    names = [each["name"] for each in json.loads(CATALOG.read_text("utf-8"))["products"]]
    for title, answer in shown:
        said = " ".join(answer.split())
        assert any(name in said for name in names), f"{title}: no product in {said!r}"
        assert "…" not in said
    assert "Why one message was not answered\n  $ shoptalk why " in demo.stdout
    nothing_is_left(folder)


@pytest.mark.thorough
def test_a_demo_of_all_fails_where_a_platform_got_no_answer(folder: Path) -> None:
    demo = run_demo(folder, "--all", "--seconds", "15", program=NOBODY_WRITES)
    assert demo.returncode == 1, demo.stdout + demo.stderr
    assert demo.stderr == "Error: nobody was answered on Messenger, Web chat.\n"
    assert re.search(
        r"^  Messenger\n    nobody was answered: m_\S+:\s+"
        r"A\s+person\s+at\s+the\s+shop\s+answered\s+it\.\n"
        r"  Web chat\n    nobody was answered: nobody wrote$",
        demo.stdout,
        re.M,
    )
