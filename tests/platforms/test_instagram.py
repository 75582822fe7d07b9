import json
from dataclasses import replace
from typing import Any

import pytest
import responses

from shoptalk.errors import ChannelStopped, RetryLater, UsageError
from shoptalk.platforms.meta.instagram import Instagram
from shoptalk.platforms.testing import Call, PlatformContract, Vendor

from . import samples
from .samples import CUSTOMER_ID, FACEBOOK, IG_ID, INSTAGRAM, PAGE_ID, RECIPIENT, THREAD_ID

APP_SCOPED_ID = "660077"
PAGE_ANSWER: dict[str, Any] = {
    "id": PAGE_ID,
    "name": "Corner Bakery",
    "instagram_business_account": {"id": IG_ID, "username": "corner.bakery"},
}
LOGIN_ANSWER = {"id": APP_SCOPED_ID, "user_id": IG_ID, "username": "corner.bakery"}
BY_PAGE = {"login": "page", "page_id": PAGE_ID, "self_ids": [IG_ID, PAGE_ID]}
BY_LOGIN = {"login": "instagram", "self_ids": [IG_ID, APP_SCOPED_ID]}


def instagram(external_id: str = IG_ID, /, **config: object) -> Instagram:
    return Instagram(samples.account(external_id, **config), samples.surroundings())


OVER_PAGE = Vendor(
    name="instagram",
    recipient=RECIPIENT,
    sent_id="aWdfZAG1",
    secrets=(samples.TOKEN, samples.APP_SECRET),
    throttled=samples.graph_error(80002),
    dead_token=samples.graph_error(190, 460),
    routes={
        Call.IDENTIFY: ("GET", f"{FACEBOOK}/{PAGE_ID}"),
        Call.CREDENTIALS: ("GET", samples.DEBUG_TOKEN),
        Call.PAGE: ("GET", f"{FACEBOOK}/{PAGE_ID}/conversations"),
        Call.THREAD: ("GET", f"{FACEBOOK}/{THREAD_ID}"),
        Call.SEND: ("POST", f"{FACEBOOK}/{PAGE_ID}/messages"),
        Call.TYPING: ("POST", f"{FACEBOOK}/{PAGE_ID}/messages"),
    },
    good={
        Call.IDENTIFY: {"json": PAGE_ANSWER},
        Call.CREDENTIALS: samples.token_facts(),
        Call.PAGE: {"json": samples.listing(samples.thread(IG_ID))},
        Call.THREAD: {
            "json": {
                "id": THREAD_ID,
                "messages": samples.listing(samples.message(2), samples.message(1)),
            }
        },
        Call.SEND: {"json": {"recipient_id": CUSTOMER_ID, "message_id": "aWdfZAG1"}},
        Call.TYPING: {"json": {"recipient_id": CUSTOMER_ID}},
    },
    empty_page_with_next={"json": samples.listing(after="p2", base=FACEBOOK)},
    foreign_next={"json": samples.listing(after="p2", base="https://evil.example")},
    broken_records={"json": samples.listing(samples.thread(IG_ID), *samples.broken_threads(IG_ID))},
)


class TestContractOverPage(PlatformContract):
    vendor = OVER_PAGE

    def make(self) -> Instagram:
        return instagram(**BY_PAGE)


class TestContractOverInstagramLogin(PlatformContract):
    vendor = replace(
        OVER_PAGE,
        good={
            call: {"json": LOGIN_ANSWER} if call is Call.IDENTIFY else answer
            for call, answer in OVER_PAGE.good.items()
            if call is not Call.CREDENTIALS
        },
        empty_page_with_next={"json": samples.listing(after="p2", base=INSTAGRAM)},
        routes={
            Call.IDENTIFY: ("GET", f"{INSTAGRAM}/me"),
            Call.PAGE: ("GET", f"{INSTAGRAM}/me/conversations"),
            Call.THREAD: ("GET", f"{INSTAGRAM}/{THREAD_ID}"),
            Call.SEND: ("POST", f"{INSTAGRAM}/me/messages"),
            Call.TYPING: ("POST", f"{INSTAGRAM}/me/messages"),
        },
    )

    def make(self) -> Instagram:
        return instagram(**BY_LOGIN)


# Who we are


@pytest.mark.parametrize("external_id", [PAGE_ID, IG_ID])
@responses.activate
def test_the_page_or_the_instagram_id_will_do(external_id: str) -> None:
    responses.get(f"{FACEBOOK}/me", json=PAGE_ANSWER)
    identity = instagram(external_id).identify()
    assert identity.external_id == external_id
    assert identity.display_name == "corner.bakery"
    assert identity.config == BY_PAGE


@responses.activate
def test_me_becomes_the_instagram_id() -> None:
    responses.get(f"{FACEBOOK}/me", json=PAGE_ANSWER)
    assert instagram("me").identify().external_id == IG_ID


@responses.activate
def test_a_token_that_no_page_knows_is_tried_over_instagram_login() -> None:
    responses.get(f"{FACEBOOK}/me", **samples.graph_error(190))
    responses.get(f"{INSTAGRAM}/me", json=LOGIN_ANSWER)
    assert instagram().identify().config == BY_LOGIN


