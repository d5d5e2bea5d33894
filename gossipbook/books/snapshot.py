"""A certified book at one height, as rows: what a consumer starts from, and how it travels."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gossipbook.books.waiting import StopFields
from gossipbook.client_messages import BookPart
from gossipbook.ids import BlockId, PublicKey
from gossipbook.matching.commands import Side
from gossipbook.matching.events import RawEvent

RESTING = 1
"""The kind of row of a resting order: (RESTING, author, client_id, side, price_ticks, open_lots)."""
ICEBERG = 2
"""Of one that hides something: (ICEBERG, author, client_id, side, price_ticks, shown_lots, hidden_lots)."""
WAITING = 3
"""Of a stop order: (WAITING, author, client_id, side, stop_ticks, price_ticks, open_lots)."""
LINED_UP = 4
"""Of one that was triggered and not run yet; the fields are the same."""

ROWS_PER_PART = 512
SNAPSHOT_ROWS_CAP = 100_000
"""A larger book is not sent: 6 MB, which is what a link's queue has room for beside its other messages."""

Row = RawEvent
"""Like an event: a plain tuple of integers and byte strings that starts with its kind."""


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """All bids, best first and in queue order, then all asks, waiting stops by order of entry, and the line.

    ``last_ticks``: the last trade's price, or 0. ``state``: a ``PairState``.
    """

    pair: str
    height: int
    block_id: BlockId
    time_ms: int
    sequence: int
    last_ticks: int
    state: int
    rows: tuple[Row, ...]

    def parts(self) -> Iterator[BookPart]:
        """Return the messages that carry the snapshot, at least one."""
        starts = range(0, max(len(self.rows), 1), ROWS_PER_PART)
        for number, start in enumerate(starts):
            yield BookPart(
                self.pair,
                self.height,
                self.block_id,
                self.time_ms,
                self.sequence,
                self.last_ticks,
                self.state,
                number,
                self.rows[start : start + ROWS_PER_PART],
                start == starts[-1],
            )


def book_rows(
    resting: Callable[[Side], Iterable[tuple[PublicKey, int, int, int, int]]],
    waiting: Iterable[StopFields],
    line: Iterable[StopFields],
) -> Iterator[Row]:
    """The rows of a book; ``resting`` gives a side's (author, client_id, price_ticks, shown lots, hidden lots)."""
    for side in Side:
        for author, client_id, price_ticks, shown_lots, hidden_lots in resting(side):
            if hidden_lots:
                yield ICEBERG, author, client_id, int(side), price_ticks, shown_lots, hidden_lots
            else:
                yield RESTING, author, client_id, int(side), price_ticks, shown_lots
    for fields in waiting:
        yield WAITING, *fields
    for fields in line:
        yield LINED_UP, *fields
