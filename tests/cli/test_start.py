"""A command loads what it needs and nothing else: cron starts one every minute."""

import json
import os
import subprocess
import sys
from pathlib import Path

from shoptalk.db.embedded import EmbeddedServer
from shoptalk.db.engine import Database
from tests.loop.shop import open_shop

RUN = """
import json, sys
from shoptalk.cli import main
try:
    main()
except SystemExit as ended:
    print(json.dumps({"code": ended.code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def modules_after(*arguments: str, **environment: str) -> set[str]:
    """What is loaded when a command has ended well."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["code"] == 0, done.stderr
    return set(said["modules"])


def test_help_loads_neither_a_command_nor_a_library_but_click() -> None:
    modules = modules_after("--help")
    ours = {name for name in modules if name.startswith("shoptalk")}
    assert ours == {"shoptalk", "shoptalk.cli"}
    heavy = {"sqlalchemy", "psycopg", "requests", "pydantic", "pydantic_settings", "rich", "openai"}
    assert not modules & (heavy | {"alembic", "apscheduler", "tenacity", "asyncio"})


def test_an_idle_import_loads_nothing_of_answering_upgrading_or_showing(
    server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    with open_shop(server.url, tmp_path) as shop:
        shop.opens("facebook")
        shop.imports()
        modules = modules_after(
            "import",
            DATABASE_URL=server.url,
            SHOPTALK_HOME=str(tmp_path),
            **shop.server.environment,
        )
        assert shop.list_calls() > 1
    assert "shoptalk.platforms.meta.messenger" in modules
    other_libraries = {"openai", "httpx", "alembic", "apscheduler", "rich", "psutil", "aiohttp"}
    assert not modules & other_libraries
    other_rooms = ("shoptalk.responder", "shoptalk.sandbox", "shoptalk.scheduler")
    assert not [name for name in modules if name.startswith(other_rooms)]
    assert not modules & {"shoptalk.db.embedded", "shoptalk.platforms.meta.whatsapp"}
