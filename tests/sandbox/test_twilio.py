"""Twilio as the sandbox plays it, vices included: one test for each."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from tests.patience import eventually
from tests.sandbox.twilio_shop import ACCOUNT_SID, ANN, NINE, NUMBER, SENDER, Twilio, open_twilio


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    with open_twilio() as twilio:
        yield twilio


def bodies(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["body"] for row in page["messages"]]


# Who may ask


@pytest.mark.parametrize(
    "auth", [None, (ACCOUNT_SID, "wrong"), ("AC" + "f" * 32, "twilio-auth-token")]
)
def test_wrong_credentials_are_refused(twilio: Twilio, auth: tuple[str, str] | None) -> None:
    twilio.auth = auth
    assert twilio.code(twilio.get("Messages.json")) == 20003


def test_an_api_key_signs_in_with_its_secret(twilio: Twilio) -> None:
    twilio.auth = ("SK" + "f" * 32, "twilio-auth-token")
    assert twilio.list()["messages"] == []


def test_a_dead_token_is_refused(twilio: Twilio) -> None:
    twilio.world.get_token(account_id=NUMBER).is_dead = True
    assert twilio.code(twilio.get("Messages.json")) == 20003


def test_a_twilio_account_needs_its_sid_and_no_other_does(twilio: Twilio) -> None:
    with pytest.raises(ValueError, match="account_sid"):
        twilio.world.add_account("twilio", "+15550199", "Shop", "t")
    with pytest.raises(ValueError, match="account_sid"):
        twilio.world.add_account("facebook", "1", "Shop", "t", account_sid=ACCOUNT_SID)


# The list


def test_records_have_strings_for_numbers_and_rfc_2822_times(twilio: Twilio) -> None:
    twilio.world.add_message(NUMBER, ANN, "Hello", at=NINE)
    [row] = twilio.list()["messages"]
    assert (row["num_media"], row["num_segments"]) == ("0", "1")
    assert row["date_sent"] == row["date_created"] == "Mon, 05 Oct 2026 09:00:00 +0000"
    assert (row["direction"], row["status"]) == ("inbound", "received")
    assert row["sid"].startswith("SM")
    assert len(row["sid"]) == 34


def test_the_list_is_newest_first_and_each_address_is_exact(twilio: Twilio) -> None:
    twilio.world.add_message(NUMBER, ANN, "first", at=NINE)
    twilio.world.add_message(NUMBER, ANN, "second", at=NINE + timedelta(seconds=1))
    twilio.world.add_message(SENDER, ANN, "on WhatsApp", at=NINE)
    twilio.world.add_message(NUMBER, ANN, "ours", side="employee", at=NINE)
    assert bodies(twilio.list(To=NUMBER)) == ["second", "first"]
    assert bodies(twilio.list(From=NUMBER)) == ["ours"]
    assert bodies(twilio.list(To=SENDER)) == ["on WhatsApp"]
    assert bodies(twilio.list(From=f"whatsapp:{ANN}", To=SENDER)) == ["on WhatsApp"]
    assert bodies(twilio.list(From=ANN, To=SENDER)) == []
    assert len(twilio.list()["messages"]) == 4


def test_the_date_filter_knows_days(twilio: Twilio) -> None:
    twilio.world.add_message(NUMBER, ANN, "late yesterday", at=NINE - timedelta(hours=10))
    twilio.world.add_message(NUMBER, ANN, "early today", at=NINE - timedelta(hours=8))
    at_nine = {"DateSent>": "2026-10-05T09:00:00Z"}
    assert bodies(twilio.list(**at_nine)) == ["early today"]
    assert bodies(twilio.list(**{"DateSent<": "2026-10-04"})) == ["late yesterday"]
    assert bodies(twilio.list(DateSent="2026-10-05")) == ["early today"]
    twilio.world.get_account(NUMBER).settings.date_filter_by_second = True
    assert bodies(twilio.list(**at_nine)) == []


def test_an_operator_in_the_value_of_the_date_is_refused(twilio: Twilio) -> None:
    assert twilio.code(twilio.get("Messages.json", DateSent=">=2026-10-05")) == 20001


@pytest.mark.parametrize(
    "query", [{"PageSize": "0"}, {"PageSize": "1001"}, {"Limit": "5"}, {"PageToken": "zzz"}]
)
def test_a_question_that_makes_no_sense_is_refused(twilio: Twilio, query: dict[str, str]) -> None:
    assert twilio.code(twilio.get("Messages.json", **query)) == 20001


def test_pages_stay_as_they_were_while_messages_arrive(twilio: Twilio) -> None:
    for number in range(5):
        twilio.world.add_message(NUMBER, ANN, str(number), at=NINE + timedelta(seconds=number))
    page = twilio.list(To=NUMBER, PageSize="2")
    seen = bodies(page)
    while page["next_page_uri"] is not None:
        twilio.world.add_message(NUMBER, ANN, "new", at=NINE + timedelta(minutes=1))
        assert page["next_page_uri"].startswith("/2010-04-01/")
        link = f"{twilio.url}/api.twilio.com{page['next_page_uri']}"
        page = requests.get(link, auth=twilio.auth, timeout=60).json()
        seen += bodies(page)
    assert seen == ["4", "3", "2", "1", "0"]


def test_media_are_received_later_and_stand_on_top_until_then(twilio: Twilio) -> None:
    twilio.world.get_account(NUMBER).settings.receiving_seconds = 5
    twilio.world.add_message(NUMBER, ANN, "look", kind="image")
    [row] = twilio.list()["messages"]
    assert (row["status"], row["date_sent"]) == ("receiving", None)
    assert row["sid"].startswith("MM")
    twilio.world.clock.advance(timedelta(seconds=6))
    assert twilio.list()["messages"][0]["status"] == "received"


def test_media_are_behind_basic_auth_and_a_redirect(twilio: Twilio) -> None:
    message = twilio.world.add_message(NUMBER, ANN, "", kind="audio")
    [medium] = twilio.get(f"Messages/{message.id}/Media.json").json()["media_list"]
    assert medium["content_type"] == "audio/ogg"
    path = f"Messages/{message.id}/Media/{medium['sid']}"
    redirect = twilio.get(path)
    assert redirect.status_code == 307
    assert requests.get(redirect.headers["Location"], timeout=60).status_code == 200
    twilio.auth = None
    assert twilio.code(twilio.get(path)) == 20003


def test_a_number_left_with_the_demo_address_answers_everything(twilio: Twilio) -> None:
    twilio.world.get_account(NUMBER).settings.demo_url = True
    twilio.world.add_message(NUMBER, ANN, "Hello")
    directions = [row["direction"] for row in twilio.list()["messages"]]
    assert directions == ["outbound-reply", "inbound"]


# Sending


def test_a_message_is_queued_then_sent_then_delivered(twilio: Twilio) -> None:
    answer = twilio.send(From=NUMBER, To=ANN, Body="Hello")
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["date_sent"]) == ("queued", None)
    path = f"Messages/{answer.json()['sid']}.json"
    found = []
    for _ in range(3):
        row = twilio.get(path).json()
        found.append((row["status"], row["date_sent"] is not None))
        twilio.world.clock.advance(timedelta(seconds=2))
    assert found == [("queued", False), ("sent", True), ("delivered", True)]
    assert twilio.list(From=NUMBER, **{"DateSent>": "2026-10-05"})["messages"][0]["sid"] in path


def test_what_has_no_date_is_not_found_by_date(twilio: Twilio) -> None:
    twilio.send(From=NUMBER, To=ANN, Body="Hello")
    assert twilio.list(From=NUMBER, **{"DateSent>": "2026-10-05"})["messages"] == []
    assert len(twilio.list(From=NUMBER)["messages"]) == 1


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": "Ann"}, 21211),
        ({"To": f"whatsapp:{ANN}"}, 21211),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"From": "+15550199"}, 21606),
        ({"From": "whatsapp:+15550199"}, 63007),
    ],
)
def test_a_send_that_cannot_work_is_refused(
    twilio: Twilio, form: dict[str, str], code: int
) -> None:
    assert twilio.code(twilio.send(**{"From": NUMBER, "To": ANN, "Body": "Hi", **form})) == code
    assert twilio.world.sent[-1].error == str(code)
    assert twilio.world.sent[-1].message_id is None


def test_1600_characters_are_taken(twilio: Twilio) -> None:
    assert twilio.send(From=NUMBER, To=ANN, Body="x" * 1600).status_code == 201


def test_who_wrote_stop_is_not_reached_until_they_write_start(twilio: Twilio) -> None:
    form = {"From": NUMBER, "To": ANN, "Body": "Hi"}
    twilio.world.add_message(NUMBER, ANN, " Stop ")
    assert twilio.code(twilio.send(**form)) == 21610
    twilio.world.add_message(NUMBER, ANN, "please write again")
    assert twilio.code(twilio.send(**form)) == 21610
    twilio.world.add_message(NUMBER, ANN, "START")
    assert twilio.send(**form).status_code == 201


@pytest.mark.parametrize(
    ("hours", "status", "code"), [(1, "delivered", None), (25, "failed", 63016)]
)
def test_whatsapp_takes_a_message_after_24_hours_and_fails_it_later(
    twilio: Twilio, hours: int, status: str, code: int | None
) -> None:
    twilio.world.add_message(SENDER, ANN, "Hello")
    twilio.world.clock.advance(timedelta(hours=hours))
    answer = twilio.send(From=SENDER, To=f"whatsapp:{ANN}", Body="Hi")
    assert answer.status_code == 201
    twilio.world.clock.advance(timedelta(seconds=5))
    row = twilio.get(f"Messages/{answer.json()['sid']}.json").json()
    assert (row["status"], row["error_code"]) == (status, code)


def test_a_fault_lets_a_message_fail_after_it_was_taken(twilio: Twilio) -> None:
    twilio.world.faults.add("fails_later", params={"code": 30007})
    sid = twilio.send(From=NUMBER, To=ANN, Body="Hi").json()["sid"]
    twilio.world.clock.advance(timedelta(seconds=5))
    row = twilio.get(f"Messages/{sid}.json").json()
    assert (row["status"], row["error_code"]) == ("undelivered", 30007)


def test_a_lost_answer_leaves_the_message_made(twilio: Twilio) -> None:
    twilio.world.faults.add("drop_after", match={"kind": "send"})
    with pytest.raises(requests.ConnectionError):
        twilio.send(From=NUMBER, To=ANN, Body="Hi")
    assert bodies(twilio.list(From=NUMBER)) == ["Hi"]
    assert not twilio.world.sent[-1].is_answered


def test_too_many_requests_at_once_are_refused(twilio: Twilio) -> None:
    twilio.world.get_account(NUMBER).settings.concurrent_requests = 2
    slow = twilio.world.faults.add("slow", count=2, params={"seconds": 2})
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(twilio.get, "Messages.json") for _ in range(2)]
        eventually(lambda: slow.fired == 2)
        refused = [twilio.get("Messages.json") for _ in range(2)]
    assert [each.result().status_code for each in first] == [200, 200]
    assert [each.status_code for each in refused] == [429, 429]
    assert {twilio.code(each) for each in refused} == {20429}
    assert twilio.list()["messages"] == []


def test_typing_is_shown_for_a_whatsapp_message_of_the_customers(twilio: Twilio) -> None:
    theirs = twilio.world.add_message(SENDER, ANN, "Hello")
    ours = twilio.world.add_message(SENDER, ANN, "Hi", side="employee")
    url = f"{twilio.url}/messaging.twilio.com/v2/Indicators/Typing.json"
    for message_id, channel, status in (
        (theirs.id, "whatsapp", 200),
        (theirs.id, "sms", 400),
        (ours.id, "whatsapp", 400),
        ("SM0", "whatsapp", 404),
    ):
        form = {"channel": channel, "messageId": message_id}
        answer = requests.post(url, data=form, auth=twilio.auth, timeout=60)
        assert answer.status_code == status
    assert [call.kind for call in twilio.world.ledger.calls()] == ["typing"] * 4
    assert twilio.world.ledger.tokens_sent_abroad() == []


# Faults, in Twilio's shape


@pytest.mark.parametrize(("fault", "made"), [("graph_error", 0), ("error_after", 1)])
def test_an_error_comes_in_twilios_shape(twilio: Twilio, fault: str, made: int) -> None:
    twilio.world.faults.add(fault, match={"kind": "send"}, params={"code": 21611})
    assert twilio.code(twilio.send(From=NUMBER, To=ANN, Body="Hi")) == 21611
    twilio.world.faults.clear()
    assert len(twilio.list(From=NUMBER)["messages"]) == made


@pytest.mark.parametrize("fault", ["null_record", "garbage_record", "missing_field"])
def test_records_can_be_damaged(twilio: Twilio, fault: str) -> None:
    twilio.world.add_message(NUMBER, ANN, "Hello")
    params = {"field": "sid"} if fault == "missing_field" else {}
    twilio.world.faults.add(fault, params=params)
    [row] = twilio.list()["messages"]
    assert row is None or not isinstance(row.get("sid"), str)


def test_pages_can_be_empty_and_lead_abroad(twilio: Twilio) -> None:
    twilio.world.add_message(NUMBER, ANN, "Hello")
    twilio.world.faults.add("empty_page")
    page = twilio.list(To=NUMBER)
    assert page["messages"] == []
    assert page["next_page_uri"]
    twilio.world.faults.add("foreign_next")
    assert "foreign.example" in twilio.list(To=NUMBER)["next_page_uri"]


def test_the_ledger_knows_whose_call_it_was_and_of_what_kind(twilio: Twilio) -> None:
    message = twilio.world.add_message(NUMBER, ANN, "Hello", kind="image")
    twilio.list(To=NUMBER)
    twilio.send(From=SENDER, To=f"whatsapp:{ANN}", Body="Hi")
    twilio.get(f"Messages/{message.id}.json")
    twilio.get(f"Messages/{message.id}/Media.json")
    calls = [(call.kind, call.account_id) for call in twilio.world.ledger.calls()]
    assert calls == [("list", NUMBER), ("send", SENDER), ("message", NUMBER), ("media", NUMBER)]
    assert "twilio-auth-token" not in str(twilio.world.ledger.calls())
    assert twilio.world.ledger.tokens_sent_abroad() == []


def test_a_reset_forgets_what_would_fail(twilio: Twilio) -> None:
    twilio.world.faults.add("fails_later")
    twilio.send(From=NUMBER, To=ANN, Body="Hi")
    twilio.world.reset()
    assert twilio.code(twilio.get("Messages.json")) == 20003
