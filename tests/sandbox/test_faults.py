"""Faults of the sandbox: what each does, how they add up, and that a seed repeats them."""

import json
from collections.abc import Iterator

import pytest
import requests

from shoptalk.sandbox.faults import FaultBox, Target
from tests.patience import eventually
from tests.sandbox.graph_shop import MINUTE, NINE, PAGE, PAGE_TOKEN, RIMA, SECOND, Shop, code_of

LIST = {"kind": "list"}
SEND = {"kind": "send"}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        for number in range(6):
            shop.write(f"Line {number}", customer=f"7{number}", at=NINE + number * SECOND)
        shop.write("Open?", at=NINE + MINUTE)
        shop.world.clock.advance(2 * MINUTE)
        yield shop


def texts_after(shop: Shop) -> list[str]:
    return shop.texts(shop.page)


def pages(shop: Shop, limit: int = 3, most: int = 9) -> list[list[str]]:
    """Walk the list, two requests at least, and return the thread ids of each page."""
    found: list[list[str]] = []
    after = None
    while len(found) < most:
        page = shop.read("me/conversations", limit=limit, **({"after": after} if after else {}))
        found.append([row["id"] for row in page["data"]])
        if "next" not in page.get("paging", {}):
            break
        after = page["paging"]["cursors"]["after"]
    return found


def test_an_error_comes_as_often_as_it_was_ordered(shop: Shop) -> None:
    shop.world.faults.add(
        "graph_error",
        match=LIST,
        count=2,
        after=1,
        params={"code": -2, "subcode": 2534084, "is_transient": True},
    )
    codes = [shop.ask("me/conversations").status_code for _ in range(4)]
    assert codes == [200, 500, 500, 200]


def test_an_error_looks_like_metas(shop: Shop) -> None:
    params = {"code": 368, "status": 403, "message": "Blocked", "user_message": "Wait"}
    shop.world.faults.add("graph_error", match=SEND, count=1, params=params)
    response = shop.send("Hi")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["message"]) == (403, 368, "Blocked")
    assert error["error_user_msg"] == "Wait"
    assert texts_after(shop) == ["Open?"]


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [("drop_before", False), ("drop_after", True)],
)
def test_a_cut_connection_leaves_the_work_undone_or_done(
    shop: Shop, fault: str, is_done: bool
) -> None:
    shop.world.faults.add(fault, match=SEND, count=1)
    with pytest.raises(requests.ConnectionError):
        shop.send("Hi")
    assert (texts_after(shop) == ["Open?", "Hi"]) is is_done
    assert [sent.is_answered for sent in shop.world.sent] == ([False] if is_done else [])
    assert shop.world.ledger.calls(kind="send")[0].status == 0
    assert shop.send("Again").status_code == 200


def test_an_error_may_follow_a_send_that_succeeded(shop: Shop) -> None:
    shop.world.faults.add("error_after", match=SEND, count=1)
    response = shop.send("Hi")
    assert code_of(response) == (1, 1357046)
    assert texts_after(shop) == ["Open?", "Hi"]
    assert shop.world.sent[0].is_answered is False


def test_plain_http_failures_and_html_pages(shop: Shop) -> None:
    shop.world.faults.add("http_status", count=1, params={"status": 503, "retry_after": 7})
    shop.world.faults.add("html", count=1)
    unavailable, page = shop.ask("me"), shop.ask("me")
    assert (unavailable.status_code, unavailable.headers["Retry-After"]) == (503, "7")
    assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")


def test_a_slow_answer_has_done_its_work(shop: Shop) -> None:
    shop.world.faults.add("slow", match=SEND, count=1, params={"seconds": 90})
    with pytest.raises(requests.ReadTimeout):
        shop.http.post(
            shop.url("me/messages"),
            json={"recipient": {"id": RIMA}, "message": {"text": "Hi"}},
            headers={"Authorization": f"Bearer {PAGE_TOKEN}"},
            timeout=(60, 0.2),
        )
    eventually(lambda: texts_after(shop) == ["Open?", "Hi"])


