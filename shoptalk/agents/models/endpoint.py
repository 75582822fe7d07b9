"""A model's server: asked in the form that it takes, as far as that is known."""

from typing import Any

import openai

from shoptalk.agents.models.refusals import MOST_TOKENS, Body, Refusals, ask
from shoptalk.agents.models.request import post


class Endpoint:
    """What both of OpenAI's APIs need of a server.

    Args:
        is_openai: whether it is OpenAI's own server, which takes strict schemas.
        most_tokens: how long an answer may get, its reasoning included.
    """

    def __init__(
        self, client: openai.OpenAI, *, is_openai: bool = False, most_tokens: int = MOST_TOKENS
    ) -> None:
        self._client = client
        self._refusals = Refusals()
        self.is_openai = is_openai
        self.most_tokens = most_tokens

    def ask(self, path: str, model: str, body: Body, *, timeout_seconds: float) -> Any:
        """Post a request without what the server has refused of such before."""
        return ask(
            self._refusals,
            model,
            body,
            lambda fitted: post(self._client, path, fitted, timeout_seconds=timeout_seconds),
        )
