import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
    UsageError,
)
from shoptalk.platforms.base import Recipient, TextUnit
from shoptalk.platforms.chatwoot.adapter import HANDED_OVER, Chatwoot
from shoptalk.platforms.chatwoot.client import server_name, usable_base_url
from shoptalk.platforms.testing import NINE, Call, PlatformContract, Vendor
from shoptalk.types import ThreadOwner

from . import chatwoot_samples as samples
from .chatwoot_samples import (
    ANN,
    API,
    BO,
    CONVERSATION,
    CONVERSATIONS,
    MESSAGES,
    PROFILE,
    SERVER,
    THREAD_ID,
    TOKEN,
    WE,
    chatwoot,
    conversation,
    listing,
    message,
    outgoing,
    thread,
)

INBOXES = f"{API}/accounts/1/inboxes"
TYPING = f"{CONVERSATION}/toggle_typing_status"
STATUS = f"{CONVERSATION}/toggle_status"
LABELS = f"{CONVERSATION}/labels"
ASSIGNMENTS = f"{CONVERSATION}/assignments"


class TestContract(PlatformContract):
    vendor = Vendor(
        name="chatwoot",
        recipient=ANN,
        sent_id="chatwoot_shop.example/chat_1_12_802",
        secrets=(TOKEN,),
        throttled={"body": "Retry later\n", "status": 429, "content_type": "text/plain"},
        dead_token={"json": {"error": "Invalid Access Token"}, "status": 401},
        routes={
            Call.IDENTIFY: ("GET", PROFILE),
            Call.PAGE: ("GET", CONVERSATIONS),
            Call.THREAD: ("GET", MESSAGES),
            Call.SEND: ("POST", MESSAGES),
            Call.TYPING: ("POST", TYPING),
        },
        good={
            Call.IDENTIFY: {"json": samples.profile()},
            Call.PAGE: {"json": listing(conversation(13), conversation())},
            Call.THREAD: {"json": thread(message(801), outgoing(802), message(803))},
            Call.SEND: {"json": outgoing(802)},
            Call.TYPING: {"body": ""},
        },
        broken_records={
            "json": listing(
                None,
                "12",
                {"id": "twelve"},
                conversation(14, last_activity_at=None, timestamp="yesterday"),
                conversation(15, meta={"sender": None}),
                conversation(16, meta={"sender": {"name": "Nobody"}}),
                conversation(),
            )
        },
    )

    def make(self) -> Chatwoot:
        return chatwoot()


# Who it is


@responses.activate
def test_an_account_is_told_apart_from_its_number_on_another_server() -> None:
    responses.get(
        PROFILE, json=samples.profile(1, 4), headers={"Date": "Sun, 04 Oct 2026 09:00:00 GMT"}
    )
    identity = chatwoot().identify()
    assert identity.external_id == "1@shop.example/chat"
    assert identity.display_name == "Shop 1"
    assert identity.platform_time == NINE
    assert identity.config == {"base_url": SERVER, "user_id": str(WE)}
    again = chatwoot(identity.external_id)
    assert again.identify() == identity


@responses.activate
def test_one_inbox_is_a_channel_of_its_own() -> None:
    responses.get(PROFILE, json=samples.profile())
    rows = [{"id": 2, "name": "SMS"}, {"id": 3, "name": "Website"}]
    responses.get(INBOXES, json={"payload": rows})
    identity = chatwoot(inbox="3").identify()
    assert identity.external_id == "1/3@shop.example/chat"
    assert identity.display_name == "Shop 1, Website"
    responses.get(
        CONVERSATIONS,
        json=listing(),
        match=[matchers.query_param_matcher({"inbox_id": "3"}, strict_match=False)],
    )
    chatwoot(identity.external_id).fetch_page(cursor=None, limit=25, since=None)


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (samples.profile(4, 5), r"no account 1"),
        (samples.profile(1, status="suspended"), "suspended"),
    ],
)
@responses.activate
def test_an_account_that_is_not_the_users_stops_the_channel(
    profile: dict[str, Any], says: str
) -> None:
    responses.get(PROFILE, json=profile)
    with pytest.raises(ChannelStopped, match=says):
        chatwoot().identify()


