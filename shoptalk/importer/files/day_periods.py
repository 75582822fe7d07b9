"""What phones write around a time of day, in the words of all languages CLDR knows (by Babel).

A word such as "PM", "오후", "下午" or "晚上" says which half of the day an hour from 0 to 12 is in.
Other words, such as "klo", "à", "Uhr" or "น.", only stand beside a time.
"""

import pickle
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from babel import localedata
from babel.core import parse_locale
from babel.localedata import Alias

_FORENOON, _AFTERNOON = 0, 12
_HALVES = {"am": _FORENOON, "pm": _AFTERNOON}
_FIELDS_OF_TIME = frozenset("BHKahkmsv")
_DAY_MINUTES = 24 * 60
#: Older releases of CLDR, which phones still have, use these. The rest is Babel's.
_OLDER = {"пр.об.": _FORENOON, "сл.об.": _AFTERNOON}

#: A span of a day in minutes, and how many locales call it so.
_Spans = Counter[tuple[int, int]]
_Data = Mapping[str, Any]


def simplified(word: str) -> str:
    """A word without dots, spaces, marks and capitals: "p. m." and "PM" are one."""
    return "".join(char for char in word.casefold() if unicodedata.category(char)[0] in "LM")


def hour_of(hour: int, word: str) -> int | None:
    """The hour from 0 to 23 that an hour from 0 to 12 is with a word; None: not known.

    Languages that give the word different halves of the day are counted, twice those of which
    CLDR knows when each period begins; a tie is not known.
    """
    if hour > 12:
        return None
    key = simplified(word)
    if key in _HALVES:
        return hour % 12 + _HALVES[key]
    words = _words()
    if votes := words.halves.get(key):
        (half, most), *others = votes.most_common()
        return None if others and others[0][1] == most else hour % 12 + half
    if not (known := words.spans.get(key)):
        return None
    fits: Counter[int] = Counter()
    for span, count in known.items():
        early, late = hour % 12, hour % 12 + 12
        fits[early if _distance(early, span) < _distance(late, span) else late] += count
    (best, most), *others = fits.most_common()
    return None if others and others[0][1] == most else best


def _distance(hour: int, span: tuple[int, int]) -> int:
    """Minutes from the middle of an hour to a span, which may go over midnight."""
    begin, end = span
    moment = hour * 60 + 30
    length = (end - begin) % _DAY_MINUTES
    after = (moment - begin) % _DAY_MINUTES
    return 0 if after < length else min(after - length, _DAY_MINUTES - after)


def stands_beside_times(word: str) -> bool:
    return simplified(word) in _words().literals


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of all languages, simplified."""

    halves: defaultdict[str, Counter[int]]
    spans: defaultdict[str, _Spans]
    literals: set[str]


@cache
def _words() -> _Words:
    words = _Words(defaultdict(Counter), defaultdict(Counter), set())
    for language in _languages():  # once for both: reading them is what takes time
        _note_periods(language, words)
        _note_literals(language, words)
    for word, half in _OLDER.items():
        words.halves[simplified(word)][half] += 1
    words.literals.discard("")
    return words


def _note_periods(language: _Data, words: _Words) -> None:
    rules = language.get("day_period_rules", {})
    for period, word in _periods(language):
        key = simplified(word)
        if not key:
            continue
        if period in _HALVES:
            words.halves[key][_HALVES[period]] += 2 if rules else 1
        elif span := _span(rules, period):
            words.spans[key][span] += 1


def _note_literals(language: _Data, words: _Words) -> None:
    patterns = [str(each) for each in _plain(language, "datetime_formats")]
    patterns += [str(each) for each in _plain(language, "datetime_formats_relative")]
    patterns += [each.pattern for each in _plain(language, "time_formats")]
    patterns += [
        each.pattern
        for fields, each in language.get("datetime_skeletons", {}).items()
        if set(fields) <= _FIELDS_OF_TIME and not isinstance(each, Alias)
    ]
    for pattern in patterns:
        quoted = re.findall(r"'([^']+)'", pattern)
        bare = re.findall(r"[^\s\dA-Za-z.,:/{}()-]+", re.sub(r"'[^']*'", " ", pattern))
        words.literals.update(simplified(part) for part in (*quoted, *bare))


def _plain(language: _Data, key: str) -> list[Any]:
    """The values under a key that do not only point to another."""
    return [each for each in language.get(key, {}).values() if not isinstance(each, Alias)]


def _languages() -> Iterator[_Data]:
    """What each language says, in each of its scripts: regions differ in order and signs only.

    What all inherit from the root says nothing of the day, and putting it in takes twice as long as
    reading; only a script that inherits from its language is put together with that.
    """
    for name in localedata.locale_identifiers():
        if name != "root" and parse_locale(name)[1] is None:
            yield localedata.load(name) if "_" in name else _own_data(name)


def _own_data(name: str) -> _Data:
    # Not by `load(name, merge_inherited=False)`: what that returns is what later calls of `load`
    # get for the whole, since both are kept under the name alone.
    with open(localedata.resolve_locale_filename(name), "rb") as file:
        data: _Data = pickle.load(file)  # noqa: S301 - a part of the installed Babel
    return data


def _periods(language: _Data) -> Iterator[tuple[str, str]]:
    """Periods and their words; not the narrow ones, single letters that no clock shows."""
    found: set[tuple[str, str]] = set()
    for context in language.get("day_periods", {}).values():
        for width in ("abbreviated", "wide"):
            words = context.get(width, {}) if isinstance(context, dict) else {}
            if isinstance(words, dict):
                found.update(words.items())
    yield from sorted(found)


def _span(all_rules: _Data, period: str) -> tuple[int, int] | None:
    for rules in all_rules.values():
        for rule in rules.get(period, ()):
            if "at" in rule:
                at = rule["at"] // 60
                return at, at + 60
            if "from" in rule and "before" in rule:
                return rule["from"] // 60, rule["before"] // 60
    return None
