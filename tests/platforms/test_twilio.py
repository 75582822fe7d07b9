from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, parse_qsl

import pytest
import requests
import responses

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    RetryLater,
    UsageError,
)
from shoptalk.platforms.base import AdapterContext, Recipient
from shoptalk.platforms.testing import NINE, Call, PlatformContract, Vendor
from shoptalk.platforms.twilio.adapter import Twilio, address_of
from shoptalk.types import Account, ContentType, DeliveryReport, SenderType

from .samples import query
from .twilio_samples import (
    ACCOUNT_SID,
    ACCOUNT_URL,
    CUSTOMER,
    MESSAGES,
    NUMBER,
    ON_WHATSAPP,
    TOKEN,
    TYPING,
    listing,
    record,
    refusal,
    sid,
    twilio,
    written,
)

RECIPIENT = Recipient(thread_id=f"sms_{CUSTOMER}", customer_id=CUSTOMER)


class TestContract(PlatformContract):
    wa = False
    vendor = Vendor(
        name="twilio",
        recipient=RECIPIENT,
        sent_id=sid(7),
        secrets=(TOKEN,),
        throttled=refusal(20429, 429),
        dead_token=refusal(20003, 401),
        routes={
            Call.IDENTIFY: ("GET", MESSAGES),
            Call.PAGE: ("GET", MESSAGES),
            Call.THREAD: ("GET", MESSAGES),
            Call.SEND: ("POST", MESSAGES),
        },
        good={
            Call.IDENTIFY: {"json": listing(), "headers": {"Date": format_datetime(NINE, True)}},
            Call.PAGE: {"json": listing(record(3), record(2), record(1))},
            Call.THREAD: {"json": listing(record(5, ours=True), record(4, ours=True))},
            Call.SEND: {
                "json": record(7, ours=True, status="queued", date_sent=None),
                "status": 201,
            },
        },
        empty_page_with_next={"json": listing(token="PASM1")},
        foreign_next={"json": listing(record(1), token="PASM1", base="https://evil.example")},
        broken_records={
            "json": listing(
                record(9),
                None,
                "SM1",
                record(8, sid=None),
                record(7, direction=None),
                record(6, direction="sideways"),
                {**record(5), "from": None},
                record(4, date_created="yesterday", date_sent=17),
            )
        },
    )

    def make(self) -> Twilio:
        return twilio()

    def text_in(self, body: bytes) -> str:
        return parse_qs(body.decode())["Body"][0]


class TestContractOnWhatsApp(TestContract):
    vendor = Vendor(
        name="twilio",
        recipient=Recipient(
            thread_id=f"whatsapp_{CUSTOMER}", customer_id=CUSTOMER, last_message_id=sid(3)
        ),
        sent_id=sid(7),
        secrets=(TOKEN,),
        throttled=refusal(20429, 429),
        dead_token=refusal(20003, 401),
        routes={**TestContract.vendor.routes, Call.TYPING: ("POST", TYPING)},
        good={
            **TestContract.vendor.good,
            Call.PAGE: {"json": listing(record(3, wa=True), record(2, wa=True))},
            Call.THREAD: {"json": listing(record(5, ours=True, wa=True))},
            Call.TYPING: {"json": {"success": True}},
        },
        empty_page_with_next=TestContract.vendor.empty_page_with_next,
        foreign_next=TestContract.vendor.foreign_next,
        broken_records=TestContract.vendor.broken_records,
    )

    def make(self) -> Twilio:
        return twilio(ON_WHATSAPP)


# The sender


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("+15550100", "+15550100"),
        (" +1 (555) 01-00 ", "+15550100"),
        ("whatsapp:+1 555 0100", "whatsapp:+15550100"),
        ("WhatsApp:+15550100", "whatsapp:+15550100"),
        ("12345", "12345"),  # a short code
    ],
)
def test_a_number_is_understood_as_people_write_it(typed: str, address: str) -> None:
    assert address_of(typed) == address


@pytest.mark.parametrize(
    "typed", ["", None, "5550100x", "+0155501", "whatsapp:12345", "sms:+15550100", "+1" * 9]
)
def test_what_is_no_number_is_refused_with_an_example(typed: object) -> None:
    with pytest.raises(UsageError, match=r"--number \+15550100"):
        address_of(typed)


def account(**config: str) -> Account:
    return Account(external_id=ACCOUNT_SID, config={"access_token": TOKEN, **config})


