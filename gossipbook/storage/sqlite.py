"""The journal on disk: SQLite in WAL mode, synchronous=FULL, one writer, one transaction a turn.

When :meth:`SqliteJournal.commit` returns, its records survive a power cut. What SQLite cannot tell by itself, that
the end of its write-ahead log was cut off, is told by a commit number kept twice: inside the database, and in
the file ``HIGHWATER`` beside it, which is written (unsynced) after each commit and so is never ahead of what is
durable.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.errors import JournalError, JournalFull
from gossipbook.ids import ChainId, PublicKey
from gossipbook.peer.pair_replica import StoredPair
from gossipbook.storage.rows import BlockRow, FinalRow, ItemRow, VoteRow, assemble, final_message, read_block, to_row

SCHEMA_VERSION = 1
PAGE_BLOCKS = 64
APPLICATION_ID = 0x676F7362  # "gosb"

_SCHEMA = """
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), journal_id TEXT NOT NULL, chain_id BLOB NOT NULL,
    public_key BLOB NOT NULL, observer TEXT NOT NULL, commits INTEGER NOT NULL) STRICT;
CREATE TABLE items (pair TEXT NOT NULL, id BLOB NOT NULL, evidence INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (pair, id)) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (pair TEXT NOT NULL, id BLOB NOT NULL, height INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (pair, id)) STRICT, WITHOUT ROWID;
CREATE TABLE finals (pair TEXT NOT NULL, height INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
    fc BLOB NOT NULL, checksum BLOB NOT NULL, PRIMARY KEY (pair, height)) STRICT, WITHOUT ROWID;
CREATE TABLE votes (pair TEXT NOT NULL, epoch INTEGER NOT NULL, state BLOB NOT NULL, checksum BLOB NOT NULL,
    PRIMARY KEY (pair, epoch)) STRICT, WITHOUT ROWID;
