"""Markdown reads as plain text; ordinary text stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.platforms.base import TextFormat
from shoptalk.responder.plain_text import readable


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("**Bottle 750 ml**: **12.50 USD**", "Bottle 750 ml: 12.50 USD"),
        ("*Note:* _new_ and ***both***, __also__", "Note: new and both, also"),
        ("这是**粗体**文字，**总价：**12", "这是粗体文字，总价：12"),
        ("**مجموع:** 12 ريال", "مجموع: 12 ريال"),
        (
            "# Order\n\nTwo cups\n\n---\n\n## **Total**\n20 USD",
            "Order\n\nTwo cups\n\nTotal\n20 USD",
        ),
        (
            "| Item | Price |\n|---|---:|\n| Cup | **3 USD** |\n\nYes?",
            "Item | Price\nCup | 3 USD\n\nYes?",
        ),
        ("[our shop](https://x.de/a_b_c?q=*1*)", "our shop: https://x.de/a_b_c?q=*1*"),
        ("[https://x.de](https://x.de) [+49 30 1](tel:+49301)", "https://x.de +49 30 1"),
        ("<https://x.de/a>", "https://x.de/a"),
        ("* red\n* blue", "- red\n- blue"),
        ("```\ncode *x*\n```\nafter", "code *x*\nafter"),
        ("`b-750` is it", "b-750 is it"),
        ("~~20~~ 12.50 USD", "12.50 USD"),
        ("> as you wrote", "as you wrote"),
        ("one<br>two <b>three</b>", "one\ntwo three"),
        ("1\\. Cup \\*", "1. Cup *"),
    ],
)
def test_markdown_reads_as_plain_text(markdown: str, plain: str) -> None:
    assert readable(markdown, TextFormat.PLAIN) == plain


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 = 24, 2 * 3, 5**2**3",
        "snake_case_name, __init__x, me@my_shop_site.com, _",
        "https://a.b/_x_/*y*?q=__z__",
        "1. Cup\n2. Bottle\n\n- red\n- blue\n+ 5 USD delivery",
        "#1 is the best, and #2 too",
        "* incl. VAT",
        "> 50 USD: free delivery",
        "¯\\_(ツ)_/¯ ^_^ -_- T_T <3",
        "Call +1 (555) 010-0000 [9-17]",
        "Name: ____ Phone: ____",
        "a | b | c",
        "السعر *١٢",
        "- - and -- and ~5 USD",
        "  two\n\n\n\nfour  ",
    ],
)
@pytest.mark.parametrize("text_format", TextFormat)
def test_ordinary_text_stays_as_it_is(text: str, text_format: TextFormat) -> None:
    assert readable(text, text_format) == text


@given(st.text(st.characters(exclude_characters="*_`~#<>[]|\\-=\ue000\ue001\ue002\ue003")))
def test_text_without_marks_is_unchanged(text: str) -> None:
    assert readable(text, TextFormat.PLAIN) == text


@given(st.text(alphabet="ab1 \n*_`~#<>[]()|\\-=:/.h"))
def test_any_text_comes_through_and_stays_as_it_then_is(text: str) -> None:
    plain = readable(text, TextFormat.PLAIN)
    assert "\ue000" not in plain
    assert "\ue002" not in plain


def test_whatsapp_gets_its_own_marks() -> None:
    written = "# Order\n**Cup**: *new*, ~~4~~ 3 USD"
    assert readable(written, TextFormat.WHATSAPP) == "*Order*\n*Cup*: _new_, 3 USD"


def test_who_renders_markdown_gets_it() -> None:
    assert readable("**Cup**", TextFormat.MARKDOWN) == "**Cup**"
