"""A pair's book by order, kept from certified events. The package docstring has the rules."""

from collections.abc import Callable, Iterator, Sequence

from gossipbook.books.changes import Action, BlockChanges, ChangeLog, OrderChange
from gossipbook.books.checksum import OrderRow, book_checksum, book_digest, unseen_digest
from gossipbook.books.levels import L1, L2, Level, LevelChange, SequenceGap
from gossipbook.books.queues import BookSide, OrderKey, RestingOrder
from gossipbook.books.snapshot import ICEBERG, LINED_UP, RESTING, WAITING, BookSnapshot, Row, book_rows
from gossipbook.books.waiting import StopFields, StopOrders
from gossipbook.errors import GossipbookError
from gossipbook.ids import PUBLIC_KEY_BYTES, ZERO_DIGEST, BlockId, Digest, PublicKey
from gossipbook.manifest import Pair
from gossipbook.matching.commands import PairState, Side
from gossipbook.matching.events import (
    ACCEPTED,
    AMENDED,
    CANCELLED,
    EXPIRED,
    FILL,
    FROZEN,
    GROUPED,
    LEASE_ENDED,
    LEASED,
    LEFT,
    PAIR_STATE,
    REJECTED,
    SLICED,
    STOP_ACCEPTED,
    TRIGGERED,
    UNCROSSED,
    RawEvent,
    whole,
)


class BookError(GossipbookError):
    """Events or rows that cannot be of this book. The book may be half changed: throw it away."""


class UnknownEvent(BookError):
    """A kind of event that this version does not know, so that it can keep no book of the pair."""


