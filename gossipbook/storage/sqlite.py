"""The journal on disk: SQLite in WAL mode, synchronous=FULL, one writer, one transaction a turn.

When :meth:`SqliteJournal.commit` returns, its records survive a power cut. What SQLite cannot tell by itself, that
the end of its write-ahead log was cut off, is told by a commit number kept twice: inside the database, and in
the file ``HIGHWATER`` beside it, which is written (unsynced) after each commit and so is never ahead of what is
durable.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import astuple
from pathlib import Path

from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.errors import JournalError, JournalFull
from gossipbook.ids import ChainId, PublicKey
from gossipbook.peer.stored import StoredPair
from gossipbook.storage.keys import sync_folder
from gossipbook.storage.rows import BlockRow, FinalRow, ItemRow, VoteRow, assemble, final_message, read_block, to_row

SCHEMA_VERSION = 2
"""By version 2 a vote state may hold several votes of a kind. One of version 1 opens; the first commit marks it."""
PAGE_BLOCKS = 64
APPLICATION_ID = 0x676F7362  # "gosb"

_SCHEMA = """
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), journal_id TEXT NOT NULL, chain_id BLOB NOT NULL,
    public_key BLOB NOT NULL, observer TEXT NOT NULL, commits INTEGER NOT NULL) STRICT;
CREATE TABLE items (pair TEXT NOT NULL, id BLOB NOT NULL, evidence INTEGER NOT NULL, body BLOB NOT NULL,
    checksum BLOB NOT NULL, PRIMARY KEY (pair, id)) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (pair TEXT NOT NULL, id BLOB NOT NULL, height INTEGER NOT NULL, body BLOB NOT NULL,
    checksum BLOB NOT NULL, PRIMARY KEY (pair, id)) STRICT, WITHOUT ROWID;
CREATE TABLE finals (pair TEXT NOT NULL, height INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
    fc BLOB NOT NULL, checksum BLOB NOT NULL, PRIMARY KEY (pair, height)) STRICT, WITHOUT ROWID;
CREATE TABLE votes (pair TEXT NOT NULL, epoch INTEGER NOT NULL, state BLOB NOT NULL, checksum BLOB NOT NULL,
    PRIMARY KEY (pair, epoch)) STRICT, WITHOUT ROWID;
