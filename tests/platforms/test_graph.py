import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses

from shoptalk.errors import (
    BadPayload,
    DeliveryUncertain,
    PlatformError,
    RetryLater,
    Throttled,
    TimedOut,
    UsageError,
)
from shoptalk.platforms.base import Usage
from shoptalk.platforms.meta.client import GraphClient, usage_from
from shoptalk.platforms.meta.errors import Purpose
from shoptalk.platforms.testing import NINE

from . import samples
from .samples import APP_SECRET, FACEBOOK, TOKEN

URL = f"{FACEBOOK}/550011"


def client(base_url: str = FACEBOOK, /, **config: object) -> GraphClient:
    account = samples.account("550011", **config)
    return GraphClient("facebook", account, samples.surroundings(), base_url=base_url)


def read(**response: Any) -> PlatformError:
    responses.get(URL, **response)
    with pytest.raises(PlatformError) as caught:
        client().get("550011", params={}, purpose=Purpose.ACCOUNT)
    return caught.value


def send(**response: Any) -> PlatformError:
    responses.post(URL, **response)
    with pytest.raises(PlatformError) as caught:
        client().post("550011", payload={}, purpose=Purpose.SEND)
    return caught.value


# Credentials


def digest(message: str) -> str:
    return hmac.new(APP_SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


NINE_O_CLOCK = str(int(NINE.timestamp()))
TIMED = {"appsecret_proof": digest(f"{TOKEN}|{NINE_O_CLOCK}"), "appsecret_time": NINE_O_CLOCK}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, TIMED),
        ({"appsecret_proof": "time"}, TIMED),
        ({"appsecret_proof": "classic"}, {"appsecret_proof": digest(TOKEN)}),
        ({"app_secret": None}, {}),
    ],
)
@responses.activate
def test_the_proof_goes_with_reads_and_sends(
    config: dict[str, object], expected: dict[str, str]
) -> None:
    responses.get(URL, json={})
    responses.post(URL, json={})
    graph = client(**config)
    graph.get("550011", params={"fields": "id"}, purpose=Purpose.ACCOUNT)
    graph.post("550011", payload={"a": "b"}, purpose=Purpose.SEND)
    assert samples.query(0) == {"fields": "id", **expected}
    assert samples.query(1) == expected


@responses.activate
def test_the_token_is_in_the_header_alone() -> None:
    responses.post(URL, json={})
    client().post("550011", payload={"a": "b"}, purpose=Purpose.SEND)
    request = responses.calls[0].request
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in (request.url or "")
    assert json.loads(request.body or "") == {"a": "b"}


@pytest.mark.parametrize("token", [None, "", "  ", "EAAG\nX-Other: 1", "ÉAAG", "EAAG EAAG"])
def test_a_token_that_cannot_be_one_is_a_usage_error(token: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        client(access_token=token)
    assert "EAAG" not in str(caught.value)


def test_a_proof_of_another_form_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='"time" or "classic"'):
        client(appsecret_proof="md5")


# Requests


@responses.activate
def test_timeouts_are_set_and_redirects_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def request(_self: requests.Session, *_args: object, **options: Any) -> requests.Response:
        asked.update(options)
        raise requests.ReadTimeout

    monkeypatch.setattr(requests.Session, "request", request)
    with pytest.raises(TimedOut):
        client().get("550011", params={}, purpose=Purpose.ACCOUNT)
    assert asked["timeout"] == (5.0, 20.0)
    assert asked["allow_redirects"] is False


@responses.activate
def test_an_id_cannot_change_the_path() -> None:
    responses.get(f"{FACEBOOK}/t_1%2F..%2Fme%3Fx%3D1/messages", json={"data": []})
    client().get("t_1/../me?x=1", "messages", params={}, purpose=Purpose.THREAD)


# Answers


@responses.activate
def test_the_answers_date_is_aware() -> None:
    responses.get(URL, json={}, headers={"Date": "Sun, 04 Oct 2026 09:00:00 -0000"})
    responses.get(URL, json={}, headers={"Date": "Sun, 04 Oct 2026 11:00:00 +0200"})
    responses.get(URL, json={}, headers={"Date": "soon"})
    answers = [client().get("550011", params={}, purpose=Purpose.ACCOUNT) for _ in range(3)]
    assert [answer.answered_at for answer in answers] == [NINE, NINE, None]


@responses.activate
def test_an_error_in_an_answer_of_200_is_an_error() -> None:
    body = {"data": [], "error": {"code": 4, "message": "limit"}}
    assert isinstance(read(json=body, status=200), Throttled)


@responses.activate
def test_the_code_counts_and_not_the_status() -> None:
    body = {"error": {"code": 613, "message": "limit"}}
    assert isinstance(send(json=body, status=500), Throttled)


@pytest.mark.parametrize(
    "error", ["invalid_request", {"message": "no code"}, [], {"code": None}, {"code": True}]
)
@responses.activate
def test_an_error_that_is_not_graphs_makes_no_sense(error: object) -> None:
    assert isinstance(read(json={"error": error}, status=200), BadPayload)
    assert isinstance(send(json={"error": error}, status=400), DeliveryUncertain)


