"""`python -m benchmarks [NAME ...] [--size N] [--runs N] [--json]`: measure, a table of each.

What has a target is shown together at the end. Exit status: 0 every target is met, 1 one is not. A
module of this list has `TITLE`, `SIZE` (its default) and `measure(size)`, which returns its
figures; one that takes the best of many runs has `RUNS`.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import import_module

from benchmarks.table import Figure, print_table

MODULES = (
    "import_",
    "calls",
    "channels",
    "turns",
    "delay",
    "workers",
    "dispatch",
    "start",
    "flat",
    "lookups",
    "pages",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure what shoptalk costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--size", type=int, help="instead of each benchmark's own")
    parser.add_argument("--runs", type=int, help="where the best of many counts, so many")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(MODULES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if asked.size is not None and asked.size < 100:
        parser.error("--size must be at least 100")
    if asked.runs is not None and asked.runs < 1:
        parser.error("--runs must be at least 1")
    measured: dict[str, list[Figure]] = {}
    began = time.monotonic()
    for name in asked.names or MODULES:
        module = import_module(f"benchmarks.{name}")
        if asked.runs is not None and hasattr(module, "RUNS"):
            vars(module)["RUNS"] = asked.runs
        measured[name] = module.measure(asked.size or module.SIZE)
        if not asked.json:
            print_table(f"{name}: {module.TITLE}", measured[name])
    if asked.json:
        print(json.dumps({name: list(map(asdict, rows)) for name, rows in measured.items()}))
    elif len(measured) > 1:
        print_table(f"all targets, in {time.monotonic() - began:.0f} s", _with_targets(measured))
    return int(any(figure.ok is False for rows in measured.values() for figure in rows))


def _with_targets(measured: Mapping[str, Sequence[Figure]]) -> list[Figure]:
    return [
        replace(figure, name=f"{name}: {figure.name.strip()}")
        for name, figures in measured.items()
        for figure in figures
        if figure.target
    ]


if __name__ == "__main__":
    sys.exit(main())
