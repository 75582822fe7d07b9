"""The sandbox's Chatwoot: its shapes, its limits, and what it does behind a client's back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from shoptalk.sandbox.chatwoot.desk import COLLEAGUE, GREETER, SALES, WHATSAPP
from shoptalk.sandbox.client import SandboxControl, SandboxRefused
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import World

NINE = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
TOKEN = "cw-token"
ANN = "7300000000000001"
ALL = {"status": "all", "assignee_type": "all"}


class Office:
    """A Chatwoot server with one account, and a client with its token."""

    def __init__(self, server: SandboxServer) -> None:
        self.world: World = server.world
        self.api = f"{server.url}/chatwoot/api/v1"
        self.control = SandboxControl(server.url)
        self.world.clock.freeze(NINE)
        self.account = self.world.add_account("chatwoot", "1", "Corner Shop", TOKEN)

    def ask(self, method: str, path: str, *, token: str = TOKEN, **words: Any) -> requests.Response:
        url = f"{self.api}/{path}"
        headers = {"api_access_token": token} if token else {}
        return requests.request(method, url, headers=headers, timeout=60, **words)

    def get(self, path: str, **params: Any) -> Any:
        response = self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.ask("POST", path, json=body)

    def rows(self, **params: Any) -> list[Any]:
        found: list[Any] = self.get("accounts/1/conversations", **{**ALL, **params})["data"][
            "payload"
        ]
        return found

    def numbers(self, **params: Any) -> list[int]:
        page = self.get("accounts/1/conversations/1/messages", **params)
        return [row["id"] for row in page["payload"]]

    def write(self, text: str = "Hello?", who: str = ANN, **words: Any) -> int:
        return int(self.world.add_message("1", who, text, **words).id)


@pytest.fixture
def office() -> Iterator[Office]:
    with SandboxServer() as server:
        yield Office(server)


def test_only_a_token_of_the_account_gets_in(office: Office) -> None:
    office.world.add_account("facebook", "550011", "Shop", "page-token")
    office.world.add_account("chatwoot", "2", "Other Shop", "other-token")
    for token, says in (
        ("", "sign in"),
        ("wrong", "Invalid Access Token"),
        ("page-token", "Invalid Access Token"),
        ("other-token", "not authorized"),
    ):
        response = office.ask("GET", "accounts/1/conversations", token=token)
        assert response.status_code == 401
        assert says in response.text
    office.world.get_token(TOKEN).expires_at = NINE
    assert office.ask("GET", "profile").status_code == 401


def test_a_token_that_strays_is_told_on(office: Office) -> None:
    office.world.add_account("facebook", "550011", "Shop", "page-token")
    office.ask("GET", "profile", token="page-token")
    graph = office.api.replace("chatwoot/api/v1", "graph.facebook.com/v25.0/me")
    requests.get(graph, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    office.ask("GET", "profile")
    requests.get(graph, headers={"Authorization": "Bearer page-token"}, timeout=60)
    abroad = office.world.ledger.tokens_sent_abroad()
    assert [call.host for call in abroad] == ["chatwoot", "graph.facebook.com"]


def test_a_bots_token_writes_and_does_not_read(office: Office) -> None:
    office.account.settings.bot_token = True
    office.write()
    for path in ("profile", "accounts/1/conversations", "accounts/1/conversations/1/messages"):
        response = office.ask("GET", path)
        assert response.status_code == 401
        assert "not authorized for bots" in response.text
    assert office.post("accounts/1/conversations/1/messages", content="Hi").status_code == 200


def test_the_list_has_25_a_page_by_latest_activity_and_says_nothing_of_its_end(
    office: Office,
) -> None:
    for number in range(1, 31):
        office.world.clock.freeze(NINE + timedelta(seconds=number))
        office.write(who=str(number))
    first, second, third = (office.rows(page=page) for page in (1, 2, 3))
    assert [row["id"] for row in first] == list(range(30, 5, -1))
    assert [row["id"] for row in second] == [5, 4, 3, 2, 1]
    assert third == []


def test_only_open_ones_are_listed_unless_told(office: Office) -> None:
    office.write(who="1")
    office.write(who="2")
    office.world.change_thread("1", "2", status="pending")
    listed = office.get("accounts/1/conversations")["data"]
    assert [row["id"] for row in listed["payload"]] == [1]
    assert len(office.rows()) == 2
    office.world.change_thread("1", "2", inbox_id=WHATSAPP)
    assert [row["id"] for row in office.rows(inbox_id=WHATSAPP)] == [2]


def test_a_conversation_of_nobody_has_no_assignee_at_all(office: Office) -> None:
    office.write()
    assert "assignee" not in office.rows()[0]["meta"]
    office.world.change_thread("1", ANN, assignee_id=COLLEAGUE)
    meta = office.rows()[0]["meta"]
    assert (meta["assignee"]["id"], meta["assignee_type"]) == (COLLEAGUE, "User")
    office.world.change_thread("1", ANN, assignee_id=GREETER)
    assert office.rows()[0]["meta"]["assignee_type"] == "AgentBot"


def test_messages_are_paged_by_id_20_back_100_forward_1000_between(office: Office) -> None:
    ids = [office.write(str(number)) for number in range(1200)]
    assert office.numbers() == ids[-20:]
    assert office.numbers(before=ids[-20]) == ids[-40:-20]
    assert office.numbers(after=0) == ids[:100]
    assert office.numbers(after=ids[9]) == ids[10:110]
    assert office.numbers(after=ids[0], before=ids[1100]) == ids[:1000]


def test_messages_are_cut_by_id_and_stand_by_time(office: Office) -> None:
    now = [office.write() for _ in range(20)]
    imported = office.write("from long ago", at=NINE - timedelta(days=9))
    assert office.numbers() == [imported, *now[1:]]


def test_kinds_are_numbers_times_are_seconds_and_missing_things_are_missing(
    office: Office,
) -> None:
    office.write()
    office.write("note", side="note")
    office.write("auto", side="template")
    office.write("Assigned to Bo", side="activity")
    office.write("", kind="audio")
    rows = office.get("accounts/1/conversations/1/messages")["payload"]
    assert [row["message_type"] for row in rows] == [0, 1, 3, 2, 0]
    assert [row["private"] for row in rows] == [False, True, False, False, False]
    assert ["sender" in row for row in rows] == [True, True, False, False, True]
    assert ["attachments" in row for row in rows] == [False] * 4 + [True]
    assert rows[4]["content"] is None
    assert rows[0]["created_at"] == int(NINE.timestamp())


def test_a_file_is_behind_a_redirect_and_needs_no_token(office: Office) -> None:
    office.write("", kind="image")
    [row] = office.get("accounts/1/conversations/1/messages")["payload"]
    [attachment] = row["attachments"]
    link = attachment["data_url"]
    assert requests.get(link, allow_redirects=False, timeout=60).status_code == 302
    file = requests.get(link, timeout=60)
    assert file.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("side", ["customer", "employee", "note", "activity", "bot", "template"])
def test_whoever_writes_moves_the_conversation_up(office: Office, side: Any) -> None:
    office.write(who="1")
    office.world.clock.freeze(NINE + timedelta(seconds=1))
    office.write(who="2")
    office.world.clock.freeze(NINE + timedelta(seconds=2))
    office.write(who="1", side=side)
    assert [row["id"] for row in office.rows()] == [1, 2]
    assert office.rows()[0]["last_activity_at"] == int(NINE.timestamp()) + 2


def test_an_assignment_shows_at_once_and_its_activity_later(office: Office) -> None:
    office.account.settings.consistency_delay_seconds = 2
    office.write()
    office.world.clock.freeze(NINE + timedelta(seconds=10))
    office.world.change_thread("1", ANN, assignee_id=COLLEAGUE)
    [row] = office.rows()
    assert row["meta"]["assignee"]["id"] == COLLEAGUE
    assert row["last_activity_at"] == int(NINE.timestamp())
    office.world.clock.advance(timedelta(seconds=2))
    assert office.rows()[0]["last_activity_at"] == int(NINE.timestamp()) + 10


@pytest.mark.parametrize(("has_bot", "status"), [(False, "open"), (True, "pending")])
def test_a_customer_reopens_what_was_put_away(office: Office, has_bot: bool, status: str) -> None:
    office.account.settings.bot_attached = has_bot
    office.write()
    assert office.rows()[0]["status"] == status
    office.world.change_thread("1", ANN, status="resolved")
    office.write()
    assert office.rows()[0]["status"] == status


def test_a_send_is_answered_200_with_the_message_and_counted(office: Office) -> None:
    office.write()
    body = office.post("accounts/1/conversations/1/messages", content="Yes", private=False).json()
    assert (body["message_type"], body["status"], body["sender"]["id"]) == (1, "sent", SALES)
    [sent] = office.world.sent
    assert (sent.text, sent.message_id) == ("Yes", str(body["id"]))


def test_a_note_is_not_among_what_customers_got(office: Office) -> None:
    office.write()
    office.post("accounts/1/conversations/1/messages", content="He owes us", private=True)
    assert office.world.sent == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "blank"),
        ({"content": ""}, "blank"),
        ({"content": "x" * 150_001}, "too long"),
        ({"content": "Hi", "message_type": "incoming"}, "Api inboxes"),
    ],
)
def test_a_message_that_will_not_do_is_a_422(
    office: Office, body: dict[str, Any], says: str
) -> None:
    office.write()
    response = office.post("accounts/1/conversations/1/messages", **body)
    assert response.status_code == 422
    assert says in response.json()["error"]


def test_200_messages_a_minute_flood_a_conversation(office: Office) -> None:
    office.write()
    path = "accounts/1/conversations/1/messages"
    statuses = [office.post(path, content="Hi").status_code for _ in range(201)]
    assert statuses == [200] * 200 + [422]
    office.world.clock.advance(timedelta(minutes=1))
    assert office.post(path, content="Hi").status_code == 200


def test_too_many_requests_are_told_in_plain_text(office: Office) -> None:
    office.account.settings.requests_per_minute = 2
    office.rows()
    office.rows()
    response = office.ask("GET", "accounts/1/conversations")
    assert (response.status_code, response.text) == (429, "Retry later\n")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "Retry-After" not in response.headers


def test_what_the_channel_refuses_is_told_later_on_the_message(office: Office) -> None:
    office.write()
    office.world.change_thread("1", ANN, inbox_id=WHATSAPP)
    office.world.clock.advance(timedelta(hours=25))
    assert office.rows()[0]["can_reply"] is False
    sent = office.post("accounts/1/conversations/1/messages", content="Hi").json()
    assert sent["status"] == "sent"
    office.world.clock.advance(timedelta(seconds=5))
    row = office.get("accounts/1/conversations/1/messages")["payload"][-1]
    assert row["status"] == "failed"
    assert "131047" in row["content_attributes"]["external_error"]


def test_typing_is_recorded_and_an_unknown_word_does_nothing(office: Office) -> None:
    office.write()
    path = "accounts/1/conversations/1/toggle_typing_status"
    for word in ("on", "off", "loud"):
        response = office.post(path, typing_status=word, is_private=False)
        assert (response.status_code, response.text) == (200, "")
    assert office.control.thread("1", ANN)["ticket"]["typing"] == ["on", "off"]


@pytest.mark.parametrize(("is_agent", "assignee"), [(True, SALES), (False, None)])
def test_opening_as_an_agent_assigns(office: Office, is_agent: bool, assignee: int | None) -> None:
    office.account.settings.agent_token = is_agent
    office.write()
    office.world.change_thread("1", ANN, status="pending")
    answer = office.post("accounts/1/conversations/1/toggle_status", status="open").json()
    assert answer["payload"]["current_status"] == "open"
    assert office.control.thread("1", ANN)["ticket"]["assignee_id"] == assignee
    assert office.post("accounts/1/conversations/1/assignments", assignee_id=0).json() is None
    assert office.control.thread("1", ANN)["ticket"]["assignee_id"] is None


def test_labels_are_replaced_as_a_whole(office: Office) -> None:
    office.write()
    for labels in (["vip", "new"], ["vip"]):
        answer = office.post("accounts/1/conversations/1/labels", labels=labels).json()
        assert answer == {"payload": labels}
    assert office.rows()[0]["labels"] == ["vip"]


def test_what_is_not_there_is_a_404(office: Office) -> None:
    for path in ("conversations/9", "conversations/9/messages", "conversations/x"):
        response = office.ask("GET", f"accounts/1/{path}")
        assert response.status_code == 404
        assert response.json() == {"error": "Resource could not be found"}


def test_the_control_api_moves_it_too(office: Office) -> None:
    office.control.add_message("1", ANN, "Hello?", customer_name="Ann")
    office.control.add_message("1", ANN, "He owes us", side="note")
    thread = office.control.change_thread("1", ANN, assignee_id=COLLEAGUE, status="snoozed")
    assert thread["ticket"]["status"] == "snoozed"
    assert [each["side"] for each in thread["messages"]] == [
        "customer",
        "note",
        "activity",
        "activity",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "lost"},
        {"assignee_id": 99},
        {"inbox_id": 99},
        {"labels": "vip"},
        {"labels": [1]},
        {"folder": "inbox"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(office: Office, changes: dict[str, Any]) -> None:
    office.write()
    with pytest.raises(SandboxRefused):
        office.control.change_thread("1", ANN, **changes)


def test_only_chatwoot_has_notes_and_numbers_for_accounts(office: Office) -> None:
    office.world.add_account("facebook", "550011", "Shop", "page-token")
    with pytest.raises(ValueError, match="only Chatwoot"):
        office.world.add_message("550011", ANN, "psst", side="note")
    with pytest.raises(ValueError, match="number"):
        office.world.add_account("chatwoot", "shop", "Shop", "another-token")


def test_faults_strike_it_by_its_own_kinds_of_requests(office: Office) -> None:
    office.write()
    for kind in ("list", "thread", "state", "send", "note", "typing", "change", "identity"):
        office.world.faults.add("http_status", match={"kind": kind, "host": "chatwoot"})
    calls = [
        office.ask("GET", "profile"),
        office.ask("GET", "accounts/1/inboxes"),
        office.ask("GET", "accounts/1/conversations"),
        office.ask("GET", "accounts/1/conversations/1"),
        office.ask("GET", "accounts/1/conversations/1/messages"),
        office.post("accounts/1/conversations/1/messages", content="Hi"),
        office.post("accounts/1/conversations/1/messages", content="Hi", private=True),
        office.post("accounts/1/conversations/1/toggle_typing_status", typing_status="on"),
        office.post("accounts/1/conversations/1/labels", labels=[]),
    ]
    assert {call.status_code for call in calls} == {503}
    assert all(rule.fired for rule in office.world.faults.rules)


def test_a_record_may_be_hit_by_two_faults(office: Office) -> None:
    office.write()
    thread = {"kind": "thread"}
    office.world.faults.add("null_record", match=thread)
    office.world.faults.add("missing_field", match=thread, params={"field": "created_at"})
    page = office.get("accounts/1/conversations/1/messages")
    assert None in page["payload"]


def test_resetting_forgets_its_minutes(office: Office) -> None:
    office.account.settings.requests_per_minute = 1
    office.rows()
    office.control.reset()
    office.world.add_account(
        "chatwoot", "1", "Corner Shop", TOKEN, settings={"requests_per_minute": 1}
    )
    assert office.rows() == []
