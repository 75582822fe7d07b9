"""Twilio from the terminal: connecting a number, what is wrong with one, and what was delivered."""

import pytest

from tests.cli.terminal import Terminal, everything_stored
from tests.loop.shop import BUFFER, Shop
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NUMBER, SENDER, TOKEN

CONNECT = ("channels", "connect", "twilio", "--account-id", ACCOUNT_SID, "--access-token", TOKEN)


@pytest.fixture(autouse=True)
def account(shop: Shop) -> None:
    for sender in (NUMBER, SENDER):
        shop.world.add_account("twilio", sender, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID)


def test_the_senders_of_an_account_are_connected_each_by_its_number(terminal: Terminal) -> None:
    for typed, known in (("+1 555-0100", NUMBER), (SENDER, SENDER)):
        screen = terminal.types(*CONNECT, "--number", typed)
        assert screen.code == 0, screen.err
        assert known in screen.out
        assert terminal.types("channels", "test", known).code == 0
    listed = terminal.types("channels", "list", "--json").document
    assert [row["external_id"] for row in listed] == [NUMBER, SENDER]
    assert TOKEN not in str(listed)


def test_connecting_again_gives_the_same_channel_another_token(
    terminal: Terminal, shop: Shop
) -> None:
    assert terminal.types(*CONNECT, "--number", NUMBER).code == 0
    shop.world.replace_token(NUMBER, "another-token")
    assert terminal.types("channels", "test", NUMBER).code == 2
    words = [*CONNECT[:-1], "another-token", "--number", NUMBER]
    assert terminal.types(*words).code == 0
    [row] = terminal.types("channels", "list", "--json").document
    assert row["state"] == "connected"


def test_an_api_key_connects_with_its_secret(terminal: Terminal) -> None:
    key = "SK" + "0" * 32
    assert terminal.types(*CONNECT, "--number", NUMBER, "--api-key", key).code == 0
    assert terminal.types("channels", "test", NUMBER).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*CONNECT,), "--number +15550100"),
        ((*CONNECT, "--number", "my shop"), "--number +15550100"),
        ((*CONNECT, "--number", "whatsapp:12345"), "whatsapp:+15550100"),
        ((*CONNECT, "--number", NUMBER, "--api-key", "mine"), "SK and 32"),
        (("channels", "connect", "twilio", "--account-id", "5550100", "--access-token", TOKEN,
          "--number", NUMBER), "AC and 32"),
        ((*CONNECT[:-1], "wrong", "--number", NUMBER), "Twilio does not accept the credentials"),
    ],
)  # fmt: skip
def test_what_cannot_be_connected_is_refused_in_one_sentence_and_nothing_is_stored(
    terminal: Terminal, shop: Shop, words: tuple[str, ...], said: str
) -> None:
    before = everything_stored(shop.app.database)
    screen = terminal.types(*words)
    assert screen.code == 2
    assert said in screen.sentence
    assert TOKEN not in screen.err
    assert screen.out == ""
    after = everything_stored(shop.app.database)
    assert {name: rows for name, rows in after.items() if name != "workspaces"} == {
        name: rows for name, rows in before.items() if name != "workspaces"
    }


def test_what_was_delivered_and_what_was_not_is_listed_with_the_reason(
    terminal: Terminal, shop: Shop
) -> None:
    assert terminal.types(*CONNECT, "--number", NUMBER).code == 0
    shop.wait(seconds=5)
    shop.world.add_message(NUMBER, ANN, "Hello?")
    shop.world.add_message(NUMBER, "+4915100000000", "Hello?")
    shop.world.faults.add("fails_later", count=1)
    for seconds in (1, BUFFER.total_seconds() + 1, 10):
        shop.wait(seconds=seconds)
        assert terminal.types("import").code == 0
        assert terminal.types("reply").code == 0
    for status in ("delivered", "failed"):
        listed = terminal.types("deliveries", "list", "--status", status, "--json").document
        assert len(listed) == 1
    [failed] = listed
    assert "30003" in failed["failure_reason"]
    [unreplied] = terminal.types("messages", "list", "--unreplied", "--json").document
    assert unreplied["outcome"] == "unreachable"
    assert "30003" in terminal.types("why", unreplied["message_id"]).out.splitlines()[0]


def test_why_names_the_opt_out_and_the_conversation_shows_it(
    terminal: Terminal, shop: Shop
) -> None:
    assert terminal.types(*CONNECT, "--number", NUMBER).code == 0
    shop.wait(seconds=5)
    stop = shop.world.add_message(NUMBER, ANN, "STOP").id
    assert terminal.types("import").code == 0
    why = terminal.types("why", stop)
    assert (
        "NOT  the customer wants no more messages: yes, since 2026-10-05 09:00:05 UTC; wanted: no"
        in why.out
    )
    [row] = terminal.types("conversations", "list", "--json").document
    assert row["opted_out"] is True