def surroundings() -> AdapterContext:
    return AdapterContext(
        session=requests.Session(), settings={"twilio_api_base_url": ""}, clock=lambda: NINE
    )


@responses.activate
def test_a_number_is_connected_with_the_account_sid_and_known_by_its_address() -> None:
    responses.get(f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
                  json=listing())  # fmt: skip
    identity = Twilio(account(number="+1 555 0100"), surroundings()).identify()
    assert identity.external_id == NUMBER
    assert identity.config == {"account_sid": ACCOUNT_SID, "number": NUMBER}
    assert query(0) == {"To": NUMBER, "PageSize": "1"}


@responses.activate
def test_an_api_key_signs_in_and_the_account_stays_in_the_path() -> None:
    key = "SK" + "f" * 32
    responses.get(MESSAGES, json=listing())
    twilio(api_key=key).identify()
    sent = responses.calls[0].request.headers["Authorization"]
    expected = requests.auth._basic_auth_str(key, TOKEN)
    assert sent == expected


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"number": NUMBER, "access_token": ""}, "has no auth token"),
        ({"number": NUMBER, "access_token": "tök en"}, "copy it again"),
        ({"number": NUMBER, "api_key": "my key"}, "SK and 32"),
        ({}, "--number"),
    ],
)
def test_a_config_that_cannot_work_is_refused_in_one_sentence(
    config: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Twilio(account(**config), surroundings())


def test_an_account_id_that_is_no_sid_is_refused() -> None:
    given = Account(external_id="5550100", config={"access_token": TOKEN, "number": NUMBER})
    with pytest.raises(UsageError, match="AC and 32"):
        Twilio(given, surroundings())


@responses.activate
def test_an_account_that_is_not_there_stops_the_channel() -> None:
    responses.get(MESSAGES, **refusal(20404, 404))
    with pytest.raises(ChannelStopped):
        twilio().identify()


def test_whatsapp_has_a_window_and_sms_has_none() -> None:
    sms, wa = twilio().capabilities, twilio(ON_WHATSAPP).capabilities
    assert sms.reply_window_of(f"sms_{CUSTOMER}") is None
    assert wa.reply_window_of(f"whatsapp_{CUSTOMER}") == timedelta(hours=24)
    assert sms.reply_windows == wa.reply_windows  # known without any account


# Reading


@responses.activate
def test_a_walk_reads_what_came_in_and_then_what_went_out() -> None:
    platform, since = twilio(), NINE - timedelta(minutes=10)
    responses.get(MESSAGES, json=listing(record(3), token="PASM1"))
    responses.get(MESSAGES, json=listing(record(2)))
    responses.get(MESSAGES, json=listing(record(1, ours=True)))
    pages = [platform.fetch_page(cursor=None, limit=25, since=since)]
    while pages[-1].next_cursor is not None:
        pages.append(platform.fetch_page(cursor=pages[-1].next_cursor, limit=25, since=since))
    texts = [each.text for page in pages for piece in page.threads for each in piece.messages]
    assert texts == ["message 3", "message 2", "message 1"]
    asked = {"PageSize": "25", "DateSent>": "2026-10-04"}
    assert [query(number) for number in range(3)] == [
        {"To": NUMBER, **asked},
        {"To": NUMBER, **asked, "Page": "1", "PageToken": "PASM1"},
        {"From": NUMBER, **asked},
    ]
    assert [page.another_list_follows for page in pages] == [True, True, False]


@responses.activate
def test_the_operator_of_the_date_filter_is_part_of_its_name_and_its_day_is_utc() -> None:
    responses.get(MESSAGES, json=listing())
    east = datetime(2026, 10, 5, 1, 0, tzinfo=UTC).astimezone()
    twilio().fetch_page(cursor=None, limit=25, since=east)
    assert "DateSent%3E=2026-10-05" in (responses.calls[0].request.url or "")


@responses.activate
def test_a_page_that_reaches_behind_the_watermark_ends_its_list_and_no_other() -> None:
    platform, since = twilio(), NINE - timedelta(seconds=30)
    responses.get(MESSAGES, json=listing(record(40), record(2), token="PASM1"))
    page = platform.fetch_page(cursor=None, limit=25, since=since)
    assert page.another_list_follows
    responses.get(MESSAGES, json=listing(record(41, ours=True), record(3, ours=True), token="P"))
    last = platform.fetch_page(cursor=page.next_cursor, limit=25, since=since)
    assert "From" in query(1)
    assert "PageToken" not in query(1)
    assert last.next_cursor is None


@responses.activate
def test_history_asks_without_a_date_and_for_more_at_once() -> None:
    responses.get(MESSAGES, json=listing())
    twilio().fetch_page(cursor=None, limit=25, since=None)
    assert query(0) == {"To": NUMBER, "PageSize": "500"}


@responses.activate
def test_a_link_may_not_change_whose_messages_are_asked_for() -> None:
    platform = twilio()
    responses.get(MESSAGES, json=listing(token="PASM1", To="+15559999", Evil="1"))
    page = platform.fetch_page(cursor=None, limit=25, since=None)
    platform.fetch_page(cursor=page.next_cursor, limit=25, since=None)
    assert query(1)["To"] == NUMBER
    assert "Evil" not in query(1)


@pytest.mark.parametrize("link", [17, "https://[", "/no-query"])
@responses.activate
def test_a_link_that_leads_nowhere_is_no_end(link: object) -> None:
    responses.get(MESSAGES, json={**listing(), "next_page_uri": link})
    with pytest.raises(BadPayload):
        twilio().fetch_page(cursor=None, limit=25, since=None)


@pytest.mark.parametrize(("address", "thread_id"), [
    (CUSTOMER, f"sms_{CUSTOMER}"), (f"whatsapp:{CUSTOMER}", f"whatsapp_{CUSTOMER}"),
])  # fmt: skip
@responses.activate
def test_a_thread_is_called_by_the_channel_and_the_phone(address: str, thread_id: str) -> None:
    responses.get(MESSAGES, json=listing({**record(1), "from": address}))
    [piece] = twilio().fetch_page(cursor=None, limit=25, since=None).threads
    assert piece.thread_id == thread_id
    assert piece.updated_at is None
    assert piece.customer.customer_id == piece.customer.phone == CUSTOMER
    assert piece.messages[0].created_at == NINE - timedelta(seconds=59)


@responses.activate
def test_messages_of_a_page_are_gathered_by_thread() -> None:
    other = {"from": "+4915100000000"}
    rows = [record(4), {**record(3), **other}, record(2)]
    responses.get(MESSAGES, json=listing(*rows))
    page = twilio().fetch_page(cursor=None, limit=25, since=None)
    found = [(each.thread_id, len(each.messages)) for each in page.threads]
    assert found == [(f"sms_{CUSTOMER}", 2), ("sms_+4915100000000", 1)]


@responses.activate
def test_what_is_still_coming_in_or_planned_is_no_message_yet() -> None:
    rows = [
        record(3, status="receiving", date_sent=None),
        record(2, ours=True, status="scheduled", date_sent=None),
        record(1, ours=True, status="canceled", date_sent=None),
    ]
    responses.get(MESSAGES, json=listing(*rows))
    page = twilio().fetch_page(cursor=None, limit=25, since=None)
    assert not page.threads
    assert not page.unreadable


@responses.activate
def test_a_first_page_is_settled_by_twilios_clock_but_for_what_is_coming_in() -> None:
    date = {"Date": format_datetime(NINE, True)}
    rows = [record(40, status="receiving", date_sent=None), record(20)]
    responses.get(MESSAGES, json=listing(record(20)), headers=date)
    responses.get(MESSAGES, json=listing(*rows), headers=date)
    responses.get(MESSAGES, json=listing(record(20)))
    pages = [twilio().fetch_page(cursor=None, limit=25, since=NINE) for _ in range(3)]
    assert [page.settled_until for page in pages] == [NINE, NINE - timedelta(seconds=20), None]
    stuck = record(40, status="receiving", date_created=written(NINE - timedelta(hours=2)))
    responses.get(MESSAGES, json=listing(stuck), headers=date)
    assert twilio().fetch_page(cursor=None, limit=25, since=NINE).settled_until == NINE
    responses.get(MESSAGES, json=listing(), headers=date)
    assert twilio().fetch_page(cursor="list=From", limit=25, since=NINE).settled_until is None


@responses.activate
def test_a_message_that_is_queued_counts_from_when_it_was_written() -> None:
    row = record(3, ours=True, status="queued", date_sent=None)
    responses.get(MESSAGES, json=listing(row))
    page = twilio().fetch_page(cursor="list=From", limit=25, since=NINE)
    assert page.threads[0].messages[0].created_at == NINE - timedelta(seconds=57)


@responses.activate
def test_a_message_that_waited_in_the_queue_counts_from_when_it_was_sent() -> None:
    row = record(3, ours=True, date_sent=written(NINE + timedelta(hours=2)))
    responses.get(MESSAGES, json=listing(row))
    page = twilio().fetch_page(cursor="list=From", limit=25, since=NINE)
    assert page.threads[0].messages[0].created_at == NINE + timedelta(hours=2)


@pytest.mark.parametrize("direction", ["outbound-api", "outbound-reply", "outbound-call"])
@responses.activate
def test_whatever_answered_from_the_number_counts_as_the_shops(direction: str) -> None:
    responses.get(MESSAGES, json=listing(record(1, ours=True, direction=direction)))
    [piece] = twilio().fetch_page(cursor="list=From", limit=25, since=None).threads
    assert piece.thread_id == f"sms_{CUSTOMER}"
    assert piece.messages[0].sender_type is SenderType.EMPLOYEE


@responses.activate
def test_a_trial_accounts_prefix_is_not_part_of_what_we_sent() -> None:
    body = "Sent from your Twilio trial account - Hello"
    responses.get(MESSAGES, json=listing(record(1, ours=True, body=body), record(0, body=body)))
    page = twilio().fetch_page(cursor=None, limit=25, since=None)
    assert [each.text for each in page.threads[0].messages] == ["Hello", body]


@responses.activate
def test_media_are_counted_in_the_list_and_asked_for_apart() -> None:
    row = record(1, sid=sid(1, "MM"), num_media="2", body=None)
    responses.get(MESSAGES, json=listing(row))
    media = [
        {"sid": "ME1", "content_type": "image/jpeg"},
        {"sid": "ME2", "content_type": "audio/ogg"},
        {"sid": "ME3", "content_type": None},
        None,
    ]
    url = f"{ACCOUNT_URL}/Messages/{sid(1, 'MM')}/Media"
    responses.get(f"{url}.json", json={"media_list": media, "next_page_uri": None})
    platform = twilio()
    [piece] = platform.fetch_page(cursor=None, limit=25, since=None).threads
    [message] = piece.messages
    assert (message.text, message.attachments_apart) == ("", 2)
    found = platform.fetch_attachments(message.message_id)
    assert [each.kind for each in found] == [
        ContentType.IMAGE, ContentType.AUDIO, ContentType.FILE, ContentType.UNSUPPORTED,
    ]  # fmt: skip
    assert found[0].url == f"{url}/ME1"
    assert found[1].mime_type == "audio/ogg"


@responses.activate
def test_a_thread_is_read_back_from_our_side_first() -> None:
    platform = twilio(ON_WHATSAPP)
    responses.get(MESSAGES, json=listing(record(2, ours=True, wa=True)))
    responses.get(MESSAGES, json=listing(record(1, wa=True)))
    ours = platform.fetch_thread(f"whatsapp_{CUSTOMER}", cursor="", limit=20)
    theirs = platform.fetch_thread(f"whatsapp_{CUSTOMER}", cursor=ours.older or "", limit=20)
    assert theirs.older is None
    assert [page.messages[0].sender_type for page in (ours, theirs)] == ["employee", "customer"]
    shop, customer = ON_WHATSAPP, f"whatsapp:{CUSTOMER}"
    assert query(0) == {"From": shop, "To": customer, "PageSize": "20"}
    assert query(1) == {"From": customer, "To": shop, "PageSize": "20"}


def test_a_thread_of_another_kind_of_sender_cannot_be_reached() -> None:
    for call in (
        lambda: twilio().fetch_thread(f"whatsapp_{CUSTOMER}", cursor="", limit=1),
        lambda: twilio(ON_WHATSAPP).send(RECIPIENT, "Hello"),
    ):
        with pytest.raises(GiveUp, match="not one of this sender"):
            call()


# Sending, and what became of it


@pytest.mark.parametrize(("number", "kind", "prefix"), [
    (NUMBER, "sms", ""), (ON_WHATSAPP, "whatsapp", "whatsapp:"),
])  # fmt: skip
@responses.activate
def test_a_send_is_a_form_with_both_addresses_of_one_kind(
    number: str, kind: str, prefix: str
) -> None:
    responses.post(MESSAGES, json=record(1, ours=True), status=201)
    recipient = Recipient(thread_id=f"{kind}_{CUSTOMER}", customer_id=CUSTOMER)
    assert twilio(number).send(recipient, "Grüße & 20%\n+1") == sid(1)
    body = responses.calls[0].request.body
    assert dict(parse_qsl(str(body))) == {
        "From": f"{prefix}{NUMBER}",
        "To": f"{prefix}{CUSTOMER}",
        "Body": "Grüße & 20%\n+1",
    }


@pytest.mark.parametrize("given", [None, "", 17])
@responses.activate
def test_an_accepted_send_without_a_sid_is_uncertain(given: object) -> None:
    responses.post(MESSAGES, json=record(1, ours=True, sid=given), status=201)
    with pytest.raises(DeliveryUncertain):
        twilio().send(RECIPIENT, "Hello")


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "sent"])
@responses.activate
def test_what_is_under_way_has_no_end_yet(status: str) -> None:
    responses.get(f"{ACCOUNT_URL}/Messages/{sid(1)}.json", json=record(1, ours=True, status=status))
    assert twilio().fetch_delivery(sid(1)) is None


