"""Mutation testing: does a test notice a small mistake? See CONTRIBUTING.md."""

import argparse
import hashlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutation.changes import Change, changes_of, readers_of
from tests.mutation.runs import ROOT, preload, run_changed, run_observed, shared_server
from tests.mutation.suites import MODULES

UNNOTICED = (["survived"], ["untested"])
KEPT = ROOT / ".mutation"
LONGEST_SECONDS = (
    12.0  #: of tests for one change, as they take without one; the quickest come first
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    path: str
    source: str
    change: Change

    @property
    def key(self) -> str:
        change = self.change
        said = f"{change.start} {change.before} {change.after} {self.source}"
        return f"{self.path}:{change.line} {hashlib.sha1(said.encode()).hexdigest()[:8]}"

    def __str__(self) -> str:
        before, after = (" ".join(each.split()) for each in (self.change.before, self.change.after))
        return f"{self.key}  {before[:90]!r} -> {after[:90]!r}"


class Tests:
    """What each test takes and enters. Kept from run to run, as long as its file is as it was."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = KEPT / "tests.json"
        self._known: dict[str, Any] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def observe(self, files: Sequence[str]) -> None:
        for name in files:
            digest = hashlib.sha1((ROOT / name).read_bytes()).hexdigest()
            if self._known.get(name, {}).get("digest") != digest:
                ended = run_observed(self._home, [name], sorted(MODULES))
                if ended.status != 0:
                    raise SystemExit(
                        f"{name} fails without a change; pytest ended with {ended.status}"
                    )
                self._known[name] = {"digest": digest, "tests": ended.report}
                self._file.write_text(json.dumps(self._known))

    def noticing(self, mutant: Mutant) -> tuple[list[str], float]:
        """Tests that enter what was changed, and the seconds that they take."""
        owner = mutant.change.owner.removesuffix(".<locals>")
        wanted = dict(readers_of(mutant.source)).get(owner, {owner})
        tests = sorted(
            (seconds, name)
            for file in MODULES[mutant.path]
            for name, seconds, entered in self._known[file]["tests"]
            if any(path == mutant.path and _is_in(wanted, entry) for path, entry in entered)
        )
        chosen: list[str] = []
        taken = 0.0
        for seconds, name in tests:
            if taken + seconds > LONGEST_SECONDS and chosen:
                break
            chosen.append(name)
            taken += seconds
        return chosen, taken


def _is_in(wanted: set[str], entry: str) -> bool:
    return any(entry == each or entry.startswith(f"{each}.") for each in wanted)


def mutants_of(paths: Sequence[str]) -> list[Mutant]:
    found = []
    for path in paths:
        source = (ROOT / path).read_text()
        found += [Mutant(path=path, source=source, change=each) for each in changes_of(source)]
    return found


def judge(mutant: Mutant, tests: Tests, home: Path) -> tuple[str, str]:
    """What became of it, and by which test."""
    names, seconds = tests.noticing(mutant)
    if not names:
        return "untested", ""
    text = mutant.change.applied_to(mutant.source)
    ended = run_changed(home, mutant.path, text, names, seconds=30 + 4 * seconds)
    if ended.status is None:
        return "timeout", ""
    if ended.status == 0:
        return "survived", f"{len(names)} tests"
    return "killed", ended.report[0] if ended.report else "when imported"


def main() -> None:
    words = _parser().parse_args()
    os.nice(10)
    KEPT.mkdir(exist_ok=True)
    preload()
    mutants = mutants_of(words.only or sorted(MODULES))
    of = len(mutants)
    if words.again:
        fates_before = json.loads(words.again.read_text())
        mutants = [each for each in mutants if fates_before.get(each.key, "")[:1] in UNNOTICED]
    elif words.sample < of:
        mutants = random.Random(words.seed).sample(mutants, words.sample)
    begun = time.monotonic()
    fates: dict[str, tuple[str, str]] = {}
    with shared_server() as home:
        tests = Tests(home)
        tests.observe(sorted({file for each in mutants for file in MODULES[each.path]}))
        print(f"tests observed in {time.monotonic() - begun:.0f} s", flush=True)
        for mutant in mutants:
            fates[mutant.key] = fate, by = judge(mutant, tests, home)
            print(f"{fate:9} {mutant}  {by}", flush=True)
            if words.out:
                words.out.write_text(json.dumps(fates, indent=1))
    counts = Counter(fate for fate, _ in fates.values())
    noticed = counts["killed"] + counts["timeout"]
    print(
        f"{len(fates)} of {of} changes: {counts['killed']} killed, {counts['timeout']} timeouts, "
        f"{counts['survived']} survived, {counts['untested']} untested: "
        f"{noticed / max(1, len(fates)):.1%} noticed in {time.monotonic() - begun:.0f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="FILE", choices=sorted(MODULES))
    parser.add_argument("--sample", type=int, default=200, help="changes tried (200)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--out", type=Path, help="write what became of each to this file")
    parser.add_argument("--again", type=Path, help="only those that survived in such a file")
    return parser


if __name__ == "__main__":
    main()
