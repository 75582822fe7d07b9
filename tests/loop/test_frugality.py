"""What a day costs in calls, counted by the platform's own ledger."""

from datetime import timedelta

import pytest

from tests.loop.shop import INSTAGRAM, PAGE, Shop

OLD = 60  #: conversations that were there before
QUIET = timedelta(minutes=3)  #: longer than anything is looked for again


def past(shop: Shop, account: str) -> None:
    """Sixty conversations of five messages each, a minute apart."""
    for number in range(OLD):
        at = shop.now - timedelta(minutes=OLD - number)
        for place in range(5):
            shop.world.add_message(
                account, who(number), f"old {place}", at=at + timedelta(seconds=place)
            )


def who(number: int) -> str:
    return f"73000000000{number:05}"


def settled(shop: Shop) -> None:
    """Import until nothing is left to look at again."""
    for _ in range(4):
        shop.imports()
        shop.wait(seconds=QUIET.total_seconds())
    shop.world.ledger.clear()


@pytest.mark.parametrize(("platform", "account"), [("facebook", PAGE), ("instagram", INSTAGRAM)])
def test_an_idle_tick_is_one_call(shop: Shop, platform: str, account: str) -> None:
    past(shop, account)
    shop.opens(platform)
    settled(shop)
    for tick in range(1, 7):
        shop.imports()
        assert len(shop.world.ledger.calls()) == tick
        shop.wait(seconds=10)


@pytest.mark.parametrize("most_in_one", [2, 11])
def test_fifty_messages_in_forty_messenger_conversations_are_two_calls(
    shop: Shop, most_in_one: int
) -> None:
    past(shop, PAGE)
    shop.opens("facebook")
    settled(shop)
    written = []
    extra = {2: range(10), 11: [20] * 10}[most_in_one]
    for number in [*range(40), *extra]:
        written.append(shop.customer_writes(f"new from {number}", who=who(number)))
        shop.wait(milliseconds=150)
    shop.imports()
    assert len(shop.world.ledger.calls()) <= 2
    assert {shop.message(each).is_old for each in written} == {False}


def test_instagram_is_asked_for_its_list_and_then_for_what_changed(shop: Shop) -> None:
    past(shop, INSTAGRAM)
    shop.opens("instagram")
    settled(shop)
    for number in (3, 9, 3, 50):
        shop.customer_writes("new", account=INSTAGRAM, who=who(number))
        shop.wait(seconds=1)
    shop.imports()
    assert shop.world.ledger.counts() == {"list": 1, "thread": 3}


def test_the_history_of_a_page_is_read_with_its_list(shop: Shop) -> None:
    past(shop, PAGE)
    shop.opens("facebook")
    shop.imports()
    assert shop.world.ledger.counts()["list"] == 1 + 3 + 1
    # What is new, 25 threads a page, and once more what is new: it took a while.
    assert shop.world.ledger.counts().get("thread", 0) == 0
    [channel] = shop.channels()
    assert channel.history_state == "done"
