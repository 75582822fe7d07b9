"""The control API, `/control/…`: how a test or a demo in another process moves the world.

JSON in, JSON out. Bad input is answered 400 with one sentence in `error`; what does not
exist, 404. Requests to it are not in the ledger, and faults do not strike them.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from shoptalk.sandbox.graph.question import dumps
from shoptalk.sandbox.messages import StoredMessage
from shoptalk.sandbox.world import World

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.Response]]
Action = Callable[[World, web.Request, Any], Any]


def routes(world: World) -> list[web.RouteDef]:
    """Return the control API's routes."""

    def on(method: str, path: str, action: Action) -> web.RouteDef:
        return web.route(method, f"/control/{path}", _handler(world, action))

    return [
        on("GET", "accounts", _list_accounts),
        on("POST", "accounts", _add_account),
        on("PATCH", "accounts/{account_id}", _change_settings),
        on("POST", "messages", _add_messages),
        on("GET", "messages/{message_id}", _get_message),
        on("PATCH", "messages/{message_id}", _edit_message),
        on("DELETE", "messages/{message_id}", _unsend_message),
        on("GET", "threads", _get_threads),
        on("PATCH", "threads", _change_thread),
        on("GET", "clock", lambda world, _, __: world.clock.as_json()),
        on("POST", "clock", _set_clock),
        on("GET", "faults", _list_faults),
        on("POST", "faults", _add_faults),
        on("DELETE", "faults", _clear_faults),
        on("DELETE", "faults/{fault_id}", _remove_fault),
        on("PUT", "faults/seed", _seed_faults),
        on("POST", "tokens", _change_token),
        on("GET", "ledger", _get_ledger),
        on("DELETE", "ledger", _clear_ledger),
        on("GET", "sent", _get_sent),
        on("DELETE", "sent", _clear_sent),
        on("POST", "reset", _reset),
    ]


def _handler(world: World, action: Action) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = _parsed(await request.read())
            with world.lock:
                result, status = action(world, request, body), 200
        except LookupError as exc:
            result, status = {"error": str(exc.args[0] if exc.args else exc)}, 404
        except (ValueError, TypeError, OverflowError) as exc:
            result, status = {"error": str(exc)}, 400
        return web.Response(status=status, text=dumps(result), content_type="application/json")

    return handle


def _parsed(raw: bytes) -> Any:
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError as exc:
        raise ValueError("the body is not JSON") from exc


def _list_accounts(world: World, _: web.Request, __: Any) -> list[Json]:
    return [account.as_json() for account in world.accounts.values()]


def _add_account(world: World, _: web.Request, body: Any) -> Json:
    given = _object(body)
    required = {"platform", "account_id", "name", "token"}
    optional = {"username", "app_secret", "page_id", "app_scoped_id", "account_sid", "login"}
    _only(given, required | optional | {"engaged_users", "token_expires_at", "settings"})
    words: Json = {name: _text(given, name) for name in sorted(required)}
    words.update({name: _text(given, name) for name in optional if given.get(name) is not None})
    if "engaged_users" in given:
        words["engaged_users"] = _number(given, "engaged_users", int)
    if given.get("token_expires_at") is not None:
        words["token_expires_at"] = _moment(given, "token_expires_at")
    if "settings" in given:
        words["settings"] = _object(given["settings"], "settings")
    return world.add_account(**words).as_json()


def _change_settings(world: World, request: web.Request, body: Any) -> Json:
    account = world.get_account(request.match_info["account_id"])
    given = dict(_object(body))
    engaged = _number(given, "engaged_users", int) if "engaged_users" in given else None
    given.pop("engaged_users", None)
    account.settings.change(given)
    if engaged is not None:
        account.engaged_users = engaged
    return account.as_json()


def _add_messages(world: World, _: web.Request, body: Any) -> Json:
    if isinstance(body, Mapping) and "messages" not in body:
        return _add_message(world, body).as_json()
    rows = body["messages"] if isinstance(body, Mapping) else body
    if not isinstance(rows, list):
        raise ValueError("messages is a list of objects")
    return {"messages": [_add_message(world, row).as_json() for row in rows]}


def _add_message(world: World, body: Any) -> StoredMessage:
    given = _object(body, "a message")
    words = {"side", "customer_name", "kind", "reply_to"}
    _only(given, words | {"account_id", "customer_id", "text", "at", "shown_after_seconds"})
    optional: Json = {name: _text(given, name) for name in words if given.get(name) is not None}
    if given.get("at") is not None:
        optional["at"] = _moment(given, "at")
    if "shown_after_seconds" in given:
        seconds = _number(given, "shown_after_seconds", (int, float))
        optional["shown_after"] = timedelta(seconds=seconds)
    account_id, customer_id = _text(given, "account_id"), _text(given, "customer_id")
    text = _text(given, "text") if "text" in given else ""
    return world.add_message(account_id, customer_id, text, **optional)


def _get_message(world: World, request: web.Request, _: Any) -> Json:
    return world.get_message(request.match_info["message_id"]).as_json()


def _edit_message(world: World, request: web.Request, body: Any) -> Json:
    text = _text(_object(body), "text")
    return world.edit(request.match_info["message_id"], text).as_json()


