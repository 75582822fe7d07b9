"""The agent: asks the model, runs the tools it calls, and ends with a text."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

from shoptalk.agents.models.base import Model, Prompt, ToolCall
from shoptalk.errors import ModelError, ModelRefused, ModelUnavailable, PriceRefused

MOST_ROUNDS = 6  #: a model that still calls tools after that many answers is going in circles

RunTool = Callable[[str], str]  #: from the arguments' JSON text to the result's
FindWrongPrices = Callable[[str], Sequence[str]]  #: the amounts of a text that are not the shop's

AskForLess = Callable[[str], str | None]  #: what to say of a text that is too long

CORRECTION = """\
Your answer was not sent: {amounts} cannot be found in the catalog or in an order. Write the whole
answer again with the catalog's prices only, and without discounts."""


def compose_reply(
    model: Model,
    prompt: Prompt,
    *,
    tools: Mapping[str, RunTool],
    as_plain_text: Callable[[str], str] = lambda text: text,
    find_wrong_prices: FindWrongPrices = lambda _text: (),
    ask_for_less: AskForLess = lambda _text: None,
    longest: timedelta,
    elapsed: Callable[[], float] = monotonic,
) -> str:
    """The text to send. Tools run on the way, with their effects.

    Args:
        tools: what runs each tool that the prompt offers, by its name.
        as_plain_text: from what the model wrote to what a customer can read; judged and sent.
        ask_for_less: asked once; where no shorter answer comes, the long one is taken.
        longest: what all rounds together may take.
        elapsed: a clock that only goes forward, in seconds.

    Raises:
        ModelUnavailable: no answer in time, or none at all.
        ModelRefused: no usable answer.
        PriceRefused: it quoted prices that are not the shop's, and did so again when told.
    """
    deadline = elapsed() + longest.total_seconds()
    talk = model.begin(prompt)
    corrected = False
    too_long: str | None = None  # an answer that will do, if no shorter one comes
    try:
        for _ in range(MOST_ROUNDS):
            left = deadline - elapsed()
            if left <= 0:
                raise ModelUnavailable("the model did not finish in time")
            said = talk.ask(timeout_seconds=left)
            if said.tool_calls:
                too_long = None  # it says nothing of what the tools do now
                for call in said.tool_calls:
                    talk.tell(call, _run(call, tools))
                continue
            text = as_plain_text(_storable(said.text)).strip()
            if not text:
                raise ModelRefused("the model's answer is empty")
            wrong = find_wrong_prices(text)
            complaint = None if wrong or too_long else ask_for_less(text)
            if complaint is not None:
                too_long = text
                talk.correct(complaint)
            elif not wrong:
                return text
            elif corrected:
                raise PriceRefused(f"the model quoted {', '.join(wrong)}")
            else:
                corrected = True
                talk.correct(CORRECTION.format(amounts=", ".join(wrong)))
        raise ModelRefused("the model kept calling tools and gave no answer")
    except ModelError:
        if too_long is None:
            raise
        return too_long


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot hold in a text, and no customer could read."""
    return text.encode(errors="ignore").decode().replace("\0", "")


def _run(call: ToolCall, tools: Mapping[str, RunTool]) -> str:
    if call.name not in tools:
        error = f"There is no such tool. There is: {', '.join(tools)}."
        return json.dumps({"ok": False, "error": error})
    return tools[call.name](call.arguments)
