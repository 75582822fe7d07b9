"""A small shop in the sandbox for the tests of its Graph API, with a clock that stands still."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import requests

from shoptalk.sandbox.server import SandboxServer
from shoptalk.sandbox.world import SandboxAccount, StoredMessage

NINE = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PAGE, PAGE_TOKEN = "550011", "page-token"
LINKED = "17841400000000001"  # the Instagram account of the same Page
LOGIN, LOGIN_TOKEN = "17841400000000002", "instagram-token"
PHONE, PHONE_TOKEN = "106540352242922", "system-user-token"
RIMA, SAMI = "7301002003004", "7301002003005"
FACEBOOK, INSTAGRAM = "graph.facebook.com", "graph.instagram.com"
DETAILS = "id,created_time,from,to,message,attachments"
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


class Shop:
    """A Page, its Instagram account, one by Instagram Login, and a WhatsApp number."""

    def __init__(self) -> None:
        self.server = SandboxServer()
        self.world = self.server.world
        self.world.clock.freeze(NINE)
        add = self.world.add_account
        name = "Corner Bakery"
        self.page = add("facebook", PAGE, name, PAGE_TOKEN, app_secret="app-secret")
        self.linked = add("instagram", LINKED, name, PAGE_TOKEN, page_id=PAGE)
        self.login = add("instagram", LOGIN, name, LOGIN_TOKEN, login="instagram")
        self.phone = add("whatsapp", PHONE, name, PHONE_TOKEN, username="+961 1 555 000")
        for account in self.world.accounts.values():
            account.settings.two_reads_per_second = False  # no second passes on a frozen clock
        self.http = requests.Session()
        self.http.trust_env = False

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()
        self.server.stop()

    def url(self, path: str, host: str = FACEBOOK) -> str:
        return f"{self.server.url}/{host}/v25.0/{path}"

    def write(self, text: str, *, to: SandboxAccount | None = None, **words: Any) -> StoredMessage:
        """Let a customer write, Rima unless told otherwise."""
        customer = words.pop("customer", RIMA)
        return self.world.add_message((to or self.page).account_id, customer, text, **words)

    def ask(
        self, path: str, *, host: str = FACEBOOK, token: str | None = PAGE_TOKEN, **params: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.get(self.url(path, host), params=params, headers=headers, timeout=60)

    def read(self, path: str, **words: Any) -> Any:
        """Return the JSON of an answer that must be a success."""
        response = self.ask(path, **words)
        assert response.status_code == 200, response.text
        return response.json()

    def refusal(self, path: str, **words: Any) -> tuple[int, int | None]:
        """Return code and subcode of an answer that must be an error."""
        return code_of(self.ask(path, **words))

    def post(
        self,
        body: Mapping[str, Any],
        *,
        path: str = f"{PAGE}/messages",
        host: str = FACEBOOK,
        token: str = PAGE_TOKEN,
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.post(self.url(path, host), json=body, headers=headers, timeout=60)

    def send(self, text: str, customer: str = RIMA, **words: Any) -> requests.Response:
        return self.post(
            {
                "recipient": {"id": customer},
                "messaging_type": "RESPONSE",
                "message": {"text": text},
            },
            **words,
        )

    def texts(self, account: SandboxAccount, customer: str = RIMA) -> list[str]:
        """Return what the thread truly holds, oldest first."""
        thread = self.world.thread_of(account.account_id, customer)
        return [message.text for message in thread.messages] if thread else []


def code_of(response: requests.Response) -> tuple[int, int | None]:
    error = response.json()["error"]
    return error["code"], error.get("error_subcode")
