"""The agent's rounds: bounded, every tool call answered, never an empty reply."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from shoptalk.agents.agent import MOST_ROUNDS, compose_reply
from shoptalk.agents.models.base import Line, ModelReply, Prompt, Role, ToolCall
from shoptalk.agents.order_tool import CREATE_ORDER
from shoptalk.errors import ModelRefused, ModelUnavailable, PriceRefused

PROMPT = Prompt(
    model="a-model",
    instructions="Sell.",
    situation="It is Sunday.",
    lines=[Line(role=Role.CUSTOMER, text="Two kettles please")],
    tools=[CREATE_ORDER],
)
LONGEST = timedelta(seconds=30)


class ScriptedModel:
    """Says what the script says, and keeps what it was told. Both a model and its talk."""

    def __init__(self, *script: ModelReply | Exception) -> None:
        self._script = list(script)
        self.prompts: list[Prompt] = []
        self.allowed: list[float] = []
        self.told: list[list[tuple[str, str]]] = []
        self.corrections: list[str] = []

    def begin(self, prompt: Prompt) -> "ScriptedModel":
        self.prompts.append(prompt)
        return self

    def ask(self, *, timeout_seconds: float) -> ModelReply:
        self.allowed.append(timeout_seconds)
        self.told.append([])
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def tell(self, call: ToolCall, result: str) -> None:
        self.told[-1].append((call.call_id, result))

    def correct(self, instruction: str) -> None:
        self.corrections.append(instruction)

    def assert_finished(self) -> None:
        assert self._script == []


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def calls(*arguments: str, name: str = "create_order", text: str = "") -> ModelReply:
    return ModelReply(
        text=text,
        tool_calls=[
            ToolCall(call_id=f"call {number}", name=name, arguments=one)
            for number, one in enumerate(arguments, start=1)
        ],
    )


def says(text: str) -> ModelReply:
    return ModelReply(text=text)


def compose(
    model: ScriptedModel,
    *,
    create_order: Callable[[str], str] = lambda arguments: f"did {arguments}",
    clock: Callable[[], float] = Clock(),  # noqa: B008  # it stands still
) -> str:
    return compose_reply(
        model, PROMPT, tools={"create_order": create_order}, longest=LONGEST, elapsed=clock
    )


def test_a_text_is_the_reply() -> None:
    model = ScriptedModel(says("  Of course.\n"))
    assert compose(model) == "Of course."
    assert model.prompts == [PROMPT]
    model.assert_finished()


def test_a_tools_result_is_told_before_the_model_is_asked_again() -> None:
    model = ScriptedModel(calls("{}", text="One moment."), says("Done."))
    assert compose(model) == "Done."
    assert model.told == [[("call 1", "did {}")], []]


def test_each_of_several_calls_at_once_gets_its_own_result() -> None:
    model = ScriptedModel(calls("a", "b", "c"), says("Done."))
    seen: list[str] = []

    def create_order(arguments: str) -> str:
        seen.append(arguments)
        return f"order of {arguments}"

    assert compose(model, create_order=create_order) == "Done."
    assert seen == ["a", "b", "c"]
    assert model.told[0] == [
        ("call 1", "order of a"),
        ("call 2", "order of b"),
        ("call 3", "order of c"),
    ]


def test_an_unknown_tool_is_refused_in_words_and_runs_nothing() -> None:
    ran: list[str] = []

    def create_order(arguments: str) -> str:
        ran.append(arguments)
        return "{}"

    model = ScriptedModel(calls("{}", name="refund_everything"), says("Sorry."))
    assert compose(model, create_order=create_order) == "Sorry."
    assert ran == []
    [(call_id, result)] = model.told[0]
    assert call_id == "call 1"
    assert json.loads(result) == {
        "ok": False,
        "error": "There is no such tool. There is: create_order.",
    }


def test_a_model_that_goes_in_circles_is_stopped() -> None:
    ran: list[str] = []

    def create_order(arguments: str) -> str:
        ran.append(arguments)
        return "{}"

    model = ScriptedModel(*[calls("{}")] * MOST_ROUNDS)
    with pytest.raises(ModelRefused, match="kept calling tools"):
        compose(model, create_order=create_order)
    assert len(ran) == MOST_ROUNDS
    model.assert_finished()


def test_the_last_round_may_still_answer() -> None:
    model = ScriptedModel(*[calls("{}")] * (MOST_ROUNDS - 1), says("At last."))
    assert compose(model) == "At last."


@pytest.mark.parametrize("text", ["", " \n\t", "\0", "\ud800", " \0 "])
def test_an_empty_text_is_no_answer(text: str) -> None:
    with pytest.raises(ModelRefused, match="empty"):
        compose(ScriptedModel(says(text)))


def test_a_reply_holds_nothing_the_database_cannot() -> None:
    assert compose(ScriptedModel(says("Sh\0op \ud83d👍🏽 مفتوح"))) == "Shop 👍🏽 مفتوح"


def test_all_rounds_share_one_deadline() -> None:
    clock = Clock()

    def create_order(_arguments: str) -> str:
        clock.seconds += 12
        return "{}"

    model = ScriptedModel(calls("a"), calls("b"), says("Done."))
    assert compose(model, create_order=create_order, clock=clock) == "Done."
    assert model.allowed == [30, 18, 6]


@pytest.mark.parametrize("seconds", [30, 31])
def test_a_model_that_is_not_done_in_time_is_not_asked_again(seconds: int) -> None:
    clock = Clock()

    def create_order(_arguments: str) -> str:
        clock.seconds += seconds
        return "{}"

    model = ScriptedModel(calls("a"))
    with pytest.raises(ModelUnavailable, match="in time"):
        compose(model, create_order=create_order, clock=clock)
    assert model.allowed == [30]


@pytest.mark.parametrize("failure", [ModelUnavailable("busy"), ModelRefused("declined")])
def test_what_the_model_raises_is_passed_on(failure: Exception) -> None:
    with pytest.raises(type(failure), match=str(failure)):
        compose(ScriptedModel(calls("a"), failure))


def find_wrong_prices(text: str) -> list[str]:
    return ["1.23 USD"] if "1.23" in text else []


def test_a_wrong_price_is_sent_back_to_the_model_once_and_not_to_the_customer() -> None:
    model = ScriptedModel(says("It is 1.23 USD."), says("It is 49.90 USD."))
    reply = compose_reply(
        model,
        PROMPT,
        tools={},
        find_wrong_prices=find_wrong_prices,
        longest=timedelta(seconds=30),
        elapsed=Clock(),
    )
    assert reply == "It is 49.90 USD."
    [correction] = model.corrections
    assert "1.23 USD" in correction


def test_a_model_that_insists_on_a_wrong_price_is_left_to_a_person() -> None:
    model = ScriptedModel(says("It is 1.23 USD."), says("I said 1.23 USD."))
    with pytest.raises(PriceRefused, match=r"1\.23 USD"):
        compose_reply(
            model,
            PROMPT,
            tools={},
            find_wrong_prices=find_wrong_prices,
            longest=timedelta(seconds=30),
            elapsed=Clock(),
        )
    model.assert_finished()


# Length


def shorten(
    model: ScriptedModel,
    *,
    clock: Callable[[], float] = Clock(),  # noqa: B008  # it stands still
) -> str:
    return compose_reply(
        model,
        PROMPT,
        tools={"create_order": lambda arguments: f"did {arguments}"},
        find_wrong_prices=find_wrong_prices,
        ask_for_less=lambda text: "Shorter!" if len(text) > 20 else None,
        longest=LONGEST,
        elapsed=clock,
    )


LONG = "We have kettles, and many other things."


def test_an_answer_that_is_too_long_is_asked_for_again_once() -> None:
    model = ScriptedModel(says(LONG), says("Kettles."))
    assert shorten(model) == "Kettles."
    assert model.corrections == ["Shorter!"]


@pytest.mark.parametrize(
    "then",
    [
        [says("It is as long as it was, if not longer.")],
        [says("")],
        [ModelUnavailable("gone")],
        [ModelRefused("no")],
        [says("It is 1.23 USD."), says("1.23 USD!")],
    ],
)
def test_a_long_answer_is_better_than_none(then: list[ModelReply | Exception]) -> None:
    model = ScriptedModel(says(LONG), *then)
    assert shorten(model) in (LONG, "It is as long as it was, if not longer.")
    model.assert_finished()


def test_a_long_answer_from_before_a_tool_ran_is_not_sent_after_it() -> None:
    model = ScriptedModel(says(LONG), calls("{}"), ModelUnavailable("gone"))
    with pytest.raises(ModelUnavailable):
        shorten(model)
