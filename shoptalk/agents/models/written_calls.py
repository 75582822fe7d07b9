"""Calls of a tool that a model wrote into its text, because its server did not take them out.

Each family of models has its own way to write a call, and all have this in common: the tool's name,
and beside it the arguments as a JSON object, as `key=value`, or as one tag for each. That is looked
for, rather than each family's marks; the marks tell only that a text was meant as a call.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shoptalk.agents.models.base import Tool

Written = tuple[str, str]  #: a tool's name and the arguments' JSON text

_NAMED = ("name", "function", "tool", "tool_name", "function_name", "recipient_name", "action")
_GIVEN = ("arguments", "parameters", "args", "params", "input", "kwargs", "action_input")
_HOLDERS = ("function", "tool_calls", "function_call", "tool_call", "tool_uses", "calls")

#: What may stand between a tool's name and its arguments: marks, spaces, a number, a fence.
_BETWEEN = re.compile(
    r"(?:[\"'`>:=\]\s]|<[^<>\n]{0,60}>|\[(?:ARGS|CALL_ID)\]|"
    r"json\b|args\b|arguments\b|action[ _]input\b|\d|"
    r"(?<=\[CALL_ID\])\w+|\.call(?=\())*",
    re.IGNORECASE,
)
_TAGGED = re.compile(
    r"<[^<>\n]*?(?:parameter|param|arg|argument)(?:=|\s+name=)[\"']?(?P<key>\w+)[\"']?[^<>\n]*>"
    r"(?P<value>.*?)(?=</|<[^<>\n]*(?:parameter|param|arg|argument)(?:=|\s)|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_PAIRED = re.compile(
    r"<arg_key>\s*(?P<key>\w+)\s*</arg_key>\s*<arg_value>(?P<value>.*?)</arg_value>", re.DOTALL
)
_BARE_KEY = re.compile(r"(?<=[{,])\s*([A-Za-z_]\w*)\s*:")
_QUOTES = re.compile(r'<escape>|<\|"\|>')  #: how Gemma writes a quotation mark

_MEANT_AS_CALL = re.compile(
    r"</?\s*(?:[\w-]+:)?(?:tool|function)_?calls?\b|<\s*(?:function|parameter|invoke)\b\s*[=\s]|"
    r"</?tools?>|\[/?TOOL_CALLS?\]|\[TOOL_RESULTS\]|\[ARGS\]|<\|\s*python_tag|</?arg_(?:key|value)>|"
    r"<[|｜][^<>\n]{0,20}tool[▁_ ]?(?:call|sep|output)|<\|?tool_call|</?tool_response|"
    r"<(?:start|end)_function_(?:call|response)>|functions\.\w+|to=\w+\.\w+",
    re.IGNORECASE,
)


def written_calls(text: str, tools: Sequence[Tool]) -> list[Written]:
    """The calls in a text, in their order: of tools that are offered, with arguments that fit."""
    offered = {tool.name: tool for tool in tools}
    calls = [
        (name, given)
        for name, given in [*_in_objects(text, offered), *_beside_names(text, offered)]
        if _fits(given, offered[name].parameters)
    ]
    if not calls:
        return []
    found: list[Written] = []
    for name, given in calls:
        call = name, json.dumps(given, ensure_ascii=False)
        if call not in found:
            found.append(call)
    return found


def is_meant_as_call(text: str, tools: Sequence[Tool]) -> bool:
    """Whether a text holds marks or the name of a tool, and so is no answer for a customer."""
    return bool(_MEANT_AS_CALL.search(text)) or any(
        tool.name in text for tool in tools if "_" in tool.name
    )


def json_values(text: str) -> Iterator[Any]:
    """The JSON objects and arrays of objects in a text, the outermost ones, in their order."""
    decoder = json.JSONDecoder()
    position = 0
    while True:
        found = re.compile(r"\{|\[(?=\s*[\[{\"])").search(text, position)
        if found is None:
            return
        try:
            value, position = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            position = found.end()
            continue
        if value:
            yield value


def _in_objects(text: str, offered: Mapping[str, Tool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls that are JSON objects which name a tool."""
    for value in json_values(text):
        yield from _in_value(value, offered, depth=0)


