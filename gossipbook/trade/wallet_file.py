"""A wallet's file: every op that a key signed, synced before it is sent, and how far each pair's chain is certified.

Several programs may use one file. Each signs inside a transaction that keeps the others out, and reads first what they
signed since it last looked.
"""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from gossipbook.crdt.op import GENESIS_PREV, Op, decode_op
from gossipbook.ids import ChainId
from gossipbook.trade.author_events import ChainRecord
from gossipbook.trade.op_chain import StoredChain, highest_client_id

BUSY_S = 10.0
"""How long a program waits for another one that is signing."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ops (chain BLOB NOT NULL, pair TEXT NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
    last_client_id INTEGER NOT NULL, body BLOB NOT NULL, certified INTEGER NOT NULL,
    PRIMARY KEY (chain, pair, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uncertified ON ops (chain, pair, seq) WHERE NOT certified;
CREATE TABLE IF NOT EXISTS chains (chain BLOB NOT NULL, pair TEXT NOT NULL, next_seq INTEGER NOT NULL,
    head BLOB NOT NULL, last_client_id INTEGER NOT NULL, certified_seq INTEGER NOT NULL,
    certified_height INTEGER NOT NULL, PRIMARY KEY (chain, pair)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (whole INTEGER NOT NULL) STRICT;
"""


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
        born = fresh
        if path is not None:
            born = path.stat().st_size == 0 if path.exists() else fresh  # An empty one was made with its key.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # ops that were not sent yet are nobody else's
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        if self._db.execute("SELECT count(*) FROM meta").fetchone()[0] == 0:
            self._db.execute("INSERT INTO meta VALUES (?)", (int(born),))
        self._whole = bool(self._db.execute("SELECT min(whole) FROM meta").fetchone()[0])
        self._version = self._data_version()

    # -- reading ------------------------------------------------------------------------------------

    def load(self, pair: str) -> StoredChain:
        """What is known of a pair.

        Raises:
            sqlite3.Error, DecodeError: the file is damaged.
        """
        key = (self._chain_id, pair)
        last = self._db.execute(
            "SELECT seq, id, last_client_id FROM ops WHERE chain = ? AND pair = ? ORDER BY seq DESC LIMIT 1", key
        ).fetchone()
        noted = self._db.execute(
            "SELECT next_seq, head, last_client_id, certified_seq, certified_height FROM chains "
            "WHERE chain = ? AND pair = ?",
            key,
        ).fetchone()
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
        rows = self._db.execute(
            "SELECT body FROM ops WHERE chain = ? AND pair = ? AND NOT certified ORDER BY seq", (self._chain_id, pair)
        )
        return [decode_op(row[0]) for row in rows]

    def pairs(self) -> list[str]:
        """The pairs in which something is not known to be certified."""
        rows = self._db.execute(
            "SELECT DISTINCT pair FROM ops WHERE chain = ? AND NOT certified ORDER BY pair", (self._chain_id,)
        )
        return [row[0] for row in rows]

    def find(self, pair: str, client_id: int) -> Op | None:
        """The op that used up a client order id, if this wallet signed it."""
        row = self._db.execute(
            "SELECT body FROM ops WHERE chain = ? AND pair = ? AND last_client_id >= ? ORDER BY seq LIMIT 1",
            (self._chain_id, pair, client_id),
        ).fetchone()
        return None if row is None else decode_op(row[0])

    # -- writing ------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Keep all other programs from signing; True if one of them wrote since the last call.

        Raises:
            sqlite3.Error: another one did not let go in time, or the disk is full.
        """
        self._db.execute("BEGIN IMMEDIATE")
        version, before = self._data_version(), self._version
        self._version = version
        return version != before

    def write(self, ops: Iterable[Op], chains: Iterable[ChainRecord]) -> None:
        """Record ops and chains, and let others sign again: durable when this returns, or nothing of it is there.

        Raises:
            sqlite3.Error: an op with such a number is there already, or the disk is full.
        """
        try:
            for op in ops:
                if not self._holds(op):
                    values = (self._chain_id, op.pair, op.seq, op.id, self._last_id(op), op.encode())
                    self._db.execute("INSERT INTO ops VALUES (?, ?, ?, ?, ?, ?, 0)", values)
            for record in chains:
                self._note(record)
            self._db.execute("COMMIT")
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Undo what was begun, if that is not done."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    def _holds(self, op: Op) -> bool:
        query = "SELECT id FROM ops WHERE chain = ? AND pair = ? AND seq = ?"
        row = self._db.execute(query, (self._chain_id, op.pair, op.seq)).fetchone()
        return row is not None and bool(row[0] == op.id)

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
