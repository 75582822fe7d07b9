"""The model's API: what it refuses, how it answers, and that the vendor's package works with it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from openai import BadRequestError, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from shoptalk.sandbox.client import SandboxControl
from shoptalk.sandbox.server import SandboxServer
from tests.loop.shop import NINE
from tests.patience import eventually
from tests.sandbox.clerk_shop import ORDER_TOOL_PARAMETERS, PROMPT, Till

KEY = "sandbox-key"
CLERK = "sandbox-clerk"
FUNCTION: dict[str, Any] = {
    "name": "create_order",
    "description": "Place an order.",
    "parameters": ORDER_TOOL_PARAMETERS,
    "strict": True,
}
CHAT_TOOL: dict[str, Any] = {"type": "function", "function": FUNCTION}
FLAT_TOOL: dict[str, Any] = {"type": "function", **FUNCTION}
WISH = "2 desk lamps silver battery\nTom Reyes, 7 Mill Road, Leeds, 555-0160"
HELLO = [{"role": "user", "content": "hello"}]


class Api:
    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {KEY}"

    def call(self, path: str, body: Any = None, method: str = "POST") -> requests.Response:
        return self.http.request(method, f"{self.server.url}/openai/v1/{path}", json=body)

    def chat(self, **body: Any) -> requests.Response:
        return self.call("chat/completions", {"model": CLERK, "messages": HELLO, **body})

    def respond(self, **body: Any) -> requests.Response:
        return self.call("responses", {"model": CLERK, "input": "hello", **body})

    def script(self, *steps: dict[str, Any], **settings: Any) -> None:
        url = f"{self.server.url}/control/model"
        self.http.post(url, json={"script": steps, "settings": settings}).raise_for_status()


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def api(running: SandboxServer) -> Iterator[Api]:
    running.world.reset()
    running.world.clock.set(NINE)  # each model is on offer until its day
    api = Api(running)
    yield api
    api.http.close()


@pytest.fixture
def client(running: SandboxServer, api: Api) -> Iterator[OpenAI]:
    with OpenAI(api_key=KEY, base_url=f"{running.url}/openai/v1", max_retries=0) as client:
        yield client


def error_of(response: requests.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")
    return error


def test_the_package_orders_over_chat_completions(client: OpenAI) -> None:
    till = Till()
    messages: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": PROMPT},
        {"role": "user", "content": WISH},
    ]
    for customer in (None, "yes", None):
        if customer:
            messages.append({"role": "user", "content": customer})
        completion = client.chat.completions.create(
            model=CLERK,
            messages=messages,
            tools=[CHAT_TOOL],  # type: ignore[list-item]
        )
        message = completion.choices[0].message
        messages.append(message.to_dict())  # type: ignore[arg-type]
        for call in message.tool_calls or ():
            assert call.type == "function"
            assert completion.choices[0].finish_reason == "tool_calls"
            output = till.ring_up(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})
    assert message.content is not None
    assert message.content.startswith("Thank you, your order is placed.")
    assert "Total: 300.02 USD" in message.content
    assert [(o["product"], o["quantity"]) for o in till.orders] == [("7453605304", 2)]


def test_the_package_orders_over_responses_and_conversations(client: OpenAI) -> None:
    till = Till()
    conversation = client.conversations.create(metadata={"thread": "t_1"})
    given: Any = WISH
    for _ in range(3):
        response = client.responses.create(
            model=CLERK,
            instructions=PROMPT,
            conversation=conversation.id,
            input=given,
            tools=[FLAT_TOOL],  # type: ignore[list-item]
        )
        calls = [item for item in response.output if item.type == "function_call"]
        given = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": till.ring_up(json.loads(call.arguments)),
            }
            for call in calls
        ] or "yes"
    assert "Total: 300.02 USD" in response.output_text
    assert response.status == "completed"
    assert response.usage is not None
    assert len(till.orders) == 1
    kinds = [item.type for item in client.conversations.items.list(conversation.id, order="asc")]
    assert kinds == [
        *["message", "message", "message", "function_call", "function_call_output", "message"],
    ]
    client.conversations.delete(conversation.id)


def test_previous_response_id_carries_the_items_and_not_the_instructions(api: Api) -> None:
    first = api.respond(instructions=PROMPT, input="a desk lamp silver battery").json()
    assert "150.01" in first["output"][0]["content"][0]["text"]
    follow = {"previous_response_id": first["id"], "input": "make it 2"}
    assert "300.02" in api.respond(instructions=PROMPT, **follow).text
    assert "300.02" not in api.respond(**follow).text
    assert api.call(f"responses/{first['id']}", method="GET").json()["id"] == first["id"]
    assert api.call(f"responses/{first['id']}", method="DELETE").json()["deleted"] is True
    assert error_of(api.respond(**follow))["code"] == "previous_response_not_found"


@pytest.mark.parametrize("key", [None, "Bearer nobody", "Basic sandbox-key"])
def test_a_bearer_is_required(running: SandboxServer, key: str | None) -> None:
    headers = {"Authorization": key} if key else {}
    response = requests.get(f"{running.url}/openai/v1/models", headers=headers)
    assert "API key" in error_of(response, 401)["message"]


def test_a_key_can_be_pinned(api: Api) -> None:
    api.script(key="the-one")
    assert api.chat().status_code == 401
    api.http.headers["Authorization"] = "Bearer the-one"
    assert api.chat().status_code == 200


CALL = {"id": "c1", "type": "function", "function": {"name": "create_order", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "c1", "content": "{}"}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([*HELLO, ASKED], "must be followed by tool messages"),
        ([*HELLO, ASKED, *HELLO, TOLD], "must be followed by tool messages"),
        ([*HELLO, TOLD], "must be a response to a preceding message"),
        ([*HELLO, ASKED, TOLD, TOLD], "must be a response to a preceding message"),
        ([*HELLO, ASKED, TOLD, ASKED, TOLD], "Duplicate tool call id"),
        ([{"role": "assistant", "content": None}], "content"),
        ([{"role": "robot", "content": "x"}], "role"),
        ([], "empty array"),
    ],
)
def test_chat_messages_must_pair(api: Api, messages: list[Any], words: str) -> None:
    assert words in error_of(api.chat(messages=messages))["message"]


FCALL = {"type": "function_call", "call_id": "c1", "name": "create_order", "arguments": "{}"}
FOUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "{}"}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([FCALL], "No tool output found for function call c1"),
        ([FOUTPUT], "No tool call found"),
        ([FCALL, FCALL, FOUTPUT], "Duplicate function call"),
        ([FCALL, FOUTPUT, FOUTPUT], "Duplicate output"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}]}], "input_text"),
        ([{"type": "telepathy"}], "telepathy"),
    ],
)
def test_response_items_must_pair(api: Api, items: list[Any], words: str) -> None:
    assert words in error_of(api.respond(input=items))["message"]


def test_each_api_refuses_the_other_ones_tools(api: Api) -> None:
    assert error_of(api.chat(tools=[FLAT_TOOL]))["param"] == "tools[0].function"
    assert error_of(api.respond(tools=[CHAT_TOOL]))["param"] == "tools[0].name"
    assert api.chat(tools=[CHAT_TOOL]).status_code == 200
    assert api.respond(tools=[FLAT_TOOL]).status_code == 200


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "string"},
        {**ORDER_TOOL_PARAMETERS, "additionalProperties": True},
        {**ORDER_TOOL_PARAMETERS, "required": ["product"]},
        {**ORDER_TOOL_PARAMETERS, "anyOf": []},
        {
            "type": "object",
            "properties": {"x": {"not": {}}},
            "required": ["x"],
            "additionalProperties": False,
        },
    ],
)
def test_strict_schemas_keep_the_rules(api: Api, broken: dict[str, Any]) -> None:
    strict = {"name": "create_order", "parameters": broken, "strict": True}
    flat = {"type": "function", **strict}
    nested = {"type": "function", "function": strict}
    for answer in (api.respond(tools=[flat]), api.chat(tools=[nested])):
        assert error_of(answer)["code"] == "invalid_function_parameters"
    assert api.respond(tools=[{**flat, "strict": False}]).json()["tools"][0]["strict"] is False


def test_new_models_take_tools_over_chat_only_without_reasoning(api: Api) -> None:
    for effort in ({}, {"reasoning_effort": "low"}):
        refused = api.chat(model="gpt-6-luna", tools=[CHAT_TOOL], **effort)
        assert error_of(refused) == {
            "message": error_of(refused)["message"],
            "type": "invalid_request_error",
            "param": "reasoning_effort",
            "code": None,
        }
    fine = {"model": "gpt-6-luna", "tools": [CHAT_TOOL], "reasoning_effort": "none"}
    assert api.chat(**fine).status_code == 200
    assert api.chat(model="gpt-6-luna").status_code == 200
    assert api.chat(model=CLERK, tools=[CHAT_TOOL]).status_code == 200
    assert error_of(api.chat(**{**fine, "model": "gpt-6-astra"}))["code"] == "unsupported_value"
    api.script(no_reasoning_families="")
    assert api.chat(model="gpt-6-luna", tools=[CHAT_TOOL]).status_code == 200


def test_temperature_goes_with_no_reasoning_only(api: Api) -> None:
    assert error_of(api.chat(model="gpt-6-luna", temperature=0.3))["param"] == "temperature"
    assert error_of(api.respond(model="gpt-5.2", temperature=0.3))["param"] == "temperature"
    off = {"reasoning_effort": "none"}
    assert api.chat(model="gpt-6-luna", temperature=0.3, **off).status_code == 200
    assert error_of(api.chat(model="gpt-5-mini", temperature=1, **off))["param"] == "temperature"
    assert error_of(api.chat(model="gpt-4o", **off))["param"] == "reasoning_effort"
    assert error_of(api.chat(model="gpt-6-luna", max_tokens=5))["param"] == "max_tokens"


def test_conversations_hold_to_their_limits(api: Api) -> None:
    many = [{"role": "user", "content": str(i)} for i in range(21)]
    assert error_of(api.call("conversations", {"items": many}))["code"] == "array_above_max_length"
    conversation = api.call("conversations", {"items": many[:20]}).json()["id"]
    items = f"conversations/{conversation}/items"
    assert error_of(api.call(items, {"items": many}))["param"] == "items"
    page = api.call(f"{items}?limit=15&order=asc", method="GET").json()
    assert page["has_more"] is True
    rest = api.call(f"{items}?order=asc&after={page['last_id']}", method="GET").json()
    assert len(page["data"]) + len(rest["data"]) == 20
    assert api.call(f"{items}/{rest['last_id']}", method="DELETE").status_code == 200
    assert api.call(f"{items}/{rest['last_id']}", method="GET").status_code == 404
    both = {"conversation": conversation, "previous_response_id": "resp_1"}
    assert error_of(api.respond(**both))["code"] == "mutually_exclusive_parameters"
    assert error_of(api.respond(conversation="conv_x"), 404)["code"] is None
    api.script(conversations=False)
    assert api.call("conversations", {}).status_code == 404


def test_one_writer_at_a_time(api: Api, running: SandboxServer) -> None:
    conversation = api.call("conversations", {}).json()["id"]
    api.script({"text": "slow", "delay_seconds": 2})
    seen = running.world.faults.add("slow", count=1, params={"seconds": 0})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Api(running).respond, conversation=conversation)
        eventually(lambda: seen.fired)
        locked = api.respond(conversation=conversation)
    assert first.result().json()["output"][0]["content"][0]["text"] == "slow"
    assert error_of(locked)["code"] == "conversation_locked"
    assert api.respond(conversation=conversation).status_code == 200


def test_429_says_how_long_to_wait(api: Api) -> None:
    api.server.world.clock.freeze()
    api.script(requests_per_minute=2)
    assert api.chat().headers["x-ratelimit-remaining-requests"] == "1"
    assert api.respond().status_code == 200
    refused = api.chat()
    assert error_of(refused, 429)["code"] == "rate_limit_exceeded"
    assert refused.headers["Retry-After"] == "60"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"] == "60s"


def test_cached_tokens_are_the_longest_common_prefix(api: Api) -> None:
    def cached(prompt: str, text: str) -> int:
        answer = api.respond(instructions=prompt, input=text).json()
        count: int = answer["usage"]["input_tokens_details"]["cached_tokens"]
        return count

    assert cached(PROMPT, "hello") == 0
    again = cached(PROMPT, "goodbye")
    assert len(PROMPT) // 4 <= again < len(PROMPT) // 4 + 200
    assert cached("x" + PROMPT, "hello") == 0
    assert cached("short", "hello") == cached("short", "hello") == 0


def test_models_tell_when_they_end(api: Api, client: OpenAI) -> None:
    dates = {model.id: model.shutdown_date for model in client.models.list()}
    assert dates[CLERK] is None
    assert str(client.models.retrieve("gpt-4o").shutdown_date) == "2027-01-14"
    assert error_of(api.call("models/gpt-4", method="GET"), 404)["code"] == "model_not_found"
    assert error_of(api.chat(model="gpt-3.5-turbo"), 404)["param"] == "model"


def test_prompt_ids_fail_unless_stored(api: Api) -> None:
    body = {"input": "hello", "prompt": {"id": "pmpt_1"}}
    assert error_of(api.call("responses", body), 404)["code"] == "prompt_not_found"
    api.script(prompts={"pmpt_1": PROMPT})
    assert api.call("responses", body).json()["model"] == CLERK


def test_unknown_and_malformed_parameters_are_refused(api: Api) -> None:
    assert error_of(api.chat(input="x"))["code"] == "unknown_parameter"
    assert error_of(api.respond(messages=[]))["param"] == "messages"
    assert error_of(api.call("chat/completions", [1]))["message"]
    assert error_of(api.chat(metadata={"a": "x" * 513}))["param"] == "metadata"
    assert error_of(api.chat(tool_choice="required"))["param"] == "tool_choice"
    for odd in ({"type": "function", "function": "x"}, {"type": "allowed_tools"}, 3):
        assert error_of(api.chat(tools=[CHAT_TOOL], tool_choice=odd))["param"]
    assert error_of(api.respond(text={"format": "x"}))["param"] == "text.format"
    wanted = {"type": "json_object"}
    assert "json" in error_of(api.chat(response_format=wanted))["message"]


def test_a_script_answers_what_it_says(api: Api) -> None:
    hostile = {"name": "drop_tables", "arguments": '{"price": NaN, "quantity": -1}'}
    api.script(
        {"tool_calls": [hostile, {"name": "create_order", "arguments": "{broken", "id": "x"}]},
        {"refusal": "I cannot help with that."},
        {"incomplete": "max_output_tokens", "text": "Half a"},
        {"text": ""},
        {"error": {"status": 429, "code": "insufficient_quota", "type": "insufficient_quota"}},
        {"body": "<html>", "status": 502, "content_type": "text/html"},
        {"text": "bare", "omit": ["usage", "id"]},
    )
    calls = api.chat().json()["choices"][0]["message"]["tool_calls"]
    assert calls[0]["function"] == {
        "name": "drop_tables",
        "arguments": '{"price": NaN, "quantity": -1}',
    }
    assert calls[1] == {
        "id": "x",
        "type": "function",
        "function": {"name": "create_order", "arguments": "{broken"},
    }
    refusal = api.chat().json()["choices"][0]["message"]
    assert (refusal["content"], refusal["refusal"]) == (None, "I cannot help with that.")
    half = api.respond().json()
    assert half["status"] == "incomplete"
    assert half["incomplete_details"] == {"reason": "max_output_tokens"}
    assert api.respond().json()["output"][0]["content"][0]["text"] == ""
    out_of_money = api.respond()
    assert error_of(out_of_money, 429)["code"] == "insufficient_quota"
    assert "Retry-After" not in out_of_money.headers
    assert api.respond().text == "<html>"
    assert api.chat().json().keys() & {"usage", "id"} == set()
    assert "Hello!" in api.chat().json()["choices"][0]["message"]["content"]


def test_a_step_can_go_on_for_ever(api: Api) -> None:
    api.script({"tool_calls": [{"name": "create_order"}], "repeat": None}, {"text": "never"})
    ids = {api.respond().json()["output"][0]["call_id"] for _ in range(4)}
    assert len(ids) == 4
    url = f"{api.server.url}/control/model"
    seen = requests.get(url).json()
    assert seen["steps_left"] == 2
    assert seen["requests"][0]["body"]["input"] == "hello"
    assert requests.delete(url).status_code == 200
    assert requests.get(url).json() == {"steps_left": 0, "requests": []}


@pytest.mark.parametrize(
    "body",
    [{"script": [{}]}, {"script": [{"txt": "x"}]}, {"settings": {"x": 1}}, {"script": "x"}, []],
)
def test_a_bad_script_is_refused(api: Api, body: Any) -> None:
    url = f"{api.server.url}/control/model"
    assert requests.post(url, json=body).status_code == 400


def test_limits_break_an_answer_off(api: Api, client: OpenAI) -> None:
    response = client.responses.create(model=CLERK, input="hello", max_output_tokens=2)
    assert response.output_text == "Hello! H"
    assert response.status == "incomplete"
    assert api.chat(max_completion_tokens=2).json()["choices"][0]["finish_reason"] == "length"
    api.script(context_tokens=50)
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=CLERK, instructions=PROMPT, input="hello")
    assert caught.value.code == "context_length_exceeded"


def test_a_form_is_filled_in_with_what_is_known(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "phone": {"type": ["string", "null"]},
            "email": {"type": ["string", "null"]},
        },
        "required": ["phone", "email"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "name": "contact", "schema": schema, "strict": True}
    response = client.responses.create(
        model=CLERK,
        instructions=PROMPT,
        input=WISH,
        text={"format": wanted},
    )
    assert json.loads(response.output_text) == {"phone": "555-0160", "email": None}


def test_moderation_goes_by_keyword(client: OpenAI) -> None:
    results = client.moderations.create(input=["hello", "i will kill you"]).results
    assert [result.flagged for result in results] == [False, True]
    assert results[1].categories.violence is True


def test_every_request_is_in_the_ledger(api: Api) -> None:
    api.chat()
    api.chat(model="nobody")
    calls = api.server.world.ledger.calls(kind="model")
    assert [(call.path, call.status) for call in calls] == [
        ("/v1/chat/completions", 200),
        ("/v1/chat/completions", 404),
    ]


def test_the_conversation_that_each_request_showed_is_told_without_what_followed(api: Api) -> None:
    said = [
        {"role": "system", "content": "Sell."},
        {"role": "user", "content": "A lamp?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": "The silver one"},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "create_order", "arguments": "{}"}}
    tool_talk = [
        {"role": "assistant", "content": "One moment.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "{}"},
    ]
    told_off = [
        {"role": "assistant", "content": "It is free."},
        {"role": "system", "content": "It is not."},
    ]
    for more in ([], tool_talk, told_off):
        api.script({"text": "Well."})
        assert api.chat(messages=[*said, *more], tools=[CHAT_TOOL]).status_code == 200
    api.script({"text": "Well."})
    assert api.respond(input=said[1:]).status_code == 200
    control = SandboxControl(api.server.url)
    shown = control.shown()
    assert [each["number"] for each in shown] == [1, 2, 3, 4]
    lines = [
        {"side": "customer", "text": "A lamp?"},
        {"side": "shop", "text": "Which one?"},
        {"side": "customer", "text": "The silver one"},
    ]
    assert [each["lines"] for each in shown] == [lines] * 4
    assert [each["number"] for each in control.shown(after=3)] == [4]
    refused = api.http.get(f"{api.server.url}/control/model/shown", params={"after": "x"})
    assert refused.status_code == 400
