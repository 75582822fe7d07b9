"""Serves the inbox as the Graph API does, from JSON made in advance: it is not what is measured.

`python -m benchmarks.graph_server MESSAGES` prints its port and serves until it is ended. Page
sizes are Meta's as far as anybody knows them: 25 unless asked otherwise, more than 100 is quietly
made 100, and a question for too much at once is refused with code 1.
"""

import base64
import json
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.inbox import PAGE_ID, PAGE_NAME, TOKEN, Thread, Written, threads

DEFAULT_LIMIT = 25
MOST_ROWS = 100
MOST_MESSAGES = 2500  #: asked for at once, threads times messages of each
VERSION = "v25.0"
KNOWN_FIELDS = frozenset(
    {"id", "created_time", "from", "to", "message", "attachments", "sticker", "shares", "reply_to"}
    | {"is_unsupported"}
)


@dataclass(frozen=True, slots=True)
class Served:
    """A thread in JSON: its row without the closing brace, and its messages."""

    thread_id: str
    row: bytes
    messages: list[bytes]


class Refused(Exception):
    """Graph's error object."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A"}
        }


class Inbox:
    def __init__(self, messages: int, address: str) -> None:
        self._address = address
        self._threads = [served(thread) for thread in threads(messages)]
        self._by_id = {thread.thread_id: thread for thread in self._threads}

    def answer(self, path: str, params: dict[str, str]) -> bytes:
        node, _, edge = path.removeprefix(f"/{VERSION}/").partition("/")
        is_page = node in (PAGE_ID, "me")
        if is_page and not edge:
            return json.dumps({"id": PAGE_ID, "name": PAGE_NAME}).encode()
        if is_page and edge == "conversations":
            return self._conversations(params)
        if node in self._by_id and edge == "messages":
            check_fields(params.get("fields", ""))
            limit = limit_of(params.get("limit"))
            return self._messages(self._by_id[node], place_of(params.get("after")), limit)
        raise Refused(400, 100, "Unsupported get request")

    def _conversations(self, params: dict[str, str]) -> bytes:
        limit = limit_of(params.get("limit"))
        nested = nested_limit(params.get("fields", ""))
        if limit * (nested or 1) > MOST_MESSAGES:
            raise Refused(500, 1, "Please reduce the amount of data you're asking for")
        start = place_of(params.get("after"))
        rows = self._threads[start : start + limit]
        shown = b",".join(
            row.row + b"}"
            if nested is None
            else row.row + b',"messages":' + self._messages(row, 0, nested) + b"}"
            for row in rows
        )
        return self._page(
            shown, f"{PAGE_ID}/conversations", start, len(rows), len(self._threads), limit
        )

    def _messages(self, thread: Served, start: int, limit: int) -> bytes:
        shown = thread.messages[start : start + limit]
        return self._page(
            b",".join(shown),
            f"{thread.thread_id}/messages",
            start,
            len(shown),
            len(thread.messages),
            limit,
        )

    def _page(
        self, rows: bytes, edge: str, start: int, count: int, total: int, limit: int
    ) -> bytes:
        paging: dict[str, Any] = {
            "cursors": {"before": cursor_to(start), "after": cursor_to(start + count)}
        }
        if start + count < total:
            after = cursor_to(start + count)
            paging["next"] = f"{self._address}/{VERSION}/{edge}?limit={limit}&after={after}"
        return b'{"data":[' + rows + b'],"paging":' + json.dumps(paging).encode() + b"}"


def served(thread: Thread) -> Served:
    customer = _person(thread.customer_id, thread.customer_name)
    page = _person(PAGE_ID, PAGE_NAME)
    row = {
        "id": thread.thread_id,
        "updated_time": _time(thread.messages[0]),
        "participants": {"data": [customer, page]},
    }
    return Served(
        thread_id=thread.thread_id,
        row=_json(row)[:-1],
        messages=[_json(_message(each, customer, page)) for each in thread.messages],
    )


def _message(each: Written, customer: dict[str, str], page: dict[str, str]) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": each.message_id,
        "created_time": _time(each),
        "from": customer if each.by_customer else page,
        "message": each.text,
    }
    if each.has_image:
        node["attachments"] = {
            "data": [
                {
                    "id": f"a{each.message_id[2:15]}",
                    "mime_type": "image/jpeg",
                    "name": "image.jpg",
                    "size": 48213,
                    "image_data": {
                        "width": 1080,
                        "height": 1080,
                        "url": f"https://lookaside.example/{each.message_id}",
                        "preview_url": f"https://lookaside.example/p/{each.message_id}",
                    },
                }
            ]
        }
    return node


def _person(identity: str, name: str) -> dict[str, str]:
    return {"name": name, "email": f"{identity}@facebook.com", "id": identity}


def _time(each: Written) -> str:
    return each.at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()  # Graph escapes what is not ASCII


def check_fields(fields: str) -> None:
    for field in fields.split("{")[0].split("}")[0].split(","):
        if field and field not in KNOWN_FIELDS:
            raise Refused(400, 100, f"(#100) Tried accessing nonexisting field ({field})")


def nested_limit(fields: str) -> int | None:
    """Of `messages.limit(N){...}` in a list of fields; None where no messages are asked for."""
    _, asked, rest = fields.partition("messages")
    if not asked:
        return None
    return limit_of(rest.removeprefix(".limit(").partition(")")[0] if rest[:1] == "." else None)


def limit_of(wished: str | None) -> int:
    return min(int(wished), MOST_ROWS) if wished else DEFAULT_LIMIT


def cursor_to(place: int) -> str:
    return base64.urlsafe_b64encode(f"at:{place}".encode()).decode()


def place_of(cursor: str | None) -> int:
    return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("at:")) if cursor else 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open
    wbufsize = -1  # an answer leaves in one piece
    disable_nagle_algorithm = True
    inbox: Inbox

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(target.query).items()}
        status = 200
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(400, 190, "Invalid OAuth access token")
            body = self.inbox.answer(target.path, params)
        except Refused as refused:
            status, body = refused.status, json.dumps(refused.body).encode()
        meters = {"type": "messenger", "call_count": 1, "total_cputime": 1, "total_time": 1}
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("facebook-api-version", VERSION)
        self.send_header("x-business-use-case-usage", json.dumps({PAGE_ID: [meters]}))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    Handler.inbox = Inbox(int(sys.argv[1]), f"http://127.0.0.1:{port}")
    print(port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