def _unsend_message(world: World, request: web.Request, _: Any) -> Json:
    return world.unsend(request.match_info["message_id"]).as_json()


def _get_threads(world: World, request: web.Request, _: Any) -> Json:
    account = world.get_account(request.query.get("account_id", ""))
    customer_id = request.query.get("customer_id")
    if customer_id is None:
        return {"threads": [each.as_json() for each in account.threads.by_customer.values()]}
    thread = world.thread_of(account.account_id, customer_id)
    if thread is None:
        raise LookupError(f"{account.account_id} has no thread with {customer_id!r}")
    return thread.as_json()


def _change_thread(world: World, _: web.Request, body: Any) -> Json:
    given = dict(_object(body))
    account_id, customer_id = _text(given, "account_id"), _text(given, "customer_id")
    del given["account_id"], given["customer_id"]
    return world.change_thread(account_id, customer_id, **given).as_json()


def _set_clock(world: World, _: web.Request, body: Any) -> Json:
    """`action`: set (at), freeze (at, or now), advance (seconds), run."""
    given = _object(body)
    match given.get("action"):
        case "set":
            world.clock.set(_moment(given, "at"))
        case "freeze":
            world.clock.freeze(_moment(given, "at") if given.get("at") is not None else None)
        case "advance":
            world.clock.advance(timedelta(seconds=_number(given, "seconds", (int, float))))
        case "run":
            world.clock.run()
        case action:
            raise ValueError(f"the clock can set, freeze, advance or run, not {action!r}")
    return world.clock.as_json()


def _list_faults(world: World, _: web.Request, __: Any) -> list[Json]:
    return [rule.as_json() for rule in world.faults.rules]


def _add_faults(world: World, _: web.Request, body: Any) -> Any:
    if isinstance(body, list):
        return [world.faults.add_json(_object(each, "a fault")).as_json() for each in body]
    return world.faults.add_json(_object(body)).as_json()


def _clear_faults(world: World, _: web.Request, __: Any) -> Json:
    world.faults.clear()
    return {}


def _remove_fault(world: World, request: web.Request, _: Any) -> Json:
    world.faults.remove(int(request.match_info["fault_id"]))
    return {}


def _seed_faults(world: World, _: web.Request, body: Any) -> Json:
    seed = _number(_object(body), "seed", int)
    world.faults.seed(seed)
    return {"seed": seed}


def _change_token(world: World, _: web.Request, body: Any) -> Json:
    """`action`: kill (subcode), expire (at), revive, replace (new_token, subcode of the old)."""
    given = _object(body)
    _only(given, {"action", "token", "account_id", "subcode", "at", "new_token"})
    subcode = _number(given, "subcode", int) if given.get("subcode") is not None else None
    account_id = _text(given, "account_id") if "account_id" in given else ""
    if given.get("action") == "replace":
        token = world.replace_token(account_id, _text(given, "new_token"), subcode=subcode)
        return {"owner_id": token.owner_id, "is_dead": token.is_dead}
    text = _text(given, "token") if "token" in given else None
    token = world.get_token(text, account_id=account_id)
    match given.get("action"):
        case "kill":
            token.is_dead, token.dead_subcode = True, subcode
        case "expire":
            token.expires_at = _moment(given, "at")
        case "revive":
            token.is_dead, token.dead_subcode, token.expires_at = False, None, None
        case action:
            raise ValueError(f"tokens can be killed, expired, revived or replaced, not {action!r}")
    return {"owner_id": token.owner_id, "is_dead": token.is_dead}


def _get_ledger(world: World, request: web.Request, _: Any) -> Json:
    query = request.query
    calls = world.ledger.calls(
        kind=query.get("kind"), account_id=query.get("account_id"), host=query.get("host")
    )
    return {
        "calls": [call.as_json() for call in calls],
        "counts": dict(world.ledger.counts()),
        "tokens_sent_abroad": len(world.ledger.tokens_sent_abroad()),
    }


def _clear_ledger(world: World, _: web.Request, __: Any) -> Json:
    world.ledger.clear()
    return {}


def _get_sent(world: World, request: web.Request, _: Any) -> Json:
    account_id = request.query.get("account_id")
    rows = [each for each in world.sent if account_id in {None, each.account_id}]
    return {"sent": [each.as_json() for each in rows]}


def _clear_sent(world: World, _: web.Request, __: Any) -> Json:
    world.sent.clear()
    return {}


def _reset(world: World, _: web.Request, __: Any) -> Json:
    world.reset()
    return {}


def _object(value: Any, what: str = "the body") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is a JSON object")
    return value


def _only(given: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise ValueError(f"unknown name {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is a string")
    return value


def _number(given: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    value = given.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is a number")
    return value


def _moment(given: Mapping[str, Any], name: str) -> datetime:
    try:
        at = datetime.fromisoformat(_text(given, name))
    except ValueError as exc:
        raise ValueError(f"{name} is a time such as 2026-10-04T09:15:42+00:00") from exc
    if at.tzinfo is None:
        raise ValueError(f"{name} needs a time zone, e.g. 2026-10-04T09:15:42+00:00")
    return at
