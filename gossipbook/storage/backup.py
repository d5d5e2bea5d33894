"""A peer's folder in one file, taken while it runs, and a folder made of one.

What is kept: keys, settings, the manifest, the journal, and the gateway's accounts with their wallets. Databases are
copied by SQLite, each as of one moment. What a peer makes anew by itself is left out. The first member of the archive
says what the others are, each with its SHA-256.

A restored seat does not vote any more: the copy cannot tell what the key has voted since it was taken. Wallets are
marked as such that do not hold all that their keys have signed: they ask peers first.
"""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, Final

from gossipbook.errors import ConfigError, JournalError, Unavailable
from gossipbook.storage.keys import OPS_SUFFIX, sync_folder

FORMAT: Final = 1
CONTENTS: Final = "contents.json"
JOURNAL: Final = "data/journal.db"
ACCOUNTS: Final = "gateway/accounts.db"
NETWORK: Final = "network.toml"
CONFIG: Final = "config.toml"
MEMBERS_CAP: Final = 50_000
CONTENTS_BYTES_CAP: Final = 16 * 2**20
_PART: Final = 1 << 20


def write_backup(folder: Path, out: Path, version: str) -> dict[str, Any]:
    """Write a peer's folder to a file, which holds secrets and is its owner's alone to read. Returns its contents.

    Raises:
        ConfigError: it is no peer's folder, or the file exists. Unavailable: the file cannot be written.
        JournalError: the journal cannot be read.
    """
    if not (folder / "keys" / "peer.key").exists():
        raise ConfigError(f"{folder} is not a peer's folder: it has no keys/peer.key")
    if out.exists():
        raise ConfigError(f"{out} exists; a backup is never overwritten")
    partial = out.with_name(out.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".backup-") as scratch:
            files = dict(_files(folder, Path(scratch)))
            contents = _contents(folder, files, version)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                _write_tar(file, contents, files)
                file.flush()
                os.fsync(file.fileno())
        partial.rename(out)
        sync_folder(out.parent)
    except sqlite3.Error as error:
        raise JournalError(f"cannot copy what is in {folder}: {error}") from None
    except OSError as error:
        raise Unavailable(f"cannot write {out}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return contents


def _files(folder: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """What is kept, by name in the archive."""
    if (folder / CONFIG).exists():
        yield CONFIG, folder / CONFIG
    yield NETWORK, _manifest_file(folder)
    for base in (folder / "keys", folder / "gateway" / "keys"):
        for path in sorted(base.glob("*")):
            name = path.relative_to(folder).as_posix()
            if path.name.endswith(OPS_SUFFIX):
                yield name, _copied(path, scratch, name)
            elif path.is_file() and not path.name.endswith(("-wal", "-shm", ".part")):
                yield name, path
    for name in (JOURNAL, ACCOUNTS):
        if (folder / name).exists():
            yield name, _copied(folder / name, scratch, name)


def _manifest_file(folder: Path) -> Path:
    named = NETWORK
    if (folder / CONFIG).exists():
        named = str(tomllib.loads((folder / CONFIG).read_text(encoding="utf-8-sig")).get("network", NETWORK))
    return folder / named


def _copied(path: Path, scratch: Path, name: str) -> Path:
    """A copy of a database as of one moment, whoever writes to it meanwhile."""
    copy = scratch / name.replace("/", "_")
    source = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    copy.chmod(0o600)
    return copy


def _contents(folder: Path, files: dict[str, Path], version: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": version,
        "made_ms": time.time_ns() // 1_000_000,
        "folder": str(folder.absolute()),
        "files": {name: {"sha256": _sha256(path), "bytes": path.stat().st_size} for name, path in files.items()},
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_tar(file: Any, contents: dict[str, Any], files: dict[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        raw = json.dumps(contents, indent=1).encode()
        tar.addfile(_member(CONTENTS, len(raw)), io.BytesIO(raw))
        for name, path in files.items():
            with path.open("rb") as source:
                tar.addfile(_member(name, int(contents["files"][name]["bytes"])), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    return member


# -- restoring ----------------------------------------------------------------------------------------


def restore_backup(file: Path, folder: Path) -> dict[str, Any]:
    """Make a folder of a backup. Returns the backup's contents; its files are checked before the folder appears.

    Raises:
        ConfigError: the folder is there and not empty, or the file is no backup, damaged, or of a newer version.
        Unavailable: a disk refuses.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; a backup is restored into a new folder")
    draft = folder.with_name(folder.name + ".restoring")
    if draft.exists():
        raise ConfigError(f"{draft} is left from a restore that was cut off; remove it")
    try:
        with tarfile.open(file, "r:") as tar:
            contents = _read_contents(file, tar)
            draft.mkdir(mode=0o700, parents=True)
            _extract(file, tar, contents, draft)
        _demote(draft, contents)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
        sync_folder(folder.parent)
    except tarfile.TarError as error:
        raise ConfigError(f"{file} is not a backup: {error}") from None
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"cannot restore {file} to {folder}: {error}") from None
    return contents


def _read_contents(file: Path, tar: tarfile.TarFile) -> dict[str, Any]:
    member = tar.next()
    if member is None or member.name != CONTENTS or member.size > CONTENTS_BYTES_CAP:
        raise ConfigError(f"{file} is not a backup of a peer")
    source = tar.extractfile(member)
    assert source is not None
    try:
        contents: dict[str, Any] = json.loads(source.read())
        form, files = contents["format"], contents["files"]
        _ = [(each["sha256"], each["bytes"]) for each in files.values()], contents["made_ms"], contents["version"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{file} is a damaged backup: its list of contents cannot be read") from None
    if form != FORMAT:
        raise ConfigError(f"{file} has format {form}, and this gossipbook knows {FORMAT}: use {contents['version']}")
    return contents


def _extract(file: Path, tar: tarfile.TarFile, contents: dict[str, Any], folder: Path) -> None:
    """Only regular files that the list names, whole, and nowhere else than in the folder."""
    files = dict(contents["files"])
    for _ in range(MEMBERS_CAP):
        member = tar.next()
        if member is None:
            break
        said = files.pop(member.name, None)
        parts = PurePosixPath(member.name).parts
        if said is None or not member.isreg() or ".." in parts or member.name.startswith("/"):
            raise ConfigError(f"{file} is a damaged backup: it holds {member.name!r}, which its list does not")
        source = tar.extractfile(member)
        assert source is not None
        path = folder.joinpath(*parts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            while part := source.read(_PART):
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
        if _sha256(path) != said["sha256"]:
            raise ConfigError(f"{file} is a damaged backup: {member.name} is not what it was")
    if files:
        raise ConfigError(f"{file} is a damaged backup: {', '.join(sorted(files))} is missing")


def _demote(folder: Path, contents: dict[str, Any]) -> None:
    """Say in the copies themselves what they cannot know."""
    taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(contents["made_ms"] / 1_000))
    if (folder / JOURNAL).exists():
        reason = f"restored from a backup of {taken}: it is not known what this key has voted since"
        with closing(sqlite3.connect(folder / JOURNAL)) as journal, journal:
            journal.execute("UPDATE meta SET observer = ?", (reason,))
    for path in folder.glob(f"**/*{OPS_SUFFIX}"):
        with closing(sqlite3.connect(path)) as wallet, wallet:
            wallet.execute("UPDATE meta SET whole = 0")
    if (folder / CONFIG).exists():
        lines = (folder / CONFIG).read_text(encoding="utf-8-sig").splitlines()
        kept = [line for line in lines if not line.replace(" ", "").startswith("network=")]
        (folder / CONFIG).write_text("\n".join([f'network = "{NETWORK}"', *kept, ""]), encoding="utf-8")
