"""The least there is: pycurl, orjson, COPY, INSERT … ON CONFLICT. The measure for the import.

`python -m benchmarks.bare_fetch URL DATABASE_URL` prints what it took as a line of JSON. It asks
as cheaply as anyone who knows the server's limits can: a conversation of up to 100 messages comes
with the list. It keeps one promise, a row a message, and no other.
"""

import json
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import orjson
import psycopg
import pycurl

from benchmarks.inbox import TOKEN
from benchmarks.process import Meter

FIELDS = "id,created_time,from,message,attachments"
LIST = f"me/conversations?limit=25&fields=id,messages.limit(100){{{FIELDS}}}"
THREAD = f"messages?limit=100&fields={FIELDS}"
TABLES = """
    CREATE TABLE messages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id text NOT NULL UNIQUE,
        thread_id text NOT NULL, content text NOT NULL, sender_type text NOT NULL,
        created_at timestamptz NOT NULL, attachments jsonb);
    CREATE TEMP TABLE fetched (
        message_id text, thread_id text, content text, sender_type text, created_at timestamptz,
        attachments jsonb);
"""

Row = tuple[str, str, str, str, str, str | None]


class Fetch:
    def __init__(self, url: str) -> None:
        self._url = url
        self._http = pycurl.Curl()
        self._http.setopt(pycurl.HTTPHEADER, [f"Authorization: Bearer {TOKEN}"])
        self.calls = 0

    def get(self, question: str) -> dict[str, Any]:
        self.calls += 1
        body = BytesIO()
        self._http.setopt(pycurl.URL, f"{self._url}/{quote(question, '/?=&')}")
        self._http.setopt(pycurl.WRITEDATA, body)
        self._http.perform()
        answer: dict[str, Any] = orjson.loads(body.getbuffer())
        return answer

    def rows(self) -> Iterator[list[Row]]:
        """The rows of one answer after the other."""
        page_id = self.get("me?fields=id")["id"]
        after: str | None = ""
        while after is not None:
            listing = self.get(f"{LIST}&after={after}" if after else LIST)
            for thread in listing["data"]:
                thread_id, shown = thread["id"], thread["messages"]
                yield _rows(thread_id, shown, page_id)
                while (older := _next(shown)) is not None:
                    shown = self.get(f"{thread_id}/{THREAD}&after={older}")
                    yield _rows(thread_id, shown, page_id)
            after = _next(listing)


def _next(listing: dict[str, Any]) -> str | None:
    paging = listing["paging"]
    return paging["cursors"]["after"] if "next" in paging else None


def _rows(thread_id: str, listing: dict[str, Any], page_id: str) -> list[Row]:
    return [
        (
            each["id"],
            thread_id,
            each["message"],
            "employee" if each["from"]["id"] == page_id else "customer",
            each["created_time"],
            orjson.dumps(each["attachments"]).decode() if "attachments" in each else None,
        )
        for each in listing["data"]
    ]


def main() -> None:
    url, database_url = sys.argv[1:]
    with psycopg.connect(database_url) as connection:
        connection.execute(TABLES)
        connection.commit()
        meter, fetch = Meter(), Fetch(url)
        waiting: list[Row] = []
        for rows in fetch.rows():
            waiting += rows
            if len(waiting) >= 1000:
                store(connection, waiting)
                waiting = []
        store(connection, waiting)
        print(json.dumps({"calls": fetch.calls, **meter.read()}))


def store(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    columns = "message_id, thread_id, content, sender_type, created_at, attachments"
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(f"COPY fetched ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO messages ({columns}) SELECT {columns} FROM fetched "
            "ON CONFLICT (message_id) DO NOTHING"
        )
        cursor.execute("TRUNCATE fetched")


if __name__ == "__main__":
    main()