"""

_DISK_TROUBLE = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

MEND = (
    "Nothing was changed. Move the folder {folder} away and start again: the peer then fetches everything from the "
    "others and takes part as an observer, because only the lost journal knew what it had voted."
)


class SqliteJournal:
    """One peer's journal. Writing is for one thread at a time; reading stored blocks has a connection of its own."""

    synchronous = "FULL"

    def __init__(self, folder: Path, connection: sqlite3.Connection, loaded: dict[str, StoredPair] | None) -> None:
        self.folder = folder
        self._write = connection
        self._read: sqlite3.Connection | None = None
        self._loaded = loaded
        row = connection.execute("SELECT journal_id, observer, commits FROM meta").fetchone()
        self.journal_id: str = row[0]
        self.observer: str = row[1]
        self.commits: int = row[2]
        self._is_older = connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION
        self._highwater = os.open(folder / "HIGHWATER", os.O_RDWR | os.O_CREAT, 0o600)

    # -- opening ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: Path, *, journal_id: str, chain_id: ChainId, public_key: PublicKey, observer: str = ""
    ) -> "SqliteJournal":
        """Make a new journal. ``observer``: why its key may not vote, if so.

        It is made under another name and renamed when it is whole: a start that is killed leaves none.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / "journal.new"
        draft.unlink(missing_ok=True)
        connection = _connect(draft, cls.synchronous)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
            values = (journal_id, chain_id, public_key, observer)
            connection.execute("INSERT INTO meta VALUES (1, ?, ?, ?, ?, 0)", values)
        finally:
            connection.close()
        for stale in ("HIGHWATER", "journal.db-wal", "journal.db-shm"):
            (folder / stale).unlink(missing_ok=True)
        draft.rename(folder / "journal.db")
        sync_folder(folder)
        sync_folder(folder.parent)
        return cls(folder, _connect(folder / "journal.db", cls.synchronous), None)

    @classmethod
    def open(cls, folder: Path, *, chain_id: ChainId, public_key: PublicKey) -> "SqliteJournal":
        """Open an existing journal after checking all of it, without changing a byte of one that is refused.

        Raises:
            JournalError: damaged, truncated, of another network or key, or of a newer version; says what to do.
        """
        mend = MEND.format(folder=folder)
        path = folder / "journal.db"
        try:
            with closing(open_readonly(path)) as connection:
                _check_version(path, connection)
                problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
                if problems != ["ok"]:
                    raise JournalError(f"{path} is damaged: {'; '.join(problems)}. {mend}")
                owner = connection.execute("SELECT chain_id, public_key, commits FROM meta").fetchone()
                if owner is None:
                    raise JournalError(f"{path} is damaged: it does not say whose it is. {mend}")
                _check_owner(path, owner, chain_id, public_key)
                loaded = _load_checked(path, connection, mend)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise _refusal(path, error, mend) from None
        highwater = _read_highwater(folder)
        if owner[2] < highwater:
            lost = highwater - owner[2]
            raise JournalError(f"{path} is truncated: its last {lost} of {highwater} commits are missing. {mend}")
        return cls(folder, _connect(path, cls.synchronous), loaded)

    # -- writing ------------------------------------------------------------------------------------

    def commit(self, records: list[object]) -> None:
        """Write records in one transaction; durable when this returns.

        Raises:
            JournalFull: the disk refused; nothing of this was written.
        """
        try:
            self._write.execute("BEGIN IMMEDIATE")
            try:
                self._insert(records)
                if self._is_older:
                    self._write.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                self._write.execute("UPDATE meta SET commits = ?", (self.commits + 1,))
                self._write.execute("COMMIT")
            finally:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise JournalFull(
                f"cannot write to {self.folder}: {error}. Free some space, or mend the disk, and start again."
            ) from error
        self.commits += 1
        self._loaded, self._is_older = None, False
        with suppress(OSError):  # A hint that may lag behind: what it vouches for is durable already.
            os.pwrite(self._highwater, self.commits.to_bytes(8, "big"), 0)

    def _insert(self, records: list[object]) -> None:
        execute = self._write.execute
        for record in records:
            match to_row(record):
                case ItemRow() as row:
                    values = (row.pair, row.id, row.is_evidence, row.body, row.checksum)
                    execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?)", values)
                case BlockRow() as row:
                    execute("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?, ?)", astuple(row))
                case FinalRow() as row:
                    execute("INSERT INTO finals VALUES (?, ?, ?, ?, ?, ?)", astuple(row))
                    execute("DELETE FROM blocks WHERE pair = ? AND height <= ?", (row.pair, row.height))
                case VoteRow() as row:
                    execute("INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?)", astuple(row))

    def close(self) -> None:
        """Fold the write-ahead log into the database, if the disk lets us, and let go of the files."""
        if self._read is not None:
            self._read.close()
        try:
            with suppress(sqlite3.Error):  # Tidying only: the next start reads the log as well.
                self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._write.close()
            os.close(self._highwater)

    # -- reading ------------------------------------------------------------------------------------

    def load(self) -> dict[str, StoredPair]:
        """Everything, by pair, each row checked.

        Raises:
            JournalError: naming what is damaged and what to do.
        """
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            path = self.folder / "journal.db"
            loaded = _load_checked(path, self._write, MEND.format(folder=self.folder))
        return loaded

    def blocks(self, pair: str, first: int, last: int, epoch: int) -> list[FinalizedBlock]:
        """Finalized blocks with their bodies, in order of height. For another thread than the writer's."""
        if self._read is None:
            self._read = open_readonly(self.folder / "journal.db")
        return stored_blocks(self._read, pair, first, last, epoch)


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that only reads; good beside a running peer."""
    uri = path.absolute().as_uri() + "?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def load_pairs(connection: sqlite3.Connection) -> dict[str, StoredPair]:
    """All pairs of a journal."""
    tables = ("items", "blocks", "finals", "votes")
    names: set[str] = set()
    for table in tables:
        names |= {row[0] for row in connection.execute(f"SELECT DISTINCT pair FROM {table}")}
    pairs = {}
    for pair in sorted(names):
        items, blocks, finals, votes = (
            connection.execute(f"SELECT * FROM {table} WHERE pair = ?", (pair,)).fetchall() for table in tables
        )
        if len(votes) > 1:
            raise JournalError(f"the vote state of {pair} is there {len(votes)} times")
        pairs[pair] = assemble(
            pair,
            [FinalRow(*row) for row in finals],
            [BlockRow(*row) for row in blocks],
            {row[1]: ItemRow(row[0], row[1], bool(row[2]), *row[3:]) for row in items},
            VoteRow(*votes[0]) if votes else None,
        )
    return pairs


def stored_blocks(connection: sqlite3.Connection, pair: str, first: int, last: int, epoch: int) -> list[FinalizedBlock]:
    """Finalized blocks ``first..last`` of a pair, as many as there are."""
    found = []
    rows = connection.execute(
        "SELECT * FROM finals WHERE pair = ? AND height BETWEEN ? AND ? ORDER BY height", (pair, first, last)
    ).fetchall()
    for row in rows:
        final = FinalRow(*row)
        items = []
        for op_id in read_block(pair, final.id, final.body).op_ids:
            item = connection.execute("SELECT * FROM items WHERE pair = ? AND id = ?", (pair, op_id)).fetchone()
            if item is None:
                raise JournalError(f"block {final.height} of {pair} names op {op_id.hex()[:10]}, which is missing")
            items.append(ItemRow(item[0], item[1], bool(item[2]), *item[3:]))
        found.append(final_message(final, epoch, items))
    return found


def all_blocks(path: Path, pair: str, epoch: int) -> Iterator[FinalizedBlock]:
    """A pair's whole finalized chain out of a journal file, a page at a time; good beside a running peer."""
    connection = open_readonly(path)
    try:
        first = 1
        while page := stored_blocks(connection, pair, first, first + PAGE_BLOCKS - 1, epoch):
            yield from page
            first += len(page)
    finally:
        connection.close()


