"""Batches: up to fifty questions in one request, each metered and each answered on its own."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shoptalk.sandbox.graph.damage import error_of, left_out
from shoptalk.sandbox.graph.errors import GraphError, bad_parameter
from shoptalk.sandbox.graph.question import DEFAULT_VERSION, Answer, Question, dumps
from shoptalk.sandbox.graph.targets import target_of
from shoptalk.sandbox.graph.versions import etag, split_version
from shoptalk.sandbox.ledger import Call, Sent, fingerprint, without_secrets
from shoptalk.sandbox.world import World

MOST_ITEMS = 50


def answer_batch(
    world: World, question: Question, ask: Callable[[Question], Answer]
) -> tuple[list[Any], list[Sent]]:
    """Answer `POST /?batch=[…]`, in order.

    Args:
        ask: answers one question as if it had come alone.

    Raises:
        GraphError: the batch as a whole makes no sense.
    """
    items = question.thing("batch")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_parameter("Param batch must be an array of request objects")
    if len(items) > MOST_ITEMS:
        raise GraphError(
            -3,
            f"Too many requests in batch message. Maximum batch size is {MOST_ITEMS}",
            kind="GraphBatchException",
            status=400,
        )
    timed_out: set[int] = set()
    for fired in question.alterations:
        if fired.name == "null_batch_item":
            timed_out |= left_out(len(items), fired)
    with_headers = str(question.params.get("include_headers", "true")).lower() != "false"
    answers: list[Any] = []
    sent: list[Sent] = []
    for index, item in enumerate(items):
        if index in timed_out:
            answers.append(None)
            continue
        status, headers, body, item_sent = _answer_item(world, question, item, ask)
        sent.extend(item_sent)
        found: dict[str, Any] = {"code": status}
        if with_headers:
            found["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
        answers.append({**found, "body": body})
    return answers, sent


def _answer_item(
    world: World, question: Question, item: dict[str, Any], ask: Callable[[Question], Answer]
) -> tuple[int, dict[str, str], str | None, list[Sent]]:
    inner = _question(question, item)
    target = target_of(world, inner)
    plan = world.faults.plan(target)
    inner.alterations = plan.alterations
    ending = plan.ending
    if ending is not None and ending.before_work:
        answer = _failed(world, ending)
    else:
        answer = ask(inner)
        if ending is not None:
            for sent in answer.sent:
                sent.is_answered = False
            answer = Answer(**{**_parts(_failed(world, ending)), "sent": answer.sent})
    body: str | None = answer.body if isinstance(answer.body, str) else dumps(answer.body)
    headers = {"Content-Type": "text/javascript; charset=UTF-8", **answer.headers}
    status = answer.status
    if status == 200 and inner.method == "GET" and body is not None:
        headers["ETag"] = etag(body, inner.user_agent)
        if inner.if_none_match == headers["ETag"]:
            status, body = 304, None
    world.ledger.add(
        Call(
            at=world.clock.now(),
            method=inner.method,
            host=inner.host,
            path=f"/{inner.version}{target.path}",
            kind=target.kind,
            status=status,
            query=without_secrets(
                (name, value) for name, value in inner.params.items() if isinstance(value, str)
            ),
            account_id=target.account_id,
            fingerprint=fingerprint(inner.token),
            in_batch=True,
        )
    )
    return status, headers, body, answer.sent


def _question(outer: Question, item: dict[str, Any]) -> Question:
    parts = urlsplit(str(item.get("relative_url", "")))
    version, path = split_version(tuple(part for part in parts.path.split("/") if part))
    params: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    method = str(item.get("method", "GET")).upper()
    if method == "POST":
        params.update(parse_qsl(str(item.get("body", "")), keep_blank_values=True))
    own_token = params.pop("access_token", None)
    given = item.get("headers") or []
    if isinstance(given, dict):
        headers = {str(name).lower(): str(value) for name, value in given.items()}
    else:
        headers = dict(_header(line) for line in given)
    root = outer.base.removesuffix(f"/{outer.version}")
    return Question(
        method=method,
        host=outer.host,
        path=path,
        base=f"{root}/{version or outer.version or DEFAULT_VERSION}",
        params=params,
        version=version or outer.version,
        token=own_token or outer.token,
        is_token_in_params=own_token is not None or outer.is_token_in_params,
        user_agent=outer.user_agent,
        if_none_match=headers.get("if-none-match"),
        in_batch=True,
    )


def _header(line: Any) -> tuple[str, str]:
    """Read a header in either form that batches take: "Name: value" or {name, value}."""
    if isinstance(line, dict):
        return str(line.get("name", "")).lower(), str(line.get("value", ""))
    name, _, value = str(line).partition(":")
    return name.strip().lower(), value.strip()


def _failed(world: World, ending: Any) -> Answer:
    if ending.name == "http_status":
        return Answer(status=ending.params["status"], body=ending.params["body"])
    error = error_of(ending)
    return Answer(status=error.status, body=error.body(world.trace_id()))


def _parts(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "body": answer.body, "headers": answer.headers}
