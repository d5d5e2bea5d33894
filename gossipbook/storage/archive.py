"""Keeps the events of finalized blocks on disk, the heights at which each order had one, and what accounts come to.

It is derived from the journal, whose chain a peer re-executes at every start, and so it is never more than a
convenience: it may be deleted, and one that is damaged or of another network is made anew. Its last blocks may be
missing after a power cut; the next start adds them. What is read out of it is held to the certified digests by whoever
uses it.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gossipbook import cbor
from gossipbook.accounts.bookkeeping import Bookkeeper
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.interpretation import Item
from gossipbook.errors import DecodeError, JournalError
from gossipbook.ids import ZERO_DIGEST, ChainId, OpId, PublicKey
from gossipbook.matching.events import RawEvent
from gossipbook.ordered import BoundedDict
from gossipbook.receipt.format import RECEIPT_BLOCKS_CAP
from gossipbook.receipt.making import Executed
from gossipbook.receipt.order import entry, named_orders
from gossipbook.storage.account_rows import SCHEMA, AccountNumbers, AccountRows, write_changes
from gossipbook.storage.rows import FinalRow, ItemRow, read_block, read_certificate, read_item
from gossipbook.storage.sqlite import open_readonly, stored_blocks

log = logging.getLogger(__name__)

FILE = "events.db"
ARCHIVE_VERSION = 2
KEPT_CAP = 4
"""Blocks that are kept as they were read: two megabytes each, if they are the largest."""

_SCHEMA = f"""
CREATE TABLE meta (chain_id BLOB NOT NULL) STRICT;
CREATE TABLE blocks (pair TEXT NOT NULL, height INTEGER NOT NULL, events BLOB NOT NULL, time_ms INTEGER NOT NULL,
    last_number INTEGER NOT NULL, PRIMARY KEY (pair, height)) STRICT, WITHOUT ROWID;
CREATE INDEX block_times ON blocks (pair, time_ms, height, last_number);
CREATE TABLE orders (pair TEXT NOT NULL, author BLOB NOT NULL, client_id INTEGER NOT NULL, height INTEGER NOT NULL,
    PRIMARY KEY (pair, author, client_id, height)) STRICT, WITHOUT ROWID;
{SCHEMA}"""


class ArchivedBlock(NamedTuple):
    """A finalized block's events, and the ops that they answer, on their way to the disk."""

    pair: str
    height: int
    time_ms: int
    events: tuple[RawEvent, ...]
    items: tuple[Item, ...]

    @classmethod
    def of(cls, final: Finalized) -> "ArchivedBlock":
        return cls(final.pair, final.block.height, final.block.time_ms, final.events, final.items)


class EventArchive:
    """Writes the archive. For one thread at a time."""

    def __init__(self, folder: Path, chain_id: ChainId) -> None:
        """Open the archive in a folder, or make it anew if it is of no use.

        Raises:
            JournalError: it cannot be made.
        """
        path = folder / FILE
        try:
            self._db, self.heights = _open(path, chain_id)
        except sqlite3.Error as error:
            log.warning("%s is made anew: %s", path, error)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(FILE + suffix).unlink(missing_ok=True)
            try:
                self._db, self.heights = _open(path, chain_id)
            except sqlite3.Error as again:
                raise JournalError(f"cannot make {path}: {again}. Free some space, or mend the disk.") from None
        self._books = Bookkeeper(AccountRows(self._db))
        self._numbers = AccountNumbers(self._db)
        self._last_numbers: dict[str, int] = dict(
            self._db.execute("SELECT pair, max(last_number) FROM blocks GROUP BY pair").fetchall()
        )

    def add(self, blocks: Iterable[ArchivedBlock]) -> None:
        """Write the events of blocks in one transaction. Those that are there already are left out.

        Raises:
            sqlite3.Error: the disk refused; nothing of this was written, and nothing more may be.
        """
        fresh = [block for block in blocks if block.height > self.heights.get(block.pair, 0)]
        self._db.execute("BEGIN")
        try:
            for pair, height, time_ms, events, items in fresh:
                last = events[-1][1] if events else self._last_numbers.get(pair, 0)
                values = pair, height, cbor.encode(events), time_ms, last
                self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", values)
                orders = dict.fromkeys(order for event in events for order in named_orders(event))
                rows = [(pair, author, client_id, height) for author, client_id in orders]
                self._db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
                self._books.take(pair, height, time_ms, events, items)
                self._last_numbers[pair] = last
            write_changes(self._db, self._numbers, self._books.drain())
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self.heights |= {block.pair: block.height for block in fresh}

    def close(self) -> None:
        with suppress(sqlite3.Error):  # Tidying only.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()


