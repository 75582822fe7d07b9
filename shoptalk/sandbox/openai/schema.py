"""The rules for a JSON schema in strict mode."""

from collections.abc import Iterator
from typing import Any

from shoptalk.sandbox.openai.errors import ApiError

MOST_PROPERTIES = 5000
MOST_LEVELS = 10
MOST_ENUM_VALUES = 1000
MOST_CHARACTERS = 120_000
LONG_ENUM, LONG_ENUM_CHARACTERS = 250, 15_000
_FORBIDDEN = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")


def check_strict(schema: object, name: str, param: str) -> None:
    """Raise the vendor's error for the first rule that a strict schema breaks."""
    reason = broken_rule(schema)
    if reason is not None:
        is_tool = param.startswith("tools")
        raise ApiError(
            f"Invalid schema for {'function' if is_tool else 'response_format'} '{name}': {reason}",
            param=param,
            code="invalid_function_parameters" if is_tool else "invalid_json_schema",
        )


def broken_rule(schema: object) -> str | None:
    """The first broken rule in words, or None for a good strict schema."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'."
    if "anyOf" in schema:
        return "the root must not be 'anyOf'."
    properties = enum_values = characters = 0
    for node, path, depth in _nodes(schema, (), 1):
        where = f"In context=({', '.join(map(repr, path))}), "
        if depth > MOST_LEVELS:
            return f"{where}more than {MOST_LEVELS} levels of nesting."
        for word in _FORBIDDEN:
            if word in node:
                return f"{where}'{word}' is not permitted."
        if _is_object(node):
            names = list(node.get("properties") or {})
            if node.get("additionalProperties") is not False:
                return f"{where}'additionalProperties' is required to be supplied and to be false."
            if sorted(map(str, node.get("required") or ())) != sorted(names):
                return (
                    f"{where}'required' is required to be supplied and to be an array including "
                    "every key in properties."
                )
            properties += len(names)
            characters += sum(map(len, names))
        values = node.get("enum") or ()
        length = sum(len(value) for value in values if isinstance(value, str))
        if len(values) > LONG_ENUM and length > LONG_ENUM_CHARACTERS:
            return f"{where}an enum this long may hold {LONG_ENUM_CHARACTERS} characters at most."
        enum_values += len(values)
        characters += length
    if properties > MOST_PROPERTIES:
        return f"more than {MOST_PROPERTIES} properties."
    if enum_values > MOST_ENUM_VALUES:
        return f"more than {MOST_ENUM_VALUES} enum values."
    if characters > MOST_CHARACTERS:
        return f"more than {MOST_CHARACTERS} characters of names and enum values."
    return None


def _is_object(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in node


def _nodes(
    node: dict[str, Any], path: tuple[str, ...], depth: int
) -> Iterator[tuple[dict[str, Any], tuple[str, ...], int]]:
    yield node, path, depth
    if depth > MOST_LEVELS:
        return
    for group in ("properties", "$defs", "definitions"):
        children = node.get(group)
        for name, child in children.items() if isinstance(children, dict) else ():
            if isinstance(child, dict):
                yield from _nodes(child, (*path, group, name), depth + 1)
    if isinstance(node.get("items"), dict):
        yield from _nodes(node["items"], (*path, "items"), depth + 1)
    for index, child in enumerate(node.get("anyOf") or ()):
        if isinstance(child, dict):
            yield from _nodes(child, (*path, "anyOf", str(index)), depth)
