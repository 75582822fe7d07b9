"""One `shoptalk import` brings all, though customers write while it is at work."""

import pytest

from shoptalk.importer import channels
from tests.importer.fake_platform import HOUR, MINUTE, SECOND, Desk, FakePlatform, Lists, StillClock
from tests.importer.test_history import old_shop, stored, truth

ROUNDS_OF_CALLS = 24  #: more than a first import of these shops takes


def _writes_at(platform: FakePlatform, clock: StillClock, call: int, thread_id: str) -> None:
    """Let a customer write just before one call is answered, counted from now."""
    platform.calls.clear()

    def write(calls: int) -> None:
        if calls == call:
            clock.advance(SECOND)
            platform.write(thread_id, "hello again")

    platform.before_call = write


@pytest.mark.parametrize("lists", Lists)
@pytest.mark.parametrize("thread_id", ["t0", "t5"])
def test_a_first_import_is_whole_whichever_call_a_customer_writes_at(
    desk: Desk, clock: StillClock, lists: Lists, thread_id: str
) -> None:
    for call in range(ROUNDS_OF_CALLS):
        platform = old_shop(desk, lists, messages=5)
        channel_id = max(desk.platforms)
        clock.advance(MINUTE)
        _writes_at(platform, clock, call, thread_id)
        desk.import_one(channel_id)
        if len(platform.calls) <= call:
            return  # nobody wrote: every call has had its turn
        found = {each: desk.texts(each, channel_id) for each in platform.talks}
        assert found == truth(platform), f"a customer wrote at call {call}"
        assert desk.channel(channel_id).history_state == "done"
    pytest.fail("the import takes more calls than the test looks at")


@pytest.mark.parametrize("lists", Lists)
def test_a_first_import_brings_all_that_is_old_though_customers_write_at_every_other_call(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists, messages=5)
    old = truth(platform)
    clock.advance(MINUTE)

    def write(calls: int) -> None:
        if calls < 12 and calls % 2:
            clock.advance(SECOND)
            platform.write(f"t{calls % 6}", f"said at call {calls}")

    platform.before_call = write
    desk.import_one()
    # What was written after the last look at the list is the next import's.
    assert {each: texts[: len(old[each])] for each, texts in stored(desk, platform).items()} == old
    assert desk.channel().history_state == "done"
    platform.before_call = lambda _: None
    desk.import_one()
    assert stored(desk, platform) == truth(platform)


@pytest.mark.parametrize("lists", [Lists.NEWEST_MESSAGES, Lists.WHOLE_THREADS, Lists.THREADS])
def test_an_old_thread_that_turns_up_later_is_whole_after_one_import(
    desk: Desk, clock: StillClock, lists: Lists
) -> None:
    platform = old_shop(desk, lists)
    hidden = platform.talks.pop("t3")  # in another folder, say
    desk.import_one()
    clock.advance(HOUR)
    platform.talks["t3"] = hidden
    platform.write("t3", "hello again")
    desk.import_one()
    assert stored(desk, platform) == truth(platform)
    assert desk.channel().history_state == "done"


def test_what_an_import_leaves_is_said_with_its_channel_and_number_of_threads(
    desk: Desk, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "MOST_ROUNDS", 1)
    platform = old_shop(desk)
    hidden = platform.talks.pop("t3")
    clock.advance(MINUTE)

    def an_old_customer_turns_up(calls: int) -> None:
        if calls == 2:
            clock.advance(SECOND)
            platform.talks["t3"] = hidden
            platform.write("t3", "hello again")

    platform.before_call = an_old_customer_turns_up
    notes = desk.import_one()[-1].notes
    assert len(notes) == 1
    assert notes[0].startswith(
        f"{platform.name} Shop: history is left to be read, of 1 known threads at least; "
    )
    assert "`shoptalk import`" in notes[0]
    desk.import_one()
    assert stored(desk, platform) == truth(platform)
