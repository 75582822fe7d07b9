"""`shoptalk secrets rotate`: a new key for every channel, whenever it is interrupted."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from shoptalk.commands import common
from shoptalk.db.models import ChannelIntegration
from shoptalk.errors import UsageError
from shoptalk.services.key_rotation import reencrypt, rotate
from shoptalk.vault import KEY_FILE, Vault, add_new_key, drop_old_keys, open_vault
from shoptalk.wiring import App, running
from tests.cli.terminal import Terminal
from tests.loop.shop import INSTAGRAM_TOKEN, PAGE, TOKEN, Shop
from tests.patience import PATIENCE

ROTATE = ("secrets", "rotate")


@pytest.fixture(autouse=True)
def two_channels(shop: Shop) -> None:
    shop.opens("facebook", "instagram")


def home(shop: Shop) -> Path:
    return shop.app.settings.shoptalk_home


def keys(shop: Shop) -> list[str]:
    return (home(shop) / KEY_FILE).read_text().split(",")


def sealed(shop: Shop) -> list[str]:
    return [channel.config for channel in shop.channels()]


def tokens(shop: Shop, vault: Vault | None = None) -> list[str]:
    """What is stored, as a process that starts now can open it."""
    vault = vault or open_vault(None, home(shop))
    return [vault.open(config)["access_token"] for config in sealed(shop)]


def opens(keys: str, config: str) -> bool:
    try:
        Vault(keys).open(config)
    except UsageError:
        return False
    return True


def test_every_channel_is_sealed_with_a_new_key_and_the_old_one_is_gone(
    shop: Shop, terminal: Terminal
) -> None:
    [old], before = keys(shop), sealed(shop)
    screen = terminal.types(*ROTATE)
    assert (screen.code, screen.err) == (0, "")
    assert "2 channels with a new key" in screen.out
    [new] = keys(shop)
    Fernet(new)
    assert new != old
    assert [opens(old, config) for config in sealed(shop)] == [False, False]
    assert [opens(new, config) for config in before] == [False, False]
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]
    assert stat.S_IMODE((home(shop) / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home(shop).iterdir()] == [KEY_FILE]
    assert terminal.types("channels", "test", PAGE).code == 0


def step_one(shop: Shop) -> None:
    add_new_key(home(shop))


def step_two(shop: Shop) -> None:
    step_one(shop)
    reencrypt(shop.app.database, open_vault(None, home(shop)))


def step_three(shop: Shop) -> None:
    step_two(shop)
    drop_old_keys(home(shop))


def half_of_step_one(shop: Shop) -> None:
    (home(shop) / f".{KEY_FILE}.next").write_text("half a k")


def half_of_step_two(shop: Shop) -> None:
    """The transaction that re-seals is gone with its process."""
    step_one(shop)
    vault = open_vault(None, home(shop))
    with shop.app.database.transaction() as session:
        channel = session.get_one(ChannelIntegration, 1)
        channel.config = vault.reencrypt(channel.config)
        session.flush()
        session.rollback()


def half_of_step_three(shop: Shop) -> None:
    step_two(shop)
    half_of_step_one(shop)


@pytest.mark.thorough
@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.parametrize(
    "killed_after",
    [half_of_step_one, step_one, half_of_step_two, step_two, half_of_step_three, step_three],
)
def test_a_rotation_that_was_killed_harms_nothing_and_is_ended_by_the_next(
    shop: Shop, terminal: Terminal, killed_after: Callable[[Shop], None], again: int
) -> None:
    [old] = keys(shop)
    for _ in range(again):
        killed_after(shop)
        assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]
    assert {report.error for report in shop.imports()} == {None}
    assert terminal.types("channels", "test", PAGE).code == 0
    assert stat.S_IMODE((home(shop) / KEY_FILE).stat().st_mode) == 0o600
    assert terminal.types(*ROTATE).code == 0
    assert len(keys(shop)) == 1
    assert keys(shop) != [old]
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]
    assert [path.name for path in home(shop).iterdir()] == [KEY_FILE]


def test_a_process_at_work_notices_the_new_key(shop: Shop, terminal: Terminal) -> None:
    assert {report.error for report in shop.imports()} == {None}
    assert terminal.types(*ROTATE).code == 0
    assert {report.error for report in shop.imports()} == {None}
    shop.customer_writes("Hello?")
    assert shop.answers() == {"answered": 1}


def test_who_connects_with_the_old_key_in_mind_seals_with_the_new_one(
    shop: Shop, terminal: Terminal
) -> None:
    assert shop.app.vault  # opened before the key changed
    assert terminal.types(*ROTATE).code == 0
    shop.opens("facebook")
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]


def test_rotations_and_connections_at_once_leave_everything_open(shop: Shop) -> None:
    with (
        running(shop.app.settings, clock=common.now) as one,
        running(shop.app.settings, clock=common.now) as other,
        ThreadPoolExecutor(3) as pool,
    ):
        rotations = [pool.submit(rotate_often, app) for app in (one, other)]
        for _ in range(5):
            shop.opens("facebook")
        assert [rotation.result(PATIENCE) for rotation in rotations] == [2, 2]
    assert len(keys(shop)) == 1
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]


def rotate_often(app: App) -> int:
    for _ in range(4):
        rotate(app)
    return rotate(app).sealed


def test_the_key_file_may_be_a_link(shop: Shop, terminal: Terminal, tmp_path: Path) -> None:
    kept = tmp_path / "kept.key"
    (home(shop) / KEY_FILE).rename(kept)
    (home(shop) / KEY_FILE).symlink_to(kept)
    assert terminal.types(*ROTATE).code == 0
    assert (home(shop) / KEY_FILE).is_symlink()
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]


def test_keys_of_the_environment_seal_anew_and_the_rest_can_be_dropped(
    shop: Shop, terminal: Terminal
) -> None:
    [old] = keys(shop)
    screen = terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=f"a new pass phrase, {old}")
    assert (screen.code, screen.err) == (0, "")
    assert "2 channels with the first key" in screen.out
    assert "The second key can be dropped now." in screen.out
    assert tokens(shop, Vault("a new pass phrase")) == [TOKEN, INSTAGRAM_TOKEN]
    assert keys(shop) == [old]  # not ours to touch where the variable counts
    screen = terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=f"third,a new pass phrase,{old}")
    assert "The keys after it, 2 to 3, can be dropped now." in screen.out
    done = terminal.exporting({"SHOPTALK_SECRET_KEY": "third"}).types("channels", "test", PAGE)
    assert done.code == 0


def test_one_key_in_the_environment_is_no_rotation(shop: Shop, terminal: Terminal) -> None:
    [old] = keys(shop)
    before = sealed(shop)
    screen = terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=old)
    assert screen.code == 2
    assert "put a new one and a comma before it" in screen.sentence
    assert old not in screen.sentence
    assert sealed(shop) == before


@pytest.mark.parametrize("environment", [None, "wrong one,wrong two"])
def test_with_the_wrong_key_nothing_is_changed_and_the_channel_is_named(
    shop: Shop, terminal: Terminal, environment: str | None
) -> None:
    if environment is None:
        (home(shop) / KEY_FILE).write_text("a wrong key")
    before, kept = sealed(shop), keys(shop)
    screen = terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=environment)
    assert (screen.code, screen.out) == (2, "")
    assert "channel 1 (facebook 'Corner Shop') were sealed with a key" in screen.sentence
    assert "connect the channel again, or disconnect it first" in screen.sentence
    assert (sealed(shop), keys(shop)) == (before, kept)


def test_one_channel_with_a_lost_key_holds_up_the_rest_until_it_is_disconnected(
    shop: Shop, terminal: Terminal
) -> None:
    with shop.app.database.transaction() as session:
        channel = session.get_one(ChannelIntegration, 2)
        channel.config = Vault("lost").seal({"access_token": INSTAGRAM_TOKEN})
    before, kept = sealed(shop), keys(shop)
    assert "channel 2 (instagram" in terminal.types(*ROTATE).sentence
    assert keys(shop) == kept
    assert opens(kept[0], sealed(shop)[0])
    assert sealed(shop)[1] == before[1]
    assert terminal.types("channels", "disconnect", "2").code == 0
    screen = terminal.types(*ROTATE)
    assert screen.code == 0
    assert screen.out.startswith("Sealed the credentials of 1 channel with a new key")
    assert "Channel 2 is disconnected" in screen.err
    assert sealed(shop)[1] == before[1]


def test_no_key_and_no_token_is_shown(
    shop: Shop, terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [TOKEN, INSTAGRAM_TOKEN, *keys(shop)]
    screens = [terminal.types(*ROTATE, LOG_LEVEL="DEBUG")]
    secrets += keys(shop)
    both = f"passphrase-of-the-shop,{secrets[-1]}"
    secrets.append("passphrase-of-the-shop")
    screens.append(terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=both, LOG_LEVEL="DEBUG"))
    screens.append(terminal.types(*ROTATE, LOG_LEVEL="DEBUG"))
    screens.append(terminal.types(*ROTATE, SHOPTALK_SECRET_KEY=secrets[-1], LOG_LEVEL="DEBUG"))
    assert [screen.code for screen in screens] == [0, 0, 2, 2]
    shown = [screen.out + screen.err for screen in screens] + [caplog.text]
    assert [text for text in shown if any(secret in text for secret in secrets)] == []


@pytest.mark.parametrize("words", ["add_new_key", "drop_old_keys"])
def test_a_key_file_that_cannot_be_written_is_left_as_it_is(
    shop: Shop, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", KEY_FILE)

    monkeypatch.setattr(f"shoptalk.services.key_rotation.{words}", refuse)
    screen = terminal.types(*ROTATE)
    assert screen.code == 1
    assert "No space left on device: secret.key" in screen.sentence
    monkeypatch.undo()
    assert tokens(shop) == [TOKEN, INSTAGRAM_TOKEN]
