"""The rules of matching over :class:`~gossipbook.matching.book.Book`. The package docstring is the rule book."""

from collections.abc import Iterator, Sequence
from typing import Any

from gossipbook import cbor
from gossipbook.ids import Digest, digest
from gossipbook.manifest import Limits, Pair
from gossipbook.matching.book import Book
from gossipbook.matching.commands import (
    AMEND,
    CANCEL,
    PLACE,
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    Command,
    OrderType,
    Place,
    PlaceFlags,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import (
    ACCEPTED,
    AMENDED,
    CANCELLED,
    EXPIRED,
    FILL,
    FROZEN,
    REJECTED,
    CancelCause,
    RawEvent,
    RejectReason,
)
from gossipbook.matching.ladder import Ladder, Order

# Enum members cost an attribute look-up and a slower comparison each; the hot paths use these.
BUY = int(Side.BUY)
SELL = int(Side.SELL)
MARKET = int(OrderType.MARKET)
GTD, IOC, FOK = int(TimeInForce.GTD), int(TimeInForce.IOC), int(TimeInForce.FOK)
POST_ONLY = int(PlaceFlags.POST_ONLY)
CANCEL_TAKER, CANCEL_MAKER = int(SelfTrade.CANCEL_TAKER), int(SelfTrade.CANCEL_MAKER)
CANCEL_BOTH = int(SelfTrade.CANCEL_BOTH)
SELF_TRADE, UNFILLED = int(CancelCause.SELF_TRADE), int(CancelCause.UNFILLED)
R = RejectReason
BPS = 10_000


class Engine:
    """One pair's book with its rules; executes one speculative block at a time.

    ``begin_block`` … ``run`` … ``end_block``, then ``commit`` or ``rollback``.
    """

    def __init__(self, pair: Pair, limits: Limits) -> None:
        self.pair = pair
        self.book = Book()
        self.events: list[RawEvent] = []
        self.event_number = 0  # the last event's
        self.order_number = 0  # the last entry's
        self.reference_ticks = 0  # last trade's price at the end of the previous block; 0: none yet
        self.last_trade_ticks = 0
        self._max_own_orders = limits.max_open_orders_per_author
        self._max_orders = limits.max_open_orders_per_pair
        self._time_ms = 0
        self._before = (0, 0, 0, 0)
        self._in_block = False

    # -- blocks -------------------------------------------------------------------------------------

    def begin_block(self, time_ms: int) -> None:
        """Start a speculative block at a block time in ms; lapses GTD orders."""
        assert not self._in_block, "one block at a time: commit or roll back first"
        assert not self.book.log
        self._in_block = True
        self._before = (self.event_number, self.order_number, self.reference_ticks, self.last_trade_ticks)
        self._time_ms = time_ms
        self.events = []
        expiries = self.book.expiries
        while expiries and expiries[0].expires_ms < time_ms:
            order = expiries[0]
            self._event(EXPIRED, order.author, order.client_id, order.open_lots)
            self.book.take_out(order)

    def end_block(self) -> list[RawEvent]:
        """All events of the block. The block stays speculative."""
        self.reference_ticks = self.last_trade_ticks
        return self.events

    def commit(self) -> None:
        """Keep the block for good."""
        self.book.log.clear()
        self._in_block = False

    def rollback(self) -> None:
        """Undo the block exactly."""
        self.book.undo()
        self.event_number, self.order_number, self.reference_ticks, self.last_trade_ticks = self._before
        self.events = []
        self._in_block = False

    # -- commands -----------------------------------------------------------------------------------

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False) -> None:
        """Execute one op's commands, in order. ``void``: the op's expiry has passed."""
        for command in commands:
            if type(command) is Place:
                self._place(author, command, void)
            elif type(command) is Cancel:
                self._cancel(author, command)
            elif type(command) is Amend:
                self._amend(author, command, void)
            else:
                assert type(command) is CancelAll
                self._cancel_all(author, command.side, CancelCause.CANCEL_ALL)

    def freeze(self, author: bytes) -> None:
        """Cancel all that a proven equivocator has in the book."""
        self._event(FROZEN, author)
        self._cancel_all(author, 0, CancelCause.AUTHOR_FROZEN)

    def _place(self, author: bytes, c: Place, void: bool) -> None:
        book = self.book
        if c.client_id <= book.last_ids.get(author, 0):
            self._reject(author, c.client_id, PLACE, R.ID_REUSED)
            return
        book.use_id(author, c.client_id)
        reason = R.OP_EXPIRED if void else self._refuse_place(author, c)
        if reason is not None:
            self._reject(author, c.client_id, PLACE, reason)
            return
        self._event(ACCEPTED, author, c.client_id, c.side, c.price_ticks, c.qty_lots)
        self.order_number += 1
        order = Order(
            author,
            c.client_id,
            c.side,
            c.price_ticks,
            c.qty_lots,
            c.qty_lots,
            c.flags,
            c.self_trade,
            c.expires_ms,
            self.order_number,
        )
        if c.tif == FOK and not self._can_fill(order):
            self._event(CANCELLED, author, c.client_id, c.qty_lots, 0, UNFILLED)
            return
        self._enter(order, rests=c.tif != IOC and c.tif != FOK)

    def _refuse_place(self, author: bytes, c: Place) -> RejectReason | None:
        tif = c.tif
        immediate = tif in (IOC, FOK)
        post_only = c.flags & POST_ONLY
        if (c.type == MARKET and not immediate) or (post_only and immediate) or (tif == GTD) != (c.expires_ms > 0):
            return R.INVALID_COMBINATION
        if tif == GTD and self._time_ms > c.expires_ms:
            return R.ALREADY_EXPIRED
        pair = self.pair
        if not 1 <= c.price_ticks <= pair.max_price_ticks:
            return R.PRICE_OUT_OF_RANGE
        if not pair.min_qty_lots <= c.qty_lots <= pair.max_qty_lots:
            return R.QUANTITY_OUT_OF_RANGE
        if self._outside_band(c.side, c.price_ticks):
            return R.PRICE_BAND
        if not immediate:
            own = self.book.orders.get(author)
            if own is not None and len(own) >= self._max_own_orders:
                return R.TOO_MANY_OPEN_ORDERS
            if self.book.open_count >= self._max_orders:
                return R.BOOK_FULL
        if post_only and self._crosses(c.side, c.price_ticks):
            return R.POST_ONLY_WOULD_CROSS
        return None

    def _cancel(self, author: bytes, c: Cancel) -> None:
        order = self.book.find(author, c.client_id)
        if order is None:
            self._reject(author, c.client_id, CANCEL, self._not_open(author, c.client_id))
            return
        self._event(CANCELLED, author, c.client_id, order.open_lots, 0, CancelCause.REQUESTED)
        self.book.take_out(order)

    def _cancel_all(self, author: bytes, side: int, cause: CancelCause) -> None:
        for order in self.book.own_orders(author):
            if side in (0, order.side):
                self._event(CANCELLED, author, order.client_id, order.open_lots, 0, cause)
                self.book.take_out(order)

    def _amend(self, author: bytes, c: Amend, void: bool) -> None:
        order = self.book.find(author, c.client_id)
        if order is None:
            self._reject(author, c.client_id, AMEND, self._not_open(author, c.client_id))
            return
        price = c.price_ticks or order.price_ticks
        total = c.qty_lots or order.total_lots
        open_lots = total - (order.total_lots - order.open_lots)
        reduction = price == order.price_ticks and open_lots <= order.open_lots
        reason = self._refuse_amend(order, c, price, total, open_lots, reduction, void)
        if reason is not None:
            self._reject(author, c.client_id, AMEND, reason)
        elif open_lots <= 0:
            self._event(CANCELLED, author, c.client_id, order.open_lots, 0, CancelCause.AMENDED_AWAY)
            self.book.take_out(order)
        elif reduction:
            self._event(AMENDED, author, c.client_id, price, total, open_lots)
            self.book.lower(order, self.book.level_of(order), order.open_lots - open_lots)
            self.book.set_total(order, total)
        else:
            self._event(AMENDED, author, c.client_id, price, total, open_lots)
            self.book.take_out(order)
            self.order_number += 1
            moved = Order(
                author,
                c.client_id,
                order.side,
                price,
                total,
                open_lots,
                order.flags,
                order.self_trade,
                order.expires_ms,
                self.order_number,
            )
            self._enter(moved, rests=True)

    def _refuse_amend(
        self, order: Order, c: Amend, price: int, total: int, open_lots: int, reduction: bool, void: bool
    ) -> RejectReason | None:
        if not reduction and c.flags & AmendFlags.REDUCE_ONLY:
            return R.NOT_A_REDUCTION
        if not reduction and void:
            return R.OP_EXPIRED
        if open_lots <= 0:
            return None
        if not self.pair.min_qty_lots <= total <= self.pair.max_qty_lots:
            return R.QUANTITY_OUT_OF_RANGE
        if reduction:
            return None
        if not 1 <= price <= self.pair.max_price_ticks:
            return R.PRICE_OUT_OF_RANGE
        if price != order.price_ticks and self._outside_band(order.side, price):
            return R.PRICE_BAND
        if order.flags & POST_ONLY and self._crosses(order.side, price):
            return R.POST_ONLY_WOULD_CROSS
        return None

    # -- matching -----------------------------------------------------------------------------------

    def _enter(self, order: Order, *, rests: bool) -> None:
        """Match an order that is not in the book; then rest or cancel what is left."""
        self._match(order)
        if not order.open_lots:
            return
        if rests:
            self.book.rest(order)
        else:
            self._event(CANCELLED, order.author, order.client_id, order.open_lots, 0, UNFILLED)
            order.open_lots = 0

    def _match(self, taker: Order) -> None:
        book = self.book
        ladder = book.asks if taker.side == BUY else book.bids
        limit_key = taker.price_ticks * ladder.sign
        keys = ladder.keys
        while taker.open_lots and keys and keys[-1] >= limit_key:
            level = ladder.levels[keys[-1]]
            maker = book.front(level)
            if maker.author == taker.author:
                self._self_trade(taker, maker, ladder)
                continue
            lots = min(taker.open_lots, maker.open_lots)
            self.event_number += 1
            self.events.append(
                (
                    FILL,
                    self.event_number,
                    level.price_ticks,
                    lots,
                    maker.author,
                    maker.client_id,
                    taker.author,
                    taker.client_id,
                    taker.side,
                )
            )
            self.last_trade_ticks = level.price_ticks
            taker.open_lots -= lots
            if lots == maker.open_lots:
                book.take_front(maker, ladder, level)
            else:
                book.lower(maker, level, lots)

    def _self_trade(self, taker: Order, maker: Order, ladder: Ladder) -> None:
        mode = taker.self_trade
        if mode in (CANCEL_MAKER, CANCEL_BOTH):
            self._event(CANCELLED, maker.author, maker.client_id, maker.open_lots, 0, SELF_TRADE)
            self.book.take_out(maker)
        if mode in (CANCEL_TAKER, CANCEL_BOTH):
            self._event(CANCELLED, taker.author, taker.client_id, taker.open_lots, 0, SELF_TRADE)
            taker.open_lots = 0
        if mode in (CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH):
            return
        lots = min(taker.open_lots, maker.open_lots)
        left = maker.open_lots - lots
        self._event(CANCELLED, maker.author, maker.client_id, lots, left, SELF_TRADE)
        if left:
            self.book.lower(maker, self.book.level_of(maker), lots)
        else:
            self.book.take_out(maker)
        taker.open_lots -= lots
        self._event(CANCELLED, taker.author, taker.client_id, lots, taker.open_lots, SELF_TRADE)

    def _can_fill(self, taker: Order) -> bool:
        """Whether a fill-or-kill order can fill whole against others."""
        ladder = self.book.asks if taker.side == BUY else self.book.bids
        limit_key = taker.price_ticks * ladder.sign
        wanted = taker.open_lots
        has_own_orders = taker.author in self.book.orders
        for key in reversed(ladder.keys):
            if key < limit_key:
                return False
            level = ladder.levels[key]
            if not has_own_orders:
                wanted -= level.open_lots
            else:
                for maker in level.queue:
                    if maker.author != taker.author:
                        wanted -= maker.open_lots
                    elif maker.open_lots and taker.self_trade != CANCEL_MAKER:
                        return False
                    if wanted <= 0:
                        return True
            if wanted <= 0:
                return True
        return False

    # -- questions ----------------------------------------------------------------------------------

    def depth(self, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best ``levels`` of a side, best first: (price_ticks, open_lots, live orders)."""
        ladder = self._ladder(side)
        best = ladder.keys[: -levels - 1 : -1] if levels else []
        return [(ladder.levels[key].price_ticks, ladder.levels[key].open_lots, ladder.levels[key].live) for key in best]

    def open_orders(self, side: int) -> Iterator[tuple[bytes, int, int, int, int]]:
        """A side's open orders in priority order: (author, client_id, price_ticks, open_lots, number)."""
        for order in self.book.live_orders(self._ladder(side)):
            yield order.author, order.client_id, order.price_ticks, order.open_lots, order.number

    def state(self) -> list[Any]:
        """Everything that decides what later commands do, in one canonical form, queue order included."""
        book = self.book
        orders = [
            [
                [
                    o.author,
                    o.client_id,
                    o.price_ticks,
                    o.total_lots,
                    o.open_lots,
                    o.flags,
                    o.self_trade,
                    o.expires_ms,
                    o.number,
                ]
                for o in book.live_orders(ladder)
            ]
            for ladder in (book.bids, book.asks)
        ]
        last_ids = [[author, book.last_ids[author]] for author in sorted(book.last_ids)]
        return [*orders, last_ids, self.event_number, self.order_number, self.reference_ticks, self.last_trade_ticks]

    def digest(self) -> Digest:
        """SHA-256 of :meth:`state`."""
        return digest(b"engine", cbor.encode(self.state()))

    # -- small parts --------------------------------------------------------------------------------

    def _ladder(self, side: int) -> Ladder:
        return self.book.bids if side == BUY else self.book.asks

    def _crosses(self, side: int, price_ticks: int) -> bool:
        ladder = self.book.asks if side == BUY else self.book.bids
        return bool(ladder.keys) and ladder.keys[-1] >= price_ticks * ladder.sign

    def _outside_band(self, side: int, price_ticks: int) -> bool:
        reference, band = self.reference_ticks, self.pair.price_band_bps
        if not reference or not band:
            return False
        if side == BUY:
            return price_ticks * BPS > reference * (BPS + band)
        return price_ticks * BPS < reference * (BPS - band)

    def _not_open(self, author: bytes, client_id: int) -> RejectReason:
        used = client_id <= self.book.last_ids.get(author, 0)
        return R.ORDER_CLOSED if used else R.UNKNOWN_ORDER

    def _reject(self, author: bytes, client_id: int, command: int, reason: RejectReason) -> None:
        self._event(REJECTED, author, client_id, command, int(reason))

    def _event(self, kind: int, *fields: Any) -> None:
        self.event_number += 1
        self.events.append((kind, self.event_number, *map(_plain, fields)))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value
