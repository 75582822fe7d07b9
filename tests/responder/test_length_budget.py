"""Keeping an answer short, by what the platform says of length."""

from dataclasses import replace

from shoptalk.platforms.base import Capabilities, TextUnit
from shoptalk.responder.length_budget import ask_for_less, brevity_hint, parts_of

ANY = Capabilities(polled=True, history=True, typing=False, max_text=100)
SMS = replace(ANY, text_unit=TextUnit.SMS_SEGMENTS, max_text=4, length_budget=2)


def test_where_length_does_not_matter_nothing_is_said() -> None:
    assert brevity_hint(ANY) is None
    assert ask_for_less("x" * 1000, ANY) is None


def test_the_model_is_told_what_fits_into_its_segments() -> None:
    hint = brevity_hint(SMS)
    assert hint is not None
    assert "306 characters, or 134 in a script other than Latin" in hint


def test_a_limit_in_characters_is_said_in_characters() -> None:
    hint = brevity_hint(replace(ANY, length_budget=60))
    assert hint is not None
    assert "within 60 characters." in hint


def test_an_answer_is_too_long_by_its_segments() -> None:
    assert ask_for_less("x" * 306, SMS) is None
    assert ask_for_less("x" * 307, SMS) is not None
    assert ask_for_less("ش" * 134, SMS) is None
    assert ask_for_less("ش" * 135, SMS) is not None


def test_curly_quotes_alone_do_not_make_an_answer_long() -> None:
    text = "“" + "x" * 200 + "”"
    assert ask_for_less(text, SMS) is None
    assert parts_of(text, SMS) == ['"' + "x" * 200 + '"']


def test_elsewhere_a_text_goes_out_as_it_is() -> None:
    assert parts_of("“Yes”", ANY) == ["“Yes”"]
