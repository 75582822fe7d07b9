"""What phones write around a time of day, in the words of all languages CLDR knows (by Babel).

A word such as "PM", "오후", "下午" or "晚上" says which half of the day an hour from 0 to 12 is in.
Other words, such as "klo", "à", "Uhr" or "น.", only stand beside a time.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from babel import Locale, localedata

_FORENOON, _AFTERNOON = 0, 12
_HALVES = {"am": _FORENOON, "pm": _AFTERNOON}
_FIELDS_OF_TIME = frozenset("BHKahkmsv")
_DAY_MINUTES = 24 * 60
#: Older releases of CLDR, which phones still have, use these. The rest is Babel's.
_OLDER = {"пр.об.": _FORENOON, "сл.об.": _AFTERNOON}

#: A span of a day in minutes, and how many locales call it so.
_Spans = Counter[tuple[int, int]]


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
    halves, spans = _words()
    if votes := halves.get(key):
        (half, most), *others = votes.most_common()
        return None if others and others[0][1] == most else hour % 12 + half
    if not (known := spans.get(key)):
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
    return simplified(word) in _literals()


@cache
def _words() -> tuple[Mapping[str, Counter[int]], Mapping[str, _Spans]]:
    halves: defaultdict[str, Counter[int]] = defaultdict(Counter)
    spans: defaultdict[str, _Spans] = defaultdict(Counter)
    for locale in _locales():
        for period, word in _periods(locale):
            key = simplified(word)
            if not key:
                continue
            if period in _HALVES:
                halves[key][_HALVES[period]] += 2 if locale.day_period_rules else 1
            elif span := _span(locale, period):
                spans[key][span] += 1
    for word, half in _OLDER.items():
        halves[simplified(word)][half] += 1
    return halves, spans


@cache
def _literals() -> frozenset[str]:
    found: set[str] = set()
    for locale in _locales():
        patterns = [str(each) for each in locale.datetime_formats.values()]
        patterns += [str(each) for each in locale._data["datetime_formats_relative"].values()]
        patterns += [each.pattern for each in locale.time_formats.values()]
        patterns += [
            each.pattern
            for fields, each in locale.datetime_skeletons.items()
            if set(fields) <= _FIELDS_OF_TIME
        ]
        for pattern in patterns:
            quoted = re.findall(r"'([^']+)'", pattern)
            bare = re.findall(r"[^\s\dA-Za-z.,:/{}()-]+", re.sub(r"'[^']*'", " ", pattern))
            found.update(simplified(part) for part in (*quoted, *bare))
    return frozenset(found - {""})


@cache
def _locales() -> tuple[Locale, ...]:
    """Languages, in each of their scripts: regions differ in order and signs, not in these."""
    names = (name for name in localedata.locale_identifiers() if name != "root")
    return tuple(each for name in names if (each := Locale.parse(name)).territory is None)


def _periods(locale: Locale) -> Iterator[tuple[str, str]]:
    """Periods and their words; not the narrow ones, single letters that no clock shows."""
    found: set[tuple[str, str]] = set()
    for context in ("format", "stand-alone"):
        for width in ("abbreviated", "wide"):
            words = locale.day_periods.get(context, {}).get(width, {})
            found.update((period, words[period]) for period in words)
    yield from sorted(found)


def _span(locale: Locale, period: str) -> tuple[int, int] | None:
    for rules in locale.day_period_rules.values():
        for rule in rules.get(period, ()):
            if "at" in rule:
                at = rule["at"] // 60
                return at, at + 60
            if "from" in rule and "before" in rule:
                return rule["from"] // 60, rule["before"] // 60
    return None
