"""The sandbox as an HTTP server, in a thread of its own or in the foreground.

The first part of a path says which host is played: `/graph.facebook.com/v25.0/…`,
`/graph.instagram.com/v25.0/…`, `/api.twilio.com/…`, `/chatwoot/api/v1/…`, `/openai/v1/…`. It
listens on the loopback address only.
"""

import asyncio
import signal
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from aiohttp import web

from shoptalk.sandbox import control, shoppers, traffic
from shoptalk.sandbox.chatwoot import http as chatwoot
from shoptalk.sandbox.graph import http as graph
from shoptalk.sandbox.graph.question import DEFAULT_VERSION
from shoptalk.sandbox.openai import api as openai
from shoptalk.sandbox.twilio import http as twilio
from shoptalk.sandbox.twilio.asked import HOST as TWILIO
from shoptalk.sandbox.world import World

ADDRESS = "127.0.0.1"
STARTS_WITHIN_SECONDS = 10.0
MOST_BODY_BYTES = 16 * 1024 * 1024


def application(world: World) -> web.Application:
    """Put all that the sandbox plays into one web application."""
    app = web.Application(middlewares=[traffic.middleware(world)], client_max_size=MOST_BODY_BYTES)
    app.on_response_prepare.append(traffic.date_header(world))
    for module in (control, graph, twilio, chatwoot, openai, shoppers):
        app.add_routes(module.routes(world))
    return app


def environment(url: str) -> dict[str, str]:
    """Return what a shoptalk process needs in its environment to meet the sandbox at `url`."""
    return {
        "FACEBOOK_API_BASE_URL": f"{url}/graph.facebook.com/{DEFAULT_VERSION}",
        "INSTAGRAM_API_BASE_URL": f"{url}/graph.instagram.com/{DEFAULT_VERSION}",
        "WHATSAPP_API_BASE_URL": f"{url}/graph.facebook.com/{DEFAULT_VERSION}",
        "CHATWOOT_BASE_URL": f"{url}/chatwoot",
        "TWILIO_API_BASE_URL": f"{url}/{TWILIO}",
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "OPENAI_API_KEY": "sandbox",
    }


class SandboxServer:
    """Runs while the `with` block does; `world` may be changed from outside meanwhile."""

    def __init__(self, port: int = 0, *, world: World | None = None) -> None:
        self.world = world or World()
        self._port = port
        self._started = Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens, e.g. "http://127.0.0.1:40123"."""
        return f"http://{ADDRESS}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.url)

    def start(self) -> Self:
        """Listen; return once requests are answered.

        Raises:
            OSError: the port is taken.
        """
        self._thread = Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        if not self._started.wait(STARTS_WITHIN_SECONDS):
            raise TimeoutError("the sandbox did not start in time")
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening and cut what is under way. Stopping twice does no harm."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            if self._failure is not None:
                raise self._failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:  # whoever waits for the start raises it
            self._failure = exc
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = await _listen(self.world, self._port)
        try:
            self._port = _port_of(runner)
            self._started.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()


def serve(port: int, ready: Callable[[str], None]) -> None:
    """Run in the foreground until SIGTERM or SIGINT.

    Args:
        port: 0 picks a free one.
        ready: called with the URL once requests are answered.

    Raises:
        OSError: the port is taken.
    """
    asyncio.run(_serve_until_told(port, ready))


async def _serve_until_told(port: int, ready: Callable[[str], None]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    runner = await _listen(World(), port)
    try:
        ready(f"http://{ADDRESS}:{_port_of(runner)}")
        await told.wait()
    finally:
        await runner.cleanup()


async def _listen(world: World, port: int) -> web.AppRunner:
    runner = web.AppRunner(
        application(world), access_log=None, handle_signals=False, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def _port_of(runner: web.AppRunner) -> int:
    port: int = runner.addresses[0][1]
    return port