class L3Book:
    """All open orders of a pair as of a certified height: those that rest in queue order, and the stops that wait."""

    def __init__(self, spec: Pair) -> None:
        self.spec = spec
        self.height = 0
        self.block_id: BlockId = ZERO_DIGEST
        self.time_ms = 0
        self.sequence = 0
        self.last_ticks = self.last_lots = self.last_side = 0
        self.state = PairState.OPEN
        self._bids, self._asks = BookSide(Side.BUY), BookSide(Side.SELL)
        self._orders: dict[OrderKey, RestingOrder] = {}
        self._unsliced: dict[OrderKey, RestingOrder] = {}  # icebergs out of their queue until their next slice
        self._stops = StopOrders()
        self._changes = ChangeLog()

    @classmethod
    def of_snapshot(cls, spec: Pair, snapshot: BookSnapshot) -> "L3Book":
        """A book as a snapshot has it.

        Raises:
            BookError: the rows are not those of a book.
        """
        book = cls(spec)
        for row in snapshot.rows:
            book._load(row)
        book._changes.forget()
        book.height, book.block_id, book.time_ms = snapshot.height, snapshot.block_id, snapshot.time_ms
        book.sequence, book.last_ticks = snapshot.sequence, snapshot.last_ticks
        try:
            book.state = PairState(snapshot.state)
        except ValueError as error:
            raise BookError(str(error)) from None
        return book

    def snapshot(self) -> BookSnapshot:
        """This book as rows."""
        return BookSnapshot(
            self.spec.symbol,
            self.height,
            self.block_id,
            self.time_ms,
            self.sequence,
            self.last_ticks,
            int(self.state),
            tuple(self.rows()),
        )

    def apply(self, height: int, block_id: BlockId, time_ms: int, events: Sequence[RawEvent]) -> BlockChanges:
        """Take the events of the next block.

        Raises:
            SequenceGap: a block or an event is missing before or among these. Nothing was changed.
            UnknownEvent: a kind that this version does not know.
            BookError: an event that cannot be, such as a fill of an order that does not rest.
        """
        if height != self.height + 1:
            raise SequenceGap(f"block {height} after block {self.height}")
        for number, event in enumerate(events, self.sequence + 1):
            if len(event) < 2 or event[1] != number:
                raise SequenceGap(f"event {event[1:2]} where {number} was due, in block {height}")
        for event in events:
            handler = HANDLERS.get(event[0])
            if handler is None:
                raise UnknownEvent(f"event {event[1]} is of kind {event[0]}, which this version does not know")
            try:
                handler(self, whole(event))
            except (ValueError, TypeError) as error:  # Fields of the wrong number or type.
                raise BookError(f"event {event[1]}: {error}") from None
        if self._unsliced:
            raise BookError(f"block {height} ends before the next slice of {len(self._unsliced)} icebergs")
        self.height, self.block_id, self.time_ms = height, block_id, time_ms
        self.sequence += len(events)
        return self._changes.take(self._bids, self._asks)

    # -- views --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many orders rest."""
        return len(self._orders)

    @property
    def open_count(self) -> int:
        """How many orders rest or wait."""
        return len(self._orders) + len(self._stops)

    def orders(self, side: int) -> Iterator[tuple[PublicKey, int, int, int]]:
        """A side's orders in priority order: (author, client_id, price_ticks, open_lots); of icebergs what is shown."""
        for level in self._side(side).best_first():
            for order in level.orders.values():
                yield order.author, order.client_id, level.price_ticks, order.open_lots

    def whole_orders(self, side: int) -> Iterator[tuple[PublicKey, int, int, int, int]]:
        """As :meth:`orders`, with the lots that are hidden at the end."""
        for level in self._side(side).best_first():
            for order in level.orders.values():
                yield order.author, order.client_id, level.price_ticks, order.open_lots, order.hidden_lots

    def waiting_orders(self) -> list[StopFields]:
        """Stop orders that wait, by order of entry."""
        return self._stops.waiting()

    def line(self) -> list[StopFields]:
        """Stop orders that were triggered and not run yet, the next first."""
        return self._stops.line()

    def levels(self, side: int, depth: int | None = None) -> list[Level]:
        """A side's best levels, best first."""
        return [level.view() for level in self._side(side).best_first(depth)]

    def l2(self, depth: int | None = None) -> L2:
        return L2(tuple(self.levels(Side.BUY, depth)), tuple(self.levels(Side.SELL, depth)))

    def l1(self) -> L1:
        bid, ask = (next(iter(self.levels(side, 1)), None) for side in Side)
        return L1(bid, ask, self.last_ticks, self.last_lots, self.last_side)

    def rows(self) -> Iterator[Row]:
        """Everything that a book can be built from again, but the pair's state."""
        return book_rows(self.whole_orders, self._stops.waiting(), self._stops.line())

    def everything(self) -> BlockChanges:
        """The changes that lead here from the empty book."""
        added = [
            OrderChange(Action.ADD, int(side), price_ticks, author, client_id, open_lots)
            for side in Side
            for author, client_id, price_ticks, open_lots in self.orders(side)
        ]
        levels = [LevelChange(int(side), *level) for side in Side for level in self.levels(side)]
        return BlockChanges(tuple(added), tuple(levels))

    def checksum(self) -> int:
        """The CRC-32 of the top ten levels."""
        return book_checksum(self.spec, self.levels(Side.BUY, 10), self.levels(Side.SELL, 10))

    def digest(self) -> Digest:
        """The SHA-256 of all resting orders in queue order, of icebergs what they show."""
        return book_digest(self._digest_rows(self._bids), self._digest_rows(self._asks))

    def unseen(self) -> Digest:
        """The SHA-256 of what :meth:`digest` leaves out."""
        rows = [row for row in self.rows() if row[0] != RESTING]
        return unseen_digest(self.state, self.last_ticks, rows)

    def _digest_rows(self, side: BookSide) -> Iterator[OrderRow]:
        for level in side.best_first():
            for order in level.orders.values():
                yield level.price_ticks, order.open_lots, order.client_id, order.author

    # -- events: the methods of the table HANDLERS -----------------------------------------------------

    def _on_accepted(self, event: RawEvent) -> None:
        _, _, author, client_id, side, price_ticks, qty_lots, *_ = event
        self._add(author, client_id, side, price_ticks, qty_lots)

    def _on_stop_accepted(self, event: RawEvent) -> None:
        self._take_stop(event[2:8], self._stops.wait)

    def _on_triggered(self, event: RawEvent) -> None:
        _, number, author, client_id, price_ticks, qty_lots, *past = event
        stop = self._stops.find((author, client_id)) if past else self._stops.next_in_line()
        if stop is None or (*stop.key, stop.price_ticks, stop.open_lots) != event[2:6]:
            raise BookError(f"event {number}: order {client_id} of {author!r} is not the next in line, or is another")
        self._stops.remove(stop)
        self._add(author, client_id, stop.side, price_ticks, qty_lots)

    def _on_fill(self, event: RawEvent) -> None:
        _, _, price_ticks, lots, maker, maker_client_id, taker, taker_client_id, taker_side, *past = event
        resting, entering = self._find(maker, maker_client_id), self._find(taker, taker_client_id)
        if taker_side != entering.level.side or not (resting.allows(price_ticks) and entering.allows(price_ticks)):
            raise BookError(f"event {event[1]}: a fill beyond an order's limit, or not of its taker's side")
        self._lower(resting, lots)
        self._lower(entering, lots)
        self.last_ticks, self.last_lots, self.last_side = price_ticks, lots, taker_side
        if not past:  # Else a triggered order waits for its turn where it is.
            self._stops.trigger(price_ticks)

    def _on_sliced(self, event: RawEvent) -> None:
        _, number, author, client_id, shown_lots, hidden_lots, *_ = event
        order = self._unsliced.pop((author, client_id), None)
        if order is None:  # It has just come to rest, and was in the book with all of it until now.
            order = self._find(author, client_id)
            if order.hidden_lots:
                raise BookError(f"event {number}: order {client_id} of {author!r} still shows {order.open_lots} lots")
            self._remove(order)
        if shown_lots + hidden_lots != order.whole_lots:
            raise BookError(f"event {number}: {shown_lots} and {hidden_lots} lots of {order.whole_lots}")
        self._add(author, client_id, order.level.side, order.level.price_ticks, shown_lots, hidden_lots)

    def _on_cancelled(self, event: RawEvent) -> None:
        _, number, author, client_id, qty_lots, open_lots, *_ = event
        if self._end_wait(author, client_id, qty_lots):
            return
        order = self._find(author, client_id)
        if order.whole_lots - qty_lots != open_lots:
            raise BookError(f"event {number}: {qty_lots} off {order.whole_lots} lots cannot leave {open_lots}")
        if open_lots:
            self._lower(order, qty_lots)
        else:
            self._remove(order)

    def _on_expired(self, event: RawEvent) -> None:
        _, number, author, client_id, qty_lots, *_ = event
        if self._end_wait(author, client_id, qty_lots):
            return
        order = self._find(author, client_id)
        if order.whole_lots != qty_lots:
            raise BookError(f"event {number}: {qty_lots} lots lapse of an order with {order.whole_lots}")
        self._remove(order)

    def _on_amended(self, event: RawEvent) -> None:
        _, number, author, client_id, price_ticks, _, open_lots, *_ = event
        if price_ticks < 1 or open_lots < 1:
            raise BookError(f"event {number}: no order can have {open_lots} lots at {price_ticks}")
        stop = self._stops.find((author, client_id))
        if stop is not None:
            self._stops.amend(stop, price_ticks, open_lots)
            return
        order = self._find(author, client_id)
        side = order.level.side
        if price_ticks == order.level.price_ticks and open_lots <= order.whole_lots:
            lots = order.whole_lots - open_lots
            hidden = min(lots, order.hidden_lots)
            order.hidden_lots -= hidden
            self._lower(order, lots - hidden)
        else:
            self._remove(order)
            self._add(author, client_id, side, price_ticks, open_lots)

    def _on_pair_state(self, event: RawEvent) -> None:
        _, _, _, state = event
        self.state = PairState(state)

    def _on_nothing(self, event: RawEvent) -> None:
        """An event that leaves the book as it is."""

    # -- the things that happen to an order ------------------------------------------------------------

    def _add(
        self, author: PublicKey, client_id: int, side: int, price_ticks: int, open_lots: int, hidden_lots: int = 0
    ) -> None:
        self._check_new(author, client_id, price_ticks, open_lots)
        if hidden_lots < 0:
            raise BookError(f"order {client_id} of {author!r} hides {hidden_lots} lots")
        level = self._side(side).level(price_ticks)
        self._changes.touch(level)
        order = RestingOrder(author, client_id, open_lots, hidden_lots, level)
        self._orders[order.key] = level.orders[order.key] = order
        level.lots += open_lots
        self._changes.added(order)

    def _lower(self, order: RestingOrder, lots: int) -> None:
        """Take so much of what an order shows. An iceberg that shows nothing any more leaves until its next slice."""
        if lots < 0 or lots > order.open_lots:
            raise BookError(f"order {order.client_id} has {order.open_lots} open lots, not {lots}")
        if lots == order.open_lots:
            self._remove(order)
            if order.hidden_lots:
                order.open_lots = 0
                self._unsliced[order.key] = order
        elif lots:
            self._changes.touch(order.level)
            order.open_lots -= lots
            order.level.lots -= lots
            self._changes.changed(order)

    def _remove(self, order: RestingOrder) -> None:
        level = order.level
        self._changes.touch(level)
        level.lots -= order.open_lots
        del level.orders[order.key]
        del self._orders[order.key]
        if not level.orders:
            self._side(level.side).drop(level.price_ticks)
        self._changes.removed(order)

    def _take_stop(self, fields: RawEvent, put: Callable[[StopFields], None]) -> None:
        """Take in a stop order, by ``put`` among those that wait or into the line."""
        author, client_id, side, stop_ticks, price_ticks, open_lots = fields
        self._check_new(author, client_id, price_ticks, open_lots)
        self._side(side)
        if stop_ticks < 1:
            raise BookError(f"order {client_id} of {author!r} waits for a trade at {stop_ticks}")
        put((author, client_id, side, stop_ticks, price_ticks, open_lots))

    def _end_wait(self, author: PublicKey, client_id: int, lots: int) -> bool:
        """Forget an order that waits, if it is one. It goes whole."""
        stop = self._stops.find((author, client_id))
        if stop is None:
            return False
        if stop.open_lots != lots:
            raise BookError(f"order {client_id} of {author!r} waits with {stop.open_lots} lots, not {lots}")
        self._stops.remove(stop)
        return True

    # -- parts --------------------------------------------------------------------------------------

    def _load(self, row: Row) -> None:
        try:
            kind = row[0] if row else None
            if kind == RESTING:
                _, author, client_id, side, price_ticks, open_lots = row
                self._add(author, client_id, side, price_ticks, open_lots)
            elif kind == ICEBERG:
                _, author, client_id, side, price_ticks, open_lots, hidden_lots = row
                self._add(author, client_id, side, price_ticks, open_lots, hidden_lots)
            elif kind == WAITING:
                self._take_stop(row[1:], self._stops.wait)
            elif kind == LINED_UP:
                self._take_stop(row[1:], self._stops.line_up)
            else:
                raise UnknownEvent(f"a row of kind {kind}, which this version does not know")
        except (ValueError, TypeError):
            raise BookError(f"a row that is not one of a book: {row!r}") from None

    def _side(self, side: int) -> BookSide:
        if side == Side.BUY:
            return self._bids
        if side == Side.SELL:
            return self._asks
        raise BookError(f"side {side!r} is neither 1 nor 2")

    def _find(self, author: PublicKey, client_id: int) -> RestingOrder:
        order = self._orders.get((author, client_id))
        if order is None:
            raise BookError(f"order {client_id} of {author!r} does not rest here")
        return order

    def _check_new(self, author: PublicKey, client_id: int, price_ticks: int, open_lots: int) -> None:
        key = (author, client_id)
        if key in self._orders or key in self._unsliced or self._stops.find(key) is not None:
            raise BookError(f"order {client_id} of {author!r} enters twice")
        if len(author) != PUBLIC_KEY_BYTES or client_id < 0 or price_ticks < 1 or open_lots < 1:
            raise BookError(f"no such order can be: {client_id} of {author!r}, {open_lots} at {price_ticks}")


HANDLERS: dict[int, Callable[[L3Book, RawEvent], None]] = {
    ACCEPTED: L3Book._on_accepted,
    REJECTED: L3Book._on_nothing,
    FILL: L3Book._on_fill,
    CANCELLED: L3Book._on_cancelled,
    EXPIRED: L3Book._on_expired,
    AMENDED: L3Book._on_amended,
    FROZEN: L3Book._on_nothing,
    TRIGGERED: L3Book._on_triggered,
    SLICED: L3Book._on_sliced,
    PAIR_STATE: L3Book._on_pair_state,
    UNCROSSED: L3Book._on_nothing,
    LEASED: L3Book._on_nothing,
    LEASE_ENDED: L3Book._on_nothing,
    GROUPED: L3Book._on_nothing,
    STOP_ACCEPTED: L3Book._on_stop_accepted,
    LEFT: L3Book._on_nothing,
}
"""What each kind of event does to a book. Every kind that an engine can emit has its line here."""
