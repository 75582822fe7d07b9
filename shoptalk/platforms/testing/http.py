"""The contract of an adapter whose vendor speaks HTTP: its tests begin by subclassing it.

    class TestContract(PlatformContract):
        vendor = Vendor(name="facebook", ...)

        def make(self) -> Messenger: ...

It opens no connection: `responses` stands between the adapter and the vendor.
"""

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest
import requests
import responses
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    PlatformError,
    RetryLater,
    Throttled,
    UsageError,
)
from shoptalk.platforms.base import (
    CredentialHealth,
    Page,
    Platform,
    Recipient,
    TellsCredentialHealth,
    ThreadPage,
    credential_health,
)
from shoptalk.platforms.testing.common import LIMIT, WORDS, AdapterContract, leaves, longest_text
from shoptalk.types import Unreadable

Response = Mapping[str, Any]  #: keyword arguments of `responses.add`: json, body, status, headers


class Call(StrEnum):
    IDENTIFY = "identify"
    CREDENTIALS = "credentials"  #: only where the vendor can be asked about them
    PAGE = "page"
    THREAD = "thread"
    SEND = "send"
    TYPING = "typing"


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """The other side: where it listens and what it answers."""

    name: str  #: the platform's word
    routes: Mapping[Call, tuple[str, str]]  #: method and URL without a query, of each call it has
    good: Mapping[Call, Response]  #: an ordinary answer to each of them
    recipient: Recipient
    sent_id: str  #: the message id that `good[Call.SEND]` stands for
    secrets: Sequence[str]  #: what no error text, traceback or repr may hold
    throttled: Response
    dead_token: Response
    #: The rest only for platforms that are polled; None where the vendor has no such thing
    empty_page_with_next: Response | None = None
    foreign_next: Response | None = None  #: a page whose link to the next is on evil.example
    broken_records: Response | None = None  #: a page of one good thread among broken ones


