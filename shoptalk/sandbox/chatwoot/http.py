"""Chatwoot over HTTP: `/chatwoot/api/v1/…`, a server below a sub-path as self-hosted ones are.

The token comes in the header `api_access_token`. A missing right is answered 401 as a dead token
is, whatever goes wrong in making a message is a 422, and too many requests get plain text.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from json import loads
from typing import Any

from aiohttp import web

from shoptalk.sandbox.chatwoot import actions
from shoptalk.sandbox.chatwoot.actions import Ask, Minutes, Refused
from shoptalk.sandbox.faults import Fired, Target
from shoptalk.sandbox.graph.damage import garbage, left_out
from shoptalk.sandbox.graph.media import PIXEL
from shoptalk.sandbox.graph.question import dumps
from shoptalk.sandbox.ledger import Sent
from shoptalk.sandbox.world import World

#: what the middleware has seen, for the handler it wraps; both run in one task
EXCHANGE: ContextVar["Exchange"] = ContextVar("EXCHANGE")
HOST = "chatwoot"
TOKEN_HEADER = "api_access_token"  # noqa: S105
NO_BOTS = "Access to this endpoint is not authorized for bots"
#: What a bot's token may do, by the kind of request
BOTS_MAY = frozenset({"send", "note", "change"})


@dataclass(slots=True)
class Exchange:
    """One request on its way through the server, and what its answer sent out."""

    target: Target
    alterations: tuple[Fired, ...] = ()
    sent: list[Sent] = field(default_factory=list)


async def target_of(request: web.Request) -> Target:
    """What a request is about, for the rules of faults and for the ledger."""
    parts = [part for part in request.path.split("/") if part][3:]  # chatwoot, api, v1
    account_id = parts[1] if parts[:1] == ["accounts"] and len(parts) > 1 else None
    match parts[2:]:
        case ["conversations"]:
            kind = "list"
        case ["conversations", _]:
            kind = "state"
        case ["conversations", _, "messages"] if request.method == "GET":
            kind = "thread"
        case ["conversations", _, "messages"]:
            kind = "note" if (await _body(request)).get("private") is True else "send"
        case ["conversations", _, "toggle_typing_status"]:
            kind = "typing"
        case ["conversations", _, ("toggle_status" | "labels" | "assignments")]:
            kind = "change"
        case ["inboxes", *_]:
            kind = "identity"
        case _:
            kind = "identity" if parts == ["profile"] else "other"
    return Target(
        host=HOST,
        method=request.method,
        path="/" + "/".join(parts),
        kind=kind,
        account_id=account_id,
        is_first_page=request.query.get("page", "1") == "1" and "before" not in request.query,
    )


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        body = loads(await request.read() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def routes(world: World) -> list[web.RouteDef]:
    """Return Chatwoot's routes, and those of the files it links to."""
    minutes = Minutes()
    world.on_reset.append(minutes.clear)

    def on(method: str, path: str, action: Callable[[Ask], Any]) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            body = await _body(request)
            try:
                with world.lock:
                    ask = _admitted(world, request, body, minutes)
                    EXCHANGE.get().sent = ask.sent
                    result = _bent(action(ask), EXCHANGE.get().alterations)
            except Refused as refusal:
                return _answer(refusal.status, refusal.body)
            return _answer(200, result)

        return web.route(method, f"/{HOST}/api/v1{path}", handle)

    async def file(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/{HOST}/storage/pixel.png"})

    async def storage(_: web.Request) -> web.Response:
        return web.Response(body=PIXEL, content_type="image/png")

    conversation = "/accounts/{account}/conversations/{conversation}"
    return [
        on("GET", "/profile", actions.profile),
        on("GET", "/accounts/{account}/inboxes", actions.list_inboxes),
        on("GET", "/accounts/{account}/conversations", actions.list_conversations),
        on("GET", conversation, actions.show),
        on("GET", f"{conversation}/messages", actions.messages),
        on("POST", f"{conversation}/messages", actions.post_message),
        on("POST", f"{conversation}/toggle_typing_status", actions.toggle_typing),
        on("POST", f"{conversation}/toggle_status", actions.toggle_status),
        on("POST", f"{conversation}/labels", actions.set_labels),
        on("POST", f"{conversation}/assignments", actions.assign),
        web.get(f"/{HOST}/rails/active_storage/blobs/redirect/{{number}}/file", file),
        web.get(f"/{HOST}/storage/pixel.png", storage),
    ]


def _answer(status: int, body: Any) -> web.Response:
    if isinstance(body, str):
        return web.Response(status=status, text=body)
    return web.Response(status=status, text=dumps(body), content_type="application/json")


def _admitted(world: World, request: web.Request, body: Mapping[str, Any], minutes: Minutes) -> Ask:
    """Understand a request and see whether its token allows it."""
    now, target = world.settle(), EXCHANGE.get().target
    text = request.headers.get(TOKEN_HEADER, "")
    if not text:
        raise Refused(401, {"errors": ["You need to sign in or sign up before continuing."]})
    token = world.tokens.get(text)
    if token is None or token.kind != HOST or token.is_dead:
        raise Refused(401, {"error": "Invalid Access Token"})
    if token.expires_at is not None and token.expires_at <= now:
        raise Refused(401, {"error": "Invalid Access Token"})
    account = world.get_account(token.owner_id)
    if minutes.are_full(account.account_id, now, account.settings.requests_per_minute):
        raise Refused(429, "Retry later\n")
    if account.settings.bot_token and target.kind not in BOTS_MAY:
        raise Refused(401, {"error": NO_BOTS})
    if target.account_id not in {None, account.account_id}:
        raise Refused(401, {"error": "You are not authorized to access this account"})
    return Ask(
        world=world,
        account=account,
        token=text,
        now=now,
        path=request.match_info,
        query=request.query,
        body=body,
        root=f"{request.scheme}://{request.host}/{HOST}",
        minutes=minutes,
    )


def _bent(result: Any, alterations: tuple[Fired, ...]) -> Any:
    """What faults leave of an answer: pages and records, as `faults.ALTERING` has them."""
    listing = result.get("data", result) if isinstance(result, dict) else result
    rows = listing.get("payload") if isinstance(listing, dict) else None
    if not isinstance(rows, list):
        return result
    for fired in alterations:
        match fired.name:
            case "empty_page":
                rows.clear()
            case "short_page":
                del rows[int(fired.params["rows"]) :]
            case "missing_field":
                for index in left_out(len(rows), fired):
                    if isinstance(rows[index], dict):
                        rows[index].pop(str(fired.params["field"]), None)
            case "null_record" | "garbage_record":
                for index in left_out(len(rows), fired):
                    is_null = fired.name == "null_record"
                    rows[index] = None if is_null else garbage(rows[index])
    return result
