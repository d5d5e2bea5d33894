"""A consumer's side of a feed: a snapshot, then events and marks, each checked; anything that does not fit starts anew.

    waiting ──BookPart, its BookMark fits──▶ following ──PairEvents, its BookMark fits──▶ following
       ▲                                        │
       └─── Resync ◀── gap, event that cannot be, checksum or digest that differs, told that we lagged

Upon ``Resync`` there is no book until the next snapshot has been checked, and whoever drives this asks for one. What
the peer sends between our asking and the end of its snapshot is put aside, and taken afterwards as far as it is newer.
"""

from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.books.changes import BlockChanges, OrderChange
from gossipbook.books.l3 import BookError, L3Book
from gossipbook.books.levels import L1, LevelChange, SequenceGap
from gossipbook.books.snapshot import BookSnapshot, Row
from gossipbook.client_messages import LAGGED, BookMark, BookPart, FeedEnded, FeedMessage, PairEvents
from gossipbook.ids import Digest
from gossipbook.manifest import Pair
from gossipbook.matching.commands import PairState
from gossipbook.matching.events import RawEvent

EARLY_CAP = 1_024
"""Messages put aside while a snapshot is on its way: those of 512 small blocks."""

START, GAP, CHECKSUM, DIGEST, EVENTS, SNAPSHOT = "start", "gap", "checksum", "digest", "events", "snapshot"


class FeedRefused(BookError):
    """The peer does not serve this book; asking again does not help."""


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """One certified block's step of a book, or a whole book.

    ``reset`` is empty for a step, which takes a book from sequence ``previous`` to ``sequence``. Otherwise it says why
    the book is whole: the changes are then those from the empty book, ``previous`` is 0, and what one had is void.
    ``checksum`` and ``digest`` are the peer's, and equal those of the book here; ``events`` are those of the block,
    ``state`` is the pair's after it.
    """

    pair: str
    height: int
    time_ms: int
    previous: int
    sequence: int
    reset: str
    events: tuple[RawEvent, ...]
    orders: tuple[OrderChange, ...]
    levels: tuple[LevelChange, ...]
    top: L1
    state: PairState
    checksum: int
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class Resync:
    """Ask for a snapshot; ``reason`` is a word: gap, checksum, digest, events, snapshot, lagged."""

    reason: str


Outcome: TypeAlias = BookUpdate | Resync