"""

MEND = (
    "Nothing was changed. Move the folder {folder} away and start again: the peer then fetches everything from the "
    "others and takes part as an observer, because only the lost journal knew what it had voted."
)


class SqliteJournal:
    """One peer's journal. Writing is for one thread at a time; reading stored blocks has a connection of its own."""

    synchronous = "FULL"

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._write = connection
        self._read: sqlite3.Connection | None = None
        row = connection.execute("SELECT journal_id, observer, commits FROM meta").fetchone()
        self.journal_id: str = row[0]
        self.observer: str = row[1]
        self.commits: int = row[2]
        self._highwater = os.open(folder / "HIGHWATER", os.O_RDWR | os.O_CREAT, 0o600)

    # -- opening ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: Path, *, journal_id: str, chain_id: ChainId, public_key: PublicKey, observer: str = ""
    ) -> "SqliteJournal":
        """Make a new journal in an empty folder. ``observer``: why its key may not vote, if so."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = _connect(folder / "journal.db", cls.synchronous)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
        connection.execute("INSERT INTO meta VALUES (1, ?, ?, ?, ?, 0)", (journal_id, chain_id, public_key, observer))
        _sync_folder(folder)
        return cls(folder, connection)

    @classmethod
    def open(cls, folder: Path, *, chain_id: ChainId, public_key: PublicKey) -> "SqliteJournal":
        """Open an existing journal after checking all of it.

        Raises:
            JournalError: damaged, truncated, of another network or key, or of a newer version; says what to do.
        """
        mend = MEND.format(folder=folder)
        path = folder / "journal.db"
        connection = None
        try:
            connection = _connect(path, cls.synchronous)
            _check_version(path, connection)
            problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            if problems != ["ok"]:
                raise JournalError(f"{path} is damaged: {'; '.join(problems)}. {mend}")
            journal = cls(folder, connection)
            row = connection.execute("SELECT chain_id, public_key FROM meta").fetchone()
        except (sqlite3.DatabaseError, TypeError) as error:
            if connection is not None:
                connection.close()
            raise JournalError(f"{path} is damaged: {error}. {mend}") from None
        if row[0] != chain_id:
            raise JournalError(
                f"{path} belongs to another network ({row[0].hex()[:10]}); use another folder for this one"
            )
        if row[1] != public_key:
            raise JournalError(
                f"{path} belongs to another key ({row[1].hex()[:10]}); put that key back or use another folder"
            )
        highwater = journal._read_highwater()
        if journal.commits < highwater:
            lost = highwater - journal.commits
            raise JournalError(f"{path} is truncated: its last {lost} of {highwater} commits are missing. {mend}")
        return journal

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
                self._write.execute("UPDATE meta SET commits = ?", (self.commits + 1,))
                self._write.execute("COMMIT")
            finally:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise JournalFull(f"cannot write to {self.folder}: {error}. Free some space and start again.") from error
        self.commits += 1
        os.pwrite(self._highwater, self.commits.to_bytes(8, "big"), 0)

    def _insert(self, records: list[object]) -> None:
        execute = self._write.execute
        for record in records:
            match to_row(record):
                case ItemRow(pair, item_id, is_evidence, body):
                    execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)", (pair, item_id, is_evidence, body))
                case BlockRow(pair, block_id, height, body):
                    execute("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?)", (pair, block_id, height, body))
                case FinalRow(pair, height, block_id, body, fc, checksum):
                    row = (pair, height, block_id, body, fc, checksum)
                    execute("INSERT INTO finals VALUES (?, ?, ?, ?, ?, ?)", row)
                    execute("DELETE FROM blocks WHERE pair = ? AND height <= ?", (pair, height))
                case VoteRow(pair, epoch, state, checksum):
                    execute("INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?)", (pair, epoch, state, checksum))

    def close(self) -> None:
        """Fold the write-ahead log into the database and let go of the files."""
        if self._read is not None:
            self._read.close()
        self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._write.close()
        os.close(self._highwater)

    # -- reading ------------------------------------------------------------------------------------

    def load(self) -> dict[str, StoredPair]:
        """Everything, by pair, each row checked against its own hash.

        Raises:
            JournalError: naming what is damaged and what to do.
        """
        try:
            return load_pairs(self._write)
        except (JournalError, sqlite3.DatabaseError) as error:
            raise JournalError(f"{self.folder / 'journal.db'}: {error}. {MEND.format(folder=self.folder)}") from None

    def blocks(self, pair: str, first: int, last: int, epoch: int) -> list[FinalizedBlock]:
        """Finalized blocks with their bodies, in order of height. For another thread than the writer's."""
        if self._read is None:
            self._read = open_readonly(self.folder / "journal.db")
        return stored_blocks(self._read, pair, first, last, epoch)

    def _read_highwater(self) -> int:
        raw = os.pread(self._highwater, 8, 0)
        return int.from_bytes(raw, "big") if len(raw) == 8 else 0


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection that only reads; good beside a running peer."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


def load_pairs(connection: sqlite3.Connection) -> dict[str, StoredPair]:
    """All pairs of a journal."""
    epochs = {pair: (epoch, state, check) for pair, epoch, state, check in connection.execute("SELECT * FROM votes")}
    names = {row[0] for row in connection.execute("SELECT pair FROM items UNION SELECT pair FROM finals")} | set(epochs)
    pairs = {}
    for pair in sorted(names):
        finals = [FinalRow(*row) for row in connection.execute("SELECT * FROM finals WHERE pair = ?", (pair,))]
        blocks = [BlockRow(*row) for row in connection.execute("SELECT * FROM blocks WHERE pair = ?", (pair,))]
        rows = connection.execute("SELECT * FROM items WHERE pair = ?", (pair,))
        items = {row[1]: ItemRow(row[0], row[1], bool(row[2]), row[3]) for row in rows}
        votes = VoteRow(pair, *epochs[pair]) if pair in epochs else None
        pairs[pair] = assemble(pair, finals, blocks, items, votes)
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
            items.append(ItemRow(item[0], item[1], bool(item[2]), item[3]))
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


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only once its folder was synced too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
