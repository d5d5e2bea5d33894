"""One peer's folder: ``config.toml``, ``keys/``, ``data/``, ``LOCK`` and ``VERSION``.

The lock keeps a second process out. Beside the key, ``keys/peer.journal`` remembers which journal knows the
key's votes: when that journal is missing or another one stands in its place, the key may not vote any more.
"""

import fcntl
import importlib.metadata
import os
import re
import uuid
from pathlib import Path
from types import TracebackType

from gossipbook.errors import FolderLocked, JournalError, Unavailable
from gossipbook.identity import Identity
from gossipbook.ids import ChainId
from gossipbook.storage.keys import load_key, sync_folder
from gossipbook.storage.sqlite import SqliteJournal

FOLDER_VERSION = "1"


def _own_version() -> str:
    return importlib.metadata.version("gossipbook")


def _ordered(version: str) -> tuple[int, ...]:
    """A version's numbers; what follows them, as in ``1.2.dev3``, does not count."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", version, re.ASCII)
    return tuple(map(int, found[0].split("."))) if found else ()


class PeerFolder:
    """A peer's folder, locked for as long as the context is open."""

    def __init__(self, path: Path, *, take_over: bool = True) -> None:
        """``take_over``: note that this version has used the folder, so that older ones refuse it."""
        self.path = path
        self.data = path / "data"
        self.program = ""  # the version that used it last
        self._take_over = take_over
        self._lock: int | None = None

    @property
    def key_file(self) -> Path:
        return self.path / "keys" / "peer.key"

    @property
    def good_nodes_file(self) -> Path:
        return self.data / "good-nodes.json"

    def __enter__(self) -> "PeerFolder":
        """Take the lock.

        Raises:
            FolderLocked: another process has it.
            JournalError: the folder was made by a newer version.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot use the folder {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise FolderLocked(
                f"{self.path} is in use by process {holder}. One folder serves one peer; stop that one first."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle
        try:
            self._check_version()
            self._check_program()
        except JournalError:
            self.__exit__(None, None, None)
            raise
        if self._take_over:
            self.take_over()
        return self

    def take_over(self) -> None:
        """Note that this version has used the folder."""
        version = _own_version()
        if self.program != version:
            self._program_file.write_text(version + "\n", encoding="utf-8")
            self.program = version

    def _check_program(self) -> None:
        """Raises :class:`JournalError` if a newer version has used the folder: it may have written what we misread."""
        file = self._program_file
        self.program = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        own = _own_version()
        if _ordered(self.program) > _ordered(own):
            raise JournalError(
                f"{self.path} was used by gossipbook {self.program}, which is newer than this one, {own}. Nothing was "
                "changed. Use that version; or restore the backup that was made before the upgrade, as its seat allows."
            )

    @property
    def _program_file(self) -> Path:
        return self.path / "PROGRAM"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None

    def identity(self) -> Identity:
        return load_key(self.key_file)

    def open_journal(self, identity: Identity, chain_id: ChainId) -> SqliteJournal:
        """The journal, made on the first start. Its ``observer`` says why the key may not vote, if so."""
        assert self._lock is not None, "the folder is not locked"
        known = self._known_journal()
        if (self.data / "journal.db").exists():
            journal = SqliteJournal.open(self.data, chain_id=chain_id, public_key=identity.public_key)
        elif known is None:
            journal = self._create(identity, chain_id, "")
        else:
            reason = "the journal that knew this key's votes is missing"
            journal = self._create(identity, chain_id, reason)
        if known not in (None, journal.journal_id) and not journal.observer:
            journal.observer = "this journal is not the one that knows this key's last votes"
        if known is None:
            self._remember(journal.journal_id)
        return journal

    def _create(self, identity: Identity, chain_id: ChainId, observer: str) -> SqliteJournal:
        return SqliteJournal.create(
            self.data, journal_id=uuid.uuid4().hex, chain_id=chain_id, public_key=identity.public_key, observer=observer
        )

    def _known_journal(self) -> str | None:
        try:
            return self._marker.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def _remember(self, journal_id: str) -> None:
        self._marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._marker.open("w", encoding="utf-8") as file:
            file.write(journal_id + "\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._marker.parent)

    @property
    def _marker(self) -> Path:
        return self.path / "keys" / "peer.journal"

    def _check_version(self) -> None:
        file = self.path / "VERSION"
        found = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if not found:  # new, or emptied by a power cut right after the folder was made
            file.write_text(FOLDER_VERSION + "\n", encoding="utf-8")
        elif found != FOLDER_VERSION:
            raise JournalError(
                f"{self.path} has folder version {found}; this gossipbook knows {FOLDER_VERSION}. Nothing was changed."
            )
