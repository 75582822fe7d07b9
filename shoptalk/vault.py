"""Credentials at rest: sealed with Fernet under a key that never leaves home.

The key is SHOPTALK_SECRET_KEY, or a file in SHOPTALK_HOME that only its owner may read. The
variable may hold several keys, comma-separated: the first seals, all of them open.
"""

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from shoptalk.errors import UsageError

KEY_FILE = "secret.key"


class Vault:
    """Seals and opens the `config` of channels. Its repr shows nothing."""

    def __init__(self, keys: str) -> None:
        words = [word.strip() for word in keys.split(",") if word.strip()]
        if not words:
            raise UsageError("SHOPTALK_SECRET_KEY is empty; unset it or give it a key.")
        self.key_count = len(words)
        self._fernet = MultiFernet([_fernet(word) for word in words])

    def seal(self, config: Mapping[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps(dict(config)).encode()).decode()

    def open(self, sealed: str) -> dict[str, Any]:
        try:
            config: dict[str, Any] = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise UsageError(
                "The stored credentials were sealed with another key: set SHOPTALK_SECRET_KEY to "
                "the one they were stored with, or connect the channel again."
            ) from None
        return config

    def reencrypt(self, sealed: str) -> str:
        """The same credentials under the first key; UsageError where none of ours opens them."""
        return self.seal(self.open(sealed))


def _fernet(word: str) -> Fernet:
    """A Fernet key as it is; any other text is stretched into one."""
    try:
        return Fernet(word)
    except ValueError:
        digest = hashlib.scrypt(word.encode(), salt=b"shoptalk", n=2**14, r=8, p=1, dklen=32)
        return Fernet(base64.urlsafe_b64encode(digest))


def open_vault(secret_key: SecretStr | None, home: Path) -> Vault:
    """The vault of this installation; the key file is made on first use, mode 0600."""
    if secret_key is not None:
        return Vault(secret_key.get_secret_value())
    path = home / KEY_FILE
    try:
        keys = path.read_text()
        if not keys.strip():
            raise UsageError(f"{KEY_FILE} in {home} is empty: put the right one back.")
        return Vault(keys)
    except FileNotFoundError:
        home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=home, prefix=f".{KEY_FILE}.") as fresh:  # mode 0600
        fresh.write(Fernet.generate_key())
        fresh.flush()
        # two first starts at once: the one that links is the one both use
        with contextlib.suppress(FileExistsError):
            os.link(fresh.name, path)
    return Vault(path.read_text())


def has_no_key(home: Path) -> bool:
    """Whether the key file is missing, and not merely out of reach."""
    try:
        (home / KEY_FILE).stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def add_new_key(home: Path) -> None:
    """Put a new key before those in the key file: it seals from now on, all of them open."""
    path = home / KEY_FILE
    _replace(path, f"{Fernet.generate_key().decode()},{path.read_text().strip()}")


def drop_old_keys(home: Path) -> None:
    """Leave only the first key in the key file: what others sealed can be opened no more."""
    path = home / KEY_FILE
    _replace(path, path.read_text().partition(",")[0].strip())


def _replace(path: Path, keys: str) -> None:
    """Write the key file whole or not at all, for the same owner as before, mode 0600."""
    path = path.resolve()  # the file stays where a link points
    unfinished = path.with_name(f".{path.name}.next")
    unfinished.unlink(missing_ok=True)  # a rotation that was killed may have left it
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        before = path.stat()
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        file.write(keys)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name outlives a power cut before the next step relies on it
    finally:
        os.close(folder)
