"""The models on offer, until when, and what each family makes of reasoning and temperature."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from shoptalk.sandbox.openai.errors import ApiError

CLERK = "sandbox-clerk"
SHUTDOWN_DATES: Mapping[str, str | None] = {
    CLERK: None,
    "gpt-6.2-astra": None,
    "gpt-6.2-sol": None,
    "gpt-6-astra": None,
    "gpt-6.1-sol": None,
    "gpt-6.1-terra": None,
    "gpt-6-sol": None,
    "gpt-6-luna": None,
    "gpt-5.6": None,
    "gpt-5.6-sol": None,
    "gpt-5.6-terra": None,
    "gpt-5.6-luna": None,
    "gpt-5.5": None,
    "gpt-5.4": None,
    "gpt-5.4-mini": None,
    "gpt-5.4-nano": "2027-04-01",
    "gpt-5.2": None,
    "gpt-5.1": "2027-04-01",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "omni-moderation-latest": None,
    "gpt-transcribe": None,
}
#: families whose Chat Completions take tools only with reasoning switched off
TOOLS_NEED_NO_REASONING = r"gpt-(?:5\.[4-9]|[6-9])"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_CREATED = 1_760_000_000
_NEVER_WITHOUT_REASONING = frozenset({"gpt-6-astra"})
_NO_REASONING = re.compile(r"gpt-4(?:o|\.1)")
_NEVER_SAMPLED = frozenset({"gpt-5", "gpt-5-mini", "gpt-5-nano"})
_SAMPLED_WITHOUT_REASONING = re.compile(r"gpt-(?:5\.[2-9]|[6-9])")


def model_json(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "system",
        "shutdown_date": SHUTDOWN_DATES[name],
    }


def on_offer(now: datetime) -> list[str]:
    return [name for name in SHUTDOWN_DATES if _is_running(name, now)]


def check_model(name: object, now: datetime) -> str:
    if not isinstance(name, str) or not name:
        raise ApiError("you must provide a model parameter", param="model")
    if name not in SHUTDOWN_DATES or not _is_running(name, now):
        raise ApiError(
            f"The model `{name}` does not exist or you do not have access to it.",
            status=404,
            param="model",
            code="model_not_found",
        )
    return name


def _is_running(name: str, now: datetime) -> bool:
    shutdown = SHUTDOWN_DATES[name]
    return shutdown is None or now.date() < date.fromisoformat(shutdown)


def check_effort(model: str, effort: object, param: str) -> None:
    if effort is None:
        return
    if effort not in EFFORTS:
        raise ApiError(
            f"Invalid value: {effort!r}. Supported values are: {', '.join(EFFORTS)}.",
            param=param,
            code="invalid_value",
        )
    if _NO_REASONING.match(model):
        raise ApiError(
            f"Unsupported parameter: '{param}' is not supported with this model.",
            param=param,
            code="unsupported_parameter",
        )
    if effort == "none" and model in _NEVER_WITHOUT_REASONING:
        raise ApiError(
            f"Unsupported value: '{param}' does not support 'none' with this model.",
            param=param,
            code="unsupported_value",
        )


def check_tools_over_chat(model: str, effort: object, families: str) -> None:
    """Refuse tools on Chat Completions unless reasoning is off; `families` "" lifts the rule."""
    if families and re.match(families, model) and effort != "none":
        raise ApiError(
            f"Function tools with reasoning_effort are not supported for {model} in "
            "/v1/chat/completions. Please use /v1/responses or set reasoning_effort to 'none'.",
            param="reasoning_effort",
        )


def check_sampling(model: str, effort: object, body: Mapping[str, Any]) -> None:
    for param in ("temperature", "top_p", "logprobs"):
        if body.get(param) is None:
            continue
        needs_none = _SAMPLED_WITHOUT_REASONING.match(model) is not None and effort != "none"
        if model in _NEVER_SAMPLED or needs_none:
            raise ApiError(
                f"Unsupported parameter: '{param}' is not supported with this model.",
                param=param,
                code="unsupported_parameter",
            )


def check_old_limit(model: str, body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None and re.match(r"gpt-[5-9]", model):
        raise ApiError(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