@pytest.mark.parametrize("rows", [[], [{"id": 4, "name": "SMS"}, None, {"name": "3"}]])
@responses.activate
def test_an_inbox_that_is_not_there_stops_the_channel_and_names_those_that_are(
    rows: list[Any],
) -> None:
    responses.get(PROFILE, json=samples.profile())
    responses.get(INBOXES, json={"payload": rows})
    with pytest.raises(ChannelStopped, match="no inbox 3") as caught:
        chatwoot(inbox="3").identify()
    assert ("4 SMS" if rows else "none") in caught.value.remedy


@responses.activate
def test_inboxes_that_are_no_list_make_no_sense() -> None:
    responses.get(PROFILE, json=samples.profile())
    responses.get(INBOXES, json={"payload": {}})
    with pytest.raises(BadPayload):
        chatwoot(inbox="3").identify()


@pytest.mark.parametrize("profile", [{"id": WE}, {"accounts": []}, {"id": WE, "accounts": {}}])
@responses.activate
def test_a_profile_without_what_we_need_makes_no_sense(profile: dict[str, Any]) -> None:
    responses.get(PROFILE, json=profile)
    with pytest.raises(BadPayload):
        chatwoot().identify()


@pytest.mark.parametrize("external_id", ["", "one", "1/", "1/x", "1@", "-1", "١"])
def test_what_is_no_number_of_an_account_is_refused(external_id: str) -> None:
    with pytest.raises(UsageError, match="after /accounts/"):
        chatwoot(external_id)


def test_an_account_of_another_server_is_not_asked_for_here() -> None:
    with pytest.raises(UsageError, match="--base-url"):
        chatwoot("1@chat.example")


@pytest.mark.parametrize("inbox", ["website", "3.5", "-3"])
def test_what_is_no_number_of_an_inbox_is_refused(inbox: str) -> None:
    with pytest.raises(UsageError, match="inbox"):
        chatwoot(inbox=inbox)


@pytest.mark.parametrize("token", ["", "two words", "ключ", "line\nbreak"])
def test_what_cannot_be_a_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="access token") as caught:
        chatwoot(access_token=token)
    assert not token or token not in str(caught.value)


# Where it is


@pytest.mark.parametrize(
    ("given", "address", "name"),
    [
        ("https://chat.example", "https://chat.example", "chat.example"),
        ("https://Chat.Example/", "https://chat.example", "chat.example"),
        ("https://chat.example:443", "https://chat.example:443", "chat.example"),
        ("http://10.0.0.5:3000", "http://10.0.0.5:3000", "10.0.0.5:3000"),
        ("https://shop.example/chat/", "https://shop.example/chat", "shop.example/chat"),
        ("http://[::1]:3000/a/b", "http://[::1]:3000/a/b", "[::1]:3000/a/b"),
    ],
)
def test_an_address_is_kept_with_its_sub_path(given: str, address: str, name: str) -> None:
    assert usable_base_url(given) == address
    assert server_name(address) == name


