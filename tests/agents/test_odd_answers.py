"""What OpenAI-compatible servers answer with HTTP 200, and what becomes of it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from shoptalk.agents.models.base import Model, Prompt
from shoptalk.agents.models.chat import ChatModel
from shoptalk.agents.models.responses import ResponsesModel
from shoptalk.errors import ModelBusy, ModelError, ModelRefused, ModelStopped, ModelUnavailable

PROMPT = Prompt(model="m", instructions="Sell.", situation="Now.", lines=(), tools=())


@dataclass
class Oddity:
    """A server that answers whatever it was told to."""

    url: str
    body: bytes = b""
    content_type: str = "application/json"
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def oddity() -> Iterator[Oddity]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            odd.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", odd.content_type)
            self.send_header("Content-Length", str(len(odd.body)))
            self.end_headers()
            self.wfile.write(odd.body)

        def log_request(self, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        odd = Oddity(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield odd
        server.shutdown()
        thread.join()


@pytest.fixture(params=[ChatModel, ResponsesModel])
def model(request: pytest.FixtureRequest, oddity: Oddity) -> Iterator[Model]:
    with openai.OpenAI(api_key="k", base_url=oddity.url, max_retries=0) as client:
        yield request.param(client)


@pytest.mark.parametrize(
    ("body", "becomes", "says"),
    [
        (b"null", ModelRefused, "cannot be read"),
        (b"[]", ModelRefused, "cannot be read"),
        (b"{}", ModelRefused, "cannot be read"),
        (b'"Hello"', ModelUnavailable, "something else than JSON: Hello"),
        (b'{"choices": [], "output": null}', ModelRefused, "cannot be read"),
        (b'{"choices": [{"message": null}], "output": "Hello"}', ModelRefused, "cannot be read"),
        (b'{"error": {"message": "overloaded"}}', ModelUnavailable, "overloaded"),
        (b'{"error": "out of memory"}', ModelUnavailable, "out of memory"),
        (b'{"detail": "no such model"}', ModelUnavailable, "no such model"),
        (b'{"error": {"code": 402, "message": "no credits"}}', ModelStopped, "402: no credits"),
        (b'{"choices": [{"error": {"code": "402"}}]}', ModelStopped, "HTTP 402"),
        (b'{"error": {"code": 429, "message": "free models"}}', ModelBusy, "free models"),
        (b"<html>Bad gateway</html>", ModelUnavailable, "than JSON: Bad gateway"),
        (b"", ModelUnavailable, "something else than JSON"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_a_body_without_an_answer_is_told_by_whose_fault_it_is(
    oddity: Oddity,
    model: Model,
    body: bytes,
    becomes: type[ModelError],
    says: str,
    content_type: str,
) -> None:
    oddity.body, oddity.content_type = body, content_type
    with pytest.raises(ModelError) as raised:
        model.begin(PROMPT).ask(timeout_seconds=5)
    assert type(raised.value) is becomes
    assert says in f"{raised.value}: {raised.value.server_said}"


def chat(finish_reason: str | None, **message: object) -> dict[str, object]:
    return {"choices": [{"finish_reason": finish_reason, "message": message}]}


def responses(status: str, *output: object, **more: object) -> dict[str, object]:
    return {"status": status, "output": list(output), **more}


HALF = {"type": "message", "content": [{"type": "output_text", "text": "The kettle is"}]}
CUT_OFF = {"incomplete_details": {"reason": "max_output_tokens"}}
FILTERED = {"incomplete_details": {"reason": "content_filter"}}


@pytest.mark.parametrize(
    ("style", "body", "becomes"),
    [
        (ChatModel, chat("length", content="The kettle is"), ModelRefused),
        (ChatModel, chat("content_filter", content="The kettle is"), ModelRefused),
        (ChatModel, chat("stop", content=None, refusal="No."), ModelRefused),
        (ResponsesModel, responses("incomplete", HALF, **CUT_OFF), ModelRefused),
        (ResponsesModel, responses("incomplete", HALF, **FILTERED), ModelRefused),
        (ResponsesModel, responses("failed"), ModelRefused),
        (ResponsesModel, responses("cancelled", HALF), ModelRefused),
        (ResponsesModel, responses("queued"), ModelRefused),
    ],
)
def test_half_an_answer_is_never_passed_on(
    oddity: Oddity,
    style: type[ChatModel] | type[ResponsesModel],
    body: dict[str, object],
    becomes: type[ModelError],
) -> None:
    oddity.body = json.dumps(body).encode()
    with (
        openai.OpenAI(api_key="k", base_url=oddity.url, max_retries=0) as client,
        pytest.raises(ModelError) as raised,
    ):
        style(client).begin(PROMPT).ask(timeout_seconds=5)
    assert type(raised.value) is becomes


@pytest.mark.parametrize(
    "call",
    [
        {"function": "create_order"},
        {"function": ["create_order"]},
        {"function": None, "id": 7},
        {"function": {"name": None, "arguments": None}, "id": {"a": 1}},
        {"function": {"name": "create_order", "arguments": {"quantity": 1}}},
    ],
)
def test_a_call_of_odd_shape_is_still_a_call(oddity: Oddity, call: dict[str, object]) -> None:
    oddity.body = json.dumps(chat("stop", content="", tool_calls=[call, 5, None])).encode()
    with openai.OpenAI(api_key="k", base_url=oddity.url, max_retries=0) as client:
        said = ChatModel(client).begin(PROMPT).ask(timeout_seconds=5)
    [made] = said.tool_calls
    assert made.call_id
    assert isinstance(made.call_id, str)
    assert isinstance(made.arguments, str)
