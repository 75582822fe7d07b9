"""Many Pages on which customers write, and an answer to each question after a set wait.

`python -m benchmarks.many_pages PAGES BEGAN WAIT` prints its port and serves until it is ended.
Each Page has THREADS threads that began before the Unix time BEGAN, with more messages than a list
shows. What is shown is what was there when the question came, WAIT seconds before its answer.

`POST /begin?seconds=40&a_second=20` has customers write; `GET /written` and `GET /asked` say what
was written and which Page was asked when, in Unix seconds.
"""

import asyncio
import functools
import json
import random
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from benchmarks.graph_server import cursor_to, limit_of, nested_limit, place_of
from benchmarks.quick_http import ModelSession, Question

THREADS = 30
NEWEST_SECONDS = 3600  #: of the threads' last messages, before BEGAN; each next is older by
APART_SECONDS = 600
MARK = "PAGEPAGE"  #: stands for a Page's id in what all Pages have in common


def page_id(number: int) -> str:
    return f"55{number:06}"


def thread_id(page: str, number: int) -> str:
    return f"t_{page}{number:03}"


def changed_at(began: int, number: int) -> int:
    """When a thread last changed before the customers began to write."""
    return began - NEWEST_SECONDS - number * APART_SECONDS


class Pages:
    def __init__(self, pages: int, began: int, address: str) -> None:
        self._address = address
        self._began = began
        self._new: dict[str, dict[int, list[dict[str, Any]]]] = {
            page_id(number): {} for number in range(pages)
        }
        self.written: list[tuple[str, float]] = []  #: message id, moment
        self.asked: defaultdict[str, list[float]] = defaultdict(list)  #: by Page

    async def let_write(self, seconds: float, a_second: float) -> None:
        dice, pages = random.Random(1), list(self._new)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(round(seconds * a_second)):
            await asyncio.sleep(began + number / a_second - loop.time())
            self._write(dice.choice(pages), dice.randrange(THREADS), number)

    def _write(self, page: str, thread: int, number: int) -> None:
        message = _message(page, thread, f"w_{number}", f"Is it there? #{number}", time.time())
        new = self._new[page]
        new[thread] = [message, *new.pop(thread, ())]  # the latest change is the last key
        self.written.append((message["id"], time.time()))

    def list(self, page: str, params: dict[str, str]) -> bytes:
        limit, nested = limit_of(params.get("limit")), nested_limit(params["fields"]) or 0
        new = self._new[page]
        order = [*reversed(new), *(each for each in range(THREADS) if each not in new)]
        start = place_of(params.get("after"))
        shown = order[start : start + limit]
        rows = b",".join(
            self._changed_row(page, each, nested)
            if each in new
            else _row(self._began, each, nested)
            for each in shown
        ).replace(MARK.encode(), page.encode())
        paging: dict[str, Any] = {"cursors": {"after": cursor_to(start + len(shown))}}
        if start + limit < THREADS:
            paging["next"] = f"{self._address}/{page}/conversations?after={start + limit}"
        return b'{"data":[%s],"paging":%s}' % (rows, json.dumps(paging).encode())

    def _changed_row(self, page: str, thread: int, nested: int) -> bytes:
        new = self._new[page][thread]
        old = [_old_message(self._began, thread, number) for number in range(nested)]
        return _thread(page, thread, [*new, *old][:nested], self._address)


@functools.cache
def _row(began: int, thread: int, nested: int) -> bytes:
    """A thread as it was, of any Page."""
    old = [_old_message(began, thread, number) for number in range(nested)]
    return _thread(MARK, thread, old, "http://127.0.0.1")


def _old_message(began: int, thread: int, number: int) -> dict[str, Any]:
    at = changed_at(began, thread) - 60 * number
    text = f"It is 25.00 USD, and I could put one aside until Saturday. Shall I? {number}"
    return _message(MARK, thread, f"o_{number}", text, at)


def _message(page: str, thread: int, name: str, text: str, at: float) -> dict[str, Any]:
    customer = f"73{page}{thread:03}"
    return {
        "id": f"m_{page}_{thread:03}_{name}",
        "created_time": _time(at),
        "from": {"name": "Maya", "email": f"{customer}@facebook.com", "id": customer},
        "message": text,
    }


def _thread(page: str, thread: int, messages: list[dict[str, Any]], address: str) -> bytes:
    people = [{"name": "Maya", "id": f"73{page}{thread:03}"}, {"name": "Shop", "id": page}]
    row = {
        "id": thread_id(page, thread),
        "updated_time": messages[0]["created_time"],
        "participants": {"data": people},
        "messages": {
            "data": messages,
            "paging": {
                "cursors": {"after": cursor_to(len(messages))},
                "next": f"{address}/{thread_id(page, thread)}/messages?after=15",
            },
        },
    }
    return json.dumps(row, separators=(",", ":")).encode()


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


class _Platform(ModelSession):
    def __init__(self, pages: Pages, wait: float) -> None:
        super().__init__()
        self._pages = pages
        self._wait = wait

    def take(self, question: Question) -> None:
        match question.path.strip("/").split("/"):
            case [_version, page, "conversations"]:
                params = question.params
                if "after" not in params:
                    self._pages.asked[page].append(time.time())
                body = self._pages.list(page, params)
                asyncio.get_running_loop().call_later(self._wait, question.answer, body)
            case ["begin"]:
                params = question.params
                writing = self._pages.let_write(float(params["seconds"]), float(params["a_second"]))
                task = asyncio.get_running_loop().create_task(writing)
                task.add_done_callback(lambda _: question.answer(b'{"ended":true}'))
            case ["written"]:
                question.answer(json.dumps(self._pages.written).encode())
            case ["asked"]:
                question.answer(json.dumps(self._pages.asked).encode())
            case _:
                raise LookupError(question.path)


async def _serve(pages: int, began: int, wait: float) -> None:
    loop = asyncio.get_running_loop()
    told: list[Pages] = []
    server = await loop.create_server(
        lambda: _Platform(told[0], wait), "127.0.0.1", 0, backlog=1000
    )
    port = server.sockets[0].getsockname()[1]
    told.append(Pages(pages, began, f"http://127.0.0.1:{port}/v25.0"))
    print(port, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