@pytest.mark.parametrize(
    "address",
    [
        "chat.example",
        "ftp://chat.example",
        "https://",
        "https://bo:secret@chat.example",
        "https://chat.example/?a=b",
        "https://chat.example/#top",
        "https://chat.example:port",
        "https://[chat",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="address of the Chatwoot server") as caught:
        chatwoot(base_url=address)
    assert "secret" not in str(caught.value)


@responses.activate
def test_the_token_goes_in_chatwoots_header_and_to_no_other_host() -> None:
    elsewhere = {"Location": "https://evil.example/api/v1/profile"}
    responses.get(PROFILE, status=302, headers=elsewhere)
    with pytest.raises(BadPayload, match="redirect"):
        chatwoot().identify()
    [call] = responses.calls
    assert call.request.headers["api_access_token"] == TOKEN
    assert "Authorization" not in call.request.headers
    assert TOKEN not in (call.request.url or "")


def test_without_an_address_of_its_own_the_setting_counts() -> None:
    platform = chatwoot(base_url="")
    with responses.mock:
        responses.get("https://app.chatwoot.com/api/v1/profile", json=samples.profile())
        assert platform.identify().external_id == "1@app.chatwoot.com"


# Listing


@responses.activate
def test_conversations_of_every_status_are_listed_page_by_page_until_one_is_empty() -> None:
    for page, rows in (("1", [conversation(13)]), ("2", [conversation(12)]), ("3", [])):
        params = {"status": "all", "assignee_type": "all", "page": page}
        responses.get(
            CONVERSATIONS, json=listing(*rows), match=[matchers.query_param_matcher(params)]
        )
    platform, cursor, seen = chatwoot(), None, []
    while True:
        page_ = platform.fetch_page(cursor=cursor, limit=25, since=None)
        seen += [each.thread_id for each in page_.threads]
        cursor = page_.next_cursor
        if cursor is None:
            break
    assert seen == ["chatwoot_1_13", THREAD_ID]
    assert len(responses.calls) == 3


def counted(shown: int, of: int) -> dict[str, Any]:
    page = listing(*(conversation(number) for number in range(1, shown + 1)))
    page["data"]["meta"]["all_count"] = of
    return page


@pytest.mark.parametrize(
    ("cursor", "shown", "of", "left_out"),
    [
        (None, 25, 60, 0),
        (None, 10, 60, 0),  # a server whose owner wants ten
        (None, 0, 60, 25),
        (None, 0, 7, 7),
        (None, 0, 0, 0),
        ("2.25", 25, 60, 0),
        ("2.25", 5, 60, 20),
        ("2.25", 0, 60, 25),
        ("3.25", 10, 60, 0),
        ("3.25", 0, 60, 10),
        ("3.25", 0, 50, 0),
        ("2.10", 10, 60, 0),
        ("7.10", 0, 60, 0),
        ("2.100", 3, 103, 0),
        ("2", 1, 60, 0),
    ],
)
@responses.activate
def test_what_a_page_leaves_out_of_what_the_server_counts_is_told(
    cursor: str | None, shown: int, of: int, left_out: int
) -> None:
    responses.get(CONVERSATIONS, json=counted(shown, of))
    page = chatwoot().fetch_page(cursor=cursor, limit=25, since=None)
    assert page.left_out == left_out


@pytest.mark.parametrize(
    ("cursor", "shown", "of"),
    [("2.5", 25, 60), ("2.5", 3, 28), ("3.5", 0, 30)],  # where the first page had shown only five
)
@responses.activate
def test_a_first_page_that_was_short_is_found_out_by_the_next(
    cursor: str, shown: int, of: int
) -> None:
    responses.get(CONVERSATIONS, json=counted(shown, of))
    with pytest.raises(BadPayload, match="left out conversations"):
        chatwoot().fetch_page(cursor=cursor, limit=25, since=None)


@pytest.mark.parametrize("meta", [None, [], {}, {"all_count": "many"}, {"all_count": None}])
@responses.activate
def test_a_server_that_does_not_count_is_believed(meta: object) -> None:
    responses.get(CONVERSATIONS, json={"data": {"meta": meta, "payload": []}})
    page = chatwoot().fetch_page(cursor="2.25", limit=25, since=None)
    assert (page.left_out, page.next_cursor) == (0, None)


@responses.activate
def test_a_conversation_tells_its_contact_and_when_it_last_changed() -> None:
    responses.get(CONVERSATIONS, json=listing(conversation()))
    [slice_] = chatwoot().fetch_page(cursor=None, limit=25, since=None).threads
    assert slice_.customer.customer_id == "9"
    assert slice_.customer.name == "Ann"
    assert slice_.customer.phone == "+4915112345678"
    assert slice_.updated_at == NINE
    assert (slice_.messages, slice_.older) == ((), "newest_801")


@pytest.mark.parametrize("phone", [None, "", "12", "+", "+49 151", 49])
@responses.activate
def test_a_phone_that_is_none_is_left_out(phone: object) -> None:
    sender = {"id": 9, "name": None, "phone_number": phone}
    responses.get(CONVERSATIONS, json=listing(conversation(meta={"sender": sender})))
    [slice_] = chatwoot().fetch_page(cursor=None, limit=25, since=None).threads
    assert (slice_.customer.name, slice_.customer.phone) == (None, None)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {"payload": None}}, {"payload": []}])
