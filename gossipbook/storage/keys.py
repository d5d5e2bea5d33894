"""Key files: one Ed25519 seed each, mode 0600, refused when others may read them."""

import os
import stat
from pathlib import Path

from gossipbook.errors import KeyFileError
from gossipbook.identity import SEED_BYTES, Identity

OPS_SUFFIX = ".ops"
"""What the file of a key's ops is called, after the key file's name."""
_FIRST_LINE = "gossipbook key 1"


def create_key(path: Path, *, for_author: bool = True) -> Identity:
    """Make a new key and write it, synced, to a file that did not exist.

    ``for_author``: make the file of its ops too, empty: it says that the key has signed nothing yet, where a file that
    is not there may have been lost.

    Raises:
        KeyFileError: the file exists; a key is never overwritten.
    """
    identity = Identity(os.urandom(SEED_BYTES))
    text = f"{_FIRST_LINE}\nsecret {identity.seed.hex()}\npublic {identity.public_key.hex()}\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists; a key is never overwritten. Choose another name.") from None
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if for_author:
        os.close(os.open(path.with_name(path.name + OPS_SUFFIX), os.O_WRONLY | os.O_CREAT, 0o600))
    sync_folder(path.parent)
    sync_folder(path.parent.parent)
    return identity


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
