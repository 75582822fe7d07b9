"""What the model's server says, row by row of its documented errors, in our own words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shoptalk.agents.models.openai_client import make_client
from shoptalk.agents.models.openai_errors import readable, understood
from shoptalk.errors import ModelBusy, ModelError, ModelRefused, ModelStopped, ModelUnavailable
from shoptalk.sandbox.server import SandboxServer
from shoptalk.settings import Settings


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    status: int
    code: str | None
    becomes: type[ModelError]
    says: str
    wait: timedelta | None = None
    retry_after: int | None = None


ROWS = [
    Row("a malformed parameter", 400, "invalid_value", ModelUnavailable, "code invalid_value"),
    Row("a context too long", 400, "context_length_exceeded", ModelRefused, "context_length"),
    Row("a locked conversation", 400, "conversation_locked", ModelUnavailable, "locked"),
    Row("a bad key", 401, "invalid_api_key", ModelStopped, "HTTP 401"),
    Row("no credit, as DeepSeek says it", 402, None, ModelStopped, "HTTP 402"),
    Row("a region not served, or a flagged prompt", 403, None, ModelUnavailable, "HTTP 403"),
    Row("a region", 403, "unsupported_country_region_territory", ModelStopped, "region"),
    Row("an unknown model", 404, "model_not_found", ModelStopped, "code model_not_found"),
    Row("a wrong path, or something unknown", 404, None, ModelUnavailable, "HTTP 404"),
    Row("a wrong method", 405, None, ModelStopped, "HTTP 405"),
    Row("a request that timed out", 408, None, ModelUnavailable, "HTTP 408"),
    Row("a conflict", 409, None, ModelUnavailable, "HTTP 409"),
    Row("a model that is gone", 410, None, ModelStopped, "HTTP 410"),
    Row("what cannot be processed", 422, None, ModelUnavailable, "HTTP 422"),
    Row(
        "too many requests",
        429,
        "rate_limit_exceeded",
        ModelBusy,
        "HTTP 429",
        timedelta(seconds=17),
        retry_after=17,
    ),
    Row("too many, for nobody knows how long", 429, None, ModelBusy, "HTTP 429"),
    Row("no credit", 429, "insufficient_quota", ModelStopped, "insufficient_quota"),
    Row("a fault of the server", 500, "server_error", ModelUnavailable, "HTTP 500"),
    Row("a bad gateway", 502, None, ModelUnavailable, "HTTP 502"),
    Row(
        "an overloaded server, which says Slow Down",
        503,
        None,
        ModelUnavailable,
        "HTTP 503",
        timedelta(seconds=900),
        retry_after=900,
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def settings(server: SandboxServer) -> Settings:
    values: dict[str, Any] = {name.lower(): value for name, value in server.environment.items()}
    return Settings(_env_file=None, **{**values, "openai_max_retries": 0, "openai_timeout": 60})


def asked(settings: Settings) -> None:
    """Ask the model something, once."""
    assert settings.openai_api_key is not None
    with make_client(settings, settings.openai_api_key.get_secret_value()) as client, understood():
        client.responses.create(model="sandbox-clerk", input="Hello")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(server: SandboxServer, settings: Settings, row: Row) -> None:
    error = {
        "message": "the server's\n own \x1b[31mwords",
        "type": "invalid_request_error",
        "param": "input",
        "code": row.code,
    }
    params = {"status": row.status, "body": json.dumps({"error": error})}
    if row.retry_after is not None:
        params |= {"retry_after": row.retry_after}
    server.world.faults.add("http_status", match={"kind": "model"}, count=1, params=params)
    with pytest.raises(row.becomes, match=row.says) as raised:
        asked(settings)
    assert type(raised.value) is row.becomes
    assert "the server's own" not in str(raised.value)  # it may quote the question
    is_told = row.status < 500
    assert raised.value.server_said == ("the server's own [31mwords" if is_told else "")
    assert getattr(raised.value, "retry_after", None) == row.wait
    asked(settings)  # it happened once


@pytest.mark.parametrize(
    ("fault", "params", "says"),
    [
        ("drop_before", {}, "cannot be reached"),
        ("drop_after", {}, "cannot be reached"),
        ("http_status", {"status": 503, "body": "oops", "after_work": True}, "HTTP 503"),
        ("http_status", {"status": 500, "body": '{"detail": "oops"}'}, "HTTP 500"),
    ],
)
def test_what_breaks_the_line_is_tried_again_later(
    server: SandboxServer, settings: Settings, fault: str, params: dict[str, Any], says: str
) -> None:
    server.world.faults.add(fault, match={"kind": "model"}, count=1, params=params)
    with pytest.raises(ModelUnavailable, match=says):
        asked(settings)


def test_an_answer_that_is_too_slow_is_tried_again_later(
    server: SandboxServer, settings: Settings
) -> None:
    server.world.faults.add("slow", match={"kind": "model"}, count=1, params={"seconds": 90})
    with pytest.raises(ModelUnavailable, match="in time"):
        asked(settings.model_copy(update={"openai_timeout": 0.5}))


@pytest.mark.parametrize(
    ("said", "reads"),
    [
        ("Incorrect API key provided: sk-abc*****123.", "Incorrect API key provided: …"),
        ("<html><title>404</title><style>p {}</style><p>Not\nFound", "404 Not Found"),
        ("a" * 400, "a" * 300 + "…"),
        ("the key s3cret is wrong", "the key … is wrong"),
        (None, ""),
    ],
)
def test_a_servers_words_are_one_line_without_secrets(said: str | None, reads: str) -> None:
    assert readable(said, secret="s3cret") == reads


def test_an_answer_that_is_no_json_cannot_be_read(
    server: SandboxServer, settings: Settings
) -> None:
    server.world.faults.add("truncate", match={"kind": "model"}, count=1, params={"keep": 0.5})
    with pytest.raises(ModelUnavailable, match="something else than JSON"):
        asked(settings)
