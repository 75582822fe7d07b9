"""One request to an OpenAI-style server, with a body and an answer of plain JSON.

The client's typed methods transform every parameter and build a model of every answer, and most of
their time goes there. Connections, retries, time limits and errors stay the client's business.
"""

import json
from collections.abc import Mapping
from typing import Any

import openai

from shoptalk.agents.models.base import legible


def post(
    client: openai.OpenAI, path: str, body: Mapping[str, Any], *, timeout_seconds: float
) -> Any:
    """Send `body`; return the answer's JSON value, whatever it is.

    Raises:
        openai.OpenAIError: as the client does.
        json.JSONDecodeError: the answer is something else.
    """
    answer = client.post(path, body=body, cast_to=object, options={"timeout": timeout_seconds})
    return json.loads(answer) if isinstance(answer, str) else answer  # called text by its sender


def text_in(item: Mapping[str, Any], name: str) -> str:
    """A field's text, fit to be passed on; empty where there is none."""
    value = item.get(name)
    return legible(value) if isinstance(value, str) else ""


def objects_in(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A field's list of objects, without what is none; empty where there is no list."""
    value = item.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