def test_a_body_is_cut_in_the_middle(shop: Shop) -> None:
    shop.world.faults.add("truncate", count=1, params={"keep": 0.5})
    with pytest.raises(requests.JSONDecodeError):
        shop.ask("me/conversations").json()
    assert shop.ask("me/conversations").json()["data"]


def test_an_empty_page_still_has_a_next(shop: Shop) -> None:
    honest = pages(shop)
    shop.world.faults.add("empty_page", match=LIST, count=2)
    assert pages(shop) == [[], [], *honest]
    shop.world.faults.add("empty_page", match=LIST, after=1, count=1)
    assert pages(shop) == [honest[0], [], *honest[1:]]


def test_a_short_page_goes_on_where_it_stopped(shop: Shop) -> None:
    (everything,) = pages(shop, limit=25)
    shop.world.faults.add("short_page", match=LIST, count=1, params={"rows": 2})
    assert pages(shop) == [everything[:2], everything[2:5], everything[5:]]


def test_a_page_may_come_twice_or_for_ever(shop: Shop) -> None:
    first, second, third = pages(shop)
    shop.world.faults.add("repeat_page", match=LIST, count=1)
    assert pages(shop) == [first, first, second, third]
    shop.world.faults.add("repeat_page", match=LIST)
    assert pages(shop, most=5) == [first] * 5


def test_pages_shift_while_one_walks(shop: Shop) -> None:
    (everything,) = pages(shop, limit=25)
    shop.world.faults.add("shift_page", match=LIST, count=1)
    assert pages(shop)[1] == everything[2:5]
    shop.world.faults.clear()
    shop.world.faults.add("shift_page", match=LIST, count=1, params={"by": -1})
    assert pages(shop)[1] == everything[4:7]


def test_records_lose_fields_or_their_sense(shop: Shop) -> None:
    add = shop.world.faults.add
    add("missing_field", match=LIST, count=1, params={"field": "updated_time", "index": 1})
    add("null_record", match=LIST, count=1, params={"index": -1})
    add("garbage_record", match=LIST, count=1, params={"index": 2})
    rows = shop.read("me/conversations")["data"]
    assert "updated_time" in rows[0]
    assert "updated_time" not in rows[1]
    assert not isinstance(rows[2]["id"], str)
    assert rows[-1] is None
    assert all(isinstance(row["id"], str) for row in shop.read("me/conversations")["data"])


def test_nested_messages_can_be_damaged(shop: Shop) -> None:
    params = {"field": "from", "at": "messages"}
    shop.world.faults.add("missing_field", match=LIST, count=1, params=params)
    shop.world.faults.add("null_record", match={"kind": "thread"}, count=1)
    rows = shop.read("me/conversations", fields="messages{from}")["data"]
    assert all("from" not in row["messages"]["data"][0] for row in rows)
    thread = shop.read(rows[0]["id"], fields="messages{from}")
    assert thread["messages"]["data"] == [None]