@responses.activate
def test_an_answer_without_a_list_makes_no_sense(body: object) -> None:
    responses.get(CONVERSATIONS, json=body)
    with pytest.raises(BadPayload):
        chatwoot().fetch_page(cursor=None, limit=25, since=None)


# Reading a conversation


@responses.activate
def test_a_conversation_is_read_back_by_the_oldest_id() -> None:
    newest = [message(number) for number in range(821, 841)]
    params = matchers.query_param_matcher
    responses.get(MESSAGES, json=thread(*newest), match=[params({})])
    again = thread(message(820), message(821))
    responses.get(MESSAGES, json=again, match=[params({"before": "822"})])
    platform = chatwoot()
    first = platform.fetch_thread(THREAD_ID, cursor="", limit=50)
    assert [each.message_id[-3:] for each in first.messages[:2]] == ["840", "839"]
    assert first.older == "821"
    rest = platform.fetch_thread(THREAD_ID, cursor="821", limit=50)
    assert [each.message_id[-3:] for each in rest.messages] == ["821", "820"]
    assert rest.older is None


@pytest.mark.parametrize("cursor", ["newest_840", "840"])
@pytest.mark.parametrize("shown", [[], [821, 822]])
@responses.activate
def test_a_page_of_messages_that_lacks_one_we_know_of_makes_no_sense(
    cursor: str, shown: list[int]
) -> None:
    responses.get(MESSAGES, json=thread(*map(message, shown)))
    with pytest.raises(BadPayload, match="left out messages"):
        chatwoot().fetch_thread(THREAD_ID, cursor=cursor, limit=50)


@responses.activate
def test_where_the_one_we_know_of_may_be_the_broken_one_the_rest_is_read() -> None:
    responses.get(MESSAGES, json=thread(message(839), None))
    page = chatwoot().fetch_thread(THREAD_ID, cursor="newest_840", limit=50)
    assert (len(page.messages), len(page.unreadable), page.older) == (1, 1, None)


@responses.activate
def test_a_conversation_that_ends_with_a_full_page_is_at_its_beginning() -> None:
    responses.get(MESSAGES, json=thread(message(821)))
    assert chatwoot().fetch_thread(THREAD_ID, cursor="821", limit=50).older is None


@responses.activate
def test_messages_brought_in_from_elsewhere_are_sorted_by_time_and_cut_by_id() -> None:
    rows = [message(number) for number in range(821, 840)]
    late = message(840, created_at=1)  # stands first by time and last by id
    responses.get(MESSAGES, json=thread(late, *rows))
    page = chatwoot().fetch_thread(THREAD_ID, cursor="", limit=50)
    assert page.messages[-1].created_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert page.older == "821"


@responses.activate
def test_broken_messages_are_set_aside_and_the_walk_goes_on() -> None:
    rows: list[Any] = [message(number) for number in range(801, 817)]
    rows += [None, {"id": "x"}, message(817, created_at=None), message(818, message_type=9)]
    responses.get(MESSAGES, json=thread(*rows))
    page = chatwoot().fetch_thread(THREAD_ID, cursor="", limit=50)
    assert len(page.messages) == 16
    assert len(page.unreadable) == 4
    assert page.older == "801"


