"""A call that a model writes into its text is run as the call it is, or is no answer at all."""

import json

import pytest

from shoptalk.agents.models.reading import read_text
from shoptalk.agents.toolbox import TOOLBOX
from shoptalk.errors import ModelRefused

TOOLS = [entry.tool for entry in TOOLBOX.values()]
GIVEN = {"product": "b-750", "quantity": 2}
ARGS = json.dumps(GIVEN)
CALL = json.dumps({"name": "create_order", "arguments": GIVEN})
PARAMETERS = json.dumps({"name": "create_order", "parameters": GIVEN})

FORMS = {
    "hermes, qwen": f"<tool_call>\n{CALL}\n</tool_call>",
    "not ended": f"<tool_call>\n{CALL}",
    "llama": PARAMETERS,
    "llama, function": f"<function=create_order>{ARGS}</function>",
    "llama, python tag": f"<|python_tag|>{PARAMETERS}<|eom_id|>",
    "llama, python": '<|python_tag|>create_order.call(product="b-750", quantity=2)',
    "pythonic": '[create_order(product="b-750", quantity=2)]',
    "bare call": "create_order(product='b-750', quantity=2)",
    "mistral": f"[TOOL_CALLS] [{CALL}]",
    "mistral, newer": f"[TOOL_CALLS]create_order{ARGS}",
    "mistral, newest": f"[TOOL_CALLS]create_order[CALL_ID]a1b2c3d4e[ARGS]{ARGS}",
    "fenced": f"```json\n{CALL}\n```",
    "gemma": '```tool_code\nprint(create_order(product="b-750", quantity=2))\n```',
    "function gemma": "<start_function_call>call:create_order{product:<escape>b-750<escape>,"
    "quantity:2}<end_function_call>",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.create_order:0"
    f"<|tool_call_argument_begin|>{ARGS}<|tool_call_end|><|tool_calls_section_end|>",
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>create_order\n"
    f"```json\n{ARGS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "qwen coder": "<tool_call>\n<function=create_order>\n<parameter=product>\nb-750\n</parameter>\n"
    "<parameter=quantity>\n2\n</parameter>\n</function>\n</tool_call>",
    "glm": "<tool_call>create_order\n<arg_key>product</arg_key>\n<arg_value>b-750</arg_value>\n"
    "<arg_key>quantity</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    "invoke": '<function_calls><invoke name="create_order"><parameter name="product">b-750'
    '</parameter><parameter name="quantity">2</parameter></invoke></function_calls>',
    "harmony": "<|channel|>analysis<|message|>He agreed.<|end|><|start|>assistant<|channel|>"
    f"commentary to=functions.create_order <|constrain|>json<|message|>{ARGS}<|call|>",
    "harmony, recipient first": "<|start|>assistant to=functions.create_order<|channel|>"
    f"commentary json<|message|>{ARGS}<|call|>",
    "harmony without marks": "analysisHe agreed.assistantcommentary to=functions.create_order "
    f"json{ARGS}",
    "openai": json.dumps(
        {
            "tool_calls": [
                {"type": "function", "function": {"name": "create_order", "arguments": ARGS}}
            ]
        }
    ),
    "function_call": f"<function_call>{CALL}</function_call>",
    "react": f"Action: create_order\nAction Input: {ARGS}",
    "text around": f"I place the order now.\n<tool_call>{CALL}</tool_call>\nIt is done!",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_written_call_is_a_call_and_what_stands_around_it_is_not_said(form: str) -> None:
    text, calls = read_text(form, TOOLS)
    assert text == ""
    assert [(name, json.loads(arguments)) for name, arguments in calls] == [("create_order", GIVEN)]


def test_two_written_calls_are_two() -> None:
    other = CALL.replace("b-750", "b-500")
    _, calls = read_text(f"<tool_call>{CALL}</tool_call><tool_call>{other}</tool_call>", TOOLS)
    assert [json.loads(arguments)["product"] for _, arguments in calls] == ["b-750", "b-500"]


def test_a_call_that_was_only_thought_of_is_none() -> None:
    assert read_text(f"<think>{CALL}</think>Shall I order it?", TOOLS) == ("Shall I order it?", [])


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "refund", "arguments": {"order": 7}}</tool_call>',
        '{"name": "refund", "arguments": {}}',
        '{"name": "create_order", "arguments": {"product": "b-750"}}',
        '{"name": "create_order", "arguments": {"product": ["b"], "quantity": 1}}',
        '<tool_call>{"name": "create_order", "argum',
        "```json\n{broken\n```",
        "[TOOL_CALLS]",
        "I will call create_order now.",
        "create_order(*everything)",
        "{}",
        "[]",
        "[1, 2]",
        '{"intent": "greeting", "language": "en"}',
        '```\n{"a": 1}\n```',
        'Here it is: {"product": "b-750"}',
        "{'name': 'x'}",
        '[{"a": 1}]',
    ],
)
def test_what_is_neither_a_call_nor_a_text_is_no_answer(text: str) -> None:
    with pytest.raises(ModelRefused):
        read_text(text, TOOLS)


@pytest.mark.parametrize("text", ['{"reply": "Yes."}', '```json\n{"answer": "Yes."}\n```'])
def test_the_one_text_of_a_structured_reply_is_the_answer(text: str) -> None:
    assert read_text(text, TOOLS) == ("Yes.", [])


@pytest.mark.parametrize(
    "text",
    [
        "[1] Bottle [2] Cup: which one?",
        "Hello {name}!",
        "The set {a, b} is 12.50 USD.",
        "Call us (9 to 17) or write.",
        "Sizes: [S] [M] [L]",
        'We call it "the kettle".',
    ],
)
def test_brackets_alone_make_no_data(text: str) -> None:
    assert read_text(text, TOOLS) == (text, [])
