"""A journal's files as a power cut would leave them: what was written and synced, and nothing else.

A write reaches the disk by a sync of the same file that began after the write had ended. The other
extreme, that some of the unsynced writes happen to have reached it too, is :meth:`Disk.torn`.
"""

import random
from pathlib import Path

from durability.trace import Began, Call, Ended

DRAFTS = ("journal.new", "journal.new-wal", "journal.new-journal")  # a journal is made under this name and renamed
FILES = ("journal.db", "journal.db-wal", "journal.db-journal", "HIGHWATER", *DRAFTS)
SECTOR_BYTES = 512

Change = tuple[int, bytes | None]  # bytes at an offset, or None: cut off there


class _File:
    def __init__(self) -> None:
        self.synced = bytearray()
        self.unsynced: list[Change] = []


class Disk:
    """Follow a process's calls on the files of one folder. ``syncs`` counts those that changed what is durable."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._files: dict[str, _File] = {}
        self._syncing: dict[int, tuple[str, int]] = {}
        self.names_synced: set[str] = set()
        self.syncs = 0
        self.restarts = 0  # how often the write-ahead log began at its start again

    def follow(self, event: Began | Ended) -> bool:
        """Take one event; whether what is durable changed."""
        call = event.call
        if isinstance(event, Began):
            if call.name in ("fsync", "fdatasync") and (name := self._name(call)) is not None:
                self._syncing[id(call)] = (name, len(self._files[name].unsynced))
            return False
        if call.result is None or call.result < 0:
            self._syncing.pop(id(call), None)
            return False
        match call.name:
            case "fsync" | "fdatasync":
                return self._sync(call)
            case "openat":
                self._open(call)
            case "pwrite64" if (name := self._name(call)) is not None:
                self._files[name].unsynced.append((call.number(3), call.text(1)[: call.result]))
                self.restarts += name == "journal.db-wal" and call.number(3) == 0
            case "ftruncate" if (name := self._name(call)) is not None:
                self._files[name].unsynced.append((call.number(1), None))
            case "unlink" if (name := self._of(call.text(0).decode())) is not None:
                self._files.pop(name, None)
                self.names_synced.discard(name)
            case "rename" if (name := self._of(call.text(0).decode())) is not None:
                target = self._of(call.text(1).decode())
                assert target is not None, f"{name} leaves the folder"
                self._files[target] = self._files.pop(name)
                self.names_synced -= {name, target}
            case "write" | "writev" | "pwritev" | "pwritev2" | "fallocate" | "sync_file_range" | "msync":
                assert self._name(call) is None, f"{call.name} on {self._name(call)} is not modelled"
        return False

    def power_cut(self) -> dict[str, bytes]:
        """The files if nothing but what was synced reached the disk."""
        return {name: bytes(file.synced) for name, file in self._files.items() if name in self.names_synced}

    def torn(self, rng: random.Random) -> dict[str, bytes]:
        """The files if some sectors of what was not synced reached the disk as well."""
        found = {}
        for name, file in self._files.items():
            content = bytearray(file.synced)
            for offset, raw in file.unsynced:
                if raw is None:
                    if rng.random() < 0.5:
                        _apply(content, (offset, None))
                    continue
                for start in range(0, len(raw), SECTOR_BYTES):
                    if rng.random() < 0.5:
                        _apply(content, (offset + start, raw[start : start + SECTOR_BYTES]))
            found[name] = bytes(content)
        return found

    def _open(self, call: Call) -> None:
        name = self._of(call.text(1).decode(errors="surrogateescape"))
        if name is None:
            return
        file = self._files.setdefault(name, _File())
        if "O_TRUNC" in call.arguments[2]:
            file.unsynced.append((0, None))
        if "O_CREAT" not in call.arguments[2]:
            self.names_synced.add(name)

    def _sync(self, call: Call) -> bool:
        if call.named() == self._folder:
            new = set(self._files) - self.names_synced
            self.names_synced |= new
            self.syncs += bool(new)
            return bool(new)
        pending = self._syncing.pop(id(call), None)
        if pending is None or pending[0] not in self._files:
            return False
        file = self._files[pending[0]]
        for change in file.unsynced[: pending[1]]:
            _apply(file.synced, change)
        del file.unsynced[: pending[1]]
        self.syncs += bool(pending[1])
        return bool(pending[1])

    def _name(self, call: Call) -> str | None:
        name = self._of(call.named())
        return name if name in self._files else None

    def _of(self, path: str) -> str | None:
        folder, _, name = path.rpartition("/")
        return name if folder == self._folder and name in FILES else None


def _apply(content: bytearray, change: Change) -> None:
    offset, raw = change
    if raw is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    else:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(raw)] = raw


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Put an image into a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