@pytest.mark.parametrize("body", [{}, {"payload": {}}, {"payload": None}])
@responses.activate
def test_an_answer_without_messages_makes_no_sense(body: object) -> None:
    responses.get(MESSAGES, json=body)
    with pytest.raises(BadPayload):
        chatwoot().fetch_thread(THREAD_ID, cursor="", limit=50)


@pytest.mark.parametrize("thread_id", ["12", "chatwoot_2_12", "chatwoot_1_", "chatwoot_1_../9", ""])
def test_a_thread_of_another_account_is_never_asked_for(thread_id: str) -> None:
    with pytest.raises(GiveUp):
        chatwoot().fetch_thread(thread_id, cursor="", limit=50)
    with pytest.raises(GiveUp):
        chatwoot().send(Recipient(thread_id=thread_id, customer_id="9"), "Yes")


# What became of it


@pytest.mark.parametrize(
    ("status", "error", "arrived", "reason"),
    [
        ("sent", None, None, ""),
        ("progress", None, None, ""),
        ("delivered", None, True, ""),
        ("read", None, True, ""),
        ("failed", "131047: Re-engagement message", False, "(131047)"),
        ("failed", "Invalid number +4915112345678", False, "did not deliver it"),
        ("failed", None, False, "did not deliver it"),
    ],
)
@responses.activate
def test_what_the_channel_made_of_a_message_is_told(
    status: str, error: str | None, arrived: bool | None, reason: str
) -> None:
    about = {"external_error": error} if error else {}
    row = outgoing(802, status=status, content_attributes=about)
    one = matchers.query_param_matcher({"after": "802", "before": "803"})
    responses.get(MESSAGES, json=thread(row), match=[one])
    report = chatwoot().fetch_delivery("chatwoot_shop.example/chat_1_12_802")
    if arrived is None:
        assert report is None
        return
    assert report is not None
    assert report.arrived is arrived
    assert report.reason.endswith(reason)
    assert "+49" not in report.reason


@responses.activate
def test_what_became_of_a_message_that_is_gone_is_not_known() -> None:
    responses.get(MESSAGES, json=thread())
    assert chatwoot().fetch_delivery("chatwoot_shop.example/chat_1_12_802") is None
    responses.get(MESSAGES, json={"payload": None})
    with pytest.raises(BadPayload):
        chatwoot().fetch_delivery("chatwoot_shop.example/chat_1_12_802")
    with pytest.raises(GiveUp):
        chatwoot().fetch_delivery("chatwoot_chat.example_1_12_802")


# How it stands


@pytest.mark.parametrize(
    ("more", "thread_owner"),
    [
        ({}, ThreadOwner.ANYONE),
        ({"status": "pending"}, ThreadOwner.AI),
        ({"status": "resolved"}, ThreadOwner.PERSON),
        ({"status": "snoozed"}, ThreadOwner.PERSON),
        ({"status": "brand-new"}, None),
        ({"meta": {"assignee": {"id": BO}, "assignee_type": "User"}}, ThreadOwner.PERSON),
        ({"meta": {"assignee": {"id": BO}}}, ThreadOwner.PERSON),  # older servers tell no type
        ({"meta": {"assignee": {"id": BO, "type": "agent_bot"}}}, ThreadOwner.ANYONE),
        ({"meta": {"assignee": {"id": BO}, "assignee_type": "AgentBot"}}, ThreadOwner.ANYONE),
        ({"meta": {"assignee": {"id": WE}, "assignee_type": "User"}}, ThreadOwner.ANYONE),
        ({"status": "pending", "meta": {"assignee": {"id": BO}}}, ThreadOwner.PERSON),
        ({"meta": None}, ThreadOwner.ANYONE),
        ({"meta": {"assignee": "Bo"}}, ThreadOwner.ANYONE),
    ],
)
@responses.activate
def test_whose_a_conversation_is(more: dict[str, Any], thread_owner: ThreadOwner | None) -> None:
    row = conversation(**more) if more.get("meta", {}) is not None else conversation() | more
    responses.get(CONVERSATION, json=row)
    assert chatwoot().thread_state(ANN).thread_owner == thread_owner
    if row["meta"]:
        responses.get(CONVERSATIONS, json=listing(row))
        [slice_] = chatwoot().fetch_page(cursor=None, limit=25, since=None).threads
        assert slice_.thread_owner == thread_owner


