"""One request to Graph, and its answer, whichever way they travel: alone or in a batch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shoptalk.sandbox.faults import Fired
from shoptalk.sandbox.ledger import Sent

DEFAULT_VERSION = "v25.0"


@dataclass(slots=True, kw_only=True)
class Question:
    method: str
    host: str
    path: tuple[str, ...]  #: without host and version
    base: str  #: what links begin with, e.g. "http://127.0.0.1:8080/graph.facebook.com/v25.0"
    params: Mapping[str, Any] = field(default_factory=dict)  #: query, form and JSON body together
    version: str = DEFAULT_VERSION
    token: str | None = None
    is_token_in_params: bool = False  #: then `next` links repeat it, as Meta's do
    user_agent: str = ""
    if_none_match: str | None = None
    in_batch: bool = False
    alterations: tuple[Fired, ...] = ()  #: what befalls the answer on its way

    @property
    def is_first_page(self) -> bool:
        return "after" not in self.params

    def text(self, name: str) -> str | None:
        """Return a parameter that is a plain word."""
        value = self.params.get(name)
        if value is None or isinstance(value, dict | list):
            return None
        return str(value)

    def thing(self, name: str) -> Any:
        """Return a parameter that is an object, also when a form wrote it as a JSON string."""
        value = self.params.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value

    def link(self, path: str, **params: str) -> str:
        if self.is_token_in_params and self.token:
            params = {"access_token": self.token, **params}
        return f"{self.base}/{path}?{urlencode(params)}"


@dataclass(slots=True, kw_only=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)  #: what reached a send endpoint with it


def dumps(body: Any) -> str:
    """Write JSON as Graph does: compact, everything beyond ASCII escaped."""
    return json.dumps(body, separators=(",", ":"))
