"""Cutting replies: what a platform takes, at places where a reader would pause."""

import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoptalk.platforms.base import TextUnit
from shoptalk.responder.message_splitting import length, split

FAMILY = "👨‍👩‍👧‍👦"  # 7 code points, 25 bytes, 11 UTF-16 units
PIECES = st.sampled_from(
    [
        "السلام عليكم",
        "كم السعر؟",
        "مُحَمَّدٌ",
        "٣٫٥٠ د.ل",
        FAMILY,
        "👍🏽",
        "🇱🇧🇪🇬",
        "e\u0301",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A",
        "नमस्ते",
        "한국어",
        "你好。",
        "https://shop.example/a?b=c",
        "Hello.",
        "Yes!",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "\u00a0",
        "\u2003",
        "\t",
    ]
)
TEXT = st.lists(PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=30)
texts = TEXT.map("".join)
units = st.sampled_from(TextUnit)
limits = st.integers(4, 60)  # 4 bytes: the longest code point
property_test = settings(max_examples=200)


def without_space(text: str) -> str:
    return "".join(text.split())


@property_test
@given(texts, limits, units)
@example(FAMILY * 3, 4, TextUnit.UTF8_BYTES)
@example("a" + "\u0301" * 100, 5, TextUnit.UTF8_BYTES)
def test_no_part_is_longer_than_the_limit_or_empty(text: str, limit: int, unit: TextUnit) -> None:
    for part in split(text, limit=limit, unit=unit):
        assert 0 < length(part, unit) <= limit
        assert part == part.strip()


@property_test
@given(texts, limits, units)
def test_nothing_but_white_space_is_lost(text: str, limit: int, unit: TextUnit) -> None:
    parts = split(text, limit=limit, unit=unit)
    assert without_space("".join(parts)) == without_space(text)


@property_test
@given(texts, limits, units)
@example(f"ab {FAMILY} cd {FAMILY}{FAMILY}", 25, TextUnit.UTF8_BYTES)
@example("e\u0301" * 20, 5, TextUnit.CHARACTERS)
def test_no_character_a_reader_sees_is_cut_unless_it_is_longer_than_the_limit(
    text: str, limit: int, unit: TextUnit
) -> None:
    # A mark on a space is not one: the space may go, and the mark stays.
    seen = [one for one in regex.findall(r"\X", text) if not any(map(str.isspace, one))]
    whole = [one for one in seen if length(one, unit) <= limit]
    kept = "\n".join(split(text, limit=limit, unit=unit))
    place = 0
    for one in whole:
        found = kept.find(one, place)
        assert found >= 0, (one, kept[place:])
        place = found + len(one)


@property_test
@given(texts, units)
def test_what_fits_is_one_part(text: str, unit: TextUnit) -> None:
    whole = text.strip()
    expected = [whole] if whole else []
    assert split(text, limit=max(length(whole, unit), 1), unit=unit) == expected


def test_units_measure_what_the_platforms_measure() -> None:
    text = f"é{FAMILY}"
    assert length(text, TextUnit.CHARACTERS) == 8
    assert length(text, TextUnit.UTF8_BYTES) == 27
    assert length(text, TextUnit.UTF16_UNITS) == 12


def test_a_part_ends_with_a_paragraph_before_a_line_a_line_before_a_sentence() -> None:
    assert split("One two.\n\nThree. Four", limit=20, unit=TextUnit.CHARACTERS) == [
        "One two.\n\nThree.",
        "Four",
    ]
    assert split("One. Two\n\nThree. Four five", limit=18, unit=TextUnit.CHARACTERS) == [
        "One. Two",
        "Three. Four five",
    ]
    assert split("One. Two three\nFour. Five", limit=22, unit=TextUnit.CHARACTERS) == [
        "One. Two three",
        "Four. Five",
    ]
    assert split("One two three. Four five", limit=20, unit=TextUnit.CHARACTERS) == [
        "One two three.",
        "Four five",
    ]
    assert split("one two three four five", limit=20, unit=TextUnit.CHARACTERS) == [
        "one two three four",
        "five",
    ]


def test_arabic_sentences_are_sentences() -> None:
    text = "هل تريد الطلب الآن؟ السعر خمسة دنانير"
    assert split(text, limit=26, unit=TextUnit.CHARACTERS) == [
        "هل تريد الطلب الآن؟",
        "السعر خمسة دنانير",
    ]


def test_a_pause_in_the_first_half_does_not_make_a_short_part() -> None:
    text = "Hi. " + "x" * 30
    assert split(text, limit=20, unit=TextUnit.CHARACTERS) == ["Hi. " + "x" * 16, "x" * 14]


def test_a_character_longer_than_the_limit_is_cut_between_code_points() -> None:
    parts = split(FAMILY, limit=10, unit=TextUnit.UTF8_BYTES)
    assert "".join(parts) == FAMILY
    assert len(parts) == 4


def test_nothing_but_space_is_no_part() -> None:
    assert split("", limit=5, unit=TextUnit.CHARACTERS) == []
    assert split(" \n\t ", limit=1, unit=TextUnit.CHARACTERS) == []


def test_a_long_text_is_cut_in_reasonable_time() -> None:
    text = "word " * 20_000 + "x" * 50_000 + FAMILY * 2_000
    parts = split(text, limit=1000, unit=TextUnit.UTF16_UNITS)
    assert without_space("".join(parts)) == without_space(text)
