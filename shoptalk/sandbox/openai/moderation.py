"""`/v1/moderations` by keyword: enough to see a flagged text treated as one."""

from collections.abc import Mapping
from typing import Any

from shoptalk.sandbox.clerk.words import split
from shoptalk.sandbox.openai.asking import new_id
from shoptalk.sandbox.openai.errors import invalid_type, missing

MODEL = "omni-moderation-latest"
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "harassment": ("idiot", "stupid", "moron", "غبي", "حمار"),
    "harassment/threatening": ("kill you", "hurt you", "هقتلك"),
    "hate": ("hate them all",),
    "illicit": ("cocaine", "stolen card", "مخدرات"),
    "illicit/violent": ("bomb", "قنبلة"),
    "self-harm": ("suicide", "انتحار"),
    "self-harm/intent": ("kill myself", "هموت نفسي"),
    "sexual": ("porn", "nude"),
    "violence": ("kill", "murder", "bomb", "قتل"),
}
FLAGGED_SCORE, CLEAN_SCORE = 0.97, 0.0001


def moderate(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("input")
    if given is None:
        raise missing("input")
    return {
        "id": new_id("modr"),
        "model": body.get("model") or MODEL,
        "results": [_result(text) for text in _texts(given)],
    }


def _texts(given: object) -> list[str]:
    """One text, several, or the parts of one multimodal input."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise invalid_type("input", "a string or an array")
    if all(isinstance(each, str) for each in given):
        return list(given)
    if not all(isinstance(each, dict) for each in given):
        raise invalid_type("input", "strings, or parts of type text and image_url")
    return [" ".join(str(part.get("text", "")) for part in given)]


def _result(text: str) -> dict[str, Any]:
    tokens = split(text)
    flagged = {
        name: any(_holds(tokens, split(keyword)) for keyword in KEYWORDS.get(name, ()))
        for name in CATEGORIES
    }
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": {
            name: FLAGGED_SCORE if hit else CLEAN_SCORE for name, hit in flagged.items()
        },
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _holds(tokens: tuple[str, ...], keyword: tuple[str, ...]) -> bool:
    width = len(keyword)
    return any(tokens[i : i + width] == keyword for i in range(len(tokens) - width + 1))
