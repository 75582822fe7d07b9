"""A Twilio account with a number and a WhatsApp sender, and somebody who asks by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests

from shoptalk.sandbox.server import SandboxServer

NINE = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
ACCOUNT_SID, TOKEN = "AC" + "0123456789abcdef" * 2, "twilio-auth-token"
NUMBER, SENDER = "+15550100", "whatsapp:+15550100"
ANN = "+4915112345678"


class Twilio:
    """The vendor, with its world, and requests as any client makes them."""

    def __init__(self, server: SandboxServer) -> None:
        self.world = server.world
        self.account = f"{server.url}/api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}"
        self.url = server.url
        self.auth: tuple[str, str] | None = (ACCOUNT_SID, TOKEN)

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(
            f"{self.account}/{path}",
            params=query,
            auth=self.auth,
            timeout=60,
            allow_redirects=False,
        )

    def list(self, **query: str) -> dict[str, Any]:
        response = self.get("Messages.json", **query)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def send(self, **form: Any) -> requests.Response:
        return requests.post(f"{self.account}/Messages.json", data=form, auth=self.auth, timeout=60)

    def code(self, response: requests.Response) -> int:
        body = response.json()
        assert body["status"] == response.status_code
        assert body["more_info"].endswith(str(body["code"]))
        return int(body["code"])


@contextmanager
def open_twilio() -> Iterator[Twilio]:
    with SandboxServer() as server:
        server.world.clock.freeze(NINE)
        for sender in (NUMBER, SENDER):
            server.world.add_account(
                "twilio", sender, "Corner Shop", TOKEN, account_sid=ACCOUNT_SID
            )
        yield Twilio(server)
