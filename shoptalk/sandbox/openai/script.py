"""What a test wants the model to answer, whatever it was asked.

A script is a list of steps, one an answer. A step may be as hostile as it likes: raw argument
strings, unknown tools, texts that promise anything. When the script is over the clerk answers.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from shoptalk.sandbox.openai.errors import ApiError

INCOMPLETE_REASONS = ("max_output_tokens", "content_filter", "max_messages", "steered")


@dataclass(frozen=True, slots=True)
class Step:
    """One scripted answer. Only `delay_seconds` and `omit` go with `clerk`."""

    text: str | None = None
    tool_calls: Sequence[dict[str, Any]] = ()
    #: {"name", "arguments", "id"?}: arguments as a string go out as they are, else as JSON
    refusal: str | None = None
    incomplete: str | None = None  #: a reason; goes with a text that breaks off
    failed: str | None = None  #: an error code: HTTP 200 with status "failed" (Responses only)
    error: dict[str, Any] | None = None
    #: {"status", "message", "type", "param", "code", "headers"}: a refusal in the vendor's shape
    body: str | None = None  #: sent as it is, with `status` and `content_type`
    status: int = 200
    content_type: str = "application/json"
    clerk: bool = False  #: let the clerk answer after all
    parrot: bool = False  #: let the parrot answer, which names the marks it heard
    delay_seconds: float = 0.0  #: before the answer; the conversation stays locked meanwhile
    omit: Sequence[str] = ()  #: top-level fields left out of the answer
    repeat: int | None = 1  #: how often; None: for ever


@dataclass(slots=True)
class Script:
    _steps: deque[tuple[Step, int | None]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._steps)

    def clear(self) -> None:
        self._steps.clear()

    def extend(self, steps: Sequence[Step]) -> None:
        self._steps.extend((step, step.repeat) for step in steps)

    def next_step(self) -> Step | None:
        if not self._steps:
            return None
        step, left = self._steps[0]
        if left is not None and left <= 1:
            self._steps.popleft()
        elif left is not None:
            self._steps[0] = (step, left - 1)
        return step


def parse_steps(raw: object) -> list[Step]:
    """Read the steps of a control request.

    Raises:
        ValueError: a step says nothing, or something that steps do not know.
    """
    if not isinstance(raw, list):
        raise ValueError("a script is a list of steps")
    return [_parse_step(step, index) for index, step in enumerate(raw)]


def _parse_step(raw: object, index: int) -> Step:
    if not isinstance(raw, dict):
        raise ValueError(f"step {index} is not an object")
    known = {each.name for each in fields(Step)}
    unknown = raw.keys() - known
    if unknown:
        raise ValueError(
            f"step {index} has an unknown {sorted(unknown)[0]!r}; known are "
            f"{', '.join(sorted(known))}"
        )
    step = Step(**raw)
    if step.incomplete is not None and step.incomplete not in INCOMPLETE_REASONS:
        raise ValueError(f"step {index}: incomplete is one of {', '.join(INCOMPLETE_REASONS)}")
    for call in step.tool_calls:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise ValueError(f"step {index}: a tool call has a name and arguments")
    kinds = (step.text, step.refusal, step.incomplete, step.failed, step.error, step.body)
    if all(kind is None for kind in kinds) and not (step.tool_calls or step.clerk or step.parrot):
        raise ValueError(f"step {index} says nothing to answer")
    return step


def scripted_error(error: Mapping[str, Any], rate_headers: Mapping[str, str]) -> ApiError:
    """The error of a step; a 429 that waiting helps against says how long, as the vendor's do."""
    status, code = int(error.get("status", 500)), error.get("code")
    headers = dict(rate_headers)
    if status == 429 and code != "insufficient_quota":
        headers["Retry-After"] = "1"
    headers.update({name: str(value) for name, value in (error.get("headers") or {}).items()})
    return ApiError(
        str(error.get("message", "The server had an error while processing your request.")),
        status=status,
        type_=str(error.get("type", "server_error")),
        param=error.get("param"),
        code=code,
        headers=headers,
    )
