"""Processes of a benchmark: started, measured from within, ended."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]


class Meter:
    """What the process of its caller takes from now on."""

    def __init__(self) -> None:
        self._seconds, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Seconds by the wall and of the processor, and the peak of memory since the start."""
        return {
            "seconds": time.perf_counter() - self._seconds,
            "cpu_seconds": time.process_time() - self._cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def postgres_seconds(home: Path) -> float:
    """Processor time of the PostgreSQL in `home`, of those of its processes too that have ended."""
    pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(pid)
    while True:
        try:
            own = postmaster.cpu_times()
            alive = [child.cpu_times() for child in postmaster.children()]
            break
        except psutil.NoSuchProcess:  # a connection's process ended meanwhile
            continue
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended + sum(each.user + each.system for each in alive))


def run(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module to its end; what its last line of output says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def killed(module: str, *arguments: str) -> None:
    """Run a module that kills itself; anything else it may do is an error."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
    )
    if ended.returncode != -signal.SIGKILL:
        raise RuntimeError(f"{module} was to be killed and ended with {ended.returncode}")


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """Run a server for as long as the block lasts; the first line of its output."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()