@pytest.mark.parametrize(("told", "can_reply"), [(True, True), (False, False), (None, True)])
@responses.activate
def test_a_window_that_is_over_is_told(told: bool | None, can_reply: bool) -> None:
    responses.get(CONVERSATION, json=conversation(can_reply=told))
    assert chatwoot().thread_state(ANN).can_reply is can_reply


@pytest.mark.parametrize(
    ("channel", "limit", "unit"),
    [
        ("Channel::Whatsapp", 4096, TextUnit.CHARACTERS),
        ("Channel::Instagram", 1000, TextUnit.UTF8_BYTES),
        ("Channel::WebWidget", None, TextUnit.CHARACTERS),
        (None, None, TextUnit.CHARACTERS),
    ],
)
@responses.activate
def test_the_channel_behind_the_inbox_says_how_long_a_text_may_be(
    channel: str | None, limit: int | None, unit: TextUnit
) -> None:
    responses.get(CONVERSATION, json=conversation(meta={"channel": channel}))
    state = chatwoot().thread_state(ANN)
    assert (state.max_text, state.text_unit) == (limit, unit)


@pytest.mark.parametrize(
    ("newest", "said_by_us"),
    [
        (outgoing(802, samples.COLLEAGUE), "chatwoot_shop.example/chat_1_12_802"),
        (outgoing(802), "chatwoot_shop.example/chat_1_12_802"),
        (message(802), None),
        (outgoing(802, samples.COLLEAGUE, private=True), None),
        ({"id": 802}, None),
        (None, None),
    ],
)
@responses.activate
def test_what_our_side_said_last_is_told(newest: Any, said_by_us: str | None) -> None:
    responses.get(CONVERSATION, json=conversation(last_non_activity_message=newest))
    assert chatwoot().thread_state(ANN).said_by_us == said_by_us


@responses.activate
def test_a_state_that_is_no_conversation_makes_no_sense() -> None:
    responses.get(CONVERSATION, json={"error": None})
    with pytest.raises(BadPayload):
        chatwoot().thread_state(ANN)


# Sending and typing


@responses.activate
def test_a_reply_is_posted_as_outgoing_and_not_as_a_note() -> None:
    responses.post(MESSAGES, json=outgoing(802))
    chatwoot().send(ANN, "Yes, we are.")
    assert json.loads(responses.calls[0].request.body or "") == {
        "content": "Yes, we are.",
        "message_type": "outgoing",
        "private": False,
    }


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": "x"}, {"id": True}])
@responses.activate
def test_a_send_whose_answer_has_no_id_is_uncertain(body: object) -> None:
    responses.post(MESSAGES, json=body)
    with pytest.raises(DeliveryUncertain):
        chatwoot().send(ANN, "Yes")


@responses.activate
def test_typing_is_shown_and_hidden_to_the_customer() -> None:
    responses.post(TYPING, body="")
    platform = chatwoot()
    platform.show_typing(ANN)
    platform.hide_typing(ANN)
    assert [json.loads(call.request.body or "") for call in responses.calls] == [
        {"typing_status": "on", "is_private": False},
        {"typing_status": "off", "is_private": False},
    ]