def final_ids(path: Path) -> dict[tuple[str, int], str]:
    """The ids (hex) of all finalized blocks in a journal file, by pair and height."""
    connection = open_readonly(path)
    try:
        rows = connection.execute("SELECT pair, height, id FROM finals").fetchall()
    finally:
        connection.close()
    return {(pair, height): block_id.hex() for pair, height, block_id in rows}


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is not a gossipbook journal, or is damaged. {MEND.format(folder=path.parent)}")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer gossipbook (schema {version}; this one knows {SCHEMA_VERSION}). "
            "Nothing was changed. Start it with the newer version."
        )


def _check_owner(path: Path, owner: tuple[bytes, bytes, int], chain_id: ChainId, public_key: PublicKey) -> None:
    """A journal serves one network and one key."""
    if owner[0] != chain_id:
        raise JournalError(
            f"{path} belongs to another network ({owner[0].hex()[:10]}); use another folder for this one"
        )
    if owner[1] != public_key:
        raise JournalError(
            f"{path} belongs to another key ({owner[1].hex()[:10]}); put that key back or use another folder"
        )


def _load_checked(path: Path, connection: sqlite3.Connection, mend: str) -> dict[str, StoredPair]:
    try:
        return load_pairs(connection)
    except JournalError as error:
        raise JournalError(f"{path}: {error}. {mend}") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _refusal(path, error, mend) from None


def _refusal(path: Path, error: Exception, mend: str) -> JournalError:
    """What a failure to read means: that the journal is damaged only if SQLite says just that."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DISK_TROUBLE:
        return JournalError(
            f"cannot use {path}: {error}. The journal itself may be whole: free some space, or mend the disk or the "
            "permissions, and start again."
        )
    return JournalError(f"{path} is damaged: {error}. {mend}")


def _read_highwater(folder: Path) -> int:
    try:
        with (folder / "HIGHWATER").open("rb") as file:
            raw = file.read(8)
    except OSError:
        return 0
    return int.from_bytes(raw, "big") if len(raw) == 8 else 0
