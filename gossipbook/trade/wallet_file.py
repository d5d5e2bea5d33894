"""A wallet's file: every op that a key signed, synced before it is sent, and how far each pair's chain is certified.

Several programs may use one file. Each signs inside a transaction that keeps the others out, and reads first what they
signed since it last looked.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gossipbook.crdt.op import GENESIS_PREV, Op, decode_op
from gossipbook.ids import ChainId, OpId
from gossipbook.storage.keys import META_SCHEMA
from gossipbook.trade.author_events import ChainRecord
from gossipbook.trade.op_chain import StoredChain, highest_client_id
from gossipbook.trade.text_ids import NamedOrder, named_orders

BUSY_S = 10.0
"""How long a program waits for another one that is signing."""

RETRY_S = 0.01

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ops (chain BLOB NOT NULL, pair TEXT NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
    last_client_id INTEGER NOT NULL, body BLOB NOT NULL, certified INTEGER NOT NULL,
    PRIMARY KEY (chain, pair, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uncertified ON ops (chain, pair, seq) WHERE NOT certified;
CREATE TABLE IF NOT EXISTS chains (chain BLOB NOT NULL, pair TEXT NOT NULL, next_seq INTEGER NOT NULL,
    head BLOB NOT NULL, last_client_id INTEGER NOT NULL, certified_seq INTEGER NOT NULL,
    certified_height INTEGER NOT NULL, PRIMARY KEY (chain, pair)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS texts (chain BLOB NOT NULL, pair TEXT NOT NULL, text_id TEXT NOT NULL,
    client_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (chain, pair, text_id)) STRICT, WITHOUT ROWID
"""


class WalletGone(sqlite3.OperationalError):
    """The file is not the one any more that this program opened, or not as it left it."""


@contextmanager
def _closing_on_error(database: sqlite3.Connection) -> Iterator[None]:
    """Close a connection if what was tried with it fails."""
    try:
        yield
    except BaseException:
        database.close()
        raise