def test_a_next_may_lead_abroad_and_the_ledger_tells_who_followed(shop: Shop) -> None:
    shop.world.faults.add("foreign_next", match=LIST, count=1)
    link = shop.read("me/conversations", limit=2)["paging"]["next"]
    assert link.startswith("http://localhost:")
    assert shop.world.ledger.tokens_sent_abroad() == []
    headers = {"Authorization": f"Bearer {PAGE_TOKEN}"}
    assert shop.http.get(link, headers=headers, timeout=60).status_code == 404
    model = f"{shop.server.environment['OPENAI_BASE_URL']}/models"
    for token in (PAGE_TOKEN, "sandbox"):
        shop.http.get(model, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    foreign, to_model = shop.world.ledger.tokens_sent_abroad()
    assert (foreign.kind, foreign.host) == ("foreign", "foreign.example")
    assert (to_model.kind, to_model.host) == ("model", "openai")


def test_batch_items_time_out_and_are_not_carried_out(shop: Shop) -> None:
    items = [
        {"method": "GET", "relative_url": "me"},
        {
            "method": "POST",
            "relative_url": "me/messages",
            "body": f'recipient={{"id":"{RIMA}"}}&message={{"text":"Hi"}}',
        },
    ]
    form = {"access_token": PAGE_TOKEN, "batch": json.dumps(items)}
    shop.world.faults.add("null_batch_item", count=1, params={"index": 1})
    answers = shop.http.post(shop.url(""), data=form, timeout=60).json()
    assert answers[0]["code"] == 200
    assert answers[1] is None
    assert texts_after(shop) == ["Open?"]
    shop.world.faults.add("error_after", match=SEND, count=1)
    answers = shop.http.post(shop.url(""), data=form, timeout=60).json()
    assert json.loads(answers[1]["body"])["error"]["error_subcode"] == 1357046
    assert texts_after(shop) == ["Open?", "Hi"]
    assert [sent.is_answered for sent in shop.world.sent] == [False]


def test_rules_match_by_host_method_path_and_account(shop: Shop) -> None:
    add = shop.world.faults.add
    for match in (
        {"host": "graph.instagram.com"},
        {"method": "POST"},
        {"path": "/*/messages"},
        {"account": "somebody else"},
    ):
        add("graph_error", match=match)
    assert shop.ask("me/conversations").status_code == 200
    add("graph_error", match={"path": "/*/conversations", "account": PAGE, "method": "get"})
    assert shop.ask("me/conversations").status_code == 500


def target(kind: str = "list") -> Target:
    return Target(host="graph.facebook.com", method="GET", path="/me/conversations", kind=kind)


def outcomes(box: FaultBox, count: int = 40) -> list[str | None]:
    plans = [box.plan(target()) for _ in range(count)]
    return [plan.ending.name if plan.ending else None for plan in plans]


def test_the_same_seed_throws_the_same_dice_whatever_other_rules_there_are() -> None:
    first, second = FaultBox(seed=7), FaultBox(seed=7)
    for box in (first, second):
        box.add("graph_error", probability=0.3)
    second.add("slow", probability=0.5, params={"seconds": 0.0})
    expected = outcomes(first)
    assert outcomes(second) == expected
    assert 0 < expected.count("graph_error") < len(expected)
    first.seed(7)
    assert outcomes(first) == expected
    first.seed(8)
    assert outcomes(first) != expected


def test_one_fault_settles_a_request_and_the_others_wait_their_turn() -> None:
    box = FaultBox()
    box.add("drop_before", count=1)
    box.add("error_after", count=1)
    box.add("slow", count=2, params={"seconds": 1.5, "before_work": True})
    first, second, third = (box.plan(target()) for _ in range(3))
    assert first.ending is not None
    assert second.ending is not None
    assert (first.ending.name, second.ending.name) == ("drop_before", "error_after")
    assert (first.delay_before, second.delay_before, third.delay_before) == (1.5, 1.5, 0.0)
    assert third.ending is None


def test_page_faults_leave_other_requests_alone_and_keep_their_count() -> None:
    box = FaultBox()
    rule = box.add("empty_page", count=1)
    assert box.plan(target("send")).alterations == ()
    assert rule.seen == 0
    assert len(box.plan(target()).alterations) == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {"fault": "earthquake"},
        {"fault": "slow", "params": {"minutes": 3}},
        {"fault": "slow", "params": {"seconds": "three"}},
        {"fault": "graph_error", "params": {"code": True}},
        {"fault": "html", "count": -1},
        {"fault": "html", "probability": 2},
        {"fault": "html", "match": {"colour": "red"}},
        {"fault": "html", "match": {"kind": 3}},
        {"fault": "html", "often": True},
        {},
    ],
)
def test_nonsense_is_not_accepted_as_a_fault(wanted: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        FaultBox().add_json(wanted)