@responses.activate
def test_a_block_lasts_as_long_as_the_headers_say() -> None:
    meters = [{"type": "messenger", "call_count": 120, "estimated_time_to_regain_access": 9}]
    header = {"x-business-use-case-usage": json.dumps({"550011": meters})}
    error = read(json={"error": {"code": 80006}}, status=400, headers=header)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(minutes=9)


@pytest.mark.parametrize(
    ("status", "reading", "sending"),
    [
        (429, Throttled, Throttled),
        (408, RetryLater, DeliveryUncertain),
        (404, BadPayload, DeliveryUncertain),
        (301, BadPayload, BadPayload),
        (307, BadPayload, BadPayload),
    ],
)
@responses.activate
def test_without_a_graph_body_the_status_speaks(
    status: int, reading: type[PlatformError], sending: type[PlatformError]
) -> None:
    assert type(read(body="<h1>no</h1>", status=status)) is reading
    assert type(send(body="<h1>no</h1>", status=status)) is sending


# Usage


@pytest.mark.parametrize(
    ("headers", "usage"),
    [
        ({}, None),
        ({"x-app-usage": "{"}, None),
        ({"x-app-usage": "[1]"}, None),
        ({"x-app-usage": '{"call_count": true, "total_time": "x"}'}, None),
        ({"x-app-usage": '{"call_count": 12, "total_time": 5}'}, Usage(percent=12)),
        ({"x-page-usage": '{"call_count": 12, "total_cputime": 40.2}'}, Usage(percent=41)),
        (
            {
                "x-app-usage": '{"call_count": 50}',
                "x-business-use-case-usage": '{"1": [{"call_count": 3}, null, {"total_time": 71,'
                ' "estimated_time_to_regain_access": 0}], "2": [{"call_count": 9}], "3": 1}',
            },
            Usage(percent=71),
        ),
        (
            {"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 5}]}'},
            Usage(percent=100, regain_after=timedelta(minutes=5)),
        ),
    ],
)
def test_usage_is_the_fullest_meter(headers: dict[str, str], usage: Usage | None) -> None:
    assert usage_from(headers) == usage


# Paging


def paging(next_: object, **cursors: object) -> dict[str, Any]:
    return {"paging": {"next": next_, "cursors": cursors}}


@pytest.mark.parametrize(
    ("listing", "cursor"),
    [
        ({}, None),
        ({"paging": None}, None),
        ({"paging": {"cursors": {"after": "a"}}}, None),
        (paging(None, after="a"), None),
        (paging(f"{URL}?after=b", after="a"), "a"),
        (paging(f"{URL}?after=b%3D"), "b="),
        ({"paging": {"next": f"{URL}?after=b"}}, "b"),
        (paging(f"https://GRAPH.facebook.example:443/v25.0/x?after={TOKEN}", after="a"), "a"),
        (paging("/v25.0/x?after=b"), "b"),
    ],
)
def test_the_next_cursor(listing: dict[str, Any], cursor: str | None) -> None:
    assert client().next_cursor(listing) == cursor


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        (f"https://evil.example/v25.0/x?access_token={TOKEN}", "evil.example"),
        (f"https://{TOKEN}@evil.example/", "evil.example"),
        ("//evil.example/x", "evil.example"),
        ("http://graph.facebook.example/v25.0/x", "graph.facebook.example"),
        ("https://graph.facebook.example:8443/x", "graph.facebook.example"),
        ("https://graph.facebook.example.evil.example/x", "graph.facebook.example.evil.example"),
        ("https://[::1/x", "not an address"),
        ("https://graph.facebook.example:port/x", "not an address"),
    ],
)
def test_a_next_elsewhere_is_refused(link: str, shown: str) -> None:
    with pytest.raises(BadPayload, match=shown) as caught:
        client().next_cursor(paging(link, after="a"))
    assert TOKEN not in str(caught.value)


def test_a_next_without_any_cursor_is_not_the_end() -> None:
    conversation = samples.data("meta_restfb", "conversation.json")
    graph = client("https://graph.facebook.com/v25.0")
    with pytest.raises(BadPayload, match="no cursor"):
        graph.next_cursor(conversation["messages"])


def test_the_clock_is_asked_at_each_call() -> None:
    moments = iter([NINE, NINE + timedelta(minutes=6)])
    base = samples.surroundings()
    ticking = type(base)(session=base.session, settings=base.settings, clock=lambda: next(moments))
    graph = GraphClient("facebook", samples.account("550011"), ticking, base_url=FACEBOOK)
    with responses.mock:
        responses.get(URL, json={})
        for _ in range(2):
            graph.get("550011", params={}, purpose=Purpose.ACCOUNT)
        times = [samples.query(number)["appsecret_time"] for number in range(2)]
    assert int(times[1]) - int(times[0]) == 360
