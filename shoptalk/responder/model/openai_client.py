"""The `openai` client, set up by our settings alone."""

import openai

from shoptalk.responder.model.base import Model
from shoptalk.responder.model.chat import ChatModel
from shoptalk.responder.model.openai_errors import understood
from shoptalk.responder.model.responses import ResponsesModel
from shoptalk.settings import OPENAI_URL, Settings


def make_client(settings: Settings, api_key: str) -> openai.OpenAI:
    """The way to the model's server; close it when done."""
    return openai.OpenAI(
        api_key=api_key,
        base_url=settings.openai_base_url,
        timeout=settings.openai_timeout,
        max_retries=settings.openai_max_retries,
    )


def make_model(settings: Settings, client: openai.OpenAI) -> Model:
    """The model in the style its address speaks."""
    style = ResponsesModel if settings.model_style == "responses" else ChatModel
    return style(
        client,
        is_openai=settings.openai_base_url == OPENAI_URL,
        most_tokens=settings.openai_max_output_tokens,
    )


def check_model(settings: Settings, api_key: str) -> str:
    """Ask the model's server about the configured model; say what it answers.

    Raises:
        ModelError: it cannot be reached, refuses the key, or does not know the model.
    """
    client = openai.OpenAI(
        api_key=api_key, base_url=settings.openai_base_url, timeout=10, max_retries=0
    )
    with client, understood():
        model = client.models.retrieve(settings.openai_model)
    ends = getattr(model, "shutdown_date", None)
    style = "Responses" if settings.model_style == "responses" else "Chat Completions"
    return f"{settings.openai_model} over {style}" + (f", to be shut down {ends}" if ends else "")
