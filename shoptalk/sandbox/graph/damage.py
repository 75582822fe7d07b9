"""What faults do to the records of an otherwise honest answer."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from shoptalk.sandbox.faults import Fired
from shoptalk.sandbox.graph.errors import GraphError
from shoptalk.sandbox.graph.question import Question

FOREIGN_HOST = "foreign.example"


def damaged(body: Any, question: Question, alterations: Iterable[Fired]) -> Any:
    """Return `body` as the alterations leave it; page-bending ones have done their work."""
    for fired in alterations:
        match fired.name:
            case "foreign_next":
                for listing in _listings(body, ""):
                    _send_abroad(listing, question, fired.params["url"])
            case "missing_field":
                name = str(fired.params["field"])
                for rows, position in _records(body, fired):
                    if isinstance(rows[position], dict):
                        rows[position].pop(name, None)
            case "null_record":
                for rows, position in _records(body, fired):
                    rows[position] = None
            case "garbage_record":
                for rows, position in _records(body, fired):
                    rows[position] = garbage(rows[position])
    return body


def left_out(count: int, fired: Fired) -> set[int]:
    """Choose which of `count` things a fault hits: one by its index, or a share of them."""
    share = fired.params.get("share")
    if share is not None:
        return {index for index in range(count) if fired.dice.random() < share}
    index = int(fired.params["index"])
    return {index % count} if count and -count <= index < count else set()


def error_of(fired: Fired) -> GraphError:
    """Make the error that a `graph_error` or `error_after` fault asks for."""
    params = fired.params
    return GraphError(
        params["code"],
        params["message"],
        subcode=params["subcode"],
        status=params["status"],
        kind=params["type"],
        is_transient=params["is_transient"],
        title=params["title"],
        user_message=params["user_message"],
    )


def _records(body: Any, fired: Fired) -> list[tuple[Any, Any]]:
    """Return (container, key) of each record that the fault hits."""
    at = str(fired.params["at"])
    found: list[tuple[Any, Any]] = []
    for listing in _listings(body, at):
        rows = listing["data"]
        found.extend((rows, index) for index in sorted(left_out(len(rows), fired)))
    if not found and not at and isinstance(body, dict) and "data" not in body:
        if "id" in body:
            return [({0: body}, 0)] if fired.name == "missing_field" else []
        return [(body, key) for key in list(body)[:1]]  # a multi-id answer, keyed by id
    return found


def _listings(body: Any, at: str) -> list[dict[str, Any]]:
    """Return the lists of an answer: its own, or those called `at` in each of its records."""
    if not isinstance(body, dict):
        return []
    if not at:
        found = [body if "data" in body else body.get("messages")]
    else:
        rows = body["data"] if isinstance(body.get("data"), list) else [body]
        found = [row.get(at) for row in rows if isinstance(row, dict)]
    return [each for each in found if isinstance(each, dict) and isinstance(each.get("data"), list)]


def _send_abroad(listing: dict[str, Any], question: Question, url: str | None) -> None:
    paging = listing.get("paging")
    if not isinstance(paging, dict):
        return
    query = urlsplit(paging.get("next", "")).query
    paging["next"] = url or f"{_other_name(question.base)}?{query}"


def _other_name(base: str) -> str:
    """Return a URL on another host that still reaches the sandbox, so that it can tell on it."""
    parts = urlsplit(base)
    host = "localhost" if parts.hostname == "127.0.0.1" else "127.0.0.1"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/{FOREIGN_HOST}/v25.0/conversations"


def garbage(record: Any) -> Any:
    """Turn a record's values into ones of the wrong type."""
    if not isinstance(record, dict):
        return 17
    wrong: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, str):
            wrong[name] = [value] if name == "id" else 17
        else:
            wrong[name] = "garbage"
    return wrong