def _open(path: Path, chain_id: ChainId) -> tuple[sqlite3.Connection, dict[str, int]]:
    """The archive, and its height in each pair. Raises sqlite3.Error if what is there is of no use."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # No sync at a commit: what is lost is made again.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {ARCHIVE_VERSION};COMMIT;")
            connection.execute("INSERT INTO meta VALUES (?)", (chain_id,))
        elif version != ARCHIVE_VERSION:
            raise sqlite3.DatabaseError(f"version {version}, where this build knows {ARCHIVE_VERSION}")
        if connection.execute("SELECT chain_id FROM meta").fetchall() != [(chain_id,)]:
            raise sqlite3.DatabaseError("it is of another network")
        heights = dict(connection.execute("SELECT pair, max(height) FROM blocks GROUP BY pair").fetchall())
        connection.execute("SELECT 1 FROM orders LIMIT 1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection, heights


class Past:
    """Reads a peer's finalized blocks with their events, beside the peer that writes them. For one thread at a time."""

    def __init__(self, folder: Path, epoch: int) -> None:
        """
        Raises:
            JournalError: there is no journal, or no archive.
        """
        self._epoch = epoch
        self._kept: BoundedDict[tuple[str, int, bool], Executed] = BoundedDict(KEPT_CAP)
        self._journal = self._archive = None
        try:
            self._journal = open_readonly(folder / "journal.db")
            self._archive = open_readonly(folder / FILE)
            self._archive.execute("SELECT 1 FROM blocks LIMIT 1")
            self.accounts = AccountRows(self._archive)
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"cannot read the past of {folder}: {error}") from None

    def complete(self, pair: str) -> bool:
        """Whether the archive has the events of all finalized blocks."""
        assert self._journal is not None
        assert self._archive is not None
        (last,) = self._journal.execute("SELECT max(height) FROM finals WHERE pair = ?", (pair,)).fetchone()
        (archived,) = self._archive.execute("SELECT max(height) FROM blocks WHERE pair = ?", (pair,)).fetchone()
        return bool(last == archived)

    def archived_height(self, pair: str) -> int:
        """Up to which block everything is in the archive."""
        assert self._archive is not None
        (height,) = self._archive.execute("SELECT max(height) FROM blocks WHERE pair = ?", (pair,)).fetchone()
        return int(height or 0)

    def number_at(self, pair: str, *, height: int | None = None, time_ms: int | None = None) -> int:
        """The number of a pair's last event up to a height, or up to a block time; 0 if there is none."""
        assert self._archive is not None
        column, value = ("height", height) if height is not None else ("time_ms", time_ms)
        query = f"SELECT last_number FROM blocks WHERE pair = ? AND {column} <= ?"
        query += f" ORDER BY {column} DESC, height DESC LIMIT 1"
        row = self._archive.execute(query, (pair, value)).fetchone()
        return 0 if row is None else int(row[0])

    def heights(self, pair: str, author: PublicKey, client_id: int) -> list[int]:
        """Where an order had events, ascending; one more than a receipt holds at most."""
        assert self._archive is not None
        query = "SELECT height FROM orders WHERE pair = ? AND author = ? AND client_id = ? ORDER BY height LIMIT ?"
        return [row[0] for row in self._archive.execute(query, (pair, author, client_id, RECEIPT_BLOCKS_CAP + 1))]

    def blocks(self, pair: str, author: PublicKey, client_id: int) -> Iterator[Executed]:
        """The blocks in which an order had events; with their ops where one of these enters it."""
        for height in self.heights(pair, author, client_id):
            block = self.block(pair, height, bodies=False)
            if entry(block.events, author, client_id) is not None:
                block = self.block(pair, height)
            yield block

    def block(self, pair: str, height: int, *, bodies: bool = True) -> Executed:
        """One block; the last ones that were asked for are kept.

        Raises:
            JournalError: it is not there whole.
        """
        kept = self._kept.get((pair, height, bodies))
        if kept is None:
            kept = self._kept[pair, height, bodies] = self._read_block(pair, height, bodies)
        return kept

    def _read_block(self, pair: str, height: int, bodies: bool) -> Executed:
        assert self._journal is not None
        assert self._archive is not None
        query = "SELECT events FROM blocks WHERE pair = ? AND height = ?"
        archived = self._archive.execute(query, (pair, height)).fetchone()
        row = self._journal.execute("SELECT * FROM finals WHERE pair = ? AND height = ?", (pair, height)).fetchone()
        if row is None or archived is None:
            raise JournalError(f"block {height} of {pair} is not in the journal and the archive")
        try:
            events = tuple(map(tuple, cbor.decode(archived[0])))
        except (DecodeError, TypeError) as error:
            raise JournalError(f"the archived events of block {height} of {pair} are damaged: {error}") from None
        final = FinalRow(*row)
        block = read_block(pair, final.id, final.body)
        items = stored_blocks(self._journal, pair, height, height, self._epoch)[0].items if bodies else ()
        return Executed(block, read_certificate(final), items, events, self._digest_before(pair, height))

    def certified_item(self, pair: str, height: int, item_id: OpId) -> tuple[Item, bytes, Certificate]:
        """One item of a block, the block, and its certificate: without the block's other items and its events.

        Raises:
            JournalError: one of them is not there.
        """
        assert self._journal is not None
        row = self._journal.execute("SELECT * FROM finals WHERE pair = ? AND height = ?", (pair, height)).fetchone()
        item = self._journal.execute("SELECT * FROM items WHERE pair = ? AND id = ?", (pair, item_id)).fetchone()
        if row is None or item is None:
            raise JournalError(f"block {height} of {pair} with {item_id.hex()[:10]} is not in the journal")
        final = FinalRow(*row)
        return read_item(ItemRow(item[0], item[1], bool(item[2]), *item[3:])), final.body, read_certificate(final)

    def _digest_before(self, pair: str, height: int) -> bytes:
        if height == 1:
            return ZERO_DIGEST
        assert self._journal is not None
        query = "SELECT id, body FROM finals WHERE pair = ? AND height = ?"
        row = self._journal.execute(query, (pair, height - 1)).fetchone()
        if row is None:
            raise JournalError(f"block {height - 1} of {pair} is missing")
        return read_block(pair, *row).events_digest

    def close(self) -> None:
        for connection in (self._journal, self._archive):
            if connection is not None:
                connection.close()
