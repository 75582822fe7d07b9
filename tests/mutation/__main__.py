"""Mutation testing: does a test notice a small mistake? See CONTRIBUTING.md."""

import argparse
import hashlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutation.changes import Change, changes_of, lines_that_run
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
        self._known: dict[str, Any] = {}
        if self._file.exists():
            self._known = json.loads(self._file.read_text())

    def observe(self, files: Sequence[str]) -> None:
        for name in files:
            digest = hashlib.sha1((ROOT / name).read_bytes()).hexdigest()
            if self._known.get(name, {}).get("digest") != digest:
                ended = run_observed(self._home, [name], sorted(MODULES))
                if ended.status != 0:
                    raise SystemExit(f"{name} fails unchanged: pytest exits {ended.status}")
                self._known[name] = {"digest": digest, "tests": ended.report}
                self._file.write_text(json.dumps(self._known))

    def noticing(self, mutant: Mutant) -> tuple[list[str], float]:
        """Tests that run what was changed, and the seconds that they take; the quickest first."""
        tests = [each for file in MODULES[mutant.path] for each in self._known[file]["tests"]]
        chosen: list[str] = []
        taken = 0.0
        for seconds, name in sorted(_coming_by(mutant, tests)):
            if chosen and taken + seconds > LONGEST_SECONDS:
                break
            chosen.append(name)
            taken += seconds
        return chosen, taken


def _coming_by(mutant: Mutant, tests: Sequence[Any]) -> Iterator[tuple[float, str]]:
    ran = [(name, seconds, set(lines.get(mutant.path, ()))) for name, seconds, lines in tests]
    known: set[int] = set().union(*(lines for _, _, lines in ran))
    wanted = lines_that_run(mutant.source, mutant.change)
    if [each.stop for each in wanted] == [mutant.change.line + 1]:
        before = [line for line in wanted[0] if line in known]
        wanted = [range(before[-1], before[-1] + 1)] if before else []
    for name, seconds, lines in ran:
        if any(line in lines for each in wanted for line in each):
            yield seconds, name


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
