"""The `openai` client, set up by our settings alone."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import httpx2
import openai

from shoptalk.agents.model_circuit import refused
from shoptalk.agents.models.base import Model
from shoptalk.agents.models.chat import ChatModel
from shoptalk.agents.models.responses import ResponsesModel
from shoptalk.agents.order_tool import CREATE_ORDER
from shoptalk.errors import NoWayToModel
from shoptalk.settings import OPENAI_URL, Settings

_PROXIES = [
    spelt for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY") for spelt in (name, name.lower())
]
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def make_client(settings: Settings, api_key: str) -> openai.OpenAI:
    """The way to the model's server; close it when done."""
    return _client(
        settings,
        api_key=api_key,
        timeout=settings.openai_timeout,
        max_retries=settings.openai_max_retries,
    )


def _client(settings: Settings, **more: Any) -> openai.OpenAI:
    """A client that goes by the environment's proxies and certificates.

    Raises:
        NoWayToModel: they cannot be used; the message names the variable.
    """
    url = settings.openai_base_url
    try:
        return openai.OpenAI(base_url=url, **more)
    except OSError:
        named = {name: os.environ.get(name, "") for name in _CERTIFICATES}
        bad = ", ".join(name for name, path in named.items() if path and not Path(path).exists())
        raise NoWayToModel(
            f"The certificates that {bad or 'the system'} names cannot be read: "
            "name a file that exists, or unset it."
        ) from None
    except (ImportError, ValueError, httpx2.InvalidURL):
        # It refuses also a proxy that this host does not use.
        if proxy_bypass(urlsplit(url).hostname or ""):
            direct = openai.DefaultHttpxClient(trust_env=False)
            return openai.OpenAI(base_url=url, http_client=direct, **more)
        bad = ", ".join(name for name in _PROXIES if os.environ.get(name))
        raise NoWayToModel(
            f"{bad} must hold an address as http://host:port or socks5://host:port; "
            "NO_PROXY names hosts that are reached without."
        ) from None


def make_model(settings: Settings, client: openai.OpenAI) -> Model:
    """The model in the style its address speaks."""
    style = ResponsesModel if settings.model_style == "responses" else ChatModel
    return style(
        client,
        is_openai=settings.openai_base_url == OPENAI_URL,
        most_tokens=settings.openai_max_output_tokens,
    )


def check_model(settings: Settings, api_key: str) -> str:
    """Ask the configured model one question, with the tool; say what was asked.

    Raises:
        ModelUnavailable: it cannot be reached, or is refused; with a remedy where there is one.
    """
    client = make_client(settings.model_copy(update={"openai_max_retries": 0}), api_key)
    with client:
        error = refused(make_model(settings, client), settings.openai_model, [CREATE_ORDER])
        if error is not None:
            raise error
        ends = _shut_down_at(client, settings.openai_model)
    style = "Responses" if settings.model_style == "responses" else "Chat Completions"
    return f"{settings.openai_model} over {style} answers a question with the tool" + (
        f"; it is to be shut down {ends}" if ends else ""
    )


def _shut_down_at(client: openai.OpenAI, model: str) -> object:
    """What few servers tell."""
    try:
        return getattr(client.models.retrieve(model, timeout=10), "shutdown_date", None)
    except (openai.OpenAIError, ValueError):
        return None
