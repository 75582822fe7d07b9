"""shoptalk's own first import of a connected Page, into a database with today's schema.

`python -m benchmarks.first_import URL DATABASE_URL HOME` prints what it took as a line of JSON.
With a number as a fourth argument it is killed once it has stored that many times. Where the Page
is connected already, that import is resumed.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.inbox import PAGE_ID, TOKEN
from benchmarks.process import Meter
from shoptalk.db.channels import find_account
from shoptalk.db.models import ChannelIntegration
from shoptalk.failpoints import arm
from shoptalk.services.connecting import connect_channel
from shoptalk.settings import Settings
from shoptalk.wiring import App, running


def main() -> None:
    url, database_url, home, *passes = sys.argv[1:]
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        shoptalk_home=Path(home),
        facebook_api_base_url=url,
        graph_calls_per_second=0,
    )
    with running(settings, clock=lambda: datetime.now(UTC)) as app:
        channel = find(app)
        if channel is None:
            config = {"access_token": TOKEN}
            connect_channel(app, "facebook", PAGE_ID, config, name=None, ai_default=True)
            channel = find(app)
        assert channel is not None
        if passes:
            arm("history.page_stored", passes=int(passes[0]))
        importer = app.importer()
        meter = Meter()
        reports = importer.import_one(channel)
        took = meter.read()
    problems = [report.error or report.gaps for report in reports if report.error or report.gaps]
    calls = sum(report.calls for report in reports)
    print(json.dumps({"calls": calls, "problems": problems, **took}))


def find(app: App) -> ChannelIntegration | None:
    with app.database.transaction() as session:
        return find_account(session, "facebook", PAGE_ID)


if __name__ == "__main__":
    main()
