"""Faults for one request in five, of the kinds that each request can meet."""

from shoptalk.sandbox.world import World

SHARE = 0.2

#: request kind -> (fault, parameters), each as likely as its neighbours
KINDS: dict[str, list[tuple[str, dict[str, object]]]] = {
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
    "model": [
        ("drop_before", {}),
        ("drop_after", {}),
        ("http_status", {"status": 500, "body": "oops"}),
        ("http_status", {"status": 503, "body": "oops", "after_work": True}),
        ("html", {}),
        ("truncate", {"keep": 0.7}),
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
        ("null_record", {}),
        ("graph_error", {"code": 2, "status": 500, "is_transient": True}),
    ],
    "typing": [("drop_after", {}), ("graph_error", {"code": 2, "status": 500})],
}


def unleash(world: World, *, seed: int) -> None:
    world.faults.seed(seed)
    for kind, faults in KINDS.items():
        for fault, params in faults:
            world.faults.add(
                fault, match={"kind": kind}, probability=SHARE / len(faults), params=params
            )
