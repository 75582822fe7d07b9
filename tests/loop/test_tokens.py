"""Tokens that die, are about to, or lack something: noticed, said with a remedy, and mended."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shoptalk.db.channels import stop_channel
from shoptalk.db.models import ChannelIntegration
from shoptalk.scheduler import Ticker
from shoptalk.services.connecting import connect_channel
from shoptalk.services.token_health import check_next_due, credential_warnings
from shoptalk.types import Outcome
from tests.cli.terminal import Terminal
from tests.loop.shop import INSTAGRAM, KETTLE, NINE, PAGE, TOKEN, Shop
from tests.patience import PATIENCE

NEW_TOKEN = "EAAG-second-page-token"
NUMBER, NUMBER_TOKEN = "770022", "EAAG-number-token-value"
AGAIN = f"run `shoptalk channels connect facebook --account-id {PAGE}` again."
CONNECT = ("channels", "connect", "facebook", "--account-id", PAGE, "--access-token")


def tick(shop: Shop) -> None:
    """A tick, and the end of what it began."""
    ticker = Ticker(shop.app, shop.app.importer(), shop.app.responder())
    ticker.tick()
    for under_way in (ticker._polling, ticker._checking, ticker._reading_history):
        for future in list(under_way.values()):
            future.result(PATIENCE)
    ticker.stop()


def facebook(shop: Shop) -> ChannelIntegration:
    return next(each for each in shop.channels() if each.channel == "facebook")


def calls(shop: Shop, kind: str, account: str = PAGE) -> int:
    return len([each for each in shop.world.ledger.calls(kind=kind) if each.account_id == account])


def asked(shop: Shop) -> int:
    """How often Meta was asked about a token."""
    return len(shop.world.ledger.calls(kind="debug"))


def warnings(shop: Shop) -> list[str]:
    return credential_warnings(facebook(shop), now=shop.now)


# Dead


@pytest.mark.parametrize(
    ("subcode", "says", "remedy"),
    [
        (None, "the access token is not valid", "Make a new access token"),
        (463, "the access token has expired", "Make a new, long-lived access token"),
        (460, "the password was changed", "with the new password"),
        (458, "the owner has removed the app", "add the app again"),
    ],
)
def test_a_dead_token_stops_its_channel_alone_until_it_is_reconnected(
    shop: Shop, terminal: Terminal, subcode: int | None, says: str, remedy: str
) -> None:
    shop.opens("facebook", "instagram")
    shop.control.kill_token(PAGE, subcode=subcode)
    message_id = shop.customer_writes("Hello?")
    tick(shop)
    [row, _] = json.loads(terminal.types("channels", "list", "--json").out)
    assert row["state"] == "stopped"
    assert says in row["last_error"]
    assert remedy in row["remedy"]

    shop.world.ledger.clear()
    shop.wait(days=2)
    tick(shop)
    assert [calls(shop, kind) for kind in ("list", "identity", "debug")] == [0, 0, 0]
    assert calls(shop, "list", INSTAGRAM) > 0

    refused = terminal.types("channels", "test", PAGE)
    assert refused.code == 2
    assert says in refused.sentence
    assert remedy in refused.sentence

    shop.world.replace_token(PAGE, NEW_TOKEN)
    assert terminal.types(*CONNECT, NEW_TOKEN).code == 0
    channel = facebook(shop)
    assert (channel.stopped_at, channel.last_error, channel.remedy) == (None, None, None)
    assert channel.token_checked_at == shop.now
    assert warnings(shop) == []
    tick(shop)
    assert not shop.message(message_id).is_old


def test_a_token_past_its_end_is_dead(shop: Shop) -> None:
    shop.opens("facebook")
    shop.control.expire_token(PAGE, NINE + timedelta(days=1))
    shop.wait(days=1)
    tick(shop)
    assert "expired" in (facebook(shop).last_error or "")
    assert facebook(shop).stopped_at == shop.now


def test_the_daily_check_stops_a_channel_that_nobody_polls(shop: Shop) -> None:
    shop.opens("facebook")
    shop.world.add_account("whatsapp", NUMBER, "Corner Shop", NUMBER_TOKEN)
    config = {"access_token": NUMBER_TOKEN}
    connect_channel(shop.app, "whatsapp", NUMBER, config, name=None, ai_default=True)
    shop.control.kill_token(NUMBER, subcode=458)
    tick(shop)
    assert shop.channels()[1].stopped_at is None
    shop.wait(days=1)
    tick(shop)
    page, number = shop.channels()
    assert page.stopped_at is None
    assert number.stopped_at == shop.now
    assert "removed the app" in (number.last_error or "")
    assert "add the app again" in (number.remedy or "")


def test_who_was_refused_with_the_old_token_does_not_stop_the_new_one(shop: Shop) -> None:
    shop.opens("facebook")
    before = facebook(shop)
    shop.world.replace_token(PAGE, NEW_TOKEN)
    config = {"access_token": NEW_TOKEN}
    connect_channel(shop.app, "facebook", PAGE, config, name=None, ai_default=None)
    with shop.app.database.transaction() as session:
        stop_channel(session, before.id, "dead", "Mend it.", now=shop.now, config=before.config)
    assert shop.app.importer().poll(before).error is not None  # begun before the new token came
    assert facebook(shop).stopped_at is None


def test_a_new_token_leaves_the_ai_as_it_was(shop: Shop, terminal: Terminal) -> None:
    assert terminal.types(*CONNECT, TOKEN, "--ai", "off").code == 0
    assert terminal.types(*CONNECT, TOKEN).code == 0
    assert not facebook(shop).ai_default
    assert terminal.types(*CONNECT, TOKEN, "--ai", "on").code == 0
    assert facebook(shop).ai_default


# About to die, and what is missing


def test_a_token_that_ends_within_a_week_is_told_of_everywhere(
    shop: Shop, terminal: Terminal
) -> None:
    shop.sells(KETTLE)
    shop.opens("facebook", "instagram")
    shop.control.expire_token(PAGE, NINE + timedelta(days=5))
    sentence = f"The access token expires on 2026-10-10: make a new one and {AGAIN}"
    tick(shop)
    assert warnings(shop) == []  # asked when it was connected, an instant ago
    shop.wait(days=1)
    tick(shop)
    assert facebook(shop).token_expires_at == NINE + timedelta(days=5)
    assert warnings(shop) == [sentence]
    assert facebook(shop).stopped_at is None

    assert f"channel 1: {sentence}\n" in terminal.types("channels", "list").out
    listed = terminal.types("channels", "list", "--json").document
    assert [row["warnings"] for row in listed] == [[sentence], []]
    assert listed[0]["token_expires_at"] == "2026-10-10T09:00:00+00:00"
    assert f"channel 1: {sentence}\n" in terminal.types("status").out
    shown = terminal.types("status", "--json").document["channels"]
    assert [row["warnings"] for row in shown] == [[sentence], []]
    tested = terminal.types("channels", "test", PAGE)
    assert (tested.code, tested.err) == (0, f"Warning: {sentence}\n")
    assert tested.out.startswith("Channel 1 works")
    doctor = terminal.types("doctor", "--json")
    assert doctor.code == 1
    assert [each["says"] for each in doctor.document if not each["ok"]] == [sentence]

    shop.world.replace_token(PAGE, NEW_TOKEN)
    connected = terminal.types(*CONNECT, NEW_TOKEN)
    assert (connected.code, connected.err) == (0, "")
    assert warnings(shop) == []
    assert facebook(shop).token_expires_at is None
    assert terminal.types("doctor").code == 0


@pytest.mark.parametrize(
    ("left", "verb"),
    [
        (timedelta(days=7, seconds=1), None),
        (timedelta(days=7), "expires"),
        (timedelta(seconds=1), "expires"),
        (timedelta(0), "expired"),
    ],
)
def test_a_week_before_its_end_a_token_is_told_of(
    shop: Shop, left: timedelta, verb: str | None
) -> None:
    shop.opens("facebook")
    channel = facebook(shop)
    channel.token_expires_at = shop.now + left
    said = credential_warnings(channel, now=shop.now)
    assert [f" {verb} on " in sentence for sentence in said] == ([True] if verb else [])


def test_connecting_warns_at_once(shop: Shop, terminal: Terminal) -> None:
    shop.control.expire_token(PAGE, NINE + timedelta(days=2))
    screen = terminal.types(*CONNECT, TOKEN)
    assert screen.code == 0
    assert screen.err == (
        f"Warning: The access token expires on 2026-10-07: make a new one and {AGAIN}\n"
    )


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (85, "The app's access to the account's data ends on 2027-01-03: let the account's owner"),
        (90, "The app's access to the account's data ended on 2027-01-03: let the account's owner"),
    ],
)
def test_data_access_that_lapses_is_told_of_and_the_channel_goes_on(
    shop: Shop, terminal: Terminal, days: int, says: str
) -> None:
    shop.opens("facebook")
    shop.wait(days=days)
    message_id = shop.customer_writes("Hello?")
    tick(shop)
    [warning] = warnings(shop)
    assert warning.startswith(says)
    assert warning.endswith(AGAIN)
    assert shop.message(message_id).outcome is None
    assert terminal.types("doctor").code == 1


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ({"pages_messaging"}, "the permission pages_messaging: grant it to the app"),
        (
            {"pages_messaging", "pages_read_engagement"},
            "the permissions pages_messaging, pages_read_engagement: grant them to the app",
        ),
    ],
)
def test_a_missing_permission_is_told_of(
    shop: Shop, terminal: Terminal, lacks: set[str], says: str
) -> None:
    shop.world.tokens[TOKEN].withheld = frozenset(lacks)
    sentence = f"The access token lacks {says}, make a new token and {AGAIN}"
    assert terminal.types(*CONNECT, TOKEN).err == f"Warning: {sentence}\n"
    [row] = terminal.types("channels", "list", "--json").document
    assert (row["missing_permissions"], row["warnings"]) == (sorted(lacks), [sentence])
    assert terminal.types("doctor").code == 1
    shop.world.tokens[TOKEN].withheld = frozenset()
    tested = terminal.types("channels", "test", PAGE)
    assert (tested.code, tested.err) == (0, "")
    assert terminal.types("channels", "list", "--json").document[0]["warnings"] == []


def test_a_disconnected_channel_is_not_told_of(shop: Shop, terminal: Terminal) -> None:
    shop.world.tokens[TOKEN].withheld = frozenset({"pages_messaging"})
    shop.opens("facebook")
    terminal.types("channels", "disconnect", PAGE)
    assert warnings(shop) == []


@pytest.mark.parametrize("code", [10, 200])
def test_a_permission_that_is_refused_stops_the_channel_until_it_is_granted(
    shop: Shop, terminal: Terminal, code: int
) -> None:
    shop.opens("facebook", "instagram")
    match = {"account": PAGE, "kind": "list"}
    shop.world.faults.add("graph_error", match=match, params={"code": code})
    tick(shop)
    page, instagram = shop.channels()
    assert "no permission" in (page.last_error or "")
    assert "Grant the app its messaging permissions" in (page.remedy or "")
    assert page.stopped_at == shop.now
    assert instagram.stopped_at is None
    shop.world.faults.clear()
    assert terminal.types("channels", "test", PAGE).code == 0
    assert facebook(shop).stopped_at is None
    tick(shop)
    assert facebook(shop).last_poll_at == shop.now


def test_the_owners_switch_stops_instagram_alone_until_it_is_on_again(
    shop: Shop, terminal: Terminal
) -> None:
    shop.opens("facebook", "instagram")
    shop.control.change_settings(INSTAGRAM, message_access=False)
    tick(shop)
    page, instagram = shop.channels()
    assert page.stopped_at is None
    assert instagram.stopped_at == shop.now
    assert "switched off" in (instagram.last_error or "")
    assert 'switch on "Allow access to messages"' in (instagram.remedy or "")
    shop.world.ledger.clear()
    shop.wait(seconds=10)
    tick(shop)
    assert (calls(shop, "list") > 0, calls(shop, "list", INSTAGRAM)) == (True, 0)
    shop.control.change_settings(INSTAGRAM, message_access=True)
    assert terminal.types("channels", "test", INSTAGRAM).code == 0
    tick(shop)
    assert calls(shop, "list", INSTAGRAM) > 0


def test_a_thread_that_another_app_owns_is_left_and_the_channel_goes_on(shop: Shop) -> None:
    shop.opens("facebook")
    taken = shop.customer_writes("Hello?", who="7300000000000007")
    free = shop.customer_writes("Hello?")
    shop.world.change_thread(PAGE, "7300000000000007", is_taken=True)
    assert shop.answers() == {"thread_taken": 1, "answered": 1}
    assert shop.message(taken).outcome == Outcome.THREAD_TAKEN
    assert shop.why(taken).startswith("Another app holds this thread on the platform")
    assert shop.message(free).outcome == Outcome.ANSWERED
    assert facebook(shop).stopped_at is None


# How often


def test_each_channel_is_checked_once_a_day(shop: Shop) -> None:
    shop.opens("facebook", "instagram")
    assert asked(shop) == 1  # Instagram Login has nothing to ask
    for _ in range(3):
        shop.wait(hours=7)
        tick(shop)
    assert asked(shop) == 1
    for _ in range(3):
        shop.wait(hours=3)
        tick(shop)
    assert asked(shop) == 2
    assert {each.token_checked_at for each in shop.channels()} == {NINE + timedelta(hours=24)}


def test_two_processes_share_the_daily_check(shop: Shop) -> None:
    shop.opens("facebook", "instagram")
    shop.wait(days=1)
    with ThreadPoolExecutor(4) as pool:
        checked = list(pool.map(check_next_due, [shop.app] * 4))
    assert sorted(checked) == [False, False, True, True]
    assert asked(shop) == 2


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("http_status", {"status": 500}),
        ("html", {}),
        ("drop_before", {}),
        ("graph_error", {"code": 4}),
        ("graph_error", {"code": 100}),
    ],
)
def test_a_check_that_fails_stops_nothing_and_waits_for_the_next_day(
    shop: Shop, terminal: Terminal, fault: str, params: dict[str, object]
) -> None:
    shop.sells(KETTLE)
    shop.world.faults.add(fault, match={"kind": "debug"}, params=params)
    assert terminal.types(*CONNECT, TOKEN).code == 0
    tick(shop)
    shop.wait(days=1)
    message_id = shop.customer_writes("Hello?")
    tick(shop)
    channel = facebook(shop)
    assert (channel.stopped_at, channel.failures, channel.last_error) == (None, 0, None)
    assert channel.last_poll_at == shop.now
    assert channel.token_checked_at == shop.now
    assert shop.message(message_id).outcome is None
    once = asked(shop)
    tick(shop)
    assert asked(shop) == once
    assert terminal.types("channels", "test", PAGE).code == 0
    assert terminal.types("doctor").code == 0


def test_what_is_known_stays_when_a_check_fails(shop: Shop, terminal: Terminal) -> None:
    shop.control.expire_token(PAGE, NINE + timedelta(days=5))
    shop.opens("facebook")
    shop.world.faults.add("http_status", match={"kind": "debug"}, params={"status": 503})
    assert terminal.types("doctor").code == 1
    assert len(warnings(shop)) == 1


def test_a_new_token_that_could_not_be_checked_is_checked_at_the_next_tick(shop: Shop) -> None:
    shop.control.expire_token(PAGE, NINE + timedelta(days=5))
    shop.opens("facebook")
    shop.world.faults.add("html", match={"kind": "debug"})
    shop.world.replace_token(PAGE, NEW_TOKEN)
    config = {"access_token": NEW_TOKEN}
    connect_channel(shop.app, "facebook", PAGE, config, name=None, ai_default=True)
    assert (facebook(shop).token_checked_at, warnings(shop)) == (None, [])
    shop.world.faults.clear()
    tick(shop)
    assert facebook(shop).token_checked_at == shop.now
    assert facebook(shop).data_access_expires_at == NINE + timedelta(days=90)


def test_the_daily_check_says_in_the_log_what_needs_attention(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.opens("facebook")
    shop.world.tokens[TOKEN].withheld = frozenset({"pages_messaging"})
    shop.wait(days=1)
    tick(shop)
    [line] = [each for each in caplog.records if each.message.startswith("the credentials need")]
    assert vars(line)["channel_id"] == 1
    assert "pages_messaging" in vars(line)["warning"]
    assert TOKEN not in str([vars(each) for each in caplog.records])
