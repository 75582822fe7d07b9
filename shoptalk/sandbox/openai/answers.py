"""Replies in the shapes of the two APIs."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoptalk.sandbox.openai.asking import Reply, new_id
from shoptalk.sandbox.openai.rules import Body
from shoptalk.sandbox.openai.schema import broken_rule

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


def chat_completion(
    body: Body, reply: Reply, *, now: float, prompt_tokens: int, cached_tokens: int
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.text,
        "refusal": reply.refusal,
        "annotations": [],
    }
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.calls
        ]
    finish = "tool_calls" if reply.calls else "stop"
    if reply.incomplete:
        finish = _FINISH.get(reply.incomplete, "length")
    return {
        "id": new_id("chatcmpl"),
        "object": "chat.completion",
        "created": int(now),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": prompt_tokens + reply.tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def output_items(reply: Reply) -> list[dict[str, Any]]:
    status = "incomplete" if reply.incomplete else "completed"
    content: list[dict[str, Any]] = []
    if reply.text is not None:
        content.append(
            {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        )
    if reply.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.refusal})
    items: list[dict[str, Any]] = []
    if content:
        items.append(
            {
                "id": new_id("msg"),
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": content,
            }
        )
    items += [
        {
            "id": new_id("fc"),
            "type": "function_call",
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
            "status": status,
        }
        for call in reply.calls
    ]
    return items


def response(
    body: Body,
    reply: Reply,
    output: Sequence[Mapping[str, Any]],
    *,
    now: float,
    prompt_tokens: int,
    cached_tokens: int,
    conversation_id: str | None,
) -> dict[str, Any]:
    status = "failed" if reply.failed else "incomplete" if reply.incomplete else "completed"
    text = body.get("text") or {}
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": now,
        "completed_at": now if status == "completed" else None,
        "status": status,
        "background": False,
        "error": {"code": reply.failed, "message": "The model could not answer."}
        if reply.failed
        else None,
        "incomplete_details": {"reason": reply.incomplete} if reply.incomplete else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": list(output),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "conversation": {"id": conversation_id} if conversation_id else None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [_echoed(tool) for tool in body.get("tools") or ()],
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": {
            "input_tokens": prompt_tokens,
            "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
            "output_tokens": reply.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt_tokens + reply.tokens,
        },
    }


def _echoed(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Without `strict` the API makes the schema strict if it can, and says which it was."""
    strict = tool.get("strict")
    if strict is None:
        strict = broken_rule(tool.get("parameters")) is None
    return {"description": None, **tool, "strict": strict}