@responses.activate
def test_both_logins_report_when_neither_works() -> None:
    responses.get(f"{FACEBOOK}/me", **samples.graph_error(190, 463))
    responses.get(f"{INSTAGRAM}/me", **samples.graph_error(190))
    with pytest.raises(ChannelStopped) as caught:
        instagram().identify()
    assert "over the linked Page: the access token has expired" in str(caught.value)
    assert "over Instagram Login: the access token is not valid" in str(caught.value)
    assert caught.value.subcode == 463
    assert "long-lived" in caught.value.remedy


@responses.activate
def test_another_trouble_than_the_token_is_not_taken_for_a_wrong_login() -> None:
    responses.get(f"{FACEBOOK}/me", **samples.graph_error(2))
    with pytest.raises(RetryLater):
        instagram().identify()
    assert len(responses.calls) == 1


@responses.activate
def test_a_page_without_an_instagram_account_stops_the_channel() -> None:
    responses.get(f"{FACEBOOK}/me", json={"id": PAGE_ID, "name": "Corner Bakery"})
    with pytest.raises(ChannelStopped, match="no Instagram account is linked"):
        instagram().identify()


@responses.activate
def test_someone_elses_token_stops_the_channel() -> None:
    responses.get(f"{INSTAGRAM}/me", json=LOGIN_ANSWER)
    with pytest.raises(ChannelStopped, match="not to 123"):
        instagram("123", login="instagram").identify()


def test_a_login_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='"page" or "instagram"'):
        instagram(login="facebook")


# Reading


@pytest.mark.parametrize("ours", [IG_ID, APP_SCOPED_ID])
@responses.activate
def test_either_of_our_ids_is_us(ours: str) -> None:
    responses.get(f"{INSTAGRAM}/me/conversations", json=samples.listing(samples.thread(ours)))
    (slice_,) = instagram(**BY_LOGIN).fetch_page(cursor=None, limit=8, since=None).threads
    assert slice_.customer.customer_id == CUSTOMER_ID
    assert (slice_.messages, slice_.older) == ((), "")
    assert samples.query(0)["fields"] == "id,updated_time,participants"


def newest(count: int, *, total: int, start: int = 0) -> dict[str, Any]:
    numbers = range(start, start + count)
    nodes = [samples.message(59 - number) for number in numbers]
    return samples.listing(*nodes, after="more" if start + count < total else None)


@responses.activate
def test_more_than_twenty_messages_are_a_gap() -> None:
    responses.get(f"{FACEBOOK}/{THREAD_ID}", json={"messages": newest(20, total=21)})
    page = instagram(**BY_PAGE).fetch_thread(THREAD_ID, cursor="", limit=100)
    assert (len(page.messages), page.older, page.hidden) == (20, None, 1)
    assert samples.query(0)["fields"].startswith("messages.limit(20){id,")


@responses.activate
def test_twenty_messages_are_all_there_is() -> None:
    responses.get(f"{FACEBOOK}/{THREAD_ID}", json={"messages": newest(20, total=20)})
    page = instagram(**BY_PAGE).fetch_thread(THREAD_ID, cursor="", limit=100)
    assert (page.older, page.hidden) == (None, 0)


@responses.activate
def test_a_short_page_goes_on_but_not_beyond_twenty() -> None:
    responses.get(f"{FACEBOOK}/{THREAD_ID}", json={"messages": newest(12, total=30)})
    responses.get(f"{FACEBOOK}/{THREAD_ID}/messages", json=newest(8, total=30, start=12))
    adapter = instagram(**BY_PAGE)
    first = adapter.fetch_thread(THREAD_ID, cursor="", limit=20)
    assert (first.older, first.hidden) == ("12:more", 0)
    second = adapter.fetch_thread(THREAD_ID, cursor="12:more", limit=20)
    assert (second.older, second.hidden) == (None, 1)
    assert samples.query(1)["limit"] == "8"
    assert samples.query(1)["after"] == "more"
    ids = [message.message_id for message in (*first.messages, *second.messages)]
    assert len(set(ids)) == 20


@responses.activate
def test_a_thread_without_messages_is_empty() -> None:
    responses.get(f"{FACEBOOK}/{THREAD_ID}", json={"id": THREAD_ID})
    page = instagram(**BY_PAGE).fetch_thread(THREAD_ID, cursor="", limit=20)
    assert (page.messages, page.older, page.hidden) == ([], None, 0)


@responses.activate
def test_the_sample_pages_say_what_is_expected_of_them() -> None:
    expected = samples.data("graph_instagram", "expected.json")
    account = samples.account(expected["business_id"], login="page", page_id=PAGE_ID)
    adapter = Instagram(account, samples.surroundings(**samples.VENDORS_OWN))
    found = samples.read_sample_pages(
        adapter, "graph_instagram", path=PAGE_ID, first_page_nested=True
    )
    assert found == expected["messages"]
    assert len(found) == expected["message_count"]


# Sending


@responses.activate
def test_a_reply_names_no_messaging_type() -> None:
    responses.post(f"{INSTAGRAM}/me/messages", json={"message_id": "aWdfZAG1"})
    assert instagram(**BY_LOGIN).send(RECIPIENT, "Yes") == "aWdfZAG1"
    assert json.loads(responses.calls[0].request.body or "") == {
        "recipient": {"id": CUSTOMER_ID},
        "message": {"text": "Yes"},
    }