def test_typing_that_is_switched_off_is_not_among_what_it_can() -> None:
    platform = chatwoot(typing=False)
    assert not platform.capabilities.typing
    for toggle in (platform.show_typing, platform.hide_typing):
        with pytest.raises(UsageError, match="CHATWOOT_TYPING_INDICATOR_ENABLED"):
            toggle(ANN)
    assert chatwoot().capabilities.typing


# Handing over


def _changes() -> list[tuple[str, Any]]:
    return [
        ((call.request.url or "").removeprefix(CONVERSATION), json.loads(call.request.body))
        for call in responses.calls
        if call.request.method == "POST" and call.request.body
    ]


@responses.activate
def test_a_conversation_that_is_handed_over_is_opened_labelled_and_given_its_reason() -> None:
    responses.get(CONVERSATION, json=conversation(status="pending", labels=["vip"]))
    for url in (STATUS, LABELS, MESSAGES):
        responses.post(url, json={"payload": []})
    chatwoot().hand_over(ANN, "The model gave no usable answer.")
    note = "shoptalk: The model gave no usable answer."
    assert _changes() == [
        ("/toggle_status", {"status": "open"}),
        ("/labels", {"labels": ["vip", HANDED_OVER]}),
        ("/messages", {"content": note, "message_type": "outgoing", "private": True}),
    ]


@responses.activate
def test_what_opening_assigned_to_us_is_given_back() -> None:
    responses.get(CONVERSATION, json=conversation(status="pending"))
    responses.get(CONVERSATION, json=conversation(meta={"assignee": {"id": WE}}))
    for url in (STATUS, LABELS, MESSAGES):
        responses.post(url, json={})
    responses.post(ASSIGNMENTS, body="null")
    chatwoot().hand_over(ANN, "why")
    assert ("/assignments", {"assignee_id": 0}) in _changes()


@responses.activate
def test_an_open_conversation_keeps_its_status_and_its_person() -> None:
    responses.get(CONVERSATION, json=conversation(meta={"assignee": {"id": BO}}))
    for url in (LABELS, MESSAGES):
        responses.post(url, json={})
    chatwoot().hand_over(ANN, "why")
    assert [path for path, _ in _changes()] == ["/labels", "/messages"]


@responses.activate
def test_handing_over_again_changes_nothing() -> None:
    responses.get(CONVERSATION, json=conversation(labels=[HANDED_OVER]))
    chatwoot().hand_over(ANN, "why")
    assert _changes() == []


@responses.activate
def test_a_lost_answer_to_a_note_is_no_uncertain_delivery() -> None:
    responses.get(CONVERSATION, json=conversation(labels=[HANDED_OVER], status="snoozed"))
    responses.post(STATUS, json={})
    responses.post(MESSAGES, body=requests.ReadTimeout("no answer"))
    with pytest.raises(RetryLater):
        chatwoot().hand_over(ANN, "why")


# Errors: status, body, and what they mean for reading the account, one thread, and a send

OUT = {"error": "Invalid Access Token"}
NOT_SIGNED_IN = {"errors": ["You need to sign in or sign up before continuing."]}
BOTS = {"error": "Access to this endpoint is not authorized for bots"}
NO_RIGHT = {"error": "You are not authorized to do this action"}
GONE = {"error": "Resource could not be found"}
DOCUMENTED = {"description": "Not good", "errors": [{"field": "a", "message": "b", "code": "c"}]}
FLOOD = {"error": "Too many messages"}
INVALID = {"error": "Validation failed: Content is too long"}
ATTRIBUTES = {"message": "Content is wrong", "attributes": ["content"]}
STOP, GIVE_UP, BAD = ChannelStopped, GiveUp, BadPayload
LATER, UNSURE, SLOW = RetryLater, DeliveryUncertain, Throttled

