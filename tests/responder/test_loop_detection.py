"""Two machines that answer each other are told from a customer and us."""

from shoptalk.db.turn_input import ContextMessage
from shoptalk.responder.loop_detection import is_loop
from shoptalk.types import SenderType


def talk(*said: tuple[SenderType, str]) -> list[ContextMessage]:
    return [
        ContextMessage(
            id=number,
            message_id=f"m{number}",
            sender_type=sender_type,
            content_type="text",
            content=content,
        )
        for number, (sender_type, content) in enumerate(said)
    ]


THEIRS = (SenderType.CUSTOMER, "I am away.")
OURS = (SenderType.AGENT, "How can I help?")


def test_three_times_the_same_from_both_sides_is_a_loop() -> None:
    assert is_loop(talk(*[THEIRS, OURS] * 3))
    assert is_loop(talk((SenderType.CUSTOMER, "Hi"), OURS, *[THEIRS, OURS] * 3))


def test_twice_is_none_whoever_goes_first() -> None:
    assert not is_loop(talk(*[THEIRS, OURS] * 2))
    assert not is_loop(talk(*[THEIRS, OURS] * 2, THEIRS))
    assert not is_loop(talk(*[OURS, THEIRS] * 2, OURS))


def test_one_side_that_repeats_itself_is_none() -> None:
    answers = [(SenderType.AGENT, f"Answer {number}") for number in range(3)]
    assert not is_loop(talk(*[each for answer in answers for each in (THEIRS, answer)]))
    questions = [(SenderType.CUSTOMER, f"Question {number}") for number in range(3)]
    assert not is_loop(talk(*[each for question in questions for each in (question, OURS)]))


def test_who_says_something_else_at_last_is_none() -> None:
    assert not is_loop(talk(*[THEIRS, OURS] * 3, (SenderType.CUSTOMER, "A kettle please")))


def test_people_at_the_shop_are_neither_side() -> None:
    person = (SenderType.EMPLOYEE, "How can I help?")
    assert not is_loop(talk(*[THEIRS, person] * 3))


def test_capitals_and_spaces_make_no_difference() -> None:
    shouted = (SenderType.CUSTOMER, "I  AM away.\n")
    assert is_loop(talk(shouted, OURS, *[THEIRS, OURS] * 2))
