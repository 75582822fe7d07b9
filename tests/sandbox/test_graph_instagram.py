"""What is particular to Instagram when the sandbox's Graph API is read."""

from collections.abc import Iterator

import pytest

from tests.sandbox.graph_shop import (
    DAY,
    INSTAGRAM,
    LINKED,
    LOGIN,
    LOGIN_TOKEN,
    NINE,
    RIMA,
    SECOND,
    Shop,
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


def test_instagram_shows_ids_of_all_and_details_of_the_newest_20(shop: Shop) -> None:
    stored = [
        shop.write(f"Line {number}", to=shop.linked, at=NINE + number * SECOND)
        for number in range(25)
    ]
    thread = shop.read("me/conversations", platform="instagram")["data"][0]["id"]
    rows = shop.read(f"{thread}/messages", fields="id,message", limit=30)["data"]
    assert [row["id"] for row in rows] == [message.id for message in reversed(stored)]
    assert [("message" in row) for row in rows] == [True] * 20 + [False] * 5
    assert shop.read(stored[5].id, fields="message")["message"] == "Line 5"
    assert shop.refusal(stored[4].id, fields="message") == (9000001, None)


def test_instagram_people_have_usernames_and_long_ids(shop: Shop) -> None:
    shop.write("Hi", to=shop.login, customer_name="Rima K")
    fields = "participants,messages{from}"
    (thread,) = shop.read(
        f"{LOGIN}/conversations", host=INSTAGRAM, token=LOGIN_TOKEN, fields=fields
    )["data"]
    assert thread["participants"]["data"] == [
        {"id": RIMA, "username": "rima.k"},
        {"id": LOGIN, "username": "corner.bakery"},
    ]
    assert len(thread["messages"]["data"][0]["id"]) > 150


def test_instagram_login_may_name_our_side_by_its_app_scoped_id(shop: Shop) -> None:
    shop.login.settings.app_scoped_self = True
    shop.write("Hi", to=shop.login)
    (thread,) = shop.read(
        "me/conversations", host=INSTAGRAM, token=LOGIN_TOKEN, fields="participants"
    )["data"]
    ours = thread["participants"]["data"][1]
    assert (ours["id"], ours["user_id"]) == (shop.login.app_scoped_id, LOGIN)


def test_the_two_instagram_flavours_do_not_mix(shop: Shop) -> None:
    assert shop.refusal("me/conversations", host=INSTAGRAM) == (190, None)
    assert shop.refusal("me/conversations", token=LOGIN_TOKEN) == (190, None)
    assert shop.refusal(f"{LINKED}/conversations") == (3, None)


def test_a_request_idle_for_30_days_vanishes_until_it_is_answered(shop: Shop) -> None:
    shop.linked.settings.requests_folder = True
    shop.write("Hello?", to=shop.linked, at=NINE - 30 * DAY)
    assert shop.read("me/conversations", platform="instagram")["data"] == []
    shop.write("Hello!", to=shop.linked, side="employee", at=NINE - 29 * DAY)
    assert len(shop.read("me/conversations", platform="instagram")["data"]) == 1


def test_a_storys_link_is_empty_once_it_is_over(shop: Shop) -> None:
    message = shop.write("Lovely", to=shop.linked, kind="story_reply")
    assert shop.read(message.id, fields="story")["story"]["reply_to"]["link"]
    shop.world.clock.advance(DAY)
    assert shop.read(message.id, fields="story")["story"]["reply_to"]["link"] == ""