@pytest.mark.parametrize("status", ["delivered", "read"])
@responses.activate
def test_what_was_delivered_or_read_has_arrived(status: str) -> None:
    responses.get(f"{ACCOUNT_URL}/Messages/{sid(1)}.json", json=record(1, ours=True, status=status))
    assert twilio().fetch_delivery(sid(1)) == DeliveryReport(arrived=True)


@responses.activate
def test_the_list_tells_what_became_of_ours_and_nothing_of_theirs() -> None:
    rows = [
        record(3, status="failed", error_code=30003),
        record(2, ours=True, status="undelivered", error_code=30003),
        record(1, ours=True, status="failed"),
    ]
    responses.get(MESSAGES, json=listing(*rows))
    [piece] = twilio().fetch_page(cursor=None, limit=25, since=None).threads
    theirs, unreachable, unknown = (each.delivery for each in piece.messages)
    assert theirs is None
    assert unreachable is not None
    assert (unreachable.arrived, unreachable.outcome) == (False, "unreachable")
    assert "30003" in unreachable.reason
    assert unknown is not None
    assert unknown.outcome == "delivery_failed"


@responses.activate
def test_a_report_about_another_message_makes_no_sense() -> None:
    responses.get(f"{ACCOUNT_URL}/Messages/{sid(1)}.json", json=record(2, ours=True))
    with pytest.raises(BadPayload):
        twilio().fetch_delivery(sid(1))


