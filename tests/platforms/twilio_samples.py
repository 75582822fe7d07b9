"""Accounts and records for the tests of the Twilio adapter."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import requests

from shoptalk.platforms.base import AdapterContext
from shoptalk.platforms.testing import NINE, Response
from shoptalk.platforms.twilio.adapter import Twilio
from shoptalk.types import Account

API = "https://api.dublin.ie1.twilio.com"  # of a region
TYPING = "https://messaging.dublin.ie1.twilio.com/v2/Indicators/Typing.json"
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
TOKEN = "authTokenNobodyMaySee"
NUMBER, CUSTOMER = "+15550100", "+4915112345678"
ON_WHATSAPP = f"whatsapp:{NUMBER}"
ACCOUNT_URL = f"{API}/2010-04-01/Accounts/{ACCOUNT_SID}"
MESSAGES = f"{ACCOUNT_URL}/Messages.json"


def sid(number: int, kind: str = "SM") -> str:
    return f"{kind}{number:032x}"


def twilio(number: str = NUMBER, **config: Any) -> Twilio:
    """The adapter of a connected number."""
    account = Account(
        external_id=number,
        config={
            "access_token": TOKEN,
            "account_sid": ACCOUNT_SID,
            "number": number,
            **config,
        },
    )
    surroundings = AdapterContext(
        session=requests.Session(), settings={"twilio_api_base_url": API}, clock=lambda: NINE
    )
    return Twilio(account, surroundings)


def written(at: datetime) -> str:
    return format_datetime(at)


def record(number: int, *, ours: bool = False, wa: bool = False, **more: Any) -> dict[str, Any]:
    """A message as Twilio lists it; the higher `number` (to 59), the newer."""
    at = written(NINE - timedelta(seconds=60 - number))
    prefix = "whatsapp:" if wa else ""
    shop, customer = f"{prefix}{NUMBER}", f"{prefix}{CUSTOMER}"
    message_sid = sid(number)
    return {
        "sid": message_sid,
        "account_sid": ACCOUNT_SID,
        "messaging_service_sid": None,
        "from": shop if ours else customer,
        "to": customer if ours else shop,
        "body": f"message {number}",
        "direction": "outbound-api" if ours else "inbound",
        "status": "sent" if ours else "received",
        "num_media": "0",
        "num_segments": "1",
        "date_created": at,
        "date_sent": at,
        "date_updated": at,
        "error_code": None,
        "error_message": None,
        "price": None,
        "price_unit": None,
        "api_version": "2010-04-01",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{message_sid}.json",
        **more,
    }


def listing(*rows: Any, token: str | None = None, base: str = "", **query: str) -> dict[str, Any]:
    """A page; with `token`, one that has a next."""
    path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    following = None
    if token is not None:
        words = {"To": NUMBER, "PageSize": "25", "Page": "1", "PageToken": token, **query}
        following = f"{base}{path}?{urlencode(words)}"
    return {
        "messages": list(rows),
        "page": 0,
        "page_size": 25,
        "start": 0,
        "end": max(0, len(rows) - 1),
        "uri": path,
        "first_page_uri": path,
        "previous_page_uri": None,
        "next_page_uri": following,
    }


def refusal(code: int, status: int = 400, **headers: str) -> Response:
    """An error as Twilio sends it, with a message that nobody may repeat."""
    body = {
        "code": code,
        "message": f"words-of-a-customer-4711 {TOKEN}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return {"json": body, "status": status, "headers": headers}
