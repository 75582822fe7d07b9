"""What a demo plays on: a sandbox, a shoptalk that talks to it, a home that is gone afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shoptalk.commands.common import now
from shoptalk.sandbox.client import SandboxControl
from shoptalk.settings import Settings
from shoptalk.wiring import App, running

MODEL = "sandbox-clerk"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running sandbox and the shoptalk that talks to it."""

    app: App
    control: SandboxControl
    home: Path
    began_at: datetime


@contextmanager
def open_stage() -> Iterator[Stage]:
    from shoptalk.sandbox.server import SandboxServer

    home = Path(tempfile.mkdtemp(prefix="shoptalk-demo-"))
    try:
        with SandboxServer() as server, SandboxControl(server.url) as control:
            settings = _settings(home, server.environment)
            with running(settings, clock=now) as app:
                yield Stage(app, control, home, now())
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, environment: dict[str, str]) -> Settings:
    """The demo's own settings; nothing of the real ones comes near the sandbox."""
    values = {name.lower(): value for name, value in environment.items()}
    return Settings(
        _env_file=None,
        **values,  # type: ignore[arg-type]
        database_url=None,
        shoptalk_secret_key=None,
        shoptalk_home=home,
        workspace="default",
        openai_model=MODEL,
        openai_api_style="auto",
        poll_interval_seconds=1,
        poll_overlap_seconds=10,
        graph_calls_per_second=0,
        message_buffer_duration_ms=2000,
        buffer_processing_interval_ms=500,
        log_level="WARNING",
    )
