import json
from datetime import timedelta

import pytest
import responses

from shoptalk.errors import ChannelStopped
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.platforms.testing import Call, PlatformContract, Vendor

from . import samples
from .samples import FACEBOOK, PAGE_ID, RECIPIENT, THREAD_ID

CONVERSATIONS = f"{FACEBOOK}/{PAGE_ID}/conversations"
MESSAGES = f"{FACEBOOK}/{PAGE_ID}/messages"
THREAD = f"{FACEBOOK}/{THREAD_ID}/messages"
NESTED = samples.listing(samples.message(2), samples.message(1), after="older")


def messenger(external_id: str = PAGE_ID, /, **config: object) -> Messenger:
    return Messenger(samples.account(external_id, **config), samples.surroundings())


class TestContract(PlatformContract):
    vendor = Vendor(
        name="facebook",
        recipient=RECIPIENT,
        sent_id="m_AbC123",
        secrets=(samples.TOKEN, samples.APP_SECRET),
        throttled=samples.graph_error(80006, status=400),
        dead_token=samples.graph_error(190, 463),
        routes={
            Call.IDENTIFY: ("GET", f"{FACEBOOK}/{PAGE_ID}"),
            Call.CREDENTIALS: ("GET", samples.DEBUG_TOKEN),
            Call.PAGE: ("GET", CONVERSATIONS),
            Call.THREAD: ("GET", THREAD),
            Call.SEND: ("POST", MESSAGES),
            Call.TYPING: ("POST", MESSAGES),
        },
        good={
            Call.IDENTIFY: {
                "json": {"id": PAGE_ID, "name": "Corner Bakery"},
                "headers": {"Date": "Sun, 04 Oct 2026 09:00:00 GMT"},
            },
            Call.CREDENTIALS: samples.token_facts(),
            Call.PAGE: {"json": samples.listing(samples.thread(messages=NESTED))},
            Call.THREAD: {"json": samples.listing(samples.message(2), samples.message(1))},
            Call.SEND: {"json": {"recipient_id": "7301002003004", "message_id": "AbC123"}},
            Call.TYPING: {"json": {"recipient_id": "7301002003004"}},
        },
        empty_page_with_next={"json": samples.listing(after="p2")},
        foreign_next={"json": samples.listing(after="p2", base="https://evil.example")},
        broken_records={
            "json": samples.listing(samples.thread(messages=NESTED), *samples.broken_threads())
        },
    )

    def make(self) -> Messenger:
        return messenger()


@responses.activate
def test_one_call_shows_the_threads_with_their_newest_messages() -> None:
    responses.get(CONVERSATIONS, json=samples.listing(samples.thread(messages=NESTED), after="p2"))
    page = messenger(folder="page_done").fetch_page(cursor="p1", limit=25, since=None)
    (slice_,) = page.threads
    assert [message.message_id for message in slice_.messages] == ["m_2", "m_1"]
    assert slice_.older == "older"
    assert slice_.customer.name == "Rima K"
    assert page.next_cursor == "p2"
    params = samples.query(0)
    assert (params["after"], params["limit"], params["folder"]) == ("p1", "25", "page_done")
    assert "messages.limit(15){id,created_time,from," in params["fields"]
    assert "since" not in params


@responses.activate
def test_the_list_shows_as_much_of_each_thread_as_is_asked_for() -> None:
    responses.get(CONVERSATIONS, json=samples.listing(samples.thread(messages=NESTED), after="p2"))
    page = messenger().fetch_past(cursor="p1", limit=7, messages=80)
    (slice_,) = page.threads
    assert ([message.message_id for message in slice_.messages], slice_.older) == (
        ["m_2", "m_1"],
        "older",
    )
    assert page.next_cursor == "p2"
    params = samples.query(0)
    assert (params["after"], params["limit"]) == ("p1", "7")
    assert "messages.limit(80){id,created_time,from," in params["fields"]


@responses.activate
def test_a_thread_shown_without_messages_is_read_by_itself() -> None:
    unclear = samples.thread(messages="gone")
    responses.get(CONVERSATIONS, json=samples.listing(samples.thread(), unclear))
    page = messenger().fetch_page(cursor=None, limit=25, since=None)
    assert [slice_.older for slice_ in page.threads] == ["", ""]


@responses.activate
def test_a_thread_that_has_not_changed_since_comes_without_its_messages() -> None:
    responses.get(CONVERSATIONS, json=samples.listing(samples.thread(messages=NESTED)))
    (shown,) = messenger().fetch_page(cursor=None, limit=25, since=None).threads
    assert shown.updated_at is not None
    (unchanged,) = (
        messenger()
        .fetch_page(cursor=None, limit=25, since=shown.updated_at + timedelta(seconds=1))
        .threads
    )
    assert (unchanged.messages, unchanged.older) == ([], "")
    (changed,) = messenger().fetch_page(cursor=None, limit=25, since=shown.updated_at).threads
    assert changed == shown


@responses.activate
def test_one_threads_foreign_next_is_its_own_trouble() -> None:
    foreign = samples.listing(samples.message(1), after="x", base="http://evil.example")
    responses.get(CONVERSATIONS, json=samples.listing(samples.thread(messages=foreign)))
    (slice_,) = messenger().fetch_page(cursor=None, limit=25, since=None).threads
    assert len(slice_.messages) == 1
    assert slice_.older is None
    assert [each.reason for each in slice_.unreadable] == [
        "paging.next points to evil.example; refused"
    ]


@responses.activate
def test_broken_messages_are_set_aside_and_the_rest_kept() -> None:
    nodes = [None, samples.message(2), {"id": "m_1"}, samples.message(0)]
    responses.get(THREAD, json=samples.listing(*nodes, after="older"))
    page = messenger().fetch_thread(THREAD_ID, cursor="", limit=25)
    assert [message.message_id for message in page.messages] == ["m_2", "m_0"]
    assert [each.message_id for each in page.unreadable] == [None, "m_1"]
    assert {each.thread_id for each in page.unreadable} == {THREAD_ID}
    assert page.older == "older"


@responses.activate
def test_a_reply_is_sent_as_a_response_without_a_tag() -> None:
    responses.post(MESSAGES, json={"message_id": "m_AbC"})
    assert messenger().send(RECIPIENT, " Yes\n") == "m_AbC"
    assert json.loads(responses.calls[0].request.body or "") == {
        "recipient": {"id": RECIPIENT.customer_id},
        "messaging_type": "RESPONSE",
        "message": {"text": " Yes\n"},
    }


@responses.activate
def test_me_stands_for_the_page_of_the_token() -> None:
    responses.get(f"{FACEBOOK}/me", json={"id": PAGE_ID, "name": "Corner Bakery"})
    identity = messenger("me").identify()
    assert identity.external_id == PAGE_ID
    assert identity.config == {"self_ids": [PAGE_ID]}


@responses.activate
def test_another_page_than_the_one_given_stops_the_channel() -> None:
    responses.get(f"{FACEBOOK}/cornerbakery", json={"id": PAGE_ID, "name": "Corner Bakery"})
    with pytest.raises(ChannelStopped) as caught:
        messenger("cornerbakery").identify()
    assert PAGE_ID in caught.value.remedy


@responses.activate
def test_the_sample_pages_say_what_is_expected_of_them() -> None:
    expected = samples.data("graph_messenger", "expected.json")
    account = samples.account(expected["business_id"])
    adapter = Messenger(account, samples.surroundings(**samples.VENDORS_OWN))
    found = samples.read_sample_pages(adapter, "graph_messenger", path=expected["business_id"])
    assert found == expected["messages"]
    assert len(found) == expected["message_count"]