def test_sms_shows_no_typing() -> None:
    assert not twilio().capabilities.typing
    with pytest.raises(UsageError, match="WhatsApp only"):
        twilio().show_typing(RECIPIENT)


@responses.activate
def test_typing_is_shown_for_the_customers_newest_message() -> None:
    responses.post(TYPING, json={"success": True})
    platform = twilio(ON_WHATSAPP)
    platform.show_typing(TestContractOnWhatsApp.vendor.recipient)
    sent = dict(parse_qsl(str(responses.calls[0].request.body)))
    assert sent == {"channel": "whatsapp", "messageId": sid(3)}
    with pytest.raises(GiveUp):
        platform.show_typing(Recipient(thread_id=f"whatsapp_{CUSTOMER}", customer_id=CUSTOMER))


@responses.activate
def test_typing_that_was_not_shown_leaves_nothing_uncertain() -> None:
    responses.post(TYPING, body=requests.ReadTimeout("no answer"))
    with pytest.raises(RetryLater):
        twilio(ON_WHATSAPP).show_typing(TestContractOnWhatsApp.vendor.recipient)


@pytest.mark.parametrize(
    ("base_url", "shows"),
    [
        ("", True),
        ("https://api.twilio.com", True),
        ("https://api.dublin.ie1.twilio.com/", True),
        ("http://127.0.0.1:8765/api.twilio.com", True),
        ("http://127.0.0.1:4010", False),
        ("https://api.twilio.com.evil.example", False),
        ("https://evil.example/api.eviltwilio.example", False),
    ],
)
def test_typing_goes_to_twilio_or_nowhere(base_url: str, shows: bool) -> None:
    settings = {"twilio_api_base_url": base_url}
    around = AdapterContext(session=requests.Session(), settings=settings, clock=lambda: NINE)
    assert Twilio(account(number=ON_WHATSAPP), around).capabilities.typing is shows
