"""Tokens, proofs, meters and batches of the sandbox's Graph API."""

import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import requests

from tests.sandbox.graph_shop import (
    DAY,
    HOUR,
    INSTAGRAM,
    LINKED,
    LOGIN_TOKEN,
    MINUTE,
    NINE,
    PAGE,
    PAGE_TOKEN,
    RIMA,
    SECOND,
    Shop,
    code_of,
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


def batch(shop: Shop, items: list[dict[str, Any]], **form: str) -> requests.Response:
    data = {"access_token": PAGE_TOKEN, "batch": json.dumps(items), **form}
    return shop.http.post(shop.url(""), data=data, timeout=60)


def signed(text: str) -> str:
    return hmac.new(b"app-secret", text.encode(), sha256).hexdigest()


def usage(response: requests.Response) -> dict[str, Any]:
    (row,) = json.loads(response.headers["x-business-use-case-usage"])[PAGE]
    assert isinstance(row, dict)
    return row


def test_the_token_is_looked_at_before_anything_else(shop: Shop) -> None:
    assert shop.refusal("404", token=None) == (104, None)
    assert shop.refusal("404", token="wrong", fields="nonsense{") == (190, None)
    for params in ({"access_token": PAGE_TOKEN}, {}):
        token = None if params else PAGE_TOKEN
        assert shop.ask("me", token=token, **params).status_code == 200


def test_dead_tokens_say_why(shop: Shop) -> None:
    token = shop.world.get_token(account_id=PAGE)
    token.is_dead, token.dead_subcode = True, 460
    assert shop.refusal("me") == (190, 460)
    assert shop.send("Hi").json()["error"]["code"] == 190
    shop.world.replace_token(PAGE, "new-token")
    assert shop.read("me", token="new-token")["id"] == PAGE
    assert shop.linked.token == "new-token"  # the Page's, as before


def test_tokens_expire_by_the_sandboxs_clock(shop: Shop) -> None:
    shop.world.get_token(LOGIN_TOKEN).expires_at = NINE + HOUR
    me = {"host": INSTAGRAM, "token": LOGIN_TOKEN}
    assert shop.ask("me", **me).status_code == 200
    shop.world.clock.advance(HOUR)
    assert shop.refusal("me", **me) == (190, 463)


def test_instagram_tokens_can_be_refreshed_after_a_day(shop: Shop) -> None:
    me = {"host": INSTAGRAM, "token": LOGIN_TOKEN}
    shop.world.get_token(LOGIN_TOKEN).expires_at = NINE + 30 * DAY
    assert shop.refusal("refresh_access_token", **me) == (100, None)
    shop.world.clock.advance(DAY)
    fresh = shop.read("refresh_access_token", grant_type="ig_refresh_token", **me)
    assert fresh["expires_in"] == 60 * 86400
    assert shop.world.get_token(LOGIN_TOKEN).expires_at == NINE + 61 * DAY


def test_debug_token_tells_about_living_and_dead(shop: Shop) -> None:
    shop.world.get_token(LOGIN_TOKEN).expires_at = NINE + DAY
    asked = {"token": "app-id|app-secret", "input_token": LOGIN_TOKEN}
    data = shop.read("debug_token", **asked)["data"]
    assert (data["is_valid"], data["expires_at"]) == (True, int((NINE + DAY).timestamp()))
    assert "instagram_business_manage_messages" in data["scopes"]
    shop.world.clock.advance(DAY)
    data = shop.read("debug_token", **asked)["data"]
    assert (data["is_valid"], data["error"]["subcode"]) == (False, 463)
    unknown = shop.read("debug_token", token=PAGE_TOKEN, input_token="wrong")["data"]
    assert unknown["is_valid"] is False


def test_proofs_are_taken_in_both_forms_and_must_be_fresh(shop: Shop) -> None:
    now = str(int(NINE.timestamp()))
    classic = {"appsecret_proof": signed(PAGE_TOKEN)}
    dated = {"appsecret_proof": signed(f"{PAGE_TOKEN}|{now}"), "appsecret_time": now}
    shop.page.settings.require_proof = True
    assert shop.refusal("me") == (100, None)
    assert shop.refusal("me", appsecret_proof="0" * 64) == (100, None)
    assert shop.ask("me", **classic).status_code == 200
    assert shop.ask("me", **dated).status_code == 200
    shop.world.clock.advance(5 * MINUTE + SECOND)
    assert shop.refusal("me", **dated) == (100, None)


def test_two_reads_a_second_are_allowed(shop: Shop) -> None:
    shop.page.settings.two_reads_per_second = True
    codes = [shop.ask("me/conversations").status_code for _ in range(3)]
    assert codes == [200, 200, 400]
    assert shop.refusal("me/conversations") == (613, None)
    assert shop.ask("me").status_code == 200  # not a read of conversations
    shop.world.clock.advance(SECOND)
    assert shop.ask("me/conversations").status_code == 200


def test_the_daily_budget_blocks_and_calls_while_blocked_prolong_it(shop: Shop) -> None:
    shop.write("Hello", to=shop.linked)
    for account, platform, code in (
        (shop.page, "messenger", 80006),
        (shop.linked, "instagram", 80002),
    ):
        account.engaged_users = 1
        account.meters.budget.add(NINE - 12 * HOUR, 200)
        blocked = shop.ask("me/conversations", platform=platform)
        assert code_of(blocked) == (code, None)
    # The 201 calls leave the rolling day one after the other: most of them in twelve hours.
    shop.page.meters.calls = 100
    shop.world.clock.advance(12 * HOUR + MINUTE)
    assert shop.ask("me/conversations").status_code == 200
    assert shop.page.meters.budget.total == 2
    shop.page.settings.daily_budget = False
    shop.page.meters.budget.add(NINE, 1000)
    assert shop.ask("me/conversations").status_code == 200


def test_usage_is_told_in_percent_once_there_were_enough_calls(shop: Shop) -> None:
    shop.page.settings.usage_header_after = 1
    shop.page.engaged_users = 1
    assert "x-business-use-case-usage" not in shop.ask("me/conversations").headers
    shop.page.meters.budget.add(NINE, 98)
    half = usage(shop.ask("me/conversations"))
    assert (half["type"], half["call_count"]) == ("messenger", 50)
    assert half["estimated_time_to_regain_access"] == 0
    assert usage(shop.ask("me"))["type"] == "pages"
    shop.page.meters.budget.add(NINE, 200)
    blocked = usage(shop.ask("me/conversations"))
    assert blocked["call_count"] > 100
    assert 1430 <= blocked["estimated_time_to_regain_access"] <= 1441  # minutes


def test_a_batch_answers_in_order_and_meters_each_item(shop: Shop) -> None:
    message = shop.write("Hello")
    items = [
        {"method": "GET", "relative_url": f"{message.id}?fields=message"},
        {"method": "GET", "relative_url": "v25.0/404"},
        {
            "method": "POST",
            "relative_url": f"{PAGE}/messages",
            "body": f'recipient={{"id":"{RIMA}"}}&message={{"text":"Hi"}}',
        },
    ]
    response = batch(shop, items)
    first, second, third = response.json()
    assert json.loads(first["body"])["message"] == "Hello"
    assert any(header["name"] == "ETag" for header in first["headers"])
    assert (second["code"], json.loads(second["body"])["error"]["code"]) == (400, 100)
    assert json.loads(third["body"])["recipient_id"] == RIMA
    assert shop.page.meters.calls == 3
    kinds = [call.kind for call in shop.world.ledger.calls()]
    assert kinds == ["message", "other", "send", "batch"]
    assert [sent.text for sent in shop.world.sent] == ["Hi"]


def test_a_batch_keeps_to_two_reads_a_second(shop: Shop) -> None:
    shop.page.settings.two_reads_per_second = True
    items = [{"method": "GET", "relative_url": "me/conversations"}] * 3
    assert [item["code"] for item in batch(shop, items).json()] == [200, 200, 400]


def test_a_batch_takes_fifty(shop: Shop) -> None:
    items = [{"method": "GET", "relative_url": "me"}] * 51
    assert len(batch(shop, items[:50]).json()) == 50
    error = batch(shop, items).json()["error"]
    assert error["type"] == "GraphBatchException"


def test_a_batch_item_may_be_unchanged(shop: Shop) -> None:
    item: dict[str, Any] = {"method": "GET", "relative_url": "me"}
    (first,) = batch(shop, [item]).json()
    tag = next(each["value"] for each in first["headers"] if each["name"] == "ETag")
    (again,) = batch(shop, [{**item, "headers": [f"If-None-Match: {tag}"]}]).json()
    assert (again["code"], again["body"]) == (304, None)
    (bare,) = batch(shop, [item], include_headers="false").json()
    assert set(bare) == {"code", "body"}


def test_a_batch_needs_a_token_of_its_own(shop: Shop) -> None:
    items = [{"method": "GET", "relative_url": f"me?access_token={PAGE_TOKEN}"}]
    assert code_of(batch(shop, items, access_token="")) == (104, None)
    assert batch(shop, items).json()[0]["code"] == 200


def test_owners_can_switch_off_message_access(shop: Shop) -> None:
    shop.linked.settings.message_access = False
    assert shop.refusal("me/conversations", platform="instagram") == (200, 2534041)
    assert shop.ask(LINKED, fields="username").status_code == 200
