"""Where a poll begins to look, and how far its watermark may move. Decided from facts alone.

All moments are platform times, but for those of polls, which are ours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shoptalk.db.missing_messages import WAITS_FOR
from shoptalk.db.models import ChannelIntegration

ONE_SECOND = timedelta(seconds=1)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """A channel before a poll."""

    connected_at: datetime
    #: None: never polled to the end
    watermark: datetime | None
    #: when a poll last saw the watermark move
    moved_at: datetime | None
    polled_at: datetime | None
    #: since when the list could not be read whole, or showed malformed records
    incomplete_since: datetime | None = None

    @classmethod
    def of(cls, channel: ChannelIntegration) -> "ChannelFacts":
        return cls(
            connected_at=channel.connected_at,
            watermark=channel.last_fetch_timestamp,
            moved_at=channel.watermark_moved_at,
            polled_at=channel.last_poll_at,
            incomplete_since=channel.missing_since or channel.malformed_since,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkFacts:
    """What a poll saw of the list."""

    #: the poll read the list to its end
    complete: bool
    #: the newest change on the first page
    newest: datetime | None = None
    #: up to when the platform says that its list is settled
    settled_until: datetime | None = None
    #: from when on messages were read and not stored
    held_back_since: datetime | None = None
    malformed: int = 0
    #: for another reason than malformed records, something may not have been shown
    is_doubtful: bool = False
    #: an earlier poll stored waiting messages that this one did not show
    hides_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    #: nothing before the watermark is missing any more, or no longer waited for
    is_whole: bool
    #: None: it stays where it is
    watermark: datetime | None
    #: what was missing was waited for long enough: declare it once, and go on without it
    gives_up: bool


def look_back_to(before: ChannelFacts, overlap: timedelta) -> datetime:
    """How far back a poll walks.

    What happened at platform time T is listed at T + overlap at the latest. Once a poll was begun
    that long after the watermark moved, nothing before the watermark can come late, and an idle
    poll looks no further back: one call.
    """
    if before.watermark is None:
        return before.connected_at - overlap
    moved, polled = before.moved_at, before.polled_at
    is_settled = moved is not None and polled is not None and polled >= moved + overlap
    if is_settled and before.incomplete_since is None:
        return before.watermark
    return before.watermark - overlap


def known_whole_until(before: ChannelFacts, overlap: timedelta) -> datetime:
    """Up to when everything is stored, the watermark's own second included; NEVER: unknown.

    Platform times are whole seconds, so another message may come in the watermark's second. Once a
    poll was begun after that second and the overlap were over, it is stored.
    """
    watermark, moved, polled = before.watermark, before.moved_at, before.polled_at
    if watermark is None or moved is None or polled is None or before.incomplete_since is not None:
        return NEVER
    return watermark if polled >= moved + overlap + ONE_SECOND else NEVER


def decide(before: ChannelFacts, walk: WalkFacts, *, overlap: timedelta, now: datetime) -> Decision:
    """Whether the walk was whole, and how far the watermark moves with what it stored."""
    since = before.incomplete_since
    has_waited = since is not None and now >= since + WAITS_FOR
    is_incomplete = bool(walk.malformed) or walk.is_doubtful
    is_whole = walk.complete and (has_waited or not (is_incomplete or walk.hides_waiting))
    gives_up = (
        is_whole
        and is_incomplete
        and since is not None
        and (before.polled_at is None or before.polled_at < since + WAITS_FOR)
    )
    return Decision(
        is_whole=is_whole,
        watermark=reached(before, walk, overlap) if is_whole else None,
        gives_up=gives_up,
    )


def reached(before: ChannelFacts, walk: WalkFacts, overlap: timedelta) -> datetime | None:
    """Up to when a whole walk has shown that everything is stored; before what it held back."""
    shown = _shown(before, walk, overlap)
    if shown is None or walk.held_back_since is None:
        return shown
    return min(shown, walk.held_back_since - ONE_SECOND)


def _shown(before: ChannelFacts, walk: WalkFacts, overlap: timedelta) -> datetime | None:
    if before.watermark is None:  # a first poll looks back beyond the cut-over
        return max(filter(None, (walk.newest, before.connected_at)))
    if walk.settled_until is None:
        return walk.newest
    # Clamp the newest change to [settled_until - overlap, settled_until].
    earliest = walk.settled_until - overlap
    return min(max(walk.newest or earliest, earliest), walk.settled_until)


def has_moved(before: ChannelFacts, newest: datetime | None) -> bool:
    """Whether something new was listed; time alone may move the watermark too."""
    return before.watermark is None or (newest is not None and newest > before.watermark)
