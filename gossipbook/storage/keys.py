"""Key files: one Ed25519 seed each, mode 0600, refused when others may read them."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from gossipbook.errors import KeyFileError
from gossipbook.identity import SEED_BYTES, Identity

OPS_SUFFIX = ".ops"
"""What the file of a key's ops is called, after the key file's name."""
META_SCHEMA = "CREATE TABLE IF NOT EXISTS meta (whole INTEGER NOT NULL) STRICT"
"""One row: whether the file has been there since its key was made."""
_FIRST_LINE = "gossipbook key 1"


def create_key(path: Path, *, for_author: bool = True) -> Identity:
    """Make a new key and write it, synced, to a file that did not exist.

    ``for_author``: make the file of its ops too, which says that the key has signed nothing yet, where a file that is
    not there, or that a program could not finish, may have been lost.

    Raises:
        KeyFileError: the file exists, and a key is never overwritten; or it cannot be written, and is not there then.
    """
    identity = Identity(os.urandom(SEED_BYTES))
    text = f"{_FIRST_LINE}\nsecret {identity.seed.hex()}\npublic {identity.public_key.hex()}\n"
    made: list[Path] = []
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        made.append(path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if for_author:
            _create_ops_file(path.with_name(path.name + OPS_SUFFIX), made)
        sync_folder(path.parent)
        sync_folder(path.parent.parent)
    except FileExistsError as error:
        what = "it holds another key's ops" if made else "a key is never overwritten"
        _remove(made)
        raise KeyFileError(f"{error.filename} exists; {what}. Choose another name.") from None
    except (OSError, sqlite3.Error) as error:
        _remove(made)
        raise KeyFileError(f"cannot write the key {path}: {getattr(error, 'strerror', None) or error}") from None
    return identity


def _create_ops_file(path: Path, made: list[Path]) -> None:
    """Make the file of a new key's ops, with the one word in it that the key is new."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    made.append(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = FULL")
        database.execute(META_SCHEMA)
        database.execute("INSERT INTO meta VALUES (1)")


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """A new file survives a power cut only once its folder was synced too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_key(path: Path) -> Identity:
    """Read a key file.

    Raises:
        KeyFileError: missing, malformed, or readable by others than its owner.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the key {path}: {error}") from None
    if mode & 0o077:
        raise KeyFileError(f"{path} has mode {mode:04o}: others can read this secret. Run: chmod 600 {path}")
    lines = text.splitlines()
    try:
        if len(lines) != 3 or lines[0] != _FIRST_LINE:
            raise ValueError("it does not start with the line that a key file starts with")
        identity = Identity(bytes.fromhex(lines[1].removeprefix("secret ")))
        if lines[2].removeprefix("public ") != identity.public_key.hex():
            raise ValueError("its public key is not the one of its secret")
    except ValueError as error:
        raise KeyFileError(f"{path} is not a whole gossipbook key file: {error}") from None
    return identity
