"""Every code of Twilio's that we know of, and what it leads to."""

from datetime import timedelta
from typing import Any

import pytest
import responses

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    OptedOut,
    PlatformError,
    RetryLater,
    Throttled,
    WindowClosed,
)
from shoptalk.platforms.base import Recipient
from shoptalk.platforms.testing import WORDS
from shoptalk.platforms.twilio.errors import ROWS, failure_of
from shoptalk.types import Outcome

from .twilio_samples import CUSTOMER, MESSAGES, TOKEN, refusal, twilio

RECIPIENT = Recipient(thread_id=f"sms_{CUSTOMER}", customer_id=CUSTOMER)
FAILED, UNREACHABLE = Outcome.DELIVERY_FAILED, Outcome.UNREACHABLE

#: code: (HTTP status of a refusal, what a refused send raises, what a failed message ends in)
EXPECTED: dict[int, tuple[int, type[PlatformError], Outcome]] = {
    20001: (400, BadPayload, FAILED),
    20003: (401, ChannelStopped, FAILED),
    20404: (404, GiveUp, UNREACHABLE),
    20429: (429, Throttled, FAILED),
    21211: (400, GiveUp, UNREACHABLE),
    21408: (400, GiveUp, UNREACHABLE),
    21602: (400, BadPayload, FAILED),
    21606: (400, ChannelStopped, FAILED),
    21608: (400, GiveUp, UNREACHABLE),
    21610: (400, OptedOut, Outcome.OPTED_OUT),
    21611: (400, Throttled, FAILED),
    21612: (400, GiveUp, UNREACHABLE),
    21614: (400, GiveUp, UNREACHABLE),
    21617: (400, BadPayload, FAILED),
    30001: (400, Throttled, FAILED),
    30002: (400, ChannelStopped, FAILED),
    30003: (400, GiveUp, UNREACHABLE),
    30004: (400, BadPayload, FAILED),
    30005: (400, GiveUp, UNREACHABLE),
    30006: (400, GiveUp, UNREACHABLE),
    30007: (400, BadPayload, FAILED),
    30008: (400, BadPayload, FAILED),
    63007: (400, ChannelStopped, FAILED),
    63014: (400, OptedOut, Outcome.OPTED_OUT),
    63015: (400, GiveUp, UNREACHABLE),
    63016: (400, WindowClosed, Outcome.WINDOW_CLOSED),
    63017: (400, Throttled, FAILED),
    63018: (400, Throttled, FAILED),
    63021: (400, BadPayload, FAILED),
    63024: (400, GiveUp, UNREACHABLE),
}


def send_refused(**answer: Any) -> PlatformError:
    with responses.mock:
        responses.add("POST", MESSAGES, **answer)
        with pytest.raises(PlatformError) as caught:
            twilio().send(RECIPIENT, WORDS)
    assert WORDS not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return caught.value


def test_the_table_holds_these_codes_and_no_others() -> None:
    assert set(ROWS) == set(EXPECTED)


@pytest.mark.parametrize("code", EXPECTED)
def test_a_refused_send_says_what_to_do_next(code: int) -> None:
    status, kind, _ = EXPECTED[code]
    error = send_refused(**refusal(code, status))
    assert type(error) is kind
    assert error.code == code
    assert f"({code})" in str(error)
    if isinstance(error, ChannelStopped):
        assert error.remedy.endswith(".")


@pytest.mark.parametrize("code", EXPECTED)
def test_a_message_that_failed_later_has_its_outcome_and_reason(code: int) -> None:
    report = failure_of(code)
    assert not report.arrived
    assert report.outcome == EXPECTED[code][2]
    assert f"({code})" in report.reason
    assert failure_of(str(code)) == report


def test_an_unknown_code_is_a_refusal_that_a_person_sees() -> None:
    assert type(send_refused(**refusal(21999))) is BadPayload
    assert failure_of(39999).outcome == FAILED
    assert "39999" in failure_of(39999).reason
    assert failure_of(None).outcome == FAILED


def test_a_full_queue_is_left_alone_for_a_while() -> None:
    error = send_refused(**refusal(21611))
    assert isinstance(error, RetryLater)
    assert error.retry_after is not None
    assert error.retry_after >= timedelta(minutes=10)


@pytest.mark.parametrize(("header", "wait"), [
    ("7", timedelta(seconds=7)), ("soon", None), ("-1", None), ("", None),
])  # fmt: skip
def test_too_many_requests_wait_as_long_as_they_are_told(
    header: str, wait: timedelta | None
) -> None:
    error = send_refused(**refusal(20429, 429, **{"Retry-After": header}))
    assert isinstance(error, Throttled)
    assert error.retry_after == wait


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_leaves_a_send_uncertain_also_with_a_code(status: int) -> None:
    assert isinstance(send_refused(**refusal(20500, status)), DeliveryUncertain)


def test_a_problem_in_the_newer_form_is_understood() -> None:
    body = {"type": "https://t", "title": "Opted out", "status": 400, "code": 21610, "detail": "x"}
    assert isinstance(send_refused(json=body, status=400), OptedOut)


def test_a_refusal_that_is_not_twilios_leaves_a_send_uncertain() -> None:
    assert isinstance(send_refused(body="<h1>proxy</h1>", status=403), DeliveryUncertain)
