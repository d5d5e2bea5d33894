"""A journal in memory: for tests, the simulator and throw-away embedded peers.

It keeps encoded rows, so that what is read back shares no object with what was written, and knows the
difference between written and synced: :meth:`crash` drops what was not synced.
"""

from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.peer.pair_replica import StoredPair
from gossipbook.storage.rows import (
    BlockRow,
    FinalRow,
    ItemRow,
    Row,
    VoteRow,
    assemble,
    final_message,
    read_block,
    to_row,
)


class MemoryJournal:
    """Rows by pair. ``append`` writes, ``sync`` makes durable what was written."""

    def __init__(self) -> None:
        self._rows: list[Row] = []  # durable, in order
        self._written: list[Row] = []
        self.syncs = 0

    def append(self, records: list[object]) -> None:
        self._written += [to_row(record) for record in records]

    def sync(self) -> None:
        self._rows += self._written
        self._written = []
        self.syncs += 1

    def crash(self) -> None:
        """Lose what was not synced."""
        self._written = []

    def load(self) -> dict[str, StoredPair]:
        """Everything durable, by pair."""
        tables: dict[str, tuple[dict[int, FinalRow], dict[bytes, BlockRow], dict[bytes, ItemRow], list[VoteRow]]] = {}
        for row in self._rows:
            finals, blocks, items, votes = tables.setdefault(row.pair, ({}, {}, {}, []))
            match row:
                case FinalRow():
                    finals[row.height] = row
                case BlockRow():
                    blocks[row.id] = row
                case ItemRow():
                    items[row.id] = row
                case VoteRow():
                    votes[:] = [row]
        return {
            pair: assemble(pair, finals.values(), blocks.values(), items, votes[0] if votes else None)
            for pair, (finals, blocks, items, votes) in tables.items()
        }

    def blocks(self, pair: str, first: int, last: int, epoch: int) -> list[FinalizedBlock]:
        """Finalized blocks with their bodies, in order of height."""
        finals = {row.height: row for row in self._rows if isinstance(row, FinalRow) and row.pair == pair}
        items = {row.id: row for row in self._rows if isinstance(row, ItemRow) and row.pair == pair}
        found = []
        for height in range(first, last + 1):
            row = finals.get(height)
            if row is None:
                break
            block = read_block(pair, row.id, row.body)
            found.append(final_message(row, epoch, [items[op_id] for op_id in block.op_ids]))
        return found
