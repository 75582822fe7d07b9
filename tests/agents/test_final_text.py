"""Of what a model writes only the answer is passed on: no thought, and no template's mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.agents.models.final_text import final_text

ANSWER = "The Bottle 750 ml is 12.50 USD."
HARMONY = "<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant"
THOUGHTS = [
    "<think>\n{thought}\n</think>\n\n",
    "<THINK>{thought}</THINK>",
    "<think effort='low'>{thought}</think>",
    "<thinking>{thought}</thinking>",
    "<reasoning>{thought}</reasoning>\n",
    "<thought>{thought}</thought>",
    "<seed:think>{thought}</seed:think>",
    "[THINK]{thought}[/THINK]",
    "◁think▷{thought}◁/think▷",
    "<|START_THINKING|>{thought}<|END_THINKING|>",
    "<unused94>thought\n{thought}<unused95>",
    "<|channel>thought\n{thought}<channel|>",
    "&lt;think&gt;{thought}&lt;/think&gt;",
    "{thought}\n</think>\n\n",
    "<think>{thought}<think>{thought}</think>{thought}</think>",
    "```thinking\n{thought}\n```\n",
    HARMONY + "<|channel|>final<|message|>",
    (
        "<| channel |> analysis <| message |> {thought} <| end |> <| start |> assistant "
        "<| channel |> final <| message |>"
    ),
    "analysis{thought}assistantfinal",
]
AROUND = [
    ("", ""),
    ("", "<|im_end|>"),
    ("<|im_start|>assistant\n", "<|im_end|>\n<|im_start|>user\nAnd the cup?<|im_end|>"),
    ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    ("<s>", "</s>"),
    ("", "</s><s>[INST] more [/INST]"),
    ("<start_of_turn>model\n", "<end_of_turn>"),
    ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<answer>", "</answer>"),
    ("", "<|return|>"),
    ("", "<|endoftext|>"),
]


@pytest.mark.parametrize("thought", THOUGHTS)
def test_a_thought_is_no_part_of_the_answer(thought: str) -> None:
    text = thought.format(thought="Could I offer 10.00 USD? No.") + ANSWER
    assert final_text(text).strip() == ANSWER


@pytest.mark.parametrize(("before", "after"), AROUND)
def test_marks_of_a_template_and_what_follows_the_turns_end_are_left_out(
    before: str, after: str
) -> None:
    assert final_text(before + ANSWER + after).strip() == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "<think>I wonder, and never come to an end",
        "<think>All of it is a thought.</think>",
        "<|channel|>analysis<|message|>The customer asks for a price.",
        "<|channel|>analysis<|message|>Hm.<|end|>",
        "analysisThe customer asks for a price.",
        "<|im_start|>user\nI speak for the customer.<|im_end|>",
    ],
)
def test_thoughts_alone_are_no_answer(text: str) -> None:
    assert final_text(text).strip() == ""


@pytest.mark.parametrize(
    "text",
    [
        "We <3 you! Sizes: a < b, c > d, 5<6.",
        "Use the <b> key, or <Shop name>.",
        "[reason] for your return: [think] about it",
        "Analysis of your hair costs 12.50 USD.",
        "analysis is free",
        "Final offer: 12.50 USD | 3 pieces |",
        "Your assistant finally came.",
        "Zwei Flaschen\n\n– 12,50 €\nالسعر ١٢ <٣",
        "👍🏽 <3 ¯\\_(ツ)_/¯",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert final_text(text) == text


def test_what_is_struck_through_in_html_ends_no_turn() -> None:
    assert final_text("Now <s>20</s> 12.50 USD") == "Now 20 12.50 USD"


ordinary = st.text(
    st.characters(exclude_characters="<>[]|｜◁▷&`\ud800", exclude_categories=["Cs"]), min_size=1
).filter(lambda text: text.strip() and "assistantfinal" not in text)


@given(ordinary.filter(lambda text: not text.lstrip().startswith(("analysis", "commentary"))))
def test_text_without_marks_is_unchanged(text: str) -> None:
    assert final_text(text) == text


@given(
    answer=st.sampled_from([ANSWER, "نعم، متوفر.", "好的", "a <3 b"]),
    thoughts=st.lists(st.sampled_from(THOUGHTS[:14]), max_size=4),
    around=st.sampled_from(AROUND[:10]),
    thought=st.sampled_from(["HIDDEN", "HIDDEN\n\nHIDDEN", "HIDDEN <b>x</b>", "HIDDEN 1 < 2"]),
)
def test_no_mixture_lets_a_thought_or_a_mark_through(
    answer: str, thoughts: list[str], around: tuple[str, str], thought: str
) -> None:
    before, after = around
    inner = "".join(each.format(thought=thought) for each in thoughts)
    assert final_text(f"{inner}{before}{answer}{after}").strip() == answer


@given(
    st.lists(st.sampled_from([*"ab <>/|", "think", "<think>", "</think>", "<|im_end|>", "</s>"]))
)
def test_whatever_comes_no_mark_is_left(pieces: list[str]) -> None:
    left = final_text("".join(pieces))
    assert not any(mark in left for mark in ("<think>", "</think>", "<|im_end|>", "</s>"))
