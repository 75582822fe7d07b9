"""What each fault may be told, and what it assumes when it is not."""

from collections.abc import Mapping
from typing import Any

Spec = dict[str, tuple[type[Any] | tuple[type[Any], ...], Any]]  #: name: (type, default)

NUMBER = (int, float)
OPTIONAL_INT = (int, type(None))
OPTIONAL_STR = (str, type(None))

_ERROR: Spec = {
    "code": (int, 1),
    "subcode": (OPTIONAL_INT, None),
    "status": (OPTIONAL_INT, None),  # None: the usual one for the code
    "message": (OPTIONAL_STR, None),
    "type": (str, "OAuthException"),
    "is_transient": ((bool, type(None)), None),
    "title": (OPTIONAL_STR, None),  # error_user_title
    "user_message": (OPTIONAL_STR, None),  # error_user_msg
}
# Which records: `at` names the nested list ("messages") or "" for the answer's own; `index`
# picks one (negative: from the end), `share` a random part instead.
_RECORDS: Spec = {
    "at": (str, ""),
    "index": (int, 0),
    "share": ((int, float, type(None)), None),
}

PARAMS: dict[str, Spec] = {
    "graph_error": {**_ERROR, "after_work": (bool, False)},
    "error_after": {**_ERROR, "subcode": (OPTIONAL_INT, 1357046)},
    "http_status": {
        "status": (int, 503),
        "body": (str, "Service Unavailable"),
        "retry_after": (OPTIONAL_INT, None),
        "after_work": (bool, False),
    },
    "html": {
        "body": (
            str,
            "<!DOCTYPE html><html><body><h1>Sorry, something went wrong.</h1></body></html>",
        ),
        "after_work": (bool, False),
    },
    "drop_before": {},
    "drop_after": {},
    "slow": {"seconds": (NUMBER, 20.0), "before_work": (bool, False)},
    "truncate": {"keep": (NUMBER, 0.5)},  # the part of the body that arrives
    "empty_page": {},
    "short_page": {"rows": (int, 1)},
    "repeat_page": {},
    "shift_page": {"by": (int, 1)},  # rows seen again; negative: rows passed over
    "foreign_next": {"url": (OPTIONAL_STR, None)},
    "missing_field": {**_RECORDS, "field": (str, "id")},
    "null_record": _RECORDS,
    "garbage_record": _RECORDS,
    "fails_later": {"code": (int, 30003), "status": (str, "undelivered")},
    "null_batch_item": {"index": (int, 0), "share": ((int, float, type(None)), None)},
}


def checked_params(fault: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the full parameters of `fault`.

    Raises:
        ValueError: a name or a type that the fault does not know.
    """
    spec = PARAMS[fault]
    if not isinstance(given, Mapping):
        raise ValueError("params is an object")
    for name, value in given.items():
        if name not in spec:
            known = ", ".join(spec) or "none"
            raise ValueError(f"{fault} has no parameter {name!r}; known: {known}")
        wanted = spec[name][0]
        is_stray_bool = isinstance(value, bool) and not _takes_bool(wanted)
        if not isinstance(value, wanted) or is_stray_bool:
            raise ValueError(f"the parameter {name!r} of {fault} does not take {value!r}")
    return {name: given.get(name, default) for name, (_, default) in spec.items()}


def _takes_bool(wanted: type[Any] | tuple[type[Any], ...]) -> bool:
    return wanted is bool or (isinstance(wanted, tuple) and bool in wanted)
