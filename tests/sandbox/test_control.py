"""The sandbox's control API and its client; the clock; the server's coming and going."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from shoptalk.sandbox.client import SandboxControl, SandboxRefused
from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import World
from tests.patience import PATIENCE

NINE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PAGE, RIMA = "550011", "7301002003004"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def control(server: SandboxServer) -> Iterator[SandboxControl]:
    with SandboxControl(server.url) as control:
        control.freeze_clock(NINE)
        control.add_account("facebook", PAGE, "Corner Bakery", "page-token")
        yield control


def listing(server: SandboxServer, token: str = "page-token") -> requests.Response:
    return requests.get(
        f"{server.environment['FACEBOOK_API_BASE_URL']}/me/conversations",
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )


def test_an_account_has_its_settings_changed_by_name(control: SandboxControl) -> None:
    assert control.accounts()[0]["settings"]["max_page_limit"] == 100
    changed = control.change_settings(PAGE, max_page_limit=7, engaged_users=3)
    assert (changed["settings"]["max_page_limit"], changed["engaged_users"]) == (7, 3)
    with pytest.raises(SandboxRefused, match="no setting 'colour'"):
        control.change_settings(PAGE, colour="red")
    with pytest.raises(SandboxRefused, match="takes bool"):
        control.change_settings(PAGE, high_volume=1)


def test_messages_are_written_one_by_one_or_many_at_once(control: SandboxControl) -> None:
    one = control.add_message(PAGE, RIMA, "Hello", at=NINE - timedelta(hours=1))
    many = control.add_messages(
        {"account_id": PAGE, "customer_id": RIMA, "text": text, "side": side}
        for text, side in (("Open?", "customer"), ("Yes", "employee"))
    )
    thread = control.thread(PAGE, RIMA)
    assert [message["id"] for message in thread["messages"]] == [
        one["id"],
        *(message["id"] for message in many),
    ]
    assert [message["side"] for message in thread["messages"]] == [
        "customer",
        "customer",
        "employee",
    ]
    assert control.threads(PAGE) == [thread]


def test_messages_are_edited_and_unsent(control: SandboxControl) -> None:
    message = control.add_message(PAGE, RIMA, "Two breads")
    assert control.edit(message["id"], "Three breads")["text"] == "Three breads"
    assert control.unsend(message["id"])["is_unsent"] is True
    assert control.thread(PAGE, RIMA)["messages"] == []
    assert control.message(message["id"])["is_unsent"] is True


def test_threads_are_moved_and_blocked(control: SandboxControl) -> None:
    thread = control.change_thread(PAGE, RIMA, folder="spam", is_blocked=True)
    assert (thread["folder"], thread["is_blocked"]) == ("spam", True)
    with pytest.raises(SandboxRefused, match="takes a bool"):
        control.change_thread(PAGE, RIMA, is_blocked="yes")


def test_the_clock_is_frozen_advanced_set_and_let_go(control: SandboxControl) -> None:
    assert control.now() == NINE
    assert control.advance_clock(timedelta(minutes=5)) == NINE + timedelta(minutes=5)
    assert control.set_clock(NINE) == NINE
    running = control.run_clock()
    assert NINE <= running < NINE + timedelta(seconds=5)
    assert running <= control.now() < NINE + timedelta(seconds=5)


def test_faults_are_added_listed_and_removed(
    control: SandboxControl, server: SandboxServer
) -> None:
    control.seed_faults(7)
    first = control.add_fault("graph_error", match={"kind": "list"}, count=1, code=613)
    assert listing(server).json()["error"]["code"] == 613
    assert [(fault["id"], fault["fired"]) for fault in control.faults()] == [(first, 1)]
    control.remove_fault(first)
    control.add_fault("html")
    control.clear_faults()
    assert control.faults() == []
    with pytest.raises(SandboxRefused, match="no fault 'earthquake'"):
        control.add_fault("earthquake")


def test_tokens_are_killed_revived_expired_and_replaced(
    control: SandboxControl, server: SandboxServer
) -> None:
    control.kill_token(PAGE, 460)
    assert listing(server).json()["error"]["error_subcode"] == 460
    control.revive_token(PAGE)
    assert listing(server).status_code == 200
    control.expire_token(PAGE, NINE)
    assert listing(server).json()["error"]["error_subcode"] == 463
    control.replace_token(PAGE, "new-token")
    assert listing(server).json()["error"]["code"] == 190
    assert listing(server, "new-token").status_code == 200


def test_the_ledger_and_what_was_sent_can_be_read_and_cleared(
    control: SandboxControl, server: SandboxServer
) -> None:
    control.add_message(PAGE, RIMA, "Hello")
    listing(server)
    requests.post(
        f"{server.environment['FACEBOOK_API_BASE_URL']}/me/messages",
        json={"recipient": {"id": RIMA}, "message": {"text": "Hi"}},
        headers={"Authorization": "Bearer page-token"},
        timeout=60,
    )
    assert [call["kind"] for call in control.ledger()] == ["list", "send"]
    assert len(control.ledger(kind="list", account_id=PAGE)) == 1
    assert control.tokens_sent_abroad() == 0
    (sent,) = control.sent(PAGE)
    assert (sent["recipient_id"], sent["text"], sent["is_answered"]) == (RIMA, "Hi", True)
    control.clear_ledger()
    control.clear_sent()
    assert (control.ledger(), control.sent()) == ([], [])


def test_a_reset_forgets_everything(control: SandboxControl, server: SandboxServer) -> None:
    first = control.add_message(PAGE, RIMA, "Hello")
    control.add_fault("html")
    control.reset()
    assert (control.accounts(), control.faults(), control.ledger()) == ([], [], [])
    assert control.now() > NINE
    control.add_account("facebook", PAGE, "Corner Bakery", "page-token")
    assert control.add_message(PAGE, RIMA, "Hello")["id"] == first["id"]  # runs can be repeated


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "accounts", "not json", 400),
        ("POST", "accounts", "[]", 400),
        ("POST", "accounts", '{"platform": "fax"}', 400),
        ("POST", "messages", '{"account_id": "nobody", "customer_id": "x"}', 404),
        ("POST", "messages", '{"messages": 3}', 400),
        ("POST", "clock", '{"action": "stop"}', 400),
        ("POST", "clock", '{"action": "set", "at": "2026-03-01T09:00:00"}', 400),
        ("POST", "clock", '{"action": "advance", "seconds": 1e300}', 400),
        ("PUT", "faults/seed", '{"seed": "x"}', 400),
        ("DELETE", "faults/99", "", 404),
        ("DELETE", "faults/x", "", 400),
        ("POST", "tokens", '{"action": "kill", "token": "unknown"}', 404),
        ("GET", "threads", "", 404),
        ("PATCH", "messages/none", '{"text": "x"}', 404),
    ],
)
def test_bad_input_is_answered_with_one_sentence(
    server: SandboxServer, method: str, path: str, body: str, status: int
) -> None:
    response = requests.request(method, f"{server.url}/control/{path}", data=body, timeout=60)
    assert response.status_code == status
    sentence = response.json()["error"]
    assert sentence
    assert "\n" not in sentence


def test_a_world_needs_no_server() -> None:
    world = World()
    world.clock.freeze(NINE)
    world.add_account("instagram", "17841", "Bakery", "token", login="instagram")
    first = world.add_message("17841", RIMA, "Hello")
    second = world.add_message("17841", RIMA, "Before that", at=NINE - timedelta(hours=1))
    thread = world.thread_of("17841", RIMA)
    assert thread is not None
    assert thread.messages == [second, first]
    assert world.thread_of("17841", "nobody") is None


@pytest.mark.parametrize(
    "words",
    [
        {"platform": "fax"},
        {"platform": "instagram"},
        {"platform": "instagram", "page_id": "1", "login": "instagram"},
        {"login": "carrier pigeon"},
        {"token": ""},
        {"account_id": PAGE},
        {"token": "page-token"},
    ],
)
def test_accounts_that_make_no_sense_are_refused(words: dict[str, Any]) -> None:
    world = World()
    world.add_account("facebook", PAGE, "Corner Bakery", "page-token")
    sound: dict[str, Any] = {
        "platform": "facebook",
        "account_id": "550012",
        "name": "Another",
        "token": "another-token",
    }
    with pytest.raises(ValueError, match=r"\w"):
        world.add_account(**{**sound, **words})


def test_messages_that_make_no_sense_are_refused() -> None:
    world = World()
    world.add_account("facebook", PAGE, "Corner Bakery", "page-token")
    wrong: list[dict[str, Any]] = [
        {"side": "nobody"},
        {"kind": "smell"},
        {"at": NINE.replace(tzinfo=None)},
    ]
    for words in wrong:
        with pytest.raises(ValueError, match=r"\w"):
            world.add_message(PAGE, RIMA, "Hello", **words)


def test_a_taken_port_is_an_error_at_the_start(server: SandboxServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SandboxServer(port).start()


def test_the_server_listens_on_the_loopback_and_stops_for_good() -> None:
    server = SandboxServer().start()
    assert server.url.startswith("http://127.0.0.1:")
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=60)


def test_in_the_foreground_it_serves_until_it_is_told_to_stop() -> None:
    code = "from shoptalk.sandbox.server import serve; serve(0, lambda url: print(url, flush=True))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        assert requests.get(f"{url}/control/accounts", timeout=60).json() == []
        run.send_signal(signal.SIGTERM)
        assert run.wait(PATIENCE) == 0
