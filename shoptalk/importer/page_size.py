"""How much is asked for at once: more as long as the platform answers, less where it does not."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shoptalk.platforms.base import Capabilities
from shoptalk.types import Clock

LIST_LIMIT = 25  #: threads asked for first; what a platform gives without complaint
FEW_THREADS = 5  #: asked for first where nothing was new the last time
MESSAGES_LIMIT = 200  #: as LIST_LIMIT, where the list is of bare messages, which are light
FEW_MESSAGES = 50
THREAD_LIMIT = 100  #: messages of one thread
PAST_LIMIT = 25  #: threads, with up to THREAD_LIMIT messages of each
TRIED_AGAIN_AFTER = timedelta(minutes=1)
TRIED_AGAIN_AT_MOST_AFTER = timedelta(hours=1)
SMALLEST_FOR_SLOWNESS = 5  #: a platform that does not answer this in time is not asked for less


class PageSize:
    """The size of one kind of question.

    It doubles with each answer as far as `most`, or as the platform gives twice in a row, and is
    halved where the platform wants less.
    What it could answer then is remembered; a minute later twice as much is tried, and so on. A
    platform that refuses now and then, whatever the size, is soon asked for as much as before;
    one that refuses what is tried again is left alone for longer each time, up to an hour.

    Args:
        first: what is asked for, without complaint as a rule.
        few: asked for instead, where that will probably do; None: `first` is.
    """

    def __init__(
        self, remembered: object, *, first: int, most: int, clock: Clock, few: int | None = None
    ) -> None:
        self._clock = clock
        self._first = first
        self._most = most
        self._refused_at: datetime | None = None
        self._known = 0  # what was remembered that it could answer; 0: nothing was refused
        self._wait = TRIED_AGAIN_AFTER
        self._has_more = False  # than was remembered
        self._gave_less: int | None = None  # the last answer, of what was asked for
        if isinstance(remembered, Mapping) and remembered:
            self._known = remembered["most"]
            self._wait = timedelta(seconds=remembered.get("wait_seconds", 60))
            refused_at = datetime.fromisoformat(remembered["refused_at"])
            doublings = max(0, (clock() - refused_at) // self._wait)
            self._most = min(most, self._known << min(doublings, 16))
        self.now = min(first if few is None else few, self._most)

    def answered(self, count: int, *, in_full: bool) -> None:
        """`count` came; `in_full` unless the platform has more and gave less than was asked for."""
        if not in_full and self._gave_less is not None:  # once may be chance
            self._most = min(self._most, max(self._first, count, self._gave_less))
        self._gave_less = None if in_full else count
        if count > self._known:
            self._has_more = True
        self.now = min(max(self.now, self._first) * 2, self._most)

    def refused(self) -> bool:
        """The platform wants less; whether less can be asked for."""
        if self.now == 1:
            return False
        self._remember(self.now // 2)
        return True

    def timed_out(self) -> None:
        """No answer came: that may be for the size of the question, or for any other reason."""
        if self.now > SMALLEST_FOR_SLOWNESS:
            self._remember(max(SMALLEST_FOR_SLOWNESS, self.now // 2))

    def _remember(self, size: int) -> None:
        if self._refused_at is None and self._known and self.now > self._known:
            self._wait = min(self._wait * 2, TRIED_AGAIN_AT_MOST_AFTER)
        self.now = self._most = size
        self._refused_at = self._clock()

    def learnt(self) -> dict[str, Any] | None:
        """What is to be remembered for the channel, {} for nothing; None where that has not
        changed.
        """
        if self._refused_at is None:
            return {} if self._known and self._has_more else None
        return {
            "most": self._most,
            "refused_at": self._refused_at.isoformat(),
            "wait_seconds": self._wait.total_seconds(),
        }


class PageSizeMemory:
    """The sizes of one channel's questions, as far as it is known what its platform answers.

    Args:
        listed: records of the list that the poll before had to see; None: nobody knows.
    """

    def __init__(
        self,
        remembered: Mapping[str, Any],
        capabilities: Capabilities,
        *,
        clock: Clock,
        listed: int | None = None,
    ) -> None:
        thread_limit = min(THREAD_LIMIT, capabilities.readable_messages or THREAD_LIMIT)
        self.list = PageSize(
            remembered.get("list"),
            first=MESSAGES_LIMIT if capabilities.lists_messages else LIST_LIMIT,
            most=capabilities.most_listed,
            clock=clock,
            few=None if listed is None else _few_after(listed, capabilities),
        )
        self.thread = PageSize(
            remembered.get("thread"), first=thread_limit, most=thread_limit, clock=clock
        )
        self.past = PageSize(remembered.get("past"), first=PAST_LIMIT, most=PAST_LIMIT, clock=clock)

    def learnt(self) -> dict[str, Any]:
        """What is to be remembered for the channel, by kind of question."""
        sizes = {"list": self.list, "thread": self.thread, "past": self.past}
        found = {kind: size.learnt() for kind, size in sizes.items()}
        return {kind: each for kind, each in found.items() if each is not None}


def _few_after(listed: int, capabilities: Capabilities) -> int:
    """How much of the list will probably do in a poll, after one that had to see so much.

    A platform works for what it shows, and so do we: an idle poll need not see 25 threads. Bare
    messages are many, and some platforms keep the size of a walk's first page to its end.
    """
    if capabilities.lists_messages:
        return min(FEW_MESSAGES + 2 * listed, capabilities.most_listed)
    return min(FEW_THREADS + 2 * listed, LIST_LIMIT)
