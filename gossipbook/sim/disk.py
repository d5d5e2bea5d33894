"""A simulated disk that holds a journal; it can lose unsynced writes, tear them, flip bits, fail and fill up.

The journal is a log of transactions, each a frame of length, CRC-32 and rows, as a write-ahead log is. What was synced
is safe. Of what was written and not synced a crash keeps a prefix of bytes, often none and often all: frames that are
whole count, a torn one is found by its checksum and dropped. A flipped bit in what was synced is found when the journal
is read back, because every row carries a checksum; then the journal is refused, as the SQLite one is.
"""

import random
import zlib
from collections.abc import Callable, Iterable
from dataclasses import fields, replace

from gossipbook import cbor
from gossipbook.errors import JournalFull
from gossipbook.storage.memory import MemoryJournal
from gossipbook.storage.rows import BlockRow, FinalRow, ItemRow, Row, VoteRow

_KINDS: tuple[type[Row], ...] = (ItemRow, BlockRow, FinalRow, VoteRow)
HEADER_BYTES = 8


class SimDisk(MemoryJournal):
    """One host's journal. ``append`` writes, ``sync`` makes durable; both raise :class:`JournalFull` while it fails."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""  # why the next write is refused
        self.torn = 0  # frames that a crash cut through
        self.survived = 0  # transactions that were not synced, and were there all the same

    def append(self, records: Iterable[object]) -> None:
        self._refuse()
        super().append(records)

    def sync(self) -> None:
        self._refuse()
        super().sync()

    def crash(self, rng: random.Random | None = None) -> None:
        """Lose what was not synced: all of it or, with ``rng``, all, nothing, or all but a prefix of its bytes."""
        written, self._written = self._written, []
        if rng is None or not written:
            return
        log = b"".join(frame(rows) for rows in written)
        kept = (0, len(log), rng.randrange(len(log) + 1))[rng.randrange(3)]
        for rows, whole in _frames(log[:kept]):
            if whole:
                self.survived += 1
                self._keep(rows)
            else:
                self.torn += 1

    def flip_bit(self, rng: random.Random) -> None:
        """Flip a bit in one durable row, if there is any, that no later row has replaced."""
        if not self._rows:
            return
        at = rng.choice(list({_key(row): at for at, row in enumerate(self._rows)}.values()))
        row = self._rows[at]
        raw = bytearray(row.state if isinstance(row, VoteRow) else row.body)
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        damaged = bytes(raw)
        self._rows[at] = replace(row, state=damaged) if isinstance(row, VoteRow) else replace(row, body=damaged)

    def copy(self) -> "SimDisk":
        """Return a copy of what is durable."""
        made = SimDisk()
        made._keep(list(self._rows))
        return made

    def rows(self) -> tuple[Row, ...]:
        """Return everything durable, in the order of writing."""
        return tuple(self._rows)

    def _refuse(self) -> None:
        if self.trouble:
            raise JournalFull(f"the disk is in trouble: {self.trouble}")


def _key(row: Row) -> tuple[object, ...]:
    """Return the key of a row; a journal keeps one row for each."""
    match row:
        case FinalRow():
            return FinalRow, row.pair, row.height
        case VoteRow():
            return VoteRow, row.pair
    return type(row), row.pair, row.id


def frame(rows: list[Row]) -> bytes:
    """Encode one transaction: length, checksum, rows."""
    body = cbor.encode([[_KINDS.index(type(row)), *(getattr(row, f.name) for f in fields(row))] for row in rows])
    return len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def _frames(log: bytes) -> Iterable[tuple[list[Row], bool]]:
    """Yield a log's transactions, each with whether it is whole, up to the first that is not."""
    at = 0
    while at < len(log):
        length, checksum = int.from_bytes(log[at : at + 4], "big"), int.from_bytes(log[at + 4 : at + 8], "big")
        body = log[at + HEADER_BYTES : at + HEADER_BYTES + length]
        if len(log) - at < HEADER_BYTES or len(body) < length or zlib.crc32(body) != checksum:
            yield [], False
            return
        makers: list[Callable[..., Row]] = list(_KINDS)
        yield [makers[row[0]](*row[1:]) for row in cbor.decode(body)], True
        at += HEADER_BYTES + length
