"""A secret key that is gone: said, and never made anew beside credentials that need the old one."""

from pathlib import Path

import pytest

from shoptalk.vault import KEY_FILE
from tests.cli.terminal import Screen, Terminal
from tests.loop.shop import PAGE, TOKEN, Shop

CONNECT = ("channels", "connect", "facebook", "--account-id", PAGE, "--access-token", TOKEN)


@pytest.fixture
def key(shop: Shop) -> Path:
    shop.opens("facebook")
    return shop.app.settings.shoptalk_home / KEY_FILE


def says_it_is_missing(screen: Screen, key: Path) -> None:
    assert screen.code == 2
    assert screen.sentence.startswith(
        f"secret.key is missing in {key.parent}, and the stored credentials of 1 channel "
        "open with no other key: put it back, or set SHOPTALK_SECRET_KEY to the key they "
    )
    assert not key.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("import",),
        ("reply",),
        ("run",),
        ("worker",),
        ("channels", "test", PAGE),
        ("secrets", "rotate"),
        CONNECT,
    ],
    ids=" ".join,
)
def test_no_command_makes_a_new_key_where_stored_credentials_need_the_old_one(
    terminal: Terminal, key: Path, words: tuple[str, ...]
) -> None:
    key.unlink()
    says_it_is_missing(terminal.types(*words), key)


def test_status_shows_how_things_stand_all_the_same(terminal: Terminal, key: Path) -> None:
    key.unlink()
    assert "Corner Shop" in terminal.types("status").out
    assert len(terminal.types("status", "--json").document["channels"]) == 1


def test_doctor_finds_it(terminal: Terminal, key: Path) -> None:
    key.unlink()
    lines = terminal.types("doctor").out.splitlines()
    [line] = [line for line in lines if "secret key" in line]
    assert line.startswith(f"BAD  secret key: secret.key is missing in {key.parent}")
    assert not key.exists()


def test_put_back_everything_works(terminal: Terminal, key: Path) -> None:
    kept = key.read_text()
    key.unlink()
    assert terminal.types("status").code == 2
    assert terminal.types("channels", "test", PAGE, SHOPTALK_SECRET_KEY=kept).code == 0
    key.write_text(kept)
    assert terminal.types("status").code == 0
    assert terminal.types("channels", "test", PAGE).code == 0


def test_a_lost_key_is_made_good_by_disconnecting_and_connecting(
    terminal: Terminal, key: Path
) -> None:
    key.unlink()
    assert terminal.types("channels", "disconnect", PAGE).code == 0
    assert not key.exists()
    assert terminal.types(*CONNECT).code == 0
    assert terminal.types("channels", "test", PAGE).code == 0


def test_status_of_a_new_home_needs_no_key_and_makes_none(shop: Shop, terminal: Terminal) -> None:
    assert terminal.types("status").code == 0
    assert not (shop.app.settings.shoptalk_home / KEY_FILE).exists()
