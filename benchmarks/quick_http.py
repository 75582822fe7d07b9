"""HTTP as far as a benchmark's other side needs it: kept-alive connections, answers when told.

A server that costs next to nothing leaves the processor to what is measured.
"""

import asyncio
from urllib.parse import parse_qs, urlsplit


class Question:
    """What was asked, to be answered once, now or later."""

    def __init__(self, line: bytes, body: bytes, transport: asyncio.Transport) -> None:
        self.method, target, _ = line.decode().split(" ", 2)
        self.path, self._query = urlsplit(target)[2:4]
        self.body = body
        self._transport = transport

    @property
    def params(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self._query).items()}

    def answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


class ModelSession(asyncio.Protocol):
    """One kept-alive connection. A subclass takes what is asked."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._data = b""

    def take(self, question: Question) -> None:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, mark, rest = self._data.partition(b"\r\n\r\n")
            if not mark:
                return
            lines = head.split(b"\r\n")
            length = next(
                (int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0
            )
            if len(rest) < length:
                return
            self._data = rest[length:]
            self.take(Question(lines[0], rest[:length], self._transport))
