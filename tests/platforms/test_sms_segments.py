from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.platforms.base import TextUnit
from shoptalk.platforms.sms_segments import is_gsm, segments, spared
from shoptalk.responder.message_splitting import length, split


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # each is two septets
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # an escape is not parted from its letter
        ("ش" * 70, 1),
        ("ش" * 71, 2),
        ("ش" * 134, 2),
        ("ش" * 135, 3),
        ("a" * 69 + "’", 1),  # one letter outside brings all of it into UCS-2
        ("a" * 70 + "’", 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("a" * 66 + "😀" + "a" * 66, 3),  # nor is one half of a pair
        ("@£$¥\n\r{}[]~|\\^€", 1),
        ("Ça va?", 1),  # capital Ç is in the alphabet
        ("ça va?", 1),  # small ç is not
    ],
)
def test_segments_are_counted_as_they_are_billed(text: str, count: int) -> None:
    assert segments(text) == count


def test_small_c_with_cedilla_is_not_in_the_alphabet() -> None:
    assert is_gsm("Ç")
    assert not is_gsm("ç")


@given(st.text(alphabet=st.sampled_from("aé€ش😀’\n "), max_size=400))
def test_a_longer_text_never_takes_fewer_segments(text: str) -> None:
    counts = [segments(text[:end]) for end in range(len(text) + 1)]
    assert all(before <= after for before, after in pairwise(counts))


@given(st.text(alphabet=st.sampled_from("abc é€ش😀\n."), max_size=1500), st.integers(1, 5))
def test_a_split_text_keeps_each_part_within_its_segments(text: str, limit: int) -> None:
    parts = split(text, limit=limit, unit=TextUnit.SMS_SEGMENTS)
    assert all(1 <= length(part, TextUnit.SMS_SEGMENTS) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_typographic_signs_are_spared_where_that_makes_it_cheaper() -> None:
    text = "“We’re open” – always…"
    assert spared(text) == '"We\'re open" - always...'
    assert is_gsm(spared(text))


@pytest.mark.parametrize("text", ["“شكرا”", "It’s 🎉"])
def test_nothing_is_changed_where_it_would_not_help(text: str) -> None:
    assert spared(text) == text
