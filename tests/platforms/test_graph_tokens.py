"""What Meta tells about an access token, and that asking shows it to nobody."""

import io
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from shoptalk import logs
from shoptalk.errors import BadPayload, ChannelStopped, RetryLater
from shoptalk.platforms.base import CredentialHealth, credential_health
from shoptalk.platforms.meta.instagram import Instagram
from shoptalk.platforms.meta.messenger import PERMISSIONS, Messenger
from shoptalk.platforms.testing import Response
from tests.patience import PATIENCE

from . import samples
from .samples import PAGE_ID, TOKEN

END = datetime(2026, 12, 1, tzinfo=UTC)


def health(answer: Response) -> CredentialHealth:
    with responses.mock:
        responses.get(samples.DEBUG_TOKEN, **answer)
        return messenger().check_credentials()


def messenger(**settings: str) -> Messenger:
    return Messenger(samples.account(PAGE_ID), samples.surroundings(**settings))


@responses.activate
def test_the_token_asks_about_itself_in_one_call() -> None:
    responses.get(samples.DEBUG_TOKEN, **samples.token_facts())
    messenger().check_credentials()
    [call] = responses.calls
    assert call.request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert samples.query(0)["input_token"] == TOKEN
    assert "access_token" not in samples.query(0)


def test_ends_and_missing_permissions_are_told() -> None:
    facts = {
        "expires_at": int(END.timestamp()),
        "data_access_expires_at": str(END.timestamp())[:-2],
    }
    found = health(samples.token_facts(scopes=["pages_messaging", None], **facts))
    assert found.expires_at == END
    assert found.data_access_expires_at == END
    assert found.missing_permissions == ["pages_manage_metadata", "pages_read_engagement"]


@pytest.mark.parametrize("never", [0, None, "", -1, True, 10**15, "soon", [1]])
def test_no_moment_is_made_up(never: Any) -> None:
    facts = {"expires_at": never, "data_access_expires_at": never}
    assert health(samples.token_facts(scopes=[*PERMISSIONS, "email"], **facts)) == (
        CredentialHealth(missing_permissions=[])
    )


def test_no_permission_is_missed_where_none_are_listed() -> None:
    assert health(samples.token_facts(scopes=None)).missing_permissions == ()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ({"code": 190, "subcode": 463, "message": TOKEN}, "the access token has expired"),
        ({"code": 190, "subcode": 460}, "the password was changed"),
        ({"code": 190, "subcode": 0}, r"not valid \(Graph error 190\)"),
        ({"code": 2}, "not valid"),
        ({}, "not valid"),
        (None, "not valid"),
    ],
)
def test_a_token_that_is_said_to_be_dead_stops_the_channel(error: Any, says: str) -> None:
    with pytest.raises(ChannelStopped, match=says) as caught:
        health(samples.token_facts(is_valid=False, error=error))
    assert caught.value.remedy.endswith(".")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(("code", "subcode"), [(100, None), (100, 33), (10, None), (200, None)])
def test_a_token_that_may_not_ask_about_itself_is_no_bad_news(
    code: int, subcode: int | None
) -> None:
    assert health(samples.graph_error(code, subcode)) == CredentialHealth()


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": None}])
def test_an_answer_about_nothing_makes_no_sense(body: Any) -> None:
    with pytest.raises(BadPayload):
        health({"json": body})


def test_a_passing_error_is_passed_on() -> None:
    with pytest.raises(RetryLater):
        health(samples.graph_error(2))


@responses.activate
@pytest.mark.parametrize("config", [{"login": "instagram"}, {}])
def test_nothing_is_asked_where_instagram_cannot_be(config: dict[str, str]) -> None:
    adapter = Instagram(samples.account(samples.IG_ID, **config), samples.surroundings())
    assert adapter.check_credentials() == CredentialHealth()
    assert len(responses.calls) == 0


def test_an_adapter_without_the_method_has_no_news() -> None:
    class Pigeon(Messenger):
        check_credentials = None  # type: ignore[assignment]

    without: Any = object()
    assert credential_health(without) == CredentialHealth()
    pigeon: Any = Pigeon(samples.account(PAGE_ID), samples.surroundings())
    assert credential_health(pigeon) == CredentialHealth()


@pytest.fixture
def odd_server() -> Iterator[str]:
    """Answers one request with a header that http libraries complain about."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}"
                )

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(PATIENCE)


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("shoptalk")
    before = root.handlers[:], root.level, ours.level
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    yield written
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


def test_no_log_line_quotes_the_address_asked(odd_server: str, stderr: io.StringIO) -> None:
    logs.set_up(level="DEBUG", style="text")
    with pytest.raises((BadPayload, RetryLater)) as caught:
        messenger(facebook_api_base_url=odd_server).check_credentials()
    assert TOKEN not in stderr.getvalue()
    assert TOKEN not in repr(caught.value)
