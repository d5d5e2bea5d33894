"""An author's wallet: the key, and every op that it signed, synced before it is sent.

A wallet that forgot its last op would sign another one with the same sequence number, which is equivocation. So
an op is durable here before anybody sees it, and uncertified ops are kept and sent again.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gossipbook.crdt.op import GENESIS_PREV, Op, decode_op, sign_op
from gossipbook.errors import KeyFileError, WalletError
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, OpId
from gossipbook.matching.commands import Command, Place, PlaceSpecial
from gossipbook.storage.keys import load_key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ops (chain BLOB NOT NULL, pair TEXT NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
    last_client_id INTEGER NOT NULL, body BLOB NOT NULL, certified INTEGER NOT NULL,
    PRIMARY KEY (chain, pair, seq)) STRICT, WITHOUT ROWID;
"""


class Wallet:
    """One author in one network.

    With ``path`` None it is kept in memory: for authors whose key is thrown away with the program.
    """

    def __init__(self, identity: Identity, chain_id: ChainId, path: Path | None = None) -> None:
        self.identity = identity
        self.chain_id = chain_id
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # ops that were not sent yet are nobody else's
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        self._heads: dict[str, tuple[int, OpId, int]] = {}

    @classmethod
    def open(cls, key_file: Path, chain_id: ChainId) -> "Wallet":
        """The wallet of a key file; its ops are kept beside it, in ``<key file>.ops``."""
        identity = load_key(key_file)
        try:
            return cls(identity, chain_id, key_file.with_name(key_file.name + ".ops"))
        except sqlite3.Error as error:
            raise KeyFileError(f"cannot use the wallet beside {key_file}: {error}") from None

    def next_client_id(self, pair: str) -> int:
        """The lowest client order id that a place may use now."""
        return self._head(pair)[2] + 1

    def sign(self, pair: str, commands: Sequence[Command], expiry_ms: int = 0) -> Op:
        """Sign the next op of a pair and make it durable.

        Raises:
            WalletError: another program signed with this wallet meanwhile, or the disk is full. Nothing was sent.
        """
        seq, prev, last_id = self._head(pair)
        op = sign_op(self.identity, self.chain_id, pair, seq, prev, commands, expiry_ms)
        last_id = max([last_id, *(c.client_id for c in commands if isinstance(c, Place | PlaceSpecial))])
        values = (self.chain_id, pair, seq, op.id, last_id, op.encode())
        try:
            self._db.execute("INSERT INTO ops VALUES (?, ?, ?, ?, ?, ?, 0)", values)
        except sqlite3.Error as error:
            del self._heads[pair]  # Nothing was signed that anybody has seen; read the head anew.
            raise WalletError(f"cannot record the next op of {pair}: {error}; nothing was sent") from None
        self._heads[pair] = (seq + 1, op.id, last_id)
        return op

    def certified(self, op: Op) -> None:
        """An op is in a finalized block: it need not be sent again."""
        self._db.execute(
            "UPDATE ops SET certified = 1 WHERE chain = ? AND pair = ? AND seq = ?", (self.chain_id, op.pair, op.seq)
        )

    def uncertified(self, pair: str) -> list[Op]:
        """Ops to send again, in order."""
        rows = self._db.execute(
            "SELECT body FROM ops WHERE chain = ? AND pair = ? AND NOT certified ORDER BY seq", (self.chain_id, pair)
        )
        return [decode_op(row[0]) for row in rows]

    def contradicts(self, pair: str, seq: int, head: OpId) -> bool:
        """Whether this wallet signed another op than the one that peers report as the last before ``seq``."""
        row = self._db.execute(
            "SELECT id FROM ops WHERE chain = ? AND pair = ? AND seq = ?", (self.chain_id, pair, seq - 1)
        ).fetchone()
        return row is not None and row[0] != head

    def adopt_head(self, pair: str, seq: int, head: OpId, last_client_id: int) -> None:
        """Go on from a head that peers report, when this wallet knows less (it was restored from its key alone)."""
        if seq > self._head(pair)[0]:
            self._heads[pair] = (seq, head, last_client_id)

    def close(self) -> None:
        self._db.close()

    def _head(self, pair: str) -> tuple[int, OpId, int]:
        if pair not in self._heads:
            row = self._db.execute(
                "SELECT seq, id, last_client_id FROM ops WHERE chain = ? AND pair = ? ORDER BY seq DESC LIMIT 1",
                (self.chain_id, pair),
            ).fetchone()
            self._heads[pair] = (0, GENESIS_PREV, 0) if row is None else (row[0] + 1, row[1], row[2])
        return self._heads[pair]
