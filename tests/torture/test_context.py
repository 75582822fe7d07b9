"""The check of what a model was shown can fail: each kind of fault is counted."""

import pytest

from tests.torture.context import LAST, Heard, is_right
from tests.torture.truth import Written, names_any_of, wrong_contexts


def talk(length: int, *, turn: int = 1) -> list[Heard]:
    """So many messages, customer and shop by turns, and a turn of so many at the end."""
    lines = [
        Heard(True, f"hello #{n}") if n % 2 == 0 else Heard(False, f"About #{n - 1}: yes.")
        for n in range(length - length % 2)
    ]
    return [*lines, *(Heard(True, f"hello #{100 + n}") for n in range(turn))]


@pytest.mark.parametrize("length", range(0, 31, 2))
@pytest.mark.parametrize("turn", [1, 3, 10, 12])
def test_the_last_ten_are_right_and_any_other_number_is_wrong(length: int, turn: int) -> None:
    held = talk(length, turn=turn)
    right = held[-max(LAST, turn) :]
    assert is_right(right, held, answers=names_any_of)
    if len(right) == LAST:
        assert not is_right(right[1:], held, answers=names_any_of)
    if len(right) < len(held):
        longer = held[-len(right) - 1 :]
        assert not is_right(longer, held, answers=names_any_of)


@pytest.mark.parametrize("place", range(LAST))
def test_a_line_that_is_dropped_doubled_changed_or_moved_is_wrong(place: int) -> None:
    held = talk(20, turn=3)
    right = held[-LAST:]
    dropped = [*right[:place], *right[place + 1 :]]
    doubled = [*right[: place + 1], *right[place:]]
    changed = list(right)
    changed[place] = Heard(changed[place].is_customers, "something else")
    other_side = list(right)
    other_side[place] = Heard(not right[place].is_customers, right[place].text)
    moved = list(right)
    moved.insert((place + 2) % LAST, moved.pop(place))
    assert is_right(right, held, answers=names_any_of)
    for wrong in (dropped, doubled, changed, other_side, moved):
        assert not is_right(wrong, held, answers=names_any_of)


def test_nothing_and_what_ends_with_the_shop_is_wrong() -> None:
    held = talk(4)
    assert not is_right([], held)
    assert not is_right(held[:-1], held)


def test_what_came_later_is_not_missed() -> None:
    held = talk(4)
    later = [*held, Heard(False, "About #100: yes."), Heard(True, "hello #200")]
    assert is_right(held, later, answers=names_any_of)


def test_what_was_written_while_a_reply_was_on_its_way_comes_after_it() -> None:
    asked, reply = Heard(True, "hello #1"), Heard(False, "About #1: yes.")
    between = Heard(True, "hello #2")
    held = [asked, between, reply]
    assert is_right([asked, reply, between], held, answers=names_any_of)
    assert not is_right([asked, between], held, answers=names_any_of)
    # What was answered already stands where it stood
    assert not is_right([reply, asked, between], held, answers=names_any_of)


def test_neighbours_of_one_side_may_be_joined() -> None:
    held = talk(4, turn=2)
    joined = [*held[:4], Heard(True, "hello #100\n\nhello #101")]
    assert is_right(joined, held, answers=names_any_of)


def test_wrong_contexts_are_counted_by_the_customer_they_are_about() -> None:
    written = Written(by_customer={"a": [0, 2, 100], "b": [7]})
    held = {"a": talk(4), "b": [Heard(True, "hello #7")]}
    right, other = talk(4), [Heard(True, "hello #7")]
    assert wrong_contexts([right, other], held, written) == []
    assert wrong_contexts([right[1:], other], held, written) == [(right[1:], held["a"])]
    # What a customer of another thread wrote is nobody's context
    assert len(wrong_contexts([[*other, *right], [Heard(True, "who?")]], held, written)) == 2
