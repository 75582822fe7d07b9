"""The process that is killed: a shoptalk that makes one import and one responder pass.

`python -m tests.promises.victim` reads one JSON object a line: the `settings` of a shoptalk, the
time it sees (`now`), the point where it dies (`crash_at`, or null) and at which passing of it
(`passes`). Each line is lived by a process of its own, forked while there is no thread, and its
exit code is printed; a signal's is negative. So a hundred deaths cost one cold start.
"""

import gc
import json
import logging
import os
import sys
import traceback
from datetime import datetime
from typing import Any, NoReturn

from shoptalk import failpoints
from shoptalk.db.channels import claim_due_channels
from shoptalk.importer import channels  # noqa: F401  # here once, and not in each life
from shoptalk.settings import Settings
from shoptalk.wiring import App


def main() -> None:
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _live(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _live(orders: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        logging.disable()
        if orders["crash_at"] is not None:
            failpoints.arm(orders["crash_at"], passes=orders["passes"])
        now = datetime.fromisoformat(orders["now"])
        app = App(Settings(_env_file=None, **orders["settings"]), clock=lambda: now)
        with app.database.transaction() as session:
            polled = claim_due_channels(
                session, not_polled=app.not_polled, now=now, not_before=now, limit=100
            )
        app.importer().import_side_by_side(polled)
        app.responder().answer_all_due()
        app.close()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