class WalletFile:
    """The file of one key; ``path`` None keeps it in memory. Used by one task or thread at a time.

    ``fresh`` says that the file, if it is not there, is new because its key is, and not because it was lost.
    """

    def __init__(self, path: Path | None, chain_id: ChainId, *, fresh: bool) -> None:
        """
        Raises:
            sqlite3.Error: the file cannot be used.
        """
        self._chain_id = chain_id
        self._path = path
        born = fresh and not (path is not None and path.exists())
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # ops that were not sent yet are nobody else's
        self._db = self._connect()
        with _closing_on_error(self._db):
            _switch_to_wal(self._db)
            self._db.execute("PRAGMA synchronous = FULL")
            self._make_tables(born)
        # Whoever reads must not wait for another program that is signing.
        self._reads = self._db if path is None else self._connect()
        self._whole = bool(self._reads.execute("SELECT min(whole) FROM meta").fetchone()[0])
        self._version = self._data_version()
        self._seen = self._look()
        self._newest: dict[str, tuple[int, OpId]] = {}  # by pair, the newest op that was read or written here

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False, timeout=BUSY_S)

    def _make_tables(self, born: bool) -> None:
        """Make what is not there, in one step that no other program comes between."""
        self._db.execute("BEGIN IMMEDIATE")
        for statement in (META_SCHEMA, *_SCHEMA.split(";")):
            self._db.execute(statement)
        if self._db.execute("SELECT count(*) FROM meta").fetchone()[0] == 0:
            self._db.execute("INSERT INTO meta VALUES (?)", (int(born),))
        self._db.execute("COMMIT")

    # -- reading ------------------------------------------------------------------------------------

    def load(self, pair: str) -> StoredChain:
        """What is known of a pair.

        Raises:
            sqlite3.Error, DecodeError: the file is damaged.
        """
        key = (self._chain_id, pair)
        last = self._reads.execute(
            "SELECT seq, id, last_client_id FROM ops WHERE chain = ? AND pair = ? ORDER BY seq DESC LIMIT 1", key
        ).fetchone()
        noted = self._reads.execute(
            "SELECT next_seq, head, last_client_id, certified_seq, certified_height FROM chains "
            "WHERE chain = ? AND pair = ?",
            key,
        ).fetchone()
        if last is not None:
            self._newest[pair] = (last[0], last[1])
        next_seq, head, last_id = (0, GENESIS_PREV, 0) if last is None else (last[0] + 1, last[1], last[2])
        certified_seq = certified_height = 0
        if noted is not None:
            certified_seq, certified_height = noted[3:]
            if noted[0] > next_seq:
                next_seq, head = noted[:2]
            last_id = max(last_id, noted[2])
        ops = tuple(op for op in self.uncertified(pair) if op.seq >= certified_seq)
        known = self._whole or last is not None or noted is not None
        return StoredChain(next_seq, head, last_id, certified_seq, certified_height, ops, known)

    def uncertified(self, pair: str) -> list[Op]:
        """The ops that are not known to be certified, in order."""
        rows = self._reads.execute(
            "SELECT body FROM ops WHERE chain = ? AND pair = ? AND NOT certified ORDER BY seq", (self._chain_id, pair)
        )
        return [decode_op(row[0]) for row in rows]

    def pairs(self) -> list[str]:
        """The pairs in which something is not known to be certified."""
        rows = self._reads.execute(
            "SELECT DISTINCT pair FROM ops WHERE chain = ? AND NOT certified ORDER BY pair", (self._chain_id,)
        )
        return [row[0] for row in rows]

    def find(self, pair: str, client_id: int) -> Op | None:
        """The op that used up a client order id, if this wallet signed it."""
        row = self._reads.execute(
            "SELECT body FROM ops WHERE chain = ? AND pair = ? AND last_client_id >= ? ORDER BY seq LIMIT 1",
            (self._chain_id, pair, client_id),
        ).fetchone()
        return None if row is None else decode_op(row[0])

    def find_text(self, pair: str, text_id: str) -> NamedOrder | None:
        """The order that this wallet signed under a text id."""
        row = self._reads.execute(
            "SELECT body, client_id FROM texts JOIN ops USING (chain, pair, seq) "
            "WHERE chain = ? AND pair = ? AND text_id = ?",
            (self._chain_id, pair, text_id),
        ).fetchone()
        if row is None:
            return None
        return next((named for named in named_orders(decode_op(row[0])) if named.place.client_id == row[1]), None)

    @property
    def whole(self) -> bool:
        """Whether the file has been there since its key was made, so that all that the key signed is in it."""
        return self._whole

    # -- writing ------------------------------------------------------------------------------------

    def begin(self, wait_s: float = BUSY_S) -> bool:
        """Keep all other programs from signing; True if one of them wrote since the last call.

        Raises:
            sqlite3.Error: another one did not let go within ``wait_s``, the disk is full, or the file was replaced.
        """
        self._db.execute(f"PRAGMA busy_timeout = {round(1_000 * wait_s)}")
        self._db.execute("BEGIN IMMEDIATE")
        self._check_file()
        version, before = self._data_version(), self._version
        self._version = version
        return version != before

    def write(self, ops: Iterable[Op], chains: Iterable[ChainRecord]) -> None:
        """Record ops and chains, and let others sign again: durable when this returns, or nothing of it is there.

        Raises:
            sqlite3.Error: an op with such a number is there already, or the disk is full.
        """
        newest: dict[str, tuple[int, OpId]] = {}
        try:
            for op in ops:
                if not self._holds(self._db, op.pair, op.seq, op.id):
                    values = (self._chain_id, op.pair, op.seq, op.id, self._last_id(op), op.encode())
                    self._db.execute("INSERT INTO ops VALUES (?, ?, ?, ?, ?, ?, 0)", values)
                newest[op.pair] = (op.seq, op.id)
                for _, place in named_orders(op):
                    texts = self._chain_id, op.pair, place.text_id, place.client_id, op.seq
                    self._db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?, ?)", texts)
            for record in chains:
                self._note(record)
            self._db.execute("COMMIT")
            self._newest |= newest
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Undo what was begun, if that is not done."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._reads.close()
        self._db.close()

    def _look(self) -> tuple[int, ...]:
        """What changes when the file, or SQLite's log beside it, is replaced or written to by other means.

        Raises:
            FileNotFoundError: it is not there.
        """
        if self._path is None:
            return ()
        found, log = self._path.stat(), self._path.with_name(self._path.name + "-wal")
        return found.st_dev, found.st_ino, found.st_mtime_ns, log.stat().st_ino if log.exists() else 0

    def _check_file(self) -> None:
        """Whoever signs on after an older copy was put in place uses a number twice, which freezes the key.

        An open connection may go on seeing what was there; a new one sees what all other programs do.
        """
        try:
            seen, whole = self._look(), True
            if seen != self._seen and self._path is not None:
                with closing(self._connect()) as database:
                    whole = seen[:2] == self._seen[:2] and all(
                        self._holds(database, pair, *newest) for pair, newest in self._newest.items()
                    )
                seen = self._look()
        except OSError:
            whole = False
        if not whole:
            self.abandon()
            raise WalletGone(
                f"{self._path} was removed or replaced while this program used it. Put back the newest copy, or remove "
                "it so that the network is asked what the key signed; then start again"
            )
        self._seen = seen

    def _holds(self, database: sqlite3.Connection, pair: str, seq: int, op_id: OpId) -> bool:
        query = "SELECT id FROM ops WHERE chain = ? AND pair = ? AND seq = ?"
        row = database.execute(query, (self._chain_id, pair, seq)).fetchone()
        return row is not None and bool(row[0] == op_id)

    def _last_id(self, op: Op) -> int:
        row = self._db.execute(
            "SELECT last_client_id FROM ops WHERE chain = ? AND pair = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
            (self._chain_id, op.pair, op.seq),
        ).fetchone()
        return max(highest_client_id(op), 0 if row is None else row[0])

    def _note(self, record: ChainRecord) -> None:
        self._db.execute(
            "INSERT INTO chains VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "head = iif(excluded.next_seq > next_seq, excluded.head, head), "
            "next_seq = max(next_seq, excluded.next_seq), "
            "last_client_id = max(last_client_id, excluded.last_client_id), "
            "certified_seq = max(certified_seq, excluded.certified_seq), "
            "certified_height = max(certified_height, excluded.certified_height)",
            (
                self._chain_id,
                record.pair,
                record.next_seq,
                record.head,
                record.last_client_id,
                record.certified_seq,
                record.certified_height,
            ),
        )
        self._db.execute(
            "UPDATE ops SET certified = 1 WHERE chain = ? AND pair = ? AND seq < ? AND NOT certified",
            (self._chain_id, record.pair, record.certified_seq),
        )

    def _data_version(self) -> int:
        """A number that changes when another connection wrote."""
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version


def _switch_to_wal(database: sqlite3.Connection) -> None:
    """Set the journal mode; SQLite itself does not wait there for another program that does the same."""
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(RETRY_S)
        else:
            return
