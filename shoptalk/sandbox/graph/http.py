"""Graph over HTTP: requests into questions, answers into responses with ETags."""

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shoptalk.sandbox.graph.ask import ask
from shoptalk.sandbox.graph.media import PIXEL, is_expired
from shoptalk.sandbox.graph.question import DEFAULT_VERSION, Question, dumps
from shoptalk.sandbox.graph.versions import etag, split_version
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.world import World

#: what the middleware has read, for the handler it wraps; both run in one task
EXCHANGE: ContextVar["Exchange"] = ContextVar("EXCHANGE")
HOSTS = ("graph.facebook.com", "graph.instagram.com")


@dataclass(slots=True)
class Exchange:
    """One question on its way through the server, and what its answer sent out."""

    question: Question
    sent: list[Sent] = field(default_factory=list)


async def read_question(request: web.Request) -> Question:
    """Understand a request: path, parameters wherever they are, and token wherever it is."""
    host, *rest = [part for part in request.path.split("/") if part]
    version, path = split_version(tuple(rest))
    params: dict[str, Any] = dict(request.query)
    if request.method == "POST":
        params.update(await _body(request))
    token = params.pop("access_token", None)
    is_token_in_params = token is not None
    if token is None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        token = credentials.strip() if scheme.lower() in {"bearer", "oauth"} else None
    in_path = f"/{version}" if version else ""
    return Question(
        method=request.method,
        host=host,
        path=path,
        base=f"{request.scheme}://{request.host}/{host}{in_path}",
        params=params,
        version=version or DEFAULT_VERSION,
        token=str(token) if token else None,
        is_token_in_params=is_token_in_params,
        user_agent=request.headers.get("User-Agent", ""),
        if_none_match=request.headers.get("If-None-Match"),
    )


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        return dict((await request.post()).items())
    try:
        body = json.loads(await request.read())
    except ValueError:
        return {}  # the checks on what is missing say the rest, as Meta's do
    return body if isinstance(body, dict) else {}


def routes(world: World) -> list[web.RouteDef]:
    """Return the routes of both Graph hosts and of the media links they hand out."""

    async def graph(_: web.Request) -> web.Response:
        exchange = EXCHANGE.get()
        question = exchange.question
        answer = ask(world, question)
        exchange.sent = answer.sent
        headers = dict(answer.headers)
        body = dumps(answer.body)
        if answer.status == 200 and question.method == "GET":
            headers["ETag"] = etag(body, question.user_agent)
            if question.if_none_match == headers["ETag"]:
                return web.Response(status=304, headers=headers)
        return web.Response(
            status=answer.status,
            text=body,
            headers=headers,
            content_type="application/json" if answer.status == 200 else "text/javascript",
            charset="utf-8",
        )

    async def media(request: web.Request) -> web.Response:
        if is_expired(request.query_string, world.clock.now()):
            return web.Response(status=403, text="URL signature expired")
        return web.Response(body=PIXEL, content_type="image/png")

    nodes = [web.route("*", f"/{host}{{tail:.*}}", graph) for host in HOSTS]
    return [*nodes, web.get("/cdn/{number}", media)]
