"""Reading Messenger and Instagram through the sandbox's Graph API."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.graph_shop import (
    DAY,
    DETAILS,
    FACEBOOK,
    HOUR,
    INSTAGRAM,
    LINKED,
    LOGIN,
    LOGIN_TOKEN,
    MINUTE,
    NINE,
    PAGE,
    PHONE,
    PHONE_TOKEN,
    RIMA,
    SAMI,
    SECOND,
    Shop,
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


def people(shop: Shop, count: int) -> list[str]:
    """Let `count` customers write a minute apart; return their ids, latest first."""
    ids = [f"73000{number:03}" for number in range(count)]
    for number, customer in enumerate(ids):
        shop.write("Hello", customer=customer, at=NINE - DAY + number * MINUTE)
    return ids[::-1]


def customers(page: dict[str, Any]) -> list[str]:
    return [row["participants"]["data"][0]["id"] for row in page["data"]]


def test_threads_come_latest_activity_first_with_id_and_time_alone(shop: Shop) -> None:
    shop.write("First", customer=SAMI, at=NINE - HOUR)
    shop.write("Second", at=NINE)
    page = shop.read(f"{PAGE}/conversations")
    assert [set(row) for row in page["data"]] == [{"id", "updated_time"}] * 2
    assert page["data"][0]["updated_time"] == "2026-03-01T09:00:00+0000"


def test_me_is_the_tokens_own_account(shop: Shop) -> None:
    shop.write("Hello")
    assert shop.read("me/conversations") == shop.read(f"{PAGE}/conversations")
    assert shop.read("me", fields="id,name") == {"id": PAGE, "name": "Corner Bakery"}
    page = shop.read(PAGE, fields="instagram_business_account")
    assert page["instagram_business_account"] == {"id": LINKED}
    me = shop.read("me", host=INSTAGRAM, token=LOGIN_TOKEN, fields="id,user_id,username")
    assert me["user_id"] == LOGIN != me["id"]


def test_pages_are_25_threads_and_only_a_missing_next_ends_the_walk(shop: Shop) -> None:
    expected = people(shop, 30)
    first = shop.read("me/conversations", fields="participants")
    assert len(first["data"]) == 25
    after = first["paging"]["cursors"]["after"]
    last = shop.read("me/conversations", fields="participants", after=after)
    assert customers(first) + customers(last) == expected
    assert "next" not in last["paging"]
    assert last["paging"]["cursors"]["after"]
    before = last["paging"]["cursors"]["before"]
    assert (
        shop.read("me/conversations", fields="participants", before=before)["data"]
        == (first["data"])
    )


def test_limits_beyond_the_platforms_are_cut_without_a_word(shop: Shop) -> None:
    people(shop, 5)
    shop.page.settings.max_page_limit = 3
    assert len(shop.read("me/conversations", limit=500)["data"]) == 3
    assert shop.refusal("me/conversations", limit="many") == (100, None)


def test_since_and_until_are_ignored(shop: Shop) -> None:
    people(shop, 2)
    future = int((NINE + DAY).timestamp())
    assert len(shop.read("me/conversations", since=future, until=1)["data"]) == 2


def test_a_thread_that_wakes_up_while_one_pages_is_passed_over(shop: Shop) -> None:
    expected = people(shop, 4)
    first = shop.read("me/conversations", fields="participants", limit=2)
    shop.write("Still there?", customer=expected[2])
    after = first["paging"]["cursors"]["after"]
    second = shop.read("me/conversations", fields="participants", limit=2, after=after)
    assert customers(first) + customers(second) == [*expected[:2], expected[3]]
    again = shop.read("me/conversations", fields="participants", limit=1)
    assert customers(again) == [expected[2]]


def test_cursors_belong_to_their_list_and_grow_old(shop: Shop) -> None:
    people(shop, 3)
    for text in ("One", "Two"):
        shop.write(text, customer=RIMA, at=NINE)
    thread = shop.read("me/conversations", user_id=RIMA)["data"][0]["id"]
    of_list = shop.read("me/conversations", limit=1)["paging"]["cursors"]["after"]
    of_thread = shop.read(f"{thread}/messages", limit=1)["paging"]["cursors"]["after"]
    assert shop.refusal(f"{thread}/messages", after=of_list) == (100, None)
    assert shop.refusal("me/conversations", after=of_thread) == (100, None)
    assert shop.refusal("me/conversations", after="nonsense") == (100, None)
    shop.world.clock.advance(2 * HOUR)
    assert shop.refusal("me/conversations", after=of_list) == (100, None)


def test_next_links_repeat_a_token_that_came_as_a_parameter(shop: Shop) -> None:
    people(shop, 2)
    by_header = shop.read("me/conversations", limit=1)["paging"]["next"]
    by_query = shop.read("me/conversations", token=None, access_token="page-token", limit=1)
    link = by_query["paging"]["next"]
    assert "access_token" not in by_header
    assert "access_token=page-token" in link
    assert len(shop.http.get(link, timeout=60).json()["data"]) == 1


def test_expansion_nests_messages_with_their_own_paging(shop: Shop) -> None:
    for number in range(4):
        shop.write(f"Line {number}", at=NINE + number * SECOND)
    fields = f"id,participants,messages.limit(3){{{DETAILS}}}"
    (thread,) = shop.read("me/conversations", fields=fields)["data"]
    nested = thread["messages"]
    assert [row["message"] for row in nested["data"]] == ["Line 3", "Line 2", "Line 1"]
    assert nested["data"][0]["from"]["email"] == f"{RIMA}@facebook.com"
    assert nested["data"][0]["to"]["data"][0]["id"] == PAGE
    assert "attachments" not in nested["data"][0]
    link = nested["paging"]["next"]
    headers = {"Authorization": "Bearer page-token"}
    older = shop.http.get(link, headers=headers, timeout=60).json()
    assert [row["message"] for row in older["data"]] == ["Line 0"]
    after = nested["paging"]["cursors"]["after"]
    edge = shop.read(f"{thread['id']}/messages", fields="message", after=after)
    assert [row["message"] for row in edge["data"]] == ["Line 0"]


def test_messages_of_one_second_keep_their_order(shop: Shop) -> None:
    for text in ("a", "b", "c"):
        shop.write(text)
    thread = shop.read("me/conversations")["data"][0]["id"]
    rows = shop.read(f"{thread}/messages", fields="message,created_time")["data"]
    assert [row["message"] for row in rows] == ["c", "b", "a"]
    assert len({row["created_time"] for row in rows}) == 1


@pytest.mark.parametrize("fields", ["id,nonsense", "messages{id,nonsense}", "messages{from{foe}}"])
def test_unknown_fields_are_refused(shop: Shop, fields: str) -> None:
    assert shop.refusal("me/conversations", fields=fields) == (100, None)


def test_fields_that_cannot_be_parsed_are_refused(shop: Shop) -> None:
    for fields in ("id,", "messages{id", "id}", "messages.limit(x){id}", "a" + "{a" * 9):
        assert shop.refusal("me/conversations", fields=fields)[0] in {100, 2500}


def test_messenger_shows_details_of_all(shop: Shop) -> None:
    stored = [shop.write(f"Line {number}", at=NINE + number * SECOND) for number in range(25)]
    assert shop.read(stored[0].id, fields="message")["message"] == "Line 0"


def test_the_platform_parameter_chooses_the_inbox_of_a_page(shop: Shop) -> None:
    shop.write("By Messenger")
    shop.write("By Instagram", to=shop.linked, customer=SAMI)
    messenger = shop.read("me/conversations", fields="participants", platform="MESSENGER")
    instagram = shop.read("me/conversations", fields="participants", platform="instagram")
    assert (customers(messenger), customers(instagram)) == ([RIMA], [SAMI])
    shop.world.add_account("facebook", "550012", "Other", "other-token")
    refusal = shop.refusal("me/conversations", token="other-token", platform="instagram")
    assert refusal == (100, 2534013)


def test_a_token_reaches_its_own_account_only(shop: Shop) -> None:
    message = shop.write("Hello", to=shop.login)
    assert shop.refusal(message.id) == (100, 33)
    assert shop.refusal("404") == (100, 33)


def test_folders_hold_apart_on_messenger(shop: Shop) -> None:
    shop.write("Hello")
    shop.world.change_thread(PAGE, RIMA, folder="page_done")
    assert shop.read("me/conversations")["data"] == []
    assert len(shop.read("me/conversations", folder="page_done")["data"]) == 1
    shop.write("One more thing")
    assert len(shop.read("me/conversations", folder="inbox")["data"]) == 1


def test_standard_access_hides_people_without_a_role(shop: Shop) -> None:
    shop.write("Hello")
    shop.write("Hello", customer=SAMI)
    shop.page.settings.standard_access = True
    shop.world.change_thread(PAGE, SAMI, has_app_role=True)
    assert customers(shop.read("me/conversations", fields="participants")) == [SAMI]
    assert shop.refusal("me/conversations", user_id=RIMA)[0] == 200
    assert shop.send("Hi").json()["error"]["code"] == 200


def test_a_busy_page_cannot_be_listed_but_its_threads_can_be_read(shop: Shop) -> None:
    shop.write("Hello")
    shop.page.settings.high_volume = True
    assert shop.ask("me/conversations").status_code == 500
    (thread,) = shop.read("me/conversations", user_id=RIMA)["data"]
    assert shop.read(thread["id"])["id"] == thread["id"]


def test_heavy_questions_are_never_answered_and_lighter_ones_are(shop: Shop) -> None:
    shop.write("Hello")
    shop.page.settings.heavy_query_weight = 100
    heavy = "messages.limit(10){id,message,from}"
    response = shop.ask("me/conversations", fields=heavy, limit=25)
    assert (response.status_code, response.json()["error"]["code"]) == (500, 1)
    assert "reduce the amount of data" in response.text
    assert shop.ask("me/conversations", fields=heavy, limit=3).status_code == 200


def test_unsent_messages_leave_without_a_trace_and_edits_change_in_place(shop: Shop) -> None:
    gone, kept = shop.write("Oops"), shop.write("Two breads")
    shop.world.unsend(gone.id)
    shop.world.edit(kept.id, "Three breads")
    thread = shop.read("me/conversations")["data"][0]["id"]
    rows = shop.read(f"{thread}/messages", fields="message")["data"]
    assert [row["message"] for row in rows] == ["Three breads"]
    assert shop.refusal(gone.id) == (9000001, None)


def test_late_messages_show_up_behind_what_came_meanwhile(shop: Shop) -> None:
    late = shop.write("Late", shown_after=MINUTE)
    shop.world.clock.advance(10 * SECOND)
    shop.write("On time", customer=SAMI)
    assert customers(shop.read("me/conversations", fields="participants")) == [SAMI]
    assert shop.refusal(late.id) == (100, 33)
    shop.world.clock.advance(MINUTE)
    assert customers(shop.read("me/conversations", fields="participants")) == [SAMI, RIMA]


@pytest.mark.parametrize(
    ("kind", "platform", "keys"),
    [
        ("image", "facebook", {"message", "attachments"}),
        ("video", "facebook", {"message", "attachments"}),
        ("audio", "instagram", {"message", "attachments"}),
        ("file", "facebook", {"message", "attachments"}),
        ("sticker", "facebook", {"message", "attachments", "sticker"}),
        ("share", "facebook", {"message", "shares"}),
        ("share", "instagram", {"message"}),
        ("story_reply", "instagram", {"message", "story"}),
        ("story_mention", "instagram", {"message", "story"}),
        ("unsupported", "instagram", {"is_unsupported"}),
    ],
)
def test_each_kind_of_message_has_its_own_fields_and_no_empty_ones(
    shop: Shop, kind: str, platform: str, keys: set[str]
) -> None:
    account = shop.page if platform == "facebook" else shop.linked
    message = shop.write("", to=account, kind=kind)
    fields = "message,attachments,sticker,shares{id,link},story,is_unsupported,reactions,reply_to"
    assert set(shop.read(message.id, fields=fields)) == {"id", *keys}


def test_media_links_die(shop: Shop) -> None:
    message = shop.write("", kind="image")
    row = shop.read(message.id, fields="attachments{image_data}")["attachments"]["data"][0]
    link = row["image_data"]["url"]
    assert shop.http.get(link, timeout=60).content.startswith(b"\x89PNG")
    shop.world.clock.advance(3 * DAY)
    assert shop.http.get(link, timeout=60).status_code == 403


def test_replies_name_what_they_answer(shop: Shop) -> None:
    question = shop.write("Open today?")
    answer = shop.write("Yes", side="employee", reply_to=question.id)
    assert shop.read(answer.id, fields="from,reply_to") == {
        "id": answer.id,
        "from": {"name": "Corner Bakery", "email": f"{PAGE}@facebook.com", "id": PAGE},
        "reply_to": {"mid": question.id, "is_self_reply": False},
    }


def test_ids_reads_several_nodes_or_none(shop: Shop) -> None:
    shop.write("One")
    shop.write("Two", customer=SAMI)
    ids = [row["id"] for row in shop.read("me/conversations")["data"]]
    calls = shop.page.meters.calls
    found = shop.read("", ids=",".join(ids), fields="id,updated_time")
    assert list(found) == ids
    assert shop.page.meters.calls == calls + 2
    assert shop.refusal("", ids=f"{ids[0]},404") == (100, 33)
    assert shop.refusal("", ids=",".join(map(str, range(51)))) == (100, None)


def test_an_unchanged_answer_is_304_and_counts(shop: Shop) -> None:
    shop.write("Hello", kind="image")
    first = shop.ask("me/conversations", fields="messages{attachments}")
    shop.world.clock.advance(SECOND)
    headers = {"Authorization": "Bearer page-token", "If-None-Match": first.headers["ETag"]}
    url, params = shop.url("me/conversations"), {"fields": "messages{attachments}"}
    again = shop.http.get(url, params=params, headers=headers, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    assert shop.page.meters.calls == 2
    headers["User-Agent"] = "another"
    assert shop.http.get(url, params=params, headers=headers, timeout=60).status_code == 200


def test_answers_are_compressed_dated_and_say_their_version(shop: Shop) -> None:
    people(shop, 20)
    response = shop.http.get(
        shop.url("me/conversations"),
        params={"access_token": "page-token"},
        headers={"Accept-Encoding": "gzip"},
        stream=True,
        timeout=60,
    )
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.raw.read()).startswith(b'{"data":[')
    assert response.headers["Date"] == "Sun, 01 Mar 2026 09:00:00 GMT"
    assert response.headers["facebook-api-version"] == "v25.0"
    unversioned = f"{shop.server.url}/{FACEBOOK}/me?access_token=page-token"
    assert shop.http.get(unversioned, timeout=60).json()["id"] == PAGE


def test_whatsapp_lists_nothing(shop: Shop) -> None:
    shop.write("Hello", to=shop.phone, customer="+961 70 000 000")
    for edge in ("messages", "conversations"):
        assert shop.refusal(f"{PHONE}/{edge}", token=PHONE_TOKEN)[0] == 100
    number = shop.read(PHONE, token=PHONE_TOKEN, fields="id,verified_name")
    assert number == {"id": PHONE, "verified_name": "Corner Bakery"}


def test_the_ledger_knows_each_call_and_no_token(shop: Shop) -> None:
    shop.write("Hello")
    shop.read("me/conversations", token=None, access_token="page-token", limit=5)
    (call,) = shop.world.ledger.calls()
    assert (call.kind, call.account_id, call.status) == ("list", PAGE, 200)
    assert call.query == {"limit": "5"}
    assert call.at == NINE
    assert "page-token" not in str(call.as_json())


def test_hostile_text_comes_back_as_it_was(shop: Shop) -> None:
    text = "\x00\x1b[31m'; DROP TABLE--\u202e\ud83d{{7*7}} سلام 🍞"
    message = shop.write(text)
    assert shop.read(message.id, fields="message")["message"] == text


def test_times_are_the_platforms_even_when_it_writes_into_the_past(shop: Shop) -> None:
    shop.write("Now")
    shop.write("Found later", at=NINE - timedelta(days=3))
    (thread,) = shop.read("me/conversations", fields="updated_time,messages{created_time}")["data"]
    assert thread["updated_time"] == "2026-03-01T09:00:00+0000"
    times = [row["created_time"] for row in thread["messages"]["data"]]
    assert times == ["2026-03-01T09:00:00+0000", "2026-02-26T09:00:00+0000"]
