"""What a request must look like, for both ways of asking: the vendor's refusals, reproduced."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shoptalk.sandbox.openai.errors import ApiError, invalid_type, invalid_value, missing
from shoptalk.sandbox.openai.params import CHAT_PARAMS, RESPONSES_PARAMS
from shoptalk.sandbox.openai.schema import check_strict

MOST_ITEMS = 20  # per call on a conversation
MOST_TOOLS = 128
Body = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHAT_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_INPUT_ROLES = ("developer", "system", "user", "assistant")
_CHAT_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal"})
_INPUT_PARTS = frozenset({"input_text", "input_image", "input_file"})
_OUTPUT_PARTS = frozenset({"output_text", "refusal"})


def check_shared(body: Body, known: frozenset[str]) -> None:
    for name in body:
        if name not in known:
            raise ApiError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    check_metadata(body.get("metadata"))
    identifier = body.get("safety_identifier")
    if identifier is not None and (not isinstance(identifier, str) or len(identifier) > 128):
        raise invalid_value("safety_identifier", "a string of at most 128 characters.")
    temperature = body.get("temperature")
    if temperature is not None and not (
        isinstance(temperature, int | float) and 0 <= temperature <= 2
    ):
        raise invalid_value("temperature", "a number from 0 to 2.")
    if body.get("stream"):
        raise ApiError("The sandbox does not stream.", param="stream", code="unsupported_value")


def check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise invalid_value("metadata", "an object of at most 16 pairs.")
    for key, value in metadata.items():
        if len(key) > 64 or not isinstance(value, str) or len(value) > 512:
            raise invalid_value("metadata", "keys of 64 characters, strings of 512, at most.")


def check_chat(body: Body) -> None:
    check_shared(body, CHAT_PARAMS)
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise invalid_value("stop", "at most 4 sequences.")
    if body.get("n") not in (None, 1):
        raise ApiError("The sandbox gives one choice.", param="n", code="unsupported_value")
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise missing("messages")
    if not messages:
        raise ApiError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            param="messages",
            code="empty_array",
        )
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]")
    _check_chat_pairs(messages)
    names = [_check_chat_tool(tool, f"tools[{i}]") for i, tool in enumerate(_tools(body))]
    _check_choice(body, names, nested=True)
    _check_chat_format(body.get("response_format"), messages)


def _check_message(message: object, param: str) -> None:
    if not isinstance(message, dict):
        raise invalid_type(param, "an object")
    role = message.get("role")
    if role not in _CHAT_ROLES:
        raise invalid_value(f"{param}.role", f"{role!r}. Supported: {', '.join(_CHAT_ROLES)}.")
    content = message.get("content")
    if content is None:
        if role != "assistant" or not (message.get("tool_calls") or message.get("refusal")):
            raise invalid_type(f"{param}.content", "a string or an array, got null")
    elif isinstance(content, list):
        for index, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in _CHAT_PARTS:
                raise invalid_value(f"{param}.content[{index}].type", f"{kind!r}.")
    elif not isinstance(content, str):
        raise invalid_type(f"{param}.content", "a string or an array")
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") if isinstance(call, dict) else None
        where = f"{param}.tool_calls[{index}]"
        if not isinstance(function, dict):
            raise missing(f"{where}.function")
        if not isinstance(call.get("id"), str):
            raise missing(f"{where}.id")
        if not isinstance(function.get("arguments"), str):
            raise invalid_type(f"{where}.function.arguments", "a string")


def _check_chat_pairs(messages: Sequence[Body]) -> None:
    """Each call has its own id and is answered once, directly after the message that makes it."""
    seen: set[str] = set()
    awaited: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            call_id = message.get("tool_call_id")
            if not isinstance(call_id, str):
                raise missing(f"messages[{index}].tool_call_id")
            if call_id not in awaited:
                raise ApiError(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceding message with 'tool_calls'.",
                    param=f"messages[{index}].role",
                )
            awaited.remove(call_id)
            continue
        _check_answered(awaited, index)
        for call in message.get("tool_calls") or ():
            if call["id"] in seen:
                raise ApiError(
                    f"Duplicate tool call id {call['id']!r}.",
                    param=f"messages[{index}].tool_calls",
                )
            seen.add(call["id"])
            awaited.append(call["id"])
    _check_answered(awaited, len(messages))


def _check_answered(awaited: Sequence[str], index: int) -> None:
    if awaited:
        raise ApiError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(awaited)}",
            param=f"messages[{index}].role",
        )


def _tools(body: Body) -> list[Any]:
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise invalid_type("tools", "an array of tools")
    if len(tools) > MOST_TOOLS:
        raise invalid_value("tools", f"at most {MOST_TOOLS}.")
    return tools


def _check_chat_tool(tool: object, param: str) -> str:
    if not isinstance(tool, dict):
        raise invalid_type(param, "an object")
    if tool.get("type") != "function":
        raise invalid_value(f"{param}.type", f"{tool.get('type')!r}. Supported: 'function'.")
    function = tool.get("function")
    if not isinstance(function, dict):
        raise missing(f"{param}.function")
    return _check_function(function, f"{param}.function")


def _check_input_tool(tool: object, param: str) -> str:
    if not isinstance(tool, dict):
        raise invalid_type(param, "an object")
    if tool.get("type") != "function":
        raise invalid_value(
            f"{param}.type", f"{tool.get('type')!r}: the sandbox has functions only."
        )
    if "function" in tool and "name" not in tool:
        raise missing(f"{param}.name")
    return _check_function(tool, param)


def _check_function(function: Body, param: str) -> str:
    name = function.get("name")
    if name is None:
        raise missing(f"{param}.name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid_value(f"{param}.name", f"a string that matches '{_NAME.pattern}'.")
    if function.get("strict"):
        check_strict(function.get("parameters"), name, f"{param}.parameters")
    return name


def _check_choice(body: Body, names: Sequence[str], *, nested: bool) -> None:
    choice = body.get("tool_choice")
    if choice is None or choice == "none":
        return
    if not names:
        raise ApiError(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
            param="tool_choice",
        )
    if choice in ("auto", "required"):
        return
    for name in chosen_names(choice, nested=nested):
        if name not in names:
            raise ApiError(
                f"Tool choice {name!r} not found in 'tools' parameter.", param="tool_choice"
            )


def chosen_names(choice: object, *, nested: bool) -> list[str]:
    """The functions that `tool_choice` narrows the tools to; Chat nests their names."""
    if not isinstance(choice, dict):
        raise invalid_value("tool_choice", f"{choice!r}.")
    tools: Any = [choice]
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") if nested else choice
        tools = allowed.get("tools") if isinstance(allowed, dict) else None
    names = [_named(tool, nested=nested) for tool in tools] if isinstance(tools, list) else []
    if not names or not all(names):
        raise missing("tool_choice.function.name" if nested else "tool_choice.name")
    return names


def _named(tool: object, *, nested: bool) -> str:
    holder = tool.get("function") if nested and isinstance(tool, dict) else tool
    name = holder.get("name") if isinstance(holder, dict) else None
    return name if isinstance(name, str) else ""


def _check_chat_format(wanted: object, messages: Sequence[Body]) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_schema" and isinstance(wanted, dict):
        _check_format_schema(wanted.get("json_schema"), "response_format.json_schema")
    elif kind == "json_object":
        if not any("json" in str(message.get("content")).lower() for message in messages):
            raise ApiError(
                "'messages' must contain the word 'json' in some form, to use "
                "'response_format' of type 'json_object'.",
                param="messages",
            )
    elif kind != "text":
        raise invalid_value("response_format.type", f"{kind!r}.")


def _check_format_schema(wanted: object, param: str) -> None:
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str):
        raise missing(f"{param}.name")
    if wanted.get("strict"):
        check_strict(wanted.get("schema"), wanted["name"], f"{param}.schema")


def check_responses(body: Body) -> None:
    check_shared(body, RESPONSES_PARAMS)
    if body.get("previous_response_id") and body.get("conversation"):
        raise ApiError(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. "
            "Ensure you are only providing one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    given = body.get("input")
    if given is None and not body.get("conversation") and not body.get("previous_response_id"):
        raise missing("input")
    if isinstance(given, list):
        for index, item in enumerate(given):
            check_item(item, f"input[{index}]")
    elif given is not None and not isinstance(given, str):
        raise invalid_type("input", "a string or an array of input items")
    names = [_check_input_tool(tool, f"tools[{i}]") for i, tool in enumerate(_tools(body))]
    _check_choice(body, names, nested=False)
    text = body.get("text") or {}
    if not isinstance(text, dict):
        raise invalid_type("text", "an object")
    wanted = text.get("format") or {"type": "text"}
    if not isinstance(wanted, dict):
        raise invalid_type("text.format", "an object")
    if wanted.get("type") == "json_schema":
        _check_format_schema(wanted, "text.format")
    elif wanted.get("type") == "json_object":
        if "json" not in f"{given} {body.get('instructions')}".lower():
            raise ApiError(
                "Response input messages must contain the word 'json' in some form to use "
                "'text.format' of type 'json_object'.",
                param="input",
            )
    elif wanted.get("type") != "text":
        raise invalid_value("text.format.type", f"{wanted.get('type')!r}.")


def check_item(item: object, param: str) -> None:
    if not isinstance(item, dict):
        raise invalid_type(param, "an object")
    kind = item.get("type", "message")
    if kind == "message":
        _check_input_message(item, param)
    elif kind == "function_call":
        for name in ("call_id", "name", "arguments"):
            if not isinstance(item.get(name), str):
                raise missing(f"{param}.{name}")
    elif kind == "function_call_output":
        if not isinstance(item.get("call_id"), str):
            raise missing(f"{param}.call_id")
        if not isinstance(item.get("output"), str | list):
            raise missing(f"{param}.output")
    elif kind not in ("reasoning", "item_reference"):
        raise invalid_value(f"{param}.type", f"{kind!r}.")


def _check_input_message(item: Body, param: str) -> None:
    role = item.get("role")
    if role not in _INPUT_ROLES:
        raise invalid_value(f"{param}.role", f"{role!r}. Supported: {', '.join(_INPUT_ROLES)}.")
    content = item.get("content")
    if isinstance(content, list):
        allowed = _OUTPUT_PARTS if role == "assistant" else _INPUT_PARTS
        for index, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in allowed:
                raise invalid_value(
                    f"{param}.content[{index}]",
                    f"{kind!r}. Supported values are: {', '.join(sorted(allowed))}.",
                )
    elif not isinstance(content, str):
        raise missing(f"{param}.content")


def check_pairs(items: Sequence[Body]) -> None:
    """Each function call has its own call_id and its output, each output has its call."""
    calls: list[str] = []
    outputs: list[str] = []
    for item in items:
        call_id = item.get("call_id", "")
        if item.get("type") == "function_call":
            if call_id in calls:
                raise ApiError(f"Duplicate function call with call_id {call_id}.", param="input")
            calls.append(call_id)
        elif item.get("type") == "function_call_output":
            if call_id not in calls:
                raise ApiError(
                    f"No tool call found for function call output with call_id {call_id}.",
                    param="input",
                )
            if call_id in outputs:
                raise ApiError(f"Duplicate output for call_id {call_id}.", param="input")
            outputs.append(call_id)
    for call_id in calls:
        if call_id not in outputs:
            raise ApiError(f"No tool output found for function call {call_id}.", param="input")


def check_new_items(items: object) -> list[dict[str, Any]]:
    """The items of one call on a conversation."""
    if not isinstance(items, list):
        raise missing("items")
    if len(items) > MOST_ITEMS:
        raise ApiError(
            f"Invalid 'items': array too long. Expected an array with maximum length {MOST_ITEMS}, "
            f"but got an array with length {len(items)} instead.",
            param="items",
            code="array_above_max_length",
        )
    for index, item in enumerate(items):
        check_item(item, f"items[{index}]")
    return items
