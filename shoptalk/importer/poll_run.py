"""What one poll of a channel works with."""

from dataclasses import dataclass
from datetime import timedelta

from shoptalk.db.engine import Database
from shoptalk.db.models import ChannelIntegration
from shoptalk.importer.platform_reader import PlatformReader
from shoptalk.importer.poll_schedule import EVERY_TICK, PollSchedule
from shoptalk.importer.run_report import RunReport
from shoptalk.types import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRun:
    database: Database
    #: as it was loaded before the poll
    channel: ChannelIntegration
    reader: PlatformReader
    report: RunReport
    #: how far behind the watermark the poll looks again
    overlap: timedelta
    plan: PollSchedule = EVERY_TICK
    clock: Clock

    @property
    def lists_messages(self) -> bool:
        """Whether the platform lists bare messages, not threads."""
        return self.reader.platform.capabilities.lists_messages
