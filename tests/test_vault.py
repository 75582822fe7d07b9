"""Credentials at rest: the key and its file, rotation, and what is said of a wrong key."""

import base64
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shoptalk.errors import UsageError
from shoptalk.vault import KEY_FILE, Vault, open_vault
from tests.patience import PATIENCE

CONFIG = {"access_token": "EAAG-token-of-the-page", "scopes": ["a", "b"], "name": "مخبز"}
#: A first start in another process: seals a word and says how.
FIRST_START = """
import sys
from pathlib import Path
from shoptalk.vault import open_vault
vault = open_vault(None, Path(sys.argv[1]))
sys.stdin.readline()
print(vault.seal({"word": sys.argv[2]}))
"""


def test_what_is_sealed_can_be_opened_and_not_read(tmp_path: Path) -> None:
    vault = open_vault(None, tmp_path)
    sealed = vault.seal(CONFIG)
    assert "token" not in sealed
    assert "token" not in str(base64.urlsafe_b64decode(sealed))
    assert vault.open(sealed) == CONFIG
    assert vault.seal(CONFIG) != sealed


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "not" / "yet"
    before = os.umask(0)
    try:
        sealed = open_vault(None, home).seal(CONFIG)
    finally:
        os.umask(before)
    key = (home / KEY_FILE).read_bytes()
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]
    assert open_vault(None, home).open(sealed) == CONFIG
    assert (home / KEY_FILE).read_bytes() == key
    Fernet(key)


def test_two_first_starts_at_once_use_one_key(tmp_path: Path) -> None:
    words = ["one", "two", "three"]
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START, str(tmp_path), word],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for word in words
    ]
    sealed = [start.communicate("go\n", timeout=PATIENCE)[0].strip() for start in starts]
    vault = open_vault(None, tmp_path)
    assert [vault.open(one) for one in sealed] == [{"word": word} for word in words]
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_first_starts_in_threads_of_one_process_use_one_key(tmp_path: Path) -> None:
    barrier = Barrier(8)

    def start(_number: int) -> Vault:
        barrier.wait(PATIENCE)
        return open_vault(None, tmp_path)

    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(start, range(8)))
    sealed = vaults[0].seal(CONFIG)
    assert all(vault.open(sealed) == CONFIG for vault in vaults)


def test_what_a_killed_first_start_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".{KEY_FILE}.{os.getpid()}").write_text("half a k")
    vault = open_vault(None, tmp_path)
    assert vault.open(vault.seal(CONFIG)) == CONFIG


@pytest.mark.parametrize(
    "key",
    [Fernet.generate_key().decode(), "a pass phrase", "كلمة السر"],
    ids=["a Fernet key", "a pass phrase", "an Arabic one"],
)
def test_the_key_of_the_environment_is_used_and_no_file_is_made(tmp_path: Path, key: str) -> None:
    sealed = open_vault(SecretStr(key), tmp_path).seal(CONFIG)
    assert Vault(key).open(sealed) == CONFIG
    assert list(tmp_path.iterdir()) == []


def test_of_several_keys_the_first_seals_and_all_open() -> None:
    old, new = Vault("old key"), Vault("new key")
    both = Vault(" new key , old key,")
    assert both.open(old.seal(CONFIG)) == CONFIG
    assert both.open(new.seal(CONFIG)) == CONFIG
    assert new.open(both.seal(CONFIG)) == CONFIG
    with pytest.raises(UsageError):
        old.open(both.seal(CONFIG))


@pytest.mark.parametrize("sealed", [Vault("other").seal(CONFIG), "", "nonsense", "ø", "gAAAA"])
def test_the_wrong_key_is_one_sentence_that_says_what_to_do(sealed: str) -> None:
    with pytest.raises(UsageError) as caught:
        Vault("the key").open(sealed)
    assert str(caught.value) == (
        "The stored credentials were sealed with another key: set SHOPTALK_SECRET_KEY to "
        "the one they were stored with, or connect the channel again."
    )
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("keys", ["", " ", ",", " , "])
def test_a_key_that_is_empty_is_refused(keys: str) -> None:
    with pytest.raises(UsageError, match="SHOPTALK_SECRET_KEY is empty"):
        Vault(keys)


def test_a_vault_shows_nothing_of_its_keys() -> None:
    key = Fernet.generate_key().decode()
    vault = Vault(f"{key},a pass phrase")
    for shown in (repr(vault), str(vault), f"{vault}"):
        assert key not in shown
        assert "a pass phrase" not in shown


def test_an_empty_key_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(" \n")
    with pytest.raises(UsageError) as caught:
        open_vault(None, tmp_path)
    assert str(caught.value) == f"secret.key in {tmp_path} is empty: put the right one back."
    assert (tmp_path / KEY_FILE).read_text() == " \n"
