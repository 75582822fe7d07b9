"""Faults for one request in five, of the kinds that each request can meet at its host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shoptalk.sandbox.world import World

#: Some strike where there is nothing to strike, a page without a page before it: this comes to
#: one request in five.
SHARE = 0.225

#: Kind of request -> (fault, parameters), each as likely as its neighbours
Faults = Mapping[str, Sequence[tuple[str, dict[str, object]]]]

MODEL: Faults = {
    "model": [
        ("drop_before", {}),
        ("drop_after", {}),
        ("http_status", {"status": 500, "body": "oops"}),
        ("http_status", {"status": 503, "body": "oops", "after_work": True}),
        ("html", {}),
        ("truncate", {"keep": 0.7}),
        ("slow", {"seconds": 0.2}),
    ],
}

GRAPH: Faults = {
    "send": [
        ("drop_before", {}),
        ("drop_after", {}),
        ("error_after", {}),
        ("http_status", {"status": 500, "body": "oops", "after_work": True}),
        ("http_status", {"status": 503, "body": "oops"}),
        ("html", {"after_work": True}),
        ("truncate", {"keep": 0.5}),
        ("graph_error", {"code": 2, "status": 500, "is_transient": True}),
        ("graph_error", {"code": 613, "status": 400}),
        ("slow", {"seconds": 0.2}),
    ],
    "list": [
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("empty_page", {}),
        ("repeat_page", {}),
        ("shift_page", {"by": 3}),
        ("short_page", {"rows": 5}),
        ("null_record", {}),
        ("garbage_record", {}),
        ("garbage_record", {"at": "messages", "share": 0.2}),
        ("missing_field", {"field": "updated_time"}),
        ("foreign_next", {}),
        ("graph_error", {"code": 2, "status": 500, "is_transient": True}),
        (
            "graph_error",
            {
                "code": 1,
                "status": 500,
                "message": "Please reduce the amount of data you're asking for, then retry",
            },
        ),
    ],
    "thread": [
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("null_record", {"index": 1}),
        ("garbage_record", {"share": 0.2}),
        ("missing_field", {"field": "created_time"}),
        ("graph_error", {"code": 2, "status": 500, "is_transient": True}),
    ],
    "typing": [("drop_after", {}), ("graph_error", {"code": 2, "status": 500})],
}

TWILIO: Faults = {
    "send": [
        ("drop_before", {}),
        ("drop_after", {}),
        ("error_after", {"code": 20500, "status": 500}),
        ("http_status", {"status": 500, "body": "oops", "after_work": True}),
        ("http_status", {"status": 503, "body": "oops"}),
        ("html", {"after_work": True}),
        ("truncate", {"keep": 0.5}),
        ("graph_error", {"code": 20429, "status": 429}),
        ("fails_later", {}),
        ("slow", {"seconds": 0.2}),
    ],
    "list": [
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("empty_page", {}),
        ("repeat_page", {}),
        ("shift_page", {"by": 3}),
        ("short_page", {"rows": 5}),
        ("null_record", {}),
        ("garbage_record", {}),
        ("garbage_record", {"share": 0.2}),
        ("missing_field", {"field": "date_sent"}),
        ("foreign_next", {}),
        ("http_status", {"status": 503, "body": "oops"}),
        ("graph_error", {"code": 20429, "status": 429}),
    ],
    "message": [("drop_after", {}), ("html", {}), ("http_status", {"status": 500, "body": "oops"})],
    "typing": [("drop_after", {}), ("http_status", {"status": 500, "body": "oops"})],
}

#: Its errors are plain ones: a 422 for whatever went wrong, also after it was done.
CHATWOOT: Faults = {
    "send": [
        ("drop_before", {}),
        ("drop_after", {}),
        ("http_status", {"status": 422, "body": '{"error": "gone"}', "after_work": True}),
        ("http_status", {"status": 500, "body": "oops", "after_work": True}),
        ("http_status", {"status": 503, "body": "oops"}),
        ("http_status", {"status": 429, "body": "Retry later\n"}),
        ("html", {"after_work": True}),
        ("truncate", {"keep": 0.5}),
        ("slow", {"seconds": 0.2}),
    ],
    "list": [
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("null_record", {}),
        ("garbage_record", {}),
        ("missing_field", {"field": "last_activity_at"}),
        ("empty_page", {}),
        ("short_page", {"rows": 5}),
        ("http_status", {"status": 429, "body": "Retry later\n", "retry_after": 5}),
        ("http_status", {"status": 503, "body": "oops"}),
    ],
    "thread": [  # never short: to Chatwoot that means the beginning, and nothing tells otherwise
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("null_record", {}),
        ("garbage_record", {"share": 0.2}),
        ("missing_field", {"field": "created_at"}),
        ("http_status", {"status": 500, "body": "oops"}),
    ],
    "state": [
        ("drop_after", {}),
        ("html", {}),
        ("truncate", {"keep": 0.6}),
        ("http_status", {"status": 502, "body": "oops"}),
    ],
    "typing": [("drop_after", {}), ("http_status", {"status": 500, "body": "oops"})],
    "change": [("drop_after", {}), ("http_status", {"status": 500, "body": "oops"})],
    "note": [("drop_after", {}), ("http_status", {"status": 500, "body": "oops"})],
}


def unleash(world: World, faults: Faults, *, seed: int) -> None:
    world.faults.seed(seed)
    for kind, choices in {**faults, **MODEL}.items():
        for fault, params in choices:
            world.faults.add(
                fault, match={"kind": kind}, probability=SHARE / len(choices), params=params
            )


@dataclass(frozen=True, slots=True)
class Toll:
    """How many requests there were, and how many faults befell them, as the sandbox counted."""

    requests: int
    faults: int

    @classmethod
    def of(cls, world: World) -> "Toll":
        return cls(len(world.ledger), sum(rule.fired for rule in world.faults.rules))

    @property
    def share(self) -> float:
        return self.faults / max(self.requests, 1)