class Follower:
    """Keeps one pair's book from a feed's messages. ``book`` is None while there is none that was checked."""

    def __init__(self, spec: Pair) -> None:
        self.spec = spec
        self.book: L3Book | None = None
        self.reason = START  # why the next snapshot is needed
        self._first: BookPart | None = None
        self._parts = 0
        self._rows: list[Row] = []
        self._loaded: L3Book | None = None
        self._early: list[FeedMessage] = []
        self._events: list[RawEvent] = []
        self._block: PairEvents | None = None  # the parts of a block so far, by its last part
        self._whole = False

    def restart(self, reason: str) -> None:
        """Forget the book and wait for a snapshot, which somebody asks for."""
        self.book, self.reason = None, reason
        self._early.clear()
        self._forget_snapshot()
        self._forget_block()

    def take(self, message: FeedMessage) -> list[Outcome]:
        """Take a message; return the updates and requests for snapshots that it leads to, in order.

        Raises:
            FeedRefused: the peer says that it does not serve this book.
        """
        if isinstance(message, FeedEnded):
            if message.reason != LAGGED:
                raise FeedRefused(f"the peer does not serve the book of {message.pair}: {message.reason}")
            return self._resync(LAGGED)
        if self.book is not None:
            return self._follow(self.book, message)
        return self._wait(message)

    def _resync(self, reason: str) -> list[Outcome]:
        self.restart(reason)
        return [Resync(reason)]

    # -- waiting ------------------------------------------------------------------------------------

    def _wait(self, message: FeedMessage) -> list[Outcome]:
        if isinstance(message, BookPart):
            return self._on_part(message)
        if isinstance(message, BookMark) and self._loaded is not None and message.height == self._loaded.height:
            return self._on_snapshot_mark(self._loaded, message)
        if len(self._early) >= EARLY_CAP:
            return self._resync(SNAPSHOT)
        self._early.append(message)
        return []

    def _on_part(self, part: BookPart) -> list[Outcome]:
        if part.part == 0:
            self._forget_snapshot()
            self._first = part
        first = self._first
        if first is None:
            return []  # The rest of a snapshot that was given up.
        if part.part != self._parts or _of_snapshot(part) != _of_snapshot(first):
            return self._resync(SNAPSHOT)
        self._parts += 1
        self._rows += part.rows
        if not part.last:
            return []
        snapshot = BookSnapshot(*_of_snapshot(first), tuple(self._rows))
        try:
            self._loaded = L3Book.of_snapshot(self.spec, snapshot)
        except BookError:
            return self._resync(SNAPSHOT)
        return []

    def _on_snapshot_mark(self, book: L3Book, mark: BookMark) -> list[Outcome]:
        if mark.sequence != mark.previous:
            return []  # The mark of the block itself; the snapshot's own one is on its way.
        fault = _fault(book, mark)
        if mark.sequence != book.sequence or fault:
            return self._resync(fault or SNAPSHOT)
        reason, early = self.reason, list(self._early)
        self.restart("")
        self.book = book
        outcomes: list[Outcome] = [_update(book, mark, reason, 0, (), book.everything())]
        for message in early:
            outcomes += self.take(message)
        return outcomes

    # -- following ----------------------------------------------------------------------------------

    def _follow(self, book: L3Book, message: FeedMessage) -> list[Outcome]:
        match message:
            case PairEvents():
                return self._on_events(book, message)
            case BookMark():
                return self._on_mark(book, message)
            case _:
                return []  # A snapshot that somebody else on this link asked for.

    def _on_events(self, book: L3Book, part: PairEvents) -> list[Outcome]:
        if part.height <= book.height:
            return []  # From before the snapshot.
        expected = book.sequence + len(self._events) + 1
        numbers = [event[1] if len(event) > 1 else None for event in part.events]
        same_block = self._block is None or self._block.block_id == part.block_id
        if (
            part.height != book.height + 1
            or not same_block
            or numbers != list(range(expected, expected + len(numbers)))
        ):
            return self._resync(GAP)
        self._events += part.events
        self._block, self._whole = part, part.last
        return []

    def _on_mark(self, book: L3Book, mark: BookMark) -> list[Outcome]:
        if mark.height <= book.height:
            return []
        if mark.previous == mark.sequence and (mark.sequence != book.sequence or not self._whole):
            return []  # Of a snapshot for somebody else on this link, which overtook a block; or that is seen later.
        block, events = self._block, tuple(self._events)
        after = book.sequence + len(events)
        if (
            block is None
            or not self._whole
            or (mark.height, mark.previous, mark.sequence) != (block.height, book.sequence, after)
        ):
            return self._resync(GAP)
        try:
            changes = book.apply(block.height, block.block_id, block.time_ms, events)
        except (BookError, SequenceGap):
            return self._resync(EVENTS)
        fault = _fault(book, mark)
        if fault:
            return self._resync(fault)
        self._forget_block()
        return [_update(book, mark, "", mark.previous, events, changes)]

    # -- parts --------------------------------------------------------------------------------------

    def _forget_snapshot(self) -> None:
        self._first, self._parts, self._loaded = None, 0, None
        self._rows = []

    def _forget_block(self) -> None:
        self._events.clear()
        self._block, self._whole = None, False


def _of_snapshot(part: BookPart) -> tuple[str, int, bytes, int, int, int, int]:
    return part.pair, part.height, part.block_id, part.time_ms, part.sequence, part.last_ticks, part.state


def _fault(book: L3Book, mark: BookMark) -> str:
    """What of a mark the book differs from, or ""."""
    if book.checksum() != mark.checksum:
        return CHECKSUM
    if mark.digest is not None and book.digest() != mark.digest:
        return DIGEST
    if mark.unseen is not None and book.unseen() != mark.unseen:
        return DIGEST
    return ""


def _update(
    book: L3Book, mark: BookMark, reset: str, previous: int, events: tuple[RawEvent, ...], changes: BlockChanges
) -> BookUpdate:
    return BookUpdate(
        pair=book.spec.symbol,
        height=book.height,
        time_ms=book.time_ms,
        previous=previous,
        sequence=book.sequence,
        reset=reset,
        events=events,
        orders=changes.orders,
        levels=changes.levels,
        top=book.l1(),
        state=book.state,
        checksum=mark.checksum,
        digest=mark.digest,
    )
