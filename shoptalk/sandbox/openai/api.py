"""The vendor's HTTP API, `/openai/v1/…`, answered by the clerk or by a test's script.

Requests are judged as the vendor judges them (`rules`, `models`), so that a client
that works here has met the refusals it will meet there. `/control/model` writes the script.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from shoptalk.sandbox.openai import answers, models, rules
from shoptalk.sandbox.openai.asking import (
    Asking,
    Reply,
    asking_chat,
    asking_responses,
    cut,
    new_id,
    scripted_reply,
    tokens_of,
)
from shoptalk.sandbox.openai.cache import rendered
from shoptalk.sandbox.openai.conversations import Conversations
from shoptalk.sandbox.openai.errors import ApiError, invalid_type
from shoptalk.sandbox.openai.moderation import moderate
from shoptalk.sandbox.openai.rules import Body
from shoptalk.sandbox.openai.script import Step, parse_steps, scripted_error
from shoptalk.sandbox.openai.state import (
    Conversation,
    ModelState,
    Received,
    StoredResponse,
    stored_item,
)
from shoptalk.sandbox.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request, Any], Awaitable[Any]]
CLERK_STEP = Step(clerk=True)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to send: the body, and what a scripted step changes about it."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    step: Step = CLERK_STEP


def routes(world: World) -> list[web.RouteDef]:
    """Return the routes of the API and of its control."""
    model = ModelServer(world)
    world.on_reset.append(model.state.reset)
    conversations = Conversations(model.state, world.clock)
    table: list[tuple[str, str, Answer]] = [
        ("POST", "responses", model.create_response),
        ("GET", "responses/{id}", model.get_response),
        ("DELETE", "responses/{id}", model.delete_response),
        ("POST", "chat/completions", model.create_completion),
        ("GET", "models", model.list_models),
        ("GET", "models/{id}", model.get_model),
        ("POST", "moderations", model.moderate),
        *conversations.table(),
    ]
    api = [web.route(method, f"/openai/v1/{path}", model.api(do)) for method, path, do in table]
    return [
        *api,
        web.post("/control/model", model.control),
        web.get("/control/model", model.show),
        web.delete("/control/model", model.clear),
        web.get("/control/model/shown", model.list_shown),
    ]


class ModelServer:
    def __init__(self, world: World) -> None:
        self.state = ModelState()
        self._world = world
        self._clock = world.clock

    def api(self, do: Answer) -> Handler:
        """Wrap a handler: the key, the body, the vendor's errors, the record of it all."""

        async def handle(request: web.Request) -> web.StreamResponse:
            body: Any = None
            try:
                self._authorise(request)
                body = await _json_body(request)
                response = _rendered_answer(await do(request, body))
            except ApiError as exc:
                response = exc.response()
            response.headers["x-request-id"] = new_id("req")
            response.headers["openai-processing-ms"] = "1"
            path = request.path.removeprefix("/openai")
            self.state.received.append(Received(self._clock.now(), path, body, response.status))
            return response

        return handle

    def _authorise(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            raise ApiError(
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                status=401,
            )
        if not self.state.settings.accepts(key):
            raise ApiError("Incorrect API key provided.", status=401, code="invalid_api_key")

    async def create_completion(self, _: web.Request, body: Body) -> Given:
        model = models.check_model(body.get("model"), self._clock.now())
        rules.check_chat(body)
        effort = body.get("reasoning_effort")
        models.check_effort(model, effort, "reasoning_effort")
        models.check_sampling(model, effort, body)
        models.check_old_limit(model, body)
        if body.get("tools"):
            families = self.state.settings.no_reasoning_families
            models.check_tools_over_chat(model, effort, families)
        prompt = rendered(body, body["messages"])
        headers = self._spend(prompt, "messages")
        self._note_shown(body["messages"])
        step = self._next_step()
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        reply = cut(await self._reply(step, partial(asking_chat, body), headers), most)
        answer = answers.chat_completion(
            body,
            reply,
            now=self._clock.now().timestamp(),
            prompt_tokens=tokens_of(prompt),
            cached_tokens=self.state.cache.cached_tokens(prompt),
        )
        return Given(answer, headers, step)

    async def create_response(self, _: web.Request, body: Body) -> Given:
        if not self.state.settings.responses:
            raise ApiError("Invalid URL (POST /v1/responses)", status=404)
        rules.check_responses(body)
        body = self._with_prompt(body)
        model = models.check_model(body.get("model"), self._clock.now())
        reasoning = body.get("reasoning") or {}
        if not isinstance(reasoning, dict):
            raise invalid_type("reasoning", "an object")
        effort = reasoning.get("effort")
        models.check_effort(model, effort, "reasoning.effort")
        models.check_sampling(model, effort, body)
        conversation = self._conversation(body.get("conversation"))
        new = _input_items(body.get("input"))
        items = [*self._earlier(body, conversation), *new]
        rules.check_pairs(items)
        prompt = rendered(body, items)
        headers = self._spend(prompt, "input")
        self._note_shown(items)
        step = self._next_step()
        if conversation is not None:
            conversation.is_locked = True
        try:
            reply = await self._reply(step, partial(asking_responses, body, items), headers)
        finally:
            if conversation is not None:
                conversation.is_locked = False
        reply = cut(reply, body.get("max_output_tokens"))
        output = [] if reply.failed else answers.output_items(reply)
        if conversation is not None:
            conversation.items += [*new, *output]
        answer = answers.response(
            body,
            reply,
            output,
            now=self._clock.now().timestamp(),
            prompt_tokens=tokens_of(prompt),
            cached_tokens=self.state.cache.cached_tokens(prompt),
            conversation_id=conversation.id if conversation else None,
        )
        if body.get("store") is not False:
            self.state.responses[answer["id"]] = StoredResponse(answer, [*items, *output])
        return Given(answer, headers, step)

    def _with_prompt(self, body: Body) -> Body:
        """Put a stored prompt's instructions in place; an id that is not stored is refused."""
        prompt = body.get("prompt")
        if prompt is None:
            return body
        prompt_id = prompt.get("id") if isinstance(prompt, dict) else None
        instructions = self.state.settings.prompts.get(str(prompt_id))
        if instructions is None:
            raise ApiError(
                f"Prompt with id '{prompt_id}' not found.",
                status=404,
                param="prompt.id",
                code="prompt_not_found",
            )
        stored = {"model": models.CLERK, "instructions": instructions}
        return {**stored, **{name: value for name, value in body.items() if value is not None}}

    def _conversation(self, wanted: object) -> Conversation | None:
        if wanted is None:
            return None
        conversation_id = wanted.get("id") if isinstance(wanted, dict) else wanted
        conversation = self.state.get_conversation(conversation_id)
        if conversation.is_locked:
            raise ApiError(
                "Another process is currently operating on this conversation. Please retry in a "
                "few seconds.",
                param="conversation",
                code="conversation_locked",
            )
        return conversation

    def _earlier(self, body: Body, conversation: Conversation | None) -> list[dict[str, Any]]:
        if conversation is not None:
            return conversation.items
        previous = body.get("previous_response_id")
        if not previous:
            return []
        return self.state.get_response(str(previous), param="previous_response_id").items

    def _spend(self, prompt: str, param: str) -> dict[str, str]:
        tokens = tokens_of(prompt)
        headers = self.state.spend(self._clock.now(), tokens)
        most = self.state.settings.context_tokens
        if tokens > most:
            raise ApiError(
                f"This model's maximum context length is {most} tokens. However, your messages "
                f"resulted in {tokens} tokens. Please reduce the length of the messages.",
                param=param,
                code="context_length_exceeded",
            )
        return headers

    def _note_shown(self, items: Sequence[Mapping[str, Any]]) -> None:
        self.state.shown.note(items, at=self._clock.now(), written=self._world.written)

    def _next_step(self) -> Step:
        return self.state.script.next_step() or CLERK_STEP

    async def _reply(
        self, step: Step, ask: Callable[[], Asking], headers: Mapping[str, str]
    ) -> Reply:
        if step.delay_seconds > 0:
            await asyncio.sleep(step.delay_seconds)
        if step.error is not None:
            raise scripted_error(step.error, headers)
        if step.parrot:
            return ask().parrot_reply()
        return ask().clerk_reply() if step.clerk else scripted_reply(step)

    async def get_response(self, request: web.Request, _: Any) -> dict[str, Any]:
        return self.state.get_response(request.match_info["id"]).body

    async def delete_response(self, request: web.Request, _: Any) -> dict[str, Any]:
        response_id = request.match_info["id"]
        self.state.get_response(response_id)
        del self.state.responses[response_id]
        return {"id": response_id, "object": "response", "deleted": True}

    async def list_models(self, _: web.Request, __: Any) -> dict[str, Any]:
        names = models.on_offer(self._clock.now())
        return {"object": "list", "data": [models.model_json(name) for name in names]}

    async def get_model(self, request: web.Request, _: Any) -> dict[str, Any]:
        name = models.check_model(request.match_info["id"], self._clock.now())
        return models.model_json(name)

    async def moderate(self, _: web.Request, body: Body) -> dict[str, Any]:
        return moderate(body)

    async def control(self, request: web.Request) -> web.Response:
        """Extend the script and change settings; both are optional."""
        try:
            body = json.loads(await request.read() or b"{}")
            if not isinstance(body, dict) or body.keys() - {"script", "settings"}:
                raise ValueError("the body is an object with script, settings, or both")
            steps = parse_steps(body.get("script") or [])
            self.state.settings.change(body.get("settings") or {})
        except (ValueError, TypeError) as exc:
            return web.json_response({"error": str(exc)}, status=400)
        self.state.script.extend(steps)
        return web.json_response({"steps_left": len(self.state.script)})

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "steps_left": len(self.state.script),
                "requests": [received.as_json() for received in self.state.received],
            }
        )

    async def list_shown(self, request: web.Request) -> web.Response:
        """What the model was shown in the requests after a number."""
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return web.json_response({"error": "after is the number of a request"}, status=400)
        found = self.state.shown.after(int(after))
        return web.json_response({"shown": [shown.as_json() for shown in found]})

    async def clear(self, _: web.Request) -> web.Response:
        self.state.reset()
        return web.json_response({})


def _rendered_answer(answer: dict[str, Any] | Given) -> web.Response:
    if not isinstance(answer, Given):
        return web.json_response(answer)
    step = answer.step
    if step.body is not None:
        return web.Response(
            text=step.body,
            status=step.status,
            content_type=step.content_type,
            headers=answer.headers,
        )
    body = {name: value for name, value in answer.body.items() if name not in step.omit}
    return web.json_response(body, headers=answer.headers)


def _input_items(given: object) -> list[dict[str, Any]]:
    if given is None:
        return []
    if isinstance(given, str):
        return [stored_item({"role": "user", "content": given})]
    assert isinstance(given, list)
    return [stored_item(item) for item in given if item.get("type") != "item_reference"]


async def _json_body(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise ApiError("We could not parse the JSON body of your request.") from exc
    if not isinstance(body, dict):
        raise ApiError("The body of the request must be a JSON object.")
    return body