def _in_value(
    value: Any, offered: Mapping[str, Tool], *, depth: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > 3:
        return
    if isinstance(value, list):
        for each in value:
            yield from _in_value(each, offered, depth=depth + 1)
    if not isinstance(value, dict):
        return
    name = next((_plain(value[key]) for key in _NAMED if _plain(value.get(key)) in offered), None)
    if name is not None:
        given = next((value[key] for key in _GIVEN if key in value), None)
        if given is None:
            given = {key: each for key, each in value.items() if key not in (*_NAMED, "type", "id")}
        arguments = _object(given)
        if arguments is not None:
            yield name, arguments
        return
    for key in (*_HOLDERS, *offered):
        if key in offered and isinstance(value.get(key), dict):
            yield key, value[key]
        elif key in value:
            yield from _in_value(value[key], offered, depth=depth + 1)


def _plain(name: Any) -> str:
    return name.removeprefix("functions.") if isinstance(name, str) else ""


def _beside_names(text: str, offered: Mapping[str, Tool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls whose arguments stand after the tool's name."""
    names = "|".join(map(re.escape, offered)) or r"(?!)"
    found = list(re.finditer(rf"(?<!\w)(?:{names})(?!\w)", text))
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        rest = text[match.end() : end]
        parameters = offered[match[0]].parameters
        arguments = _given_after(rest, parameters)
        if arguments is not None:
            yield match[0], arguments


def _given_after(rest: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    between = _BETWEEN.match(rest)
    rest_after = rest[between.end() :] if between else rest
    if rest_after.startswith("("):
        return _keywords(rest_after)
    if rest_after.startswith("{"):
        return _object(rest_after)
    tagged = list(_PAIRED.finditer(rest)) or list(_TAGGED.finditer(rest))
    if not tagged:
        return None
    return {each["key"]: _typed(each["value"].strip(), each["key"], parameters) for each in tagged}


def _object(given: Any) -> dict[str, Any] | None:
    """An object, or the one that a text begins with."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, str) or not given.lstrip().startswith("{"):
        return None
    plain = given.lstrip()
    quoted = _BARE_KEY.sub(r'"\1":', _QUOTES.sub('"', plain))
    for text in (plain, quoted):
        try:
            value, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def _keywords(text: str) -> dict[str, Any] | None:
    """The arguments of `(product="b-750", quantity=2)`, which is written as Python writes it."""
    for end in [found.end() for found in re.finditer(r"\)", text)][:20]:
        try:
            tree = ast.parse(f"f{text[:end]}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if not isinstance(tree, ast.Call) or tree.args:
            return None
        try:
            return {
                each.arg: _literal(each.value) for each in tree.keywords if each.arg is not None
            }
        except (ValueError, TypeError):
            return None
    return None


def _literal(node: ast.expr) -> Any:
    """A literal's value, also as JSON and JavaScript write it."""
    if isinstance(node, ast.Name) and node.id in {"null", "undefined", "true", "false"}:
        return {"true": True, "false": False}.get(node.id)
    return ast.literal_eval(node)


def _typed(text: str, key: str, parameters: Mapping[str, Any]) -> Any:
    """A tag's text as the value its schema wants."""
    if text in {"null", "None"}:
        return None
    if _type_of(parameters.get("properties", {}).get(key)) in {"integer", "number"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text.strip('"') if text.startswith('"') and text.endswith('"') else text


def _type_of(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return kind if isinstance(kind, str) else ""


#: Numbers as texts and the other way round are put right by whoever runs the tool.
_PYTHON_TYPES = {"string": (str, int), "integer": (int, str), "number": (int, float, str)}


def _fits(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether arguments have the shape of a tool's: what it needs, each of about its type."""
    if any(given.get(name) is None for name in parameters.get("required", ())):
        return False
    return all(
        given.get(name) is None
        or isinstance(given[name], _PYTHON_TYPES.get(_type_of(schema), object))
        for name, schema in parameters.get("properties", {}).items()
    )
