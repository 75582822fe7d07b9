"""Where each setting comes from, and what stands beside the settings that was meant as one.

A misspelt name changes nothing, and nobody notices. So it is told; a value never is.
"""

import contextlib
import difflib
import logging
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

DOTENV = ".env"
ENCODING = "utf-8-sig"  #: Notepad begins a file with a mark
NEAR = 0.8  #: how alike a name must be, from 0 to 1, to be taken for a misspelt one of ours

_FORMER = {"OPENAI_API_BASE": "OPENAI_BASE_URL"}  #: names that OpenAI's library once read

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: What Kubernetes tells every container of a service that is called after us.
_OF_A_SERVICE = re.compile(r"SHOPTALK_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?")
#: What `channels connect` reads, and what OpenAI's own library does.
_OTHERS = {
    "SHOPTALK_ACCESS_TOKEN",
    "SHOPTALK_APP_SECRET",
    "OPENAI_ADMIN_KEY",
    "OPENAI_API_TYPE",
    "OPENAI_API_VERSION",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_LOG",
    "OPENAI_ORGANIZATION",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_WEBHOOK_SECRET",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given, and where."""

    where: str
    value: str = field(repr=False)


def given(name: str) -> Given | None:
    """What was given for the setting; the environment wins, and an empty value counts for none."""
    for variable, value in os.environ.items():
        if variable.upper() == name and value:
            return Given("environment", value)
    found = None
    for line in _lines():
        if line.name.upper() == name:
            found = Given(f"{DOTENV}, line {line.number}", line.value) if line.value else None
    return found


def doubts(ours: Collection[str]) -> list[str]:
    """A sentence for each name that may be meant as one of ours, and each line that is none.

    Args:
        ours: the names of the settings.
    """
    lines = list(_lines())
    last = {line.name.upper(): line.value for line in lines}
    known = {name.upper() for name, value in os.environ.items() if value}
    known |= {name for name, value in last.items() if value}
    found = [
        doubt
        for name in sorted(os.environ)
        if (doubt := _doubt(name, ours, known, is_mine=False)) is not None
    ]
    for line in lines:
        if not line.name:
            found.append(f"{DOTENV}, line {line.number}, is no NAME=value and is ignored.")
        elif doubt := _doubt(line.name, ours, (), is_mine=True):
            found.append(f"{DOTENV}, line {line.number}: {doubt}")
    return found


def _doubt(
    name: str, ours: Collection[str], known: Collection[str], *, is_mine: bool
) -> str | None:
    """What is odd about a name.

    Args:
        known: settings that are given: a name like one of these is another program's.
        is_mine: it is in a file of our own, where a name of ours with more around it is odd, too.
    """
    upper = name.upper()
    if upper in ours or upper in _OTHERS or _OF_A_SERVICE.fullmatch(upper):
        return None
    meant = _nearest(upper, ours)
    if meant is not None and meant not in known and (is_mine or not _is_longer(upper, meant)):
        return f"{name} is not a setting; did you mean {meant}?"
    return f"{name} is not a setting." if upper.startswith("SHOPTALK_") else None


def _nearest(name: str, ours: Collection[str]) -> str | None:
    bare = name.removeprefix("SHOPTALK_").replace("-", "_")
    if bare in ours:
        return bare
    if name in _FORMER:
        return _FORMER[name]
    near = difflib.get_close_matches(name, ours, n=1, cutoff=NEAR)
    near += difflib.get_close_matches(bare, ours, n=1, cutoff=NEAR)
    return near[0] if near else None


def _is_longer(name: str, meant: str) -> bool:
    """Whether it is ours with a word before or after it, as other programs have their own."""
    is_ours = name.startswith("SHOPTALK_")
    return not is_ours and (name.startswith(f"{meant}_") or name.endswith(f"_{meant}"))


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str  #: empty: it assigns nothing
    value: str = field(repr=False)


def _lines() -> Iterator[_Line]:
    """The lines of the file that say something; a file that cannot be read has none."""
    with contextlib.suppress(OSError, UnicodeError), Path(DOTENV).open(encoding=ENCODING) as file:
        for binding in parse_stream(file):
            text = binding.original.string
            number = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            is_named = binding.value is not None and _NAME.fullmatch(binding.key or "")
            if is_named:
                yield _Line(number, binding.key or "", binding.value or "")
            elif binding.error or binding.key is not None:
                yield _Line(number, "", "")


def leave_lines_to_us() -> None:
    """The library that reads the file has words of its own for a line that is none."""
    logging.getLogger("dotenv").setLevel(logging.CRITICAL)
