"""Twilio's lists of messages and media. Newest first by when they were sent; what is not sent yet
stands on top. The date filter knows days, and nothing that has no date.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from shoptalk.sandbox.accounts import SandboxAccount
from shoptalk.sandbox.faults import Fired
from shoptalk.sandbox.graph.damage import FOREIGN_HOST, left_out
from shoptalk.sandbox.graph.pages import Shape, cut
from shoptalk.sandbox.messages import Activity
from shoptalk.sandbox.twilio.asked import Asked
from shoptalk.sandbox.twilio.errors import TwilioError
from shoptalk.sandbox.twilio.records import (
    VERSION,
    WITH_MEDIA,
    Failures,
    Listed,
    demo_reply,
    listed,
    media_record,
    record,
)
from shoptalk.sandbox.world import World

DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
_TOKEN = "PASM"  # noqa: S105 - of a page, no secret
_DATES = ("DateSent", "DateSent>", "DateSent<")
_KNOWN = frozenset({"To", "From", *_DATES, "PageSize", "Page", "PageToken"})


def list_messages(
    asked: Asked, accounts: Sequence[SandboxAccount], failures: Failures, now: datetime
) -> dict[str, Any]:
    """Answer `GET Messages.json`."""
    if unknown := asked.query.keys() - _KNOWN:
        raise TwilioError(20001, f"Unknown parameter {sorted(unknown)[0]}")
    dates = {name: _moment(asked.query[name]) for name in _DATES if name in asked.query}
    rows = sorted(
        (row for row in _all(accounts, failures, now) if _is_wanted(asked, row, dates)),
        key=lambda row: row.place,
    )
    size = _page_size(asked)
    token = asked.query.get("PageToken")
    piece = cut(
        rows,
        lambda row: row.place,
        limit=size,
        after=_read_token(token) if token is not None else None,
        shape=Shape.of(asked.alterations),
    )
    number = int(asked.query.get("Page", 0))
    path = f"/{VERSION}/Accounts/{asked.account_sid}/Messages.json"
    following = None
    if piece.has_older:
        kept = {name: value for name, value in asked.query.items() if name != "Page"}
        words = {
            **kept,
            "PageSize": str(size),
            "Page": str(number + 1),
            "PageToken": _write_token(piece.oldest),
        }
        following = f"{path}?{urlencode(words)}"
    body = {
        "messages": [record(row) for row in piece.rows],
        "page": number,
        "page_size": size,
        "start": number * size,
        "end": number * size + max(0, len(piece.rows) - 1),
        "uri": f"{path}?{urlencode(asked.query)}",
        "first_page_uri": f"{path}?{urlencode({'PageSize': size, 'Page': 0})}",
        "previous_page_uri": None,
        "next_page_uri": following,
    }
    return _damaged(body, asked)


def find(
    world: World, accounts: Sequence[SandboxAccount], sid: str, failures: Failures, now: datetime
) -> Listed:
    """The message of one of the accounts with this SID.

    Raises:
        TwilioError: 20404, there is none.
    """
    message = world.find_message(sid)
    for account in accounts:
        if message is not None and account.account_id == message.account_id:
            return listed(message, account, failures, now)
    raise TwilioError(20404)


def list_media(row: Listed) -> dict[str, Any]:
    """Answer `GET Messages/SID/Media.json`."""
    rows = [media_record(row)] if row.message.kind in WITH_MEDIA else []
    return {"media_list": rows, "page": 0, "page_size": 50, "next_page_uri": None}


def _all(accounts: Sequence[SandboxAccount], failures: Failures, now: datetime) -> Iterator[Listed]:
    for account in accounts:
        for thread in account.threads.by_customer.values():
            for message in thread.shown(now):
                row = listed(message, account, failures, now)
                yield row
                if account.settings.demo_url and row.status == "received":
                    yield demo_reply(message, account)


def _is_wanted(asked: Asked, row: Listed, dates: Mapping[str, datetime]) -> bool:
    sender, receiver = row.addresses
    if asked.query.get("From", sender) != sender or asked.query.get("To", receiver) != receiver:
        return False
    return all(_is_within(name, moment, row) for name, moment in dates.items())


def _is_within(name: str, moment: datetime, row: Listed) -> bool:
    if row.sent_at is None:
        return False
    if row.account.settings.date_filter_by_second:
        sent, wanted = row.sent_at, moment
    else:
        sent = datetime.combine(row.sent_at.date(), time(), UTC)
        wanted = datetime.combine(moment.date(), time(), UTC)
    if name == "DateSent":
        return sent == wanted
    return sent >= wanted if name == "DateSent>" else sent <= wanted


def _moment(given: str) -> datetime:
    try:
        if len(given) == len("2026-11-20"):
            return datetime.combine(date.fromisoformat(given), time(), UTC)
        moment = datetime.fromisoformat(given) if given[:1].isdigit() else None
        moment = moment or parsedate_to_datetime(given)
    except ValueError:
        raise TwilioError(20001, f"The date {given} is not valid") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _page_size(asked: Asked) -> int:
    given = asked.query.get("PageSize", str(DEFAULT_PAGE))
    if not given.isdigit() or not 1 <= int(given) <= LARGEST_PAGE:
        raise TwilioError(20001, "PageSize is a number from 1 to 1000")
    return int(given)


def _write_token(place: Activity) -> str:
    return f"{_TOKEN}{place[0]:x}x{place[1]:x}"


def _read_token(token: str) -> Activity:
    at, _, sequence_no = token.removeprefix(_TOKEN).partition("x")
    try:
        return int(at, 16), int(sequence_no, 16)
    except ValueError:
        raise TwilioError(20001, "PageToken is not valid") from None


def _damaged(body: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Do to the page what the faults want; those that bend it have done so."""
    rows = body["messages"]
    for fired in asked.alterations:
        if fired.name == "foreign_next" and body["next_page_uri"] is not None:
            elsewhere = fired.params["url"] or f"{_other_name(asked.root)}/{FOREIGN_HOST}"
            body["next_page_uri"] = f"{elsewhere}?{body['next_page_uri'].partition('?')[2]}"
        elif fired.name in {"missing_field", "null_record", "garbage_record"}:
            for position in left_out(len(rows), fired):
                rows[position] = _spoiled(rows[position], fired)
    return body


def _spoiled(row: Any, fired: Fired) -> Any:
    if fired.name == "null_record" or not isinstance(row, dict):
        return None
    if fired.name == "missing_field":
        return {name: value for name, value in row.items() if name != fired.params["field"]}
    return {name: 17 if isinstance(value, str) else "garbage" for name, value in row.items()}


def _other_name(root: str) -> str:
    """Another host that still reaches the sandbox, so that it can tell on who follows."""
    ours, theirs = ("127.0.0.1", "localhost") if "127.0.0.1" in root else ("localhost", "127.0.0.1")
    return root.replace(ours, theirs)
