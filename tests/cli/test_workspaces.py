"""Workspaces: made on purpose, listed, and one that is not there is no empty shop."""

import pytest

from shoptalk.db.models import Workspace
from tests.cli.terminal import Terminal
from tests.loop.shop import Shop


def names(shop: Shop) -> list[str]:
    return [row.name for row in shop.rows(Workspace)]


def create(terminal: Terminal, *shops: str) -> None:
    for name in shops:
        assert terminal.types("workspaces", "create", name).code == 0


@pytest.mark.parametrize(
    "words",
    [("status",), ("products", "list"), ("channels", "list"), ("import",), ("reply",), ("run",)],
    ids=" ".join,
)
def test_a_misspelt_workspace_is_refused_with_the_one_that_is_meant(
    shop: Shop, terminal: Terminal, words: tuple[str, ...]
) -> None:
    create(terminal, "second", "متجر")
    screen = terminal.types(*words, WORKSPACE="secnd")
    assert (screen.code, screen.out) == (2, "")
    assert screen.sentence == (
        "There is no workspace 'secnd' (WORKSPACE): did you mean 'second'? "
        "`shoptalk workspaces create NAME` makes one."
    )
    assert names(shop) == ["second", "متجر"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("Second", "did you mean 'second'?"),
        (" second ", "did you mean 'second'?"),
        ("متاجر", "did you mean 'متجر'?"),
        ("bakery", "there is 'second', 'متجر'."),
    ],
)
def test_the_names_that_there_are_are_told(terminal: Terminal, given: str, says: str) -> None:
    create(terminal, "second", "متجر")
    assert f": {says}" in terminal.types("status", WORKSPACE=given).sentence


def test_of_many_names_some_are_told(terminal: Terminal) -> None:
    create(terminal, *(f"x{number}" for number in range(12)))
    assert terminal.types("status", WORKSPACE="bakery").sentence.count("'x") == 10
    assert "'x9' and 2 more." in terminal.types("status", WORKSPACE="bakery").sentence


def test_the_doctor_tells_of_it(terminal: Terminal) -> None:
    screen = terminal.types("doctor", WORKSPACE="secnd")
    assert "There is no workspace 'secnd' (WORKSPACE): there is none yet." in screen.out
    assert screen.code == 1


def test_the_default_one_needs_not_be_made(shop: Shop, terminal: Terminal) -> None:
    assert terminal.types("products", "list").code == 0
    assert names(shop) == ["default"]


def test_one_that_was_made_is_used_and_listed_with_its_channels(
    shop: Shop, terminal: Terminal
) -> None:
    assert terminal.types("workspaces", "list").out == "There is no workspace yet.\n"
    shop.opens("facebook")
    made = terminal.types("workspaces", "create", "\u200bsecond shop ", "--json")
    assert made.document == {"id": 2, "name": "second shop"}
    assert terminal.types("products", "list", WORKSPACE="second shop").code == 0
    assert terminal.types("workspaces", "list", "--json", WORKSPACE="misspelt").document == [
        {"id": 1, "name": "default", "channels": 1},
        {"id": 2, "name": "second shop", "channels": 0},
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("second", "There is a workspace 'second' already."),
        (" ", "must not be empty"),
        ("a\u200bb", "ZERO WIDTH SPACE"),
    ],
)
def test_what_cannot_be_made_is_refused(
    shop: Shop, terminal: Terminal, name: str, says: str
) -> None:
    create(terminal, "second")
    screen = terminal.types("workspaces", "create", name)
    assert screen.code == 2
    assert says in screen.sentence
    assert names(shop) == ["second"]
