"""What happens to every request on its way: faults strike, and the ledger notes it."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Collection, Mapping
from email.utils import format_datetime

from aiohttp import web
from aiohttp.typedefs import Middleware

from shoptalk.sandbox.chatwoot import http as chatwoot
from shoptalk.sandbox.faults import NOTHING_WRONG, Fired, Plan, Target
from shoptalk.sandbox.graph.damage import error_of
from shoptalk.sandbox.graph.http import EXCHANGE, HOSTS, Exchange, read_question
from shoptalk.sandbox.graph.question import dumps
from shoptalk.sandbox.graph.targets import target_of
from shoptalk.sandbox.ledger import Call, Sent, fingerprint, without_secrets
from shoptalk.sandbox.twilio import http as twilio
from shoptalk.sandbox.twilio.asked import HOSTS as TWILIO_HOSTS
from shoptalk.sandbox.twilio.asked import Asked
from shoptalk.sandbox.twilio.asked import read as read_asked
from shoptalk.sandbox.twilio.asked import target_of as target_of_asked
from shoptalk.sandbox.twilio.errors import TwilioError
from shoptalk.sandbox.world import World

#: Where the tokens of a kind have business; all others are Graph's
HOMES: Mapping[str, Collection[str]] = {"twilio": TWILIO_HOSTS, "chatwoot": (chatwoot.HOST,)}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WORTH_COMPRESSING = 512  # bytes
CUT = 0  #: the ledger's status for an answer that was never given


def middleware(world: World) -> Middleware:
    """Return the middleware that plays the network between a client and the platforms."""

    crowd = twilio.Crowd(world)

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.path.split("/", 2)[1]
        if host in {"control", ""}:
            return await handler(request)
        exchange: Exchange | None = None
        other: chatwoot.Exchange | None = None
        asked: Asked | None = None
        if host in HOSTS:
            try:
                exchange = Exchange(await read_question(request))
            except ConnectionResetError:  # the client died before it had asked
                return web.Response()
            EXCHANGE.set(exchange)
            target = target_of(world, exchange.question)
        elif host in TWILIO_HOSTS:
            try:
                asked = request[twilio.ASKED] = await read_asked(request)
            except ConnectionResetError:
                return web.Response()
            target = target_of_asked(world, asked)
        elif host == chatwoot.HOST:
            try:
                target = await chatwoot.target_of(request)
            except ConnectionResetError:
                return web.Response()
            other = chatwoot.Exchange(target)
            chatwoot.EXCHANGE.set(other)
        else:
            target = _plain_target(request, host)
        plan = world.faults.plan(target)
        if exchange is not None:
            exchange.question.alterations = plan.alterations
        if other is not None:
            other.alterations = plan.alterations
        if asked is not None:
            asked.alterations = plan.alterations
        try:
            if asked is not None and not crowd.enter(asked):
                response: web.StreamResponse = twilio.refused(TwilioError(20429))
            else:
                response = await _play(world, request, handler, plan)
        except ConnectionResetError:  # the client died before it had asked
            return web.Response()
        except web.HTTPException as refusal:
            response = web.Response(
                status=refusal.status, text=refusal.text, headers=_location(refusal)
            )
        finally:
            if asked is not None:
                crowd.leave(asked)
        is_cut = request.transport is None or request.transport.is_closing()
        told = exchange or asked or other
        if told is not None and (is_cut or plan is not NOTHING_WRONG):
            _mark_unanswered(told.sent, plan, is_cut=is_cut)
        token = asked.token if asked else _token(request)
        token = exchange.question.token if exchange else token
        status = CUT if is_cut else response.status
        world.ledger.add(_entry(world, request, target, token, status))
        return response

    return observe


def date_header(world: World) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return the signal handler that dates every answer by the sandbox's clock."""

    async def set_date(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(world.clock.now(), usegmt=True)

    return set_date


async def _play(
    world: World, request: web.Request, handler: Handler, plan: Plan
) -> web.StreamResponse:
    if plan.delay_before:
        await asyncio.sleep(plan.delay_before)
    ending = plan.ending
    if ending is not None and ending.before_work:
        response: web.StreamResponse = _end(world, request, ending)
    else:
        response = await handler(request)
        if ending is not None:
            response = _end(world, request, ending)
    if plan.delay_after:
        await asyncio.sleep(plan.delay_after)
    if isinstance(response, web.Response) and not response.prepared:
        for fired in plan.alterations:
            if fired.name == "truncate" and isinstance(response.body, bytes):
                response.body = response.body[: int(len(response.body) * fired.params["keep"])]
        _compress(request, response)
    return response


def _end(world: World, request: web.Request, ending: Fired) -> web.Response:
    """Carry out a fault that settles the answer."""
    params = ending.params
    match ending.name:
        case "drop_before" | "drop_after":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # goes nowhere
        case "html":
            return web.Response(text=params["body"], content_type="text/html")
        case "http_status":
            wait = params["retry_after"]
            headers = {} if wait is None else {"Retry-After": str(wait)}
            return web.Response(status=params["status"], text=params["body"], headers=headers)
        case _:
            if twilio.ASKED in request:
                return twilio.refused(twilio.error_of(ending))
            error = error_of(ending)
            return web.Response(
                status=error.status,
                text=dumps(error.body(world.trace_id())),
                content_type="application/json",
            )


def _mark_unanswered(messages: list[Sent], plan: Plan, *, is_cut: bool) -> None:
    """Note on what was sent that its sender does not know."""
    is_cut_short = any(fired.name == "truncate" for fired in plan.alterations)
    if is_cut or is_cut_short or plan.ending is not None:
        for sent in messages:
            sent.is_answered = False


def _location(refusal: web.HTTPException) -> dict[str, str]:
    """Where a redirect leads."""
    return {"Location": refusal.headers["Location"]} if "Location" in refusal.headers else {}


def _compress(request: web.Request, response: web.Response) -> None:
    body = response.body
    wants = "gzip" in request.headers.get("Accept-Encoding", "")
    if not wants or not isinstance(body, bytes) or len(body) < WORTH_COMPRESSING:
        return
    if "Content-Encoding" not in response.headers:
        response.body = gzip.compress(body, compresslevel=1, mtime=0)
        response.headers["Content-Encoding"] = "gzip"


def _plain_target(request: web.Request, host: str) -> Target:
    if request.match_info.http_exception is not None:
        kind = "foreign"
    else:
        kind = {"openai": "model", "cdn": "media"}.get(host, "other")
    path = request.path.removeprefix(f"/{host}")
    return Target(host=host, method=request.method, path=path, kind=kind)


def _entry(
    world: World,
    request: web.Request,
    target: Target,
    token: str | None,
    status: int,
) -> Call:
    return Call(
        at=world.clock.now(),
        method=request.method,
        host=target.host,
        path=request.path.removeprefix(f"/{target.host}"),
        kind=target.kind,
        status=status,
        query=without_secrets(request.query.items()),
        account_id=target.account_id,
        fingerprint=fingerprint(token),
        is_abroad=_is_abroad(world, target, token),
    )


def _is_abroad(world: World, target: Target, token: str | None) -> bool:
    """Say whether a token went to a host that is nobody's, or to one that is another's."""
    if token is None:
        return False
    known = world.tokens.get(token)
    if known is not None:
        return target.host not in HOMES.get(known.kind, HOSTS)
    return target.kind == "foreign"


def _token(request: web.Request) -> str | None:
    header = request.headers.get("Authorization", "").partition(" ")[2].strip()
    header = header or request.headers.get(chatwoot.TOKEN_HEADER, "")
    return header or request.query.get("access_token")
