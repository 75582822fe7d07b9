"""What `shoptalk worker` runs, on a clock that is faster than life.

`python -m benchmarks.fast_worker RATE BEGAN` takes its settings from the environment. A process
that dies between marking a reply and sending it leaves a minute's wait to the others: on a quick
clock that is seconds, and nothing else about it is different.
"""

import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shoptalk.commands.run import run_scheduler
from shoptalk.settings import Settings
from shoptalk.types import Work
from shoptalk.wiring import running


@dataclass(frozen=True, slots=True)
class FastClock:
    rate: float
    began: float  #: Unix time at which it showed the same as any other clock

    def __call__(self) -> datetime:
        began = datetime.fromtimestamp(self.began, UTC)
        return began + timedelta(seconds=(time.time() - self.began) * self.rate)


def main() -> None:
    clock = FastClock(float(sys.argv[1]), float(sys.argv[2]))
    with running(Settings(_env_file=None), clock=clock) as app:
        run_scheduler(app, until=threading.Event(), live=False, works=set(Work))


if __name__ == "__main__":
    main()