class PlatformContract(AdapterContract):
    """What every adapter over HTTP promises. `vendor` and `make` are the author's part.

    `make` returns a fresh adapter whose account holds the vendor's `secrets`.
    """

    vendor: Vendor

    @property
    def expected_name(self) -> str:
        return self.vendor.name

    @property
    def hidden(self) -> Sequence[str]:
        return self.vendor.secrets

    # What the tests below are made of

    def run(self, call: Call, platform: Platform | None = None, *, text: str = WORDS) -> Any:
        platform = platform or self.make()
        thread_id = self.vendor.recipient.thread_id
        calls: Mapping[Call, Callable[[], Any]] = {
            Call.IDENTIFY: platform.identify,
            Call.CREDENTIALS: lambda: credential_health(platform),
            Call.PAGE: lambda: platform.fetch_page(cursor=None, limit=LIMIT, since=None),
            Call.THREAD: lambda: platform.fetch_thread(thread_id, cursor="", limit=LIMIT),
            Call.SEND: lambda: platform.send(self.vendor.recipient, text),
            Call.TYPING: lambda: platform.show_typing(self.vendor.recipient),
        }
        return calls[call]()

    def answer(self, call: Call, response: Response) -> None:
        method, url = self.vendor.routes[call]
        responses.add(method, url, **response)

    def failure(self, call: Call, response: Response) -> PlatformError:
        """Run `call` against `response` and hand back its error, checked to tell no secrets."""
        platform = self.make()
        with responses.mock:
            self.answer(call, response)
            with pytest.raises(PlatformError) as caught:
                self.run(call, platform)
            assert len(responses.calls) == 1, "one request, also when it fails"
        error = caught.value
        assert error.platform == self.vendor.name
        shown = [str(error), repr(error), repr(platform), *traceback.format_exception(error)]
        assert error.__cause__ is None, "the library's own error quotes the URL"
        assert error.__context__ is None, "the library's own error quotes the URL"
        for secret in (*self.vendor.secrets, WORDS):
            assert all(secret not in text for text in shown)
        return error

    def reads(self) -> list[Call]:
        polled = [Call.PAGE, Call.THREAD] if self.make().capabilities.polled else []
        told = [Call.CREDENTIALS] if Call.CREDENTIALS in self.vendor.routes else []
        return [Call.IDENTIFY, *told, *polled]

    def page(self, response: Response | None) -> Page:
        if response is None:
            pytest.skip("this platform has no such answer")
        with responses.mock:
            self.answer(Call.PAGE, response)
            page = self.run(Call.PAGE)
        assert isinstance(page, Page)
        return page

    # Itself

    def test_the_vendor_is_asked_for_what_the_platform_can_do(self) -> None:
        capabilities = self.make().capabilities
        assert set(self.vendor.good) == set(self.vendor.routes)
        assert capabilities.polled == (Call.PAGE in self.vendor.good)
        assert capabilities.typing == (Call.TYPING in self.vendor.good)
        tells = isinstance(self.make(), TellsCredentialHealth)
        assert tells or Call.CREDENTIALS not in self.vendor.good

    @responses.activate
    def test_each_call_makes_one_request_and_follows_no_netrc(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda _url: ("stranger", "x"))
        for call, response in self.vendor.good.items():
            responses.reset()
            self.answer(call, response)
            self.run(call)
            assert len(responses.calls) == 1
            sent = responses.calls[0].request.headers.get("Authorization") or ""
            assert "c3RyYW5nZXI6" not in sent, "base64 of what stood in ~/.netrc"

    @responses.activate
    def test_identity_is_told_with_the_platforms_time(self) -> None:
        self.answer(Call.IDENTIFY, self.vendor.good[Call.IDENTIFY])
        identity = self.make().identify()
        assert identity.external_id
        assert identity.display_name
        assert identity.platform_time is None or identity.platform_time.tzinfo is not None
        assert all(secret not in str(identity) for secret in self.vendor.secrets)

    @responses.activate
    def test_the_health_of_credentials_is_told_and_never_made_up(self) -> None:
        if Call.CREDENTIALS not in self.vendor.routes:
            assert credential_health(self.make()) == CredentialHealth()
            assert len(responses.calls) == 0
            return
        self.answer(Call.CREDENTIALS, self.vendor.good[Call.CREDENTIALS])
        health = credential_health(self.make())
        for moment in (health.expires_at, health.data_access_expires_at):
            assert moment is None or moment.tzinfo is not None
        assert all(health.missing_permissions)
        assert all(secret not in str(health) for secret in self.vendor.secrets)

    def test_one_that_cannot_be_polled_or_type_says_so(self) -> None:
        capabilities = self.make().capabilities
        impossible = [] if capabilities.polled else [Call.PAGE, Call.THREAD]
        impossible += [] if capabilities.typing else [Call.TYPING]
        for call in impossible:
            with pytest.raises(UsageError, match=r"\w+ \w+"):
                self.run(call)

    # Reading

    @responses.activate
    def test_reading_twice_gives_the_same_and_no_naive_time(self) -> None:
        for call in self.reads():
            self.answer(call, self.vendor.good[call])
            first, second = self.run(call), self.run(call)
            assert first == second
            moments = [each for each in leaves(first) if isinstance(each, datetime)]
            assert all(moment.utcoffset() is not None for moment in moments)

    @responses.activate
    def test_a_thread_has_a_customer_and_messages_newest_first(self) -> None:
        if not self.make().capabilities.polled:
            pytest.skip("nothing can be read")
        self.answer(Call.PAGE, self.vendor.good[Call.PAGE])
        self.answer(Call.THREAD, self.vendor.good[Call.THREAD])
        page, thread = self.run(Call.PAGE), self.run(Call.THREAD)
        assert isinstance(page, Page)
        assert isinstance(thread, ThreadPage)
        assert page.threads
        assert all(each.thread_id and each.customer.customer_id for each in page.threads)
        is_bare = self.make().capabilities.lists_messages
        assert all((each.updated_at is None) == is_bare for each in page.threads)
        for messages in (thread.messages, *(each.messages for each in page.threads)):
            times = [message.created_at for message in messages]
            assert times == sorted(times, reverse=True)
            ids = [message.message_id for message in messages]
            assert len(set(ids)) == len(ids)
        assert thread.messages

    def test_an_empty_page_with_a_next_is_not_the_end(self) -> None:
        page = self.page(self.vendor.empty_page_with_next)
        assert not page.threads
        assert page.next_cursor
        assert "://" not in page.next_cursor

    def test_a_next_on_another_host_is_refused(self) -> None:
        if self.vendor.foreign_next is None:
            pytest.skip("this platform hands out no addresses")
        error = self.failure(Call.PAGE, self.vendor.foreign_next)
        assert isinstance(error, BadPayload)
        assert "evil.example" in str(error)

    def test_broken_records_are_set_aside(self) -> None:
        page = self.page(self.vendor.broken_records)
        assert len(page.threads) == 1
        aside = [each for each in leaves(page) if isinstance(each, Unreadable)]
        assert aside
        assert all(each.reason for each in aside)

    # Failing

    def test_no_connection_is_a_retry_also_for_a_send(self) -> None:
        for call in (*self.reads(), Call.SEND):
            for refusal in (
                _refused(self.vendor.secrets),
                requests.ConnectTimeout(self.vendor.secrets[0]),
            ):
                error = self.failure(call, {"body": refusal})
                assert isinstance(error, RetryLater)
                assert not isinstance(error, Throttled)

    def test_a_lost_answer_to_a_send_is_not_a_retry(self) -> None:
        for loss in (requests.ReadTimeout, requests.ConnectionError):
            quoting = loss(f"https://host/path?access_token={self.vendor.secrets[0]}")
            assert isinstance(self.failure(Call.SEND, {"body": quoting}), DeliveryUncertain)
            for call in self.reads():
                assert isinstance(self.failure(call, {"body": quoting}), RetryLater)

    def test_a_failing_server_leaves_a_send_uncertain(self) -> None:
        for status in (500, 502, 503, 504):
            html: Response = {"body": f"<h1>{self.vendor.secrets[0]}</h1>", "status": status}
            assert isinstance(self.failure(Call.SEND, html), DeliveryUncertain)
            for call in self.reads():
                assert isinstance(self.failure(call, html), RetryLater)

    def test_an_answer_that_is_no_json_makes_no_sense(self) -> None:
        whole = json.dumps(self.vendor.good[Call.IDENTIFY].get("json", {"id": "1"}))
        for body in (
            f"<h1>{self.vendor.secrets[0]}</h1>",
            "",
            "null",
            whole[:-1],
            "[" * 100_000,
        ):
            for call in self.reads():
                assert isinstance(self.failure(call, {"body": body}), BadPayload)
            assert isinstance(self.failure(Call.SEND, {"body": body}), DeliveryUncertain)

    def test_a_redirect_is_not_followed(self) -> None:
        elsewhere: Response = {"status": 302, "headers": {"Location": "https://evil.example/"}}
        for call in (*self.reads(), Call.SEND):
            assert isinstance(self.failure(call, elsewhere), BadPayload)

    def test_a_throttle_is_known_as_one(self) -> None:
        for call in (*self.reads(), Call.SEND):
            assert isinstance(self.failure(call, self.vendor.throttled), Throttled)

    def test_a_dead_token_stops_the_channel_and_says_what_to_do(self) -> None:
        for call in (*self.reads(), Call.SEND):
            error = self.failure(call, self.vendor.dead_token)
            assert isinstance(error, ChannelStopped)
            assert error.remedy.endswith(".")
            assert all(secret not in error.remedy for secret in self.vendor.secrets)

    # Sending

    @responses.activate
    def test_send_returns_the_id_under_which_polling_shows_it(self) -> None:
        self.answer(Call.SEND, self.vendor.good[Call.SEND])
        assert self.run(Call.SEND) == self.vendor.sent_id

    @responses.activate
    def test_text_at_the_limit_is_accepted_and_kept_whole(self) -> None:
        capabilities = self.make().capabilities
        text = longest_text(capabilities.max_text, capabilities.text_unit)
        self.answer(Call.SEND, self.vendor.good[Call.SEND])
        assert self.run(Call.SEND, text=text) == self.vendor.sent_id
        body = responses.calls[0].request.body or b""
        assert text in self.text_in(body if isinstance(body, bytes) else str(body).encode())

    def text_in(self, body: bytes) -> str:
        """The text in the body of a send. Override where it is not JSON."""
        return json.dumps(json.loads(body), ensure_ascii=False)


def _refused(secrets: Sequence[str]) -> requests.ConnectionError:
    """What requests raises where nobody listens, with a URL that holds a secret."""
    refusal = NewConnectionError(HTTPConnection("host"), "Connection refused")
    url = f"/path?access_token={secrets[0]}"
    return requests.ConnectionError(MaxRetryError(HTTPConnectionPool("host"), url, refusal))
