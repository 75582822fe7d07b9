"""Twilio over HTTP: the routes, and the limit on requests that are under way at once."""

import json
from collections import Counter
from typing import Any

from aiohttp import web

from shoptalk.sandbox.faults import Fired
from shoptalk.sandbox.graph.media import media_link
from shoptalk.sandbox.twilio import reads, send
from shoptalk.sandbox.twilio.asked import HOST, MESSAGING_HOST, Asked, accounts_of
from shoptalk.sandbox.twilio.errors import TwilioError
from shoptalk.sandbox.twilio.records import VERSION, WITH_MEDIA, Failures, media_sid, record
from shoptalk.sandbox.world import World

ASKED = web.RequestKey("asked", Asked)


def routes(world: World) -> list[web.RouteDef]:
    """Return Twilio's routes."""
    failures = Failures()
    world.on_reset.append(failures.by_id.clear)

    async def answer(request: web.Request) -> web.Response:
        asked = request[ASKED]
        try:
            with world.lock:
                now = world.settle()
                return _answer(world, asked, failures, now)
        except TwilioError as refusal:
            return refused(refusal)

    paths = (f"/{HOST}/{VERSION}", f"/{MESSAGING_HOST}/v2")
    return [web.route("*", f"{path}/{{tail:.*}}", answer) for path in paths]


def _answer(world: World, asked: Asked, failures: Failures, now: Any) -> web.Response:
    accounts = accounts_of(world, asked)
    match asked.method, asked.path:
        case "GET", ("Messages.json",):
            return _json(reads.list_messages(asked, accounts, failures, now))
        case "POST", ("Messages.json",):
            return _json(send.post(world, asked, accounts, failures, now), status=201)
        case "GET", ("Messages", name) if name.endswith(".json"):
            sid = name.removesuffix(".json")
            row = reads.find(world, accounts, sid, failures, now)
            return _json(record(row))
        case "GET", ("Messages", sid, "Media.json"):
            return _json(reads.list_media(reads.find(world, accounts, sid, failures, now)))
        case "GET", ("Messages", sid, "Media", name):
            row = reads.find(world, accounts, sid, failures, now)
            if row.message.kind not in WITH_MEDIA or name != media_sid(row.message):
                raise TwilioError(20404)
            raise web.HTTPTemporaryRedirect(media_link(asked.root, row.message, now))
        case "POST", ("v2", "Indicators", "Typing.json"):
            row = reads.find(world, accounts, asked.text("messageId"), failures, now)
            if asked.text("channel") != "whatsapp" or row.direction != "inbound":
                raise TwilioError(20001)
            return _json({"success": True})
    raise TwilioError(20404)


class Crowd:
    """How many requests of each account are under way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._under_way: Counter[str] = Counter()

    def enter(self, asked: Asked) -> bool:
        """Count a request in; False: there are too many, and this one is refused."""
        self._under_way[asked.account_sid] += 1
        limits = [
            account.settings.concurrent_requests
            for account in self._world.accounts.values()
            if account.account_sid == asked.account_sid
        ]
        return self._under_way[asked.account_sid] <= min(limits, default=1)

    def leave(self, asked: Asked) -> None:
        self._under_way[asked.account_sid] -= 1


def refused(error: TwilioError) -> web.Response:
    return _json(error.body(), status=error.status)


def error_of(fired: Fired) -> TwilioError:
    """The error that a `graph_error` or `error_after` fault asks for, in Twilio's shape."""
    params = fired.params
    return TwilioError(params["code"], params["message"], status=params["status"])


def _json(body: Any, *, status: int = 200) -> web.Response:
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json")