ERRORS: list[tuple[int, Any, type[PlatformError], type[PlatformError], type[PlatformError]]] = [
    (301, "", BAD, BAD, BAD),
    (400, DOCUMENTED, BAD, BAD, UNSURE),
    (401, OUT, STOP, STOP, STOP),
    (401, NOT_SIGNED_IN, STOP, STOP, STOP),
    (401, BOTS, STOP, STOP, STOP),
    (401, {"error": "Account is suspended"}, STOP, STOP, STOP),
    (401, NO_RIGHT, STOP, GIVE_UP, GIVE_UP),
    (401, "<h1>no</h1>", STOP, STOP, STOP),
    (402, {"error": "Please upgrade"}, STOP, STOP, STOP),
    (403, {"error": "Access denied"}, STOP, GIVE_UP, GIVE_UP),
    (404, GONE, STOP, GIVE_UP, GIVE_UP),
    (404, "<h1>nginx</h1>", BAD, BAD, UNSURE),
    (408, "", LATER, LATER, UNSURE),
    (422, FLOOD, SLOW, SLOW, SLOW),
    (422, INVALID, GIVE_UP, GIVE_UP, GIVE_UP),
    (422, ATTRIBUTES, GIVE_UP, GIVE_UP, GIVE_UP),
    (422, {"error": "Connection refused - connect(2)"}, BAD, BAD, UNSURE),
    (429, "Retry later\n", SLOW, SLOW, SLOW),
    (500, "", LATER, LATER, UNSURE),
    (503, {"error": "down"}, LATER, LATER, UNSURE),
]


@pytest.mark.parametrize(("status", "body", "account", "one_thread", "send"), ERRORS)
@responses.activate
def test_what_a_status_means(
    status: int,
    body: Any,
    account: type[PlatformError],
    one_thread: type[PlatformError],
    send: type[PlatformError],
) -> None:
    answer = {"body": body} if isinstance(body, str) else {"json": body}
    for method, url in (("GET", CONVERSATIONS), ("GET", MESSAGES), ("POST", MESSAGES)):
        responses.add(method, url, status=status, **answer)
    platform = chatwoot()
    with pytest.raises(PlatformError) as of_account:
        platform.fetch_page(cursor=None, limit=25, since=None)
    with pytest.raises(PlatformError) as of_thread:
        platform.fetch_thread(THREAD_ID, cursor="", limit=50)
    with pytest.raises(PlatformError) as of_send:
        platform.send(ANN, "Yes")
    assert [type(each.value) for each in (of_account, of_thread, of_send)] == [
        account,
        one_thread,
        send,
    ]
    assert all(each.value.code == status for each in (of_account, of_thread, of_send))


@responses.activate
def test_a_bots_token_is_told_from_a_dead_one() -> None:
    responses.get(PROFILE, json=BOTS, status=401)
    with pytest.raises(ChannelStopped) as caught:
        chatwoot().identify()
    assert "token of a user" in caught.value.remedy


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("30", timedelta(seconds=30)),
        ("soon", None),
        ("-1", None),
        ("Sun, 04 Oct 2026 09:02:00 GMT", timedelta(minutes=2)),
        ("Sun, 04 Oct 2026 08:00:00 GMT", timedelta(0)),
    ],
)
@responses.activate
def test_a_throttle_lasts_as_long_as_it_says(header: str | None, wait: timedelta | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    responses.get(CONVERSATIONS, body="Retry later\n", status=429, headers=headers)
    with pytest.raises(Throttled) as caught:
        chatwoot().fetch_page(cursor=None, limit=25, since=None)
    assert caught.value.retry_after == wait


@responses.activate
def test_a_flooded_conversation_is_left_alone_for_a_minute() -> None:
    responses.post(MESSAGES, json=FLOOD, status=422)
    with pytest.raises(Throttled) as caught:
        chatwoot().send(ANN, "Yes")
    assert caught.value.retry_after == timedelta(minutes=1)
