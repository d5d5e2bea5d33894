"""Blocks that are prepared above a pair's finalized height: which of them stand, and which were taken back.

A block is *prepared* once a quorum has a prepare certificate for it, one delay before it is final. It is nearly always
what becomes final, but nothing may rest on it: when a term ends, another block may take its height.

Upon a prepared block of a later term, or a final one, at its height: it is taken back, and whatever is on top of it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from gossipbook.books.l3 import BookError, L3Book
from gossipbook.books.levels import SequenceGap
from gossipbook.ids import BlockId
from gossipbook.limits import DEPTH_CAP
from gossipbook.matching.events import Event, raw_event

PREPARED_CAP = 2 * DEPTH_CAP
"""Blocks above the finalized height: so far up members vote."""


class PreparedLine:
    """The prepared blocks of one pair, as one peer or several of them tell."""

    def __init__(self) -> None:
        self._standing: dict[int, tuple[int, BlockId]] = {}  # by height: term and id
        self._fin = 0

    @property
    def standing(self) -> tuple[BlockId, ...]:
        """The blocks that were prepared and are neither final nor taken back, the lowest first."""
        return tuple(block_id for _, (_, block_id) in sorted(self._standing.items()))

    def prepared(self, term: int, height: int, block_id: BlockId) -> tuple[bool, list[BlockId]]:
        """A block is said to be prepared: whether that is news, and which are taken back by it."""
        if height <= self._fin or len(self._standing) >= PREPARED_CAP:
            return False, []
        known = self._standing.get(height)
        if known is not None and (known[1] == block_id or known[0] >= term):
            return False, []
        taken_back = self._take_back(height) if known is not None else []
        self._standing[height] = term, block_id
        return True, taken_back

    def final(self, height: int, block_id: BlockId) -> list[BlockId]:
        """A block is final; which are taken back by that."""
        if height <= self._fin:
            return []
        self._fin = height
        known = self._standing.get(height)
        taken_back = self._take_back(height) if known is not None and known[1] != block_id else []
        self._standing = {other: block for other, block in self._standing.items() if other > height}
        return taken_back

    def _take_back(self, height: int) -> list[BlockId]:
        """Forget a block and those on top of it."""
        gone = sorted(other for other in self._standing if other >= height)
        return [self._standing.pop(other)[1] for other in gone]


class _Block(Protocol):
    @property
    def height(self) -> int: ...
    @property
    def block_id(self) -> BlockId: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def events(self) -> Sequence[Event]: ...


def book_ahead(book: L3Book, prepared: Iterable[_Block]) -> L3Book:
    """A copy of a book as it will be if the prepared blocks on top of it become final, as far as they follow it."""
    ahead = L3Book.of_snapshot(book.spec, book.snapshot())
    for block in prepared:
        if block.height != ahead.height + 1:
            continue  # Final already, or one below it is not known.
        try:
            ahead.apply(block.height, block.block_id, block.time_ms, [raw_event(event) for event in block.events])
        except (BookError, SequenceGap):  # They are not on top of this book: it was taken back.
            return L3Book.of_snapshot(book.spec, book.snapshot())
    return ahead
