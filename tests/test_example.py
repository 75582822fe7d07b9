"""The example distribution, installed: a platform that this repository's code does not know."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from shoptalk.db.models import Message
from tests.loop.shop import Shop, open_shop
from tests.process import environment_of

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "shoptalk-folder"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building it leaves nothing in the repository."""
    wanted = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*")
    return shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "folder", ignore=wanted)


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put it, without a network."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, *options, str(target), str(source)], check=True, timeout=300)
    assert (target / "shoptalk_folder.py").exists()
    return target


@pytest.fixture
def shop(server: EmbeddedServer, database: Database, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(server.url, tmp_path / "home") as shop:
        shop.world.clock.reset()
        yield shop


class Machine:
    """A machine on which both are installed."""

    def __init__(self, shop: Shop, installed: Path, folder: Path) -> None:
        self._environment = environment_of(shop) | {
            "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]),
            "MESSAGE_BUFFER_DURATION_MS": "0",
        }
        self._folder = folder

    def types(self, *words: str) -> Any:
        """Run shoptalk; its JSON document, or its text where it prints none."""
        done = subprocess.run(
            [sys.executable, "-c", "from shoptalk.cli import main; main()", *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in words else done.stdout


@pytest.fixture
def machine(shop: Shop, installed: Path, tmp_path: Path) -> Machine:
    return Machine(shop, installed, tmp_path)


@pytest.mark.thorough
def test_it_keeps_the_contract_where_it_is_installed(source: Path, installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(source), "."],
        cwd=source / "tests",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_it_is_listed_with_where_it_comes_from(machine: Machine) -> None:
    rows = {row["name"]: row for row in machine.types("platforms", "list", "--json")}
    folder = rows["folder"]
    assert folder["distribution"] == "shoptalk-folder 0.1.0"
    assert (folder["polled"], folder["token"], folder["max_text"]) == (True, False, 10_000)
    assert {"facebook", "webchat"} <= set(rows)


@pytest.mark.thorough
def test_a_customer_in_a_file_is_answered_in_it(
    shop: Shop, machine: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "counter"
    folder.mkdir()
    write(folder / "ann.json", "An old question", at=datetime.now(UTC) - timedelta(hours=1))
    said = machine.types(
        "channels", "connect", "folder", "--account-id", "counter", "--config", f"folder={folder}"
    )
    assert "Connected folder 'counter' as channel 1." in said
    write(folder / "bob.json", "Hello!", at=datetime.now(UTC))
    reports = machine.types("import", "--json")
    assert sum(report["new"] for report in reports) == 2
    assert machine.types("reply", "--json") == {"answered": 1}
    assert [message["from"] for message in messages_in(folder / "bob.json")] == ["customer", "shop"]
    assert [message["from"] for message in messages_in(folder / "ann.json")] == ["customer"]
    machine.types("import")
    assert machine.types("reply", "--json") == {}
    senders = {message.content: message.sender_type for message in shop.rows(Message)}
    assert senders[messages_in(folder / "bob.json")[1]["text"]] == "agent"


def write(file: Path, text: str, *, at: datetime) -> None:
    messages = [{"id": "1", "from": "customer", "at": at.isoformat(), "text": text}]
    file.write_text(json.dumps({"messages": messages}))


def messages_in(file: Path) -> Sequence[dict[str, Any]]:
    return json.loads(file.read_text())["messages"]  # type: ignore[no-any-return]
