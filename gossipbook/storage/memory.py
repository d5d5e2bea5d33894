"""A journal in memory: for tests and the simulator.

It keeps encoded rows, so that what is read back shares no object with what was written, and knows the
difference between written and synced: :meth:`MemoryJournal.crash` drops what was not synced.
"""

from collections.abc import Iterable

from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.peer.stored import StoredPair
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
    """Rows by pair. ``append`` writes one transaction, ``sync`` makes durable what was written."""

    def __init__(self) -> None:
        self.syncs = 0
        self._rows: list[Row] = []  # durable, in order
        self._written: list[list[Row]] = []  # transactions that are not synced
        self._finals: dict[tuple[str, int], FinalRow] = {}
        self._items: dict[tuple[str, bytes], ItemRow] = {}

    def append(self, records: Iterable[object]) -> None:
        self._written.append([to_row(record) for record in records])

    def sync(self) -> None:
        self.syncs += 1
        for rows in self._written:
            self._keep(rows)
        self._written = []

    def crash(self) -> None:
        """Lose what was not synced."""
        self._written = []

    def load(self) -> dict[str, StoredPair]:
        """Everything durable, by pair, as the SQLite journal would give it.

        Raises:
            JournalError: naming the row that is damaged.
        """
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
        found = []
        for height in range(first, last + 1):
            row = self._finals.get((pair, height))
            if row is None:
                break
            block = read_block(pair, row.id, row.body)
            found.append(final_message(row, epoch, [self._items[pair, op_id] for op_id in block.op_ids]))
        return found

    def _keep(self, rows: list[Row]) -> None:
        self._rows += rows
        for row in rows:
            if isinstance(row, FinalRow):
                self._finals[row.pair, row.height] = row
            elif isinstance(row, ItemRow):
                self._items[row.pair, row.id] = row
