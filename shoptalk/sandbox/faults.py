"""Faults: declared rules that say which requests go wrong, how, and how often.

A rule's dice are its own, thrown once for each request it matches, so the same seed and the
same requests give the same faults whatever other rules there are. Rules are asked in the
order in which they were made. Of those that settle the answer (an error, a cut connection)
one fires for a request and the later ones keep their count for the next; `slow` and the
faults that only alter an answer add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from threading import Lock
from typing import Any

from shoptalk.sandbox.fault_params import PARAMS, checked_params

SETTLING = frozenset(
    {"graph_error", "http_status", "html", "drop_before", "drop_after", "error_after"}
)
PAGE_KINDS = frozenset({"list", "thread"})
RECORD_KINDS = PAGE_KINDS | {"message", "multi"}
ALTERING: dict[str, frozenset[str] | None] = {  #: the kinds of request it can alter; None: any
    "empty_page": PAGE_KINDS,
    "short_page": PAGE_KINDS,
    "repeat_page": PAGE_KINDS,
    "shift_page": PAGE_KINDS,
    "foreign_next": PAGE_KINDS,
    "missing_field": RECORD_KINDS,
    "null_record": RECORD_KINDS,
    "garbage_record": RECORD_KINDS,
    "null_batch_item": frozenset({"batch"}),
    "fails_later": frozenset({"send"}),
    "truncate": None,
}
LATER_PAGES_ONLY = frozenset({"repeat_page", "shift_page"})  # there is no page before the first
IN_BATCH = frozenset(PARAMS) - {
    "slow",
    "drop_before",
    "drop_after",
    "truncate",
    "html",
    "fails_later",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A request, as far as rules can tell requests apart."""

    host: str
    method: str
    path: str  #: without host and version, e.g. "/550011/conversations"
    kind: str
    account_id: str | None = None
    is_first_page: bool = True
    in_batch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a rule is about; what is None does not matter."""

    host: str | None = None
    method: str | None = None
    path: str | None = None  #: a glob, e.g. "/*/conversations"
    kind: str | None = None
    account: str | None = None

    def covers(self, target: Target) -> bool:
        return (
            (self.host is None or self.host == target.host)
            and (self.method is None or self.method.upper() == target.method)
            and (self.path is None or fnmatchcase(target.path, self.path))
            and (self.kind is None or self.kind == target.kind)
            and (self.account is None or self.account == target.account_id)
        )


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault that befalls one request."""

    name: str
    params: Mapping[str, Any]
    dice: Random

    @property
    def before_work(self) -> bool:
        """Whether the request dies before it changes anything."""
        if self.name in {"drop_after", "error_after"}:
            return False
        return not self.params.get("after_work", False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What befalls one request, in the order of the rules."""

    delay_before: float = 0.0  #: seconds
    delay_after: float = 0.0
    ending: Fired | None = None
    alterations: tuple[Fired, ...] = ()


NOTHING_WRONG = Plan()


@dataclass(slots=True, kw_only=True)
class Rule:
    id: int
    match: Match
    fault: str
    count: int | None = None  #: how often it fires in all; None: for ever
    probability: float = 1.0
    after: int = 0  #: matching requests let through first
    params: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0
    dice: Random = field(default_factory=Random, repr=False)

    def fires(self, target: Target) -> Fired | None:
        """Count `target` and decide whether it is hit."""
        if not self._concerns(target):
            return None
        self.seen += 1
        if self.seen <= self.after:
            return None
        if self.probability < 1 and self.dice.random() >= self.probability:
            return None
        self.fired += 1
        return Fired(self.fault, self.params, self.dice)

    def as_json(self) -> dict[str, Any]:
        match = {name: getattr(self.match, name) for name in Match.__slots__}
        return {
            "id": self.id,
            "match": {name: value for name, value in match.items() if value is not None},
            "fault": self.fault,
            "count": self.count,
            "probability": self.probability,
            "after": self.after,
            "params": self.params,
            "seen": self.seen,
            "fired": self.fired,
        }

    def _concerns(self, target: Target) -> bool:
        if self.count is not None and self.fired >= self.count:
            return False
        kinds = ALTERING.get(self.fault)
        if kinds is not None and target.kind not in kinds:
            return False
        if target.in_batch and self.fault not in IN_BATCH:
            return False
        if target.is_first_page and self.fault in LATER_PAGES_ONLY:
            return False
        return self.match.covers(target)


class FaultBox:
    """The rules in force."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = Lock()
        self._seed = seed
        self._next_id = 1
        self.rules: list[Rule] = []

    def seed(self, seed: int) -> None:
        """Throw all dice anew from `seed`, for the rules there are and those to come."""
        with self._lock:
            self._seed = seed
            for rule in self.rules:
                rule.dice.seed(f"{seed}/{rule.id}")

    def add(self, fault: str, **words: Any) -> Rule:
        """Add a rule; `words` are `match`, `count`, `probability`, `after` and `params`.

        Raises:
            ValueError: something in it makes no sense.
        """
        return self.add_json({"fault": fault, **words})

    def add_json(self, wanted: Mapping[str, Any]) -> Rule:
        """Add a rule as the control API takes it."""
        match, count, probability, after = _checked(wanted)
        fault = str(wanted["fault"])
        params = checked_params(fault, wanted.get("params") or {})
        with self._lock:
            rule = Rule(
                id=self._next_id,
                match=match,
                fault=fault,
                count=count,
                probability=probability,
                after=after,
                params=params,
                dice=Random(f"{self._seed}/{self._next_id}"),  # noqa: S311 - dice, not secrets
            )
            self._next_id += 1
            self.rules = [*self.rules, rule]
        return rule

    def remove(self, rule_id: int) -> None:
        with self._lock:
            kept = [rule for rule in self.rules if rule.id != rule_id]
            if len(kept) == len(self.rules):
                raise LookupError(f"there is no fault {rule_id}")
            self.rules = kept

    def clear(self) -> None:
        """Remove all rules; ids begin at 1 again, so that a replay throws the same dice."""
        with self._lock:
            self.rules = []
            self._next_id = 1

    def plan(self, target: Target) -> Plan:
        """Decide what befalls this request."""
        if not self.rules:
            return NOTHING_WRONG
        with self._lock:
            return self._plan(target)

    def _plan(self, target: Target) -> Plan:
        before = after = 0.0
        ending: Fired | None = None
        for rule in self.rules:
            if rule.fault == "slow" and (fired := rule.fires(target)):
                seconds = float(fired.params["seconds"])
                before += seconds if fired.params.get("before_work") else 0.0
                after += 0.0 if fired.params.get("before_work") else seconds
            elif rule.fault in SETTLING and ending is None:
                ending = rule.fires(target)
        if ending is not None:
            return Plan(before, after, ending)
        alterations = [
            fired
            for rule in self.rules
            if rule.fault in ALTERING and (fired := rule.fires(target)) is not None
        ]
        return Plan(before, after, None, tuple(alterations))


def _checked(wanted: Mapping[str, Any]) -> tuple[Match, int | None, float, int]:
    known = {"fault", "match", "count", "probability", "after", "params"}
    if unknown := set(wanted) - known:
        raise ValueError(
            f"a fault has no {sorted(unknown)[0]!r}; it has {', '.join(sorted(known))}"
        )
    fault = wanted.get("fault")
    if fault not in PARAMS:
        raise ValueError(f"there is no fault {fault!r}; there are {', '.join(sorted(PARAMS))}")
    match = wanted.get("match") or {}
    names = Match.__slots__
    if not isinstance(match, Mapping) or not set(match) <= set(names):
        raise ValueError(f"match takes {', '.join(names)}")
    if not all(value is None or isinstance(value, str) for value in match.values()):
        raise ValueError("what a fault matches is written as strings")
    count, after = wanted.get("count"), wanted.get("after", 0)
    if not (count is None or (_is_int(count) and count >= 0)):
        raise ValueError("count is a whole number, or null for ever")
    if not (_is_int(after) and after >= 0):
        raise ValueError("after is a whole number")
    probability = wanted.get("probability", 1.0)
    if not _is_number(probability) or not 0 <= probability <= 1:
        raise ValueError("probability is a number from 0 to 1")
    return Match(**match), count, float(probability), after


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
