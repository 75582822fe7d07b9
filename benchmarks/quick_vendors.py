"""Messenger and a model that answer at once (or after a set wait), in a process of their own.

Faithful only as far as a turn asks: a send gets an id, a model request a text. It writes down who
was sent what, so that a figure can be checked for skipped or doubled work.
"""

import asyncio
import contextlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection

from benchmarks.quick_http import ModelSession, Question

REPLY = "Hello! The tea set is 25.00 USD and in stock. Shall I put one aside for you?"


class _Vendors(ModelSession):
    def __init__(self, sent: Counter[str], moments: dict[str, float], wait: float) -> None:
        super().__init__()
        self._sent = sent
        self._moments = moments  # when each customer was sent something last
        self._wait = wait

    def take(self, question: Question) -> None:
        if question.path.endswith("/responses"):
            asyncio.get_running_loop().call_later(self._wait, question.answer, _RESPONSE)
        elif question.path.endswith("/chat/completions"):
            asyncio.get_running_loop().call_later(self._wait, question.answer, _COMPLETION)
        elif question.path.endswith("/counts"):
            question.answer(json.dumps(self._sent).encode())
        elif question.path.endswith("/moments"):
            question.answer(json.dumps(self._moments).encode())
        else:
            payload = json.loads(question.body)
            who = payload["recipient"]["id"]
            answer = {"recipient_id": who}
            if "message" in payload:
                self._sent[who] += 1
                self._moments[who] = time.time()
                answer["message_id"] = f"m_sent_{self._sent.total()}"
            question.answer(json.dumps(answer).encode())


_RESPONSE = json.dumps(
    {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-6-luna",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": REPLY, "annotations": []}],
            }
        ],
        "parallel_tool_calls": True,
        "temperature": 1,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1,
        "usage": {
            "input_tokens": 900,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 920,
        },
    }
).encode()


_COMPLETION = json.dumps(
    {
        "id": "chatcmpl_1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-6-luna",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": REPLY, "refusal": None},
            }
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920},
    }
).encode()


async def _serve(told: Connection, wait: float) -> None:
    sent: Counter[str] = Counter()
    moments: dict[str, float] = {}
    server = await asyncio.get_running_loop().create_server(
        lambda: _Vendors(sent, moments, wait), "127.0.0.1", 0, backlog=1000
    )
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(told: Connection, wait: float) -> None:
    asyncio.run(_serve(told, wait))


@contextlib.contextmanager
def quick_vendors(*, model_seconds: float = 0) -> Iterator[str]:
    """The address at which both are played until the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, model_seconds), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
