"""Each request of the adapter, held against the vendor's published description of its API.

The tables are what twilio-oai (commit d50069b, 2026-04-14) says of the operations we use: which
parameters there are, which of them must be there, and what they may hold.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses

from shoptalk.platforms.base import Recipient
from shoptalk.platforms.testing import NINE

from .twilio_samples import (
    ACCOUNT_URL,
    CUSTOMER,
    MESSAGES,
    NUMBER,
    ON_WHATSAPP,
    TYPING,
    listing,
    record,
    sid,
    twilio,
)

ADDRESS = r"(whatsapp:)?\+?[0-9]{3,15}"
DAY = r"\d{4}-\d{2}-\d{2}"
MESSAGE_SID = "(SM|MM)[0-9a-fA-F]{32}"
ACCOUNT = "/2010-04-01/Accounts/AC[0-9a-fA-F]{32}"
PAGING = {"PageSize": r"[1-9]\d{0,2}|1000", "Page": r"\d+", "PageToken": ".+"}


@dataclass(frozen=True, kw_only=True)
class Operation:
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


OPERATIONS = {
    ("GET", "ListMessage"): Operation(
        path=f"{ACCOUNT}/Messages\\.json",
        query={
            "To": ADDRESS,
            "From": ADDRESS,
            "DateSent": DAY,
            "DateSent<": DAY,
            "DateSent>": DAY,
            **PAGING,
        },
    ),
    ("POST", "CreateMessage"): Operation(
        path=f"{ACCOUNT}/Messages\\.json",
        form={"To": ADDRESS, "From": ADDRESS, "Body": r"(?s).{1,1600}"},
        required=frozenset({"To", "From", "Body"}),
    ),
    ("GET", "FetchMessage"): Operation(path=f"{ACCOUNT}/Messages/{MESSAGE_SID}\\.json"),
    ("GET", "ListMedia"): Operation(
        path=f"{ACCOUNT}/Messages/{MESSAGE_SID}/Media\\.json", query=PAGING
    ),
    ("POST", "CreateTypingIndicator"): Operation(
        path="/v2/Indicators/Typing\\.json",
        form={"channel": "whatsapp", "messageId": MESSAGE_SID},
        required=frozenset({"channel", "messageId"}),
    ),
}


def operation_of(request: requests.PreparedRequest) -> str:
    """The name of the operation that the request is a valid call of."""
    parts = urlsplit(request.url or "")
    query = parse_qsl(parts.query, keep_blank_values=True)
    form = parse_qsl(str(request.body or ""), keep_blank_values=True)
    for (method, name), operation in OPERATIONS.items():
        if method != request.method or not re.fullmatch(operation.path, parts.path):
            continue
        for given, allowed in ((query, operation.query), (form, operation.form)):
            assert len(dict(given)) == len(given), "nothing is said twice"
            for parameter, value in given:
                assert parameter in allowed, f"{name} has no {parameter}"
                assert re.fullmatch(allowed[parameter], value), f"{parameter}={value}"
        assert operation.required <= dict([*query, *form]).keys()
        if method == "POST":
            assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert request.headers["Authorization"].startswith("Basic ")
        return name
    pytest.fail(f"there is no operation {request.method} {parts.path}")


@pytest.mark.parametrize("number", [NUMBER, ON_WHATSAPP, "12345"])
@responses.activate
def test_each_request_is_valid_and_each_operation_is_used(number: str) -> None:
    responses.get(MESSAGES, json=listing(record(1), token="PASM1", base=""))
    responses.get(MESSAGES, json=listing(record(1)))
    responses.post(MESSAGES, json=record(1, ours=True), status=201)
    responses.get(f"{ACCOUNT_URL}/Messages/{sid(1)}.json", json=record(1, ours=True))
    media = f"{ACCOUNT_URL}/Messages/{sid(1, 'MM')}/Media.json"
    responses.get(media, json={"media_list": []})
    responses.post(TYPING, json={"success": True})
    platform = twilio(number)
    platform.identify()
    for since in (None, NINE - timedelta(days=40)):
        cursor = None
        for _ in range(4):
            page = platform.fetch_page(cursor=cursor, limit=25, since=since)
            cursor = page.next_cursor
            if cursor is None:
                break
    kind = "whatsapp" if number == ON_WHATSAPP else "sms"
    recipient = Recipient(
        thread_id=f"{kind}_{CUSTOMER}", customer_id=CUSTOMER, last_message_id=sid(1)
    )
    older: str | None = ""
    while older is not None:
        older = platform.fetch_thread(recipient.thread_id, cursor=older, limit=20).older
    platform.send(recipient, "ش" * 670)
    platform.fetch_delivery(sid(1))
    platform.fetch_attachments(sid(1, "MM"))
    if platform.capabilities.typing:
        platform.show_typing(recipient)
    used = {operation_of(call.request) for call in responses.calls}
    expected = {name for _, name in OPERATIONS}
    assert used == (
        expected if platform.capabilities.typing else expected - {"CreateTypingIndicator"}
    )
