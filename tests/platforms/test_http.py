"""What adapters read of an answer's body."""

import pytest

from shoptalk.platforms.http import json_in


def test_half_of_a_surrogate_pair_does_not_cost_the_page_that_holds_it() -> None:
    cut = rb'{"data": [{"message": "ok \ud83d"}, {"message": "\ud83d\udc4d \u0645\u0631"}]}'
    assert json_in(cut) == {"data": [{"message": "ok \ud83d"}, {"message": "👍 مر"}]}


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"data": [', b'"\xff"', b"[" * 100_000],
    ids=["empty", "HTML", "cut off", "not UTF-8", "nested to no end"],
)
def test_a_body_that_is_no_json_is_none(body: bytes) -> None:
    assert json_in(body) is None


def test_an_id_that_came_as_a_number_keeps_its_digits() -> None:
    assert json_in(b'{"id": 18446744073709551615}') == {"id": 18446744073709551615}
