"""The benchmarks measure the real thing, and notice when it is not done."""

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import inbox
from benchmarks.__main__ import MODULES
from benchmarks.inbox import Digest, Thread, Written

ROOT = Path(__file__).parents[1]


def digest_of(threads: list[Thread]) -> str:
    digest = Digest()
    rows = [(thread, each) for thread in threads for each in thread.messages]
    random.Random(1).shuffle(rows)
    for thread, each in rows:
        at = int(each.at.timestamp())
        digest.add(thread.thread_id, each.message_id, each.text, each.by_customer, at)
    return str(digest)


def changed(threads: list[Thread], *messages: Written) -> list[Thread]:
    """The inbox with other messages in the place of the first one."""
    first = threads[0]
    return [dataclasses.replace(first, messages=[*messages, *first.messages[1:]]), *threads[1:]]


def test_the_check_of_content_sees_what_is_lost_doubled_or_altered_in_any_order() -> None:
    threads = list(inbox.threads(1000))
    assert sum(len(thread.messages) for thread in threads) == 1000
    assert digest_of(threads) == inbox.digest(1000)
    first = threads[0].messages[0]
    for wrong in (
        changed(threads),
        changed(threads, first, first),
        changed(threads, dataclasses.replace(first, text=f"{first.text} ")),
        changed(threads, dataclasses.replace(first, by_customer=not first.by_customer)),
        changed(threads, dataclasses.replace(first, at=inbox.NEWEST.replace(year=2020))),
        [dataclasses.replace(threads[0], thread_id="t_x"), *threads[1:]],
    ):
        assert digest_of(wrong) != inbox.digest(1000)


#: What each must find right at any size, and on a machine that has other things to do. The rest
#: raise where something was lost or doubled, and their other figures are times.
RIGHT_AT_ANY_SIZE = {
    "import_": {
        "runs with a message lost, altered or doubled",
        "the same, killed half-way and run again",
        "calls, shoptalk",
    },
    "calls": {
        "facebook: idle tick",
        "facebook: 50 new messages in 40 conversations",
        "instagram: idle tick",
        "instagram: 3 new messages in 3 conversations",
    },
    "channels": {"messages lost or doubled", "polls that failed"},
    "delay": {"customers without a reply, or with two"},
    "workers": {
        "lost",
        "twice",
        "out of order",
        "without outcome",
        "orders doubled",
        "orders missing",
        "messages that came to no rest",
        "workers killed",
        "turns ended",
    },
    "pages": {"ours: pages refused a call"},
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_runs_small_and_nothing_is_lost_in_it(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--size", "100", "--runs", "1", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1)
    figures = {figure["name"]: figure for figure in json.loads(done.stdout)[name]}
    assert figures
    assert {found for found, figure in figures.items() if figure["ok"]} >= RIGHT_AT_ANY_SIZE.get(
        name, set()
    )
    missed = [figure for figure in figures.values() if figure["ok"] is False]
    assert done.returncode == bool(missed)
