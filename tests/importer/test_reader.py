"""ModelCircuit a platform: what it stumbles over is asked for again, and nothing else is."""

from datetime import timedelta

import pytest

from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    ForeignLink,
    GiveUp,
    PlatformError,
    RetryLater,
    Throttled,
)
from shoptalk.importer.page_size import PageSizeMemory
from shoptalk.importer.platform_reader import LONGEST_PAUSE_SECONDS, PlatformReader
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.importer.run_report import RunReport

from .fake_platform import NINE, FakePlatform, Lists, StillClock


class Desk:
    """A reader that may ask three times, and what it slept."""

    def __init__(self) -> None:
        self.platform = FakePlatform(StillClock(), Lists.NEWEST_MESSAGES)
        self.platform.write("A", "hello")
        self.slept: list[float] = []
        pace = RateLimiter(0, sleep=self.slept.append)
        channel = ChannelIntegration(id=1, workspace_id=1, channel="fake", external_id="1")
        self.report = RunReport.begin("poll", channel, now=NINE)
        sizes = PageSizeMemory({}, self.platform.capabilities, clock=StillClock())
        self.reader = PlatformReader(self.platform, pace, self.report, sizes, more_tries=2)


@pytest.mark.parametrize(
    "error", [RetryLater("busy", platform="fake"), BadPayload("?", platform="fake")]
)
def test_a_page_it_stumbled_over_is_asked_for_again_after_a_short_pause(
    error: PlatformError,
) -> None:
    desk = Desk()
    desk.platform.script.extend([error, error])
    page = desk.reader.page(None, since=None)
    assert [piece.thread_id for piece in page.threads] == ["A"]
    assert desk.report.calls == 3
    assert len(desk.slept) == 2
    assert all(0 <= pause <= LONGEST_PAUSE_SECONDS for pause in desk.slept)


def test_a_platform_that_goes_on_stumbling_is_left_for_the_next_poll() -> None:
    desk = Desk()
    desk.platform.script.extend([RetryLater("busy", platform="fake")] * 3)
    with pytest.raises(RetryLater, match="busy"):
        desk.reader.page(None, since=None)
    assert desk.report.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        Throttled("enough", platform="fake"),
        RetryLater("later", platform="fake", retry_after=timedelta(minutes=1)),
        ForeignLink("evil.example", platform="fake"),
        GiveUp("gone", platform="fake"),
        ChannelStopped("expired", platform="fake", remedy="connect it again"),
    ],
)
def test_what_the_platform_means_is_not_asked_again(error: PlatformError) -> None:
    desk = Desk()
    desk.platform.script.append(error)
    with pytest.raises(type(error)):
        desk.reader.thread("A", "")
    assert (desk.report.calls, desk.slept) == (1, [])
