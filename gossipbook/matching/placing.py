"""Places and cancels: which are allowed, and what becomes of the order."""

from typing import Final

from gossipbook.matching.amendments import Amendments
from gossipbook.matching.commands import CANCEL, KINDS, PLACE, SLICES_CAP, Place, SpecialPlace
from gossipbook.matching.constants import (
    AUCTION,
    BUY,
    CANCEL_TAKER,
    CANCELLING,
    FOK,
    GTD,
    HALTED,
    LIMIT,
    MARKET,
    POST_ONLY,
    POSTING,
    REQUESTED,
    SLIDE,
    STOP,
    UNFILLED,
    WORK_LIMIT,
)
from gossipbook.matching.controls import R
from gossipbook.matching.events import (
    ACCEPTED,
    CANCELLED,
    STOP_ACCEPTED,
    CancelCause,
    RejectReason,
)
from gossipbook.matching.ladder import RESTING, Account, Boxed, Order, Terms
from gossipbook.matching.market import ENOUGH, TOO_LITTLE, TOO_MUCH_WORK

SHARED: Final = [
    [[Terms(side, LIMIT, flags, mode, 0, 0, 0) for mode in range(5)] for flags in (0, POST_ONLY)]
    for side in (BUY, BUY + 1)
]
"""The terms of orders that were placed with neither a special wish nor a time, by side, flags and self-trade mode."""

PLAIN_BUY: Final = SHARED[0][0][CANCEL_TAKER]
PLAIN_SELL: Final = SHARED[1][0][CANCEL_TAKER]


class Placing(Amendments):
    """A market that orders can be placed in."""

    __slots__ = ()

    def _place(self, account: Account, c: Place, calm: bool, void: bool) -> None:
        """``calm``: nothing but the order's own numbers can forbid it."""
        the_id: Boxed
        the_price: Boxed
        the_qty: Boxed
        the_id, side, type_, the_price, the_qty, tif, flags, self_trade, expires_ms = c
        client_id: int = the_id
        price: int = the_price
        qty: int = the_qty
        if client_id <= account.last_id:
            self._reject(account.author, client_id, PLACE, R.ID_REUSED)
            return
        account.last_id = client_id
        terms = PLAIN_BUY if side == BUY else PLAIN_SELL
        number = self.event_number + 1
        if (
            not calm
            or number > self._op_end
            or flags
            or tif == GTD
            or expires_ms
            or self_trade != CANCEL_TAKER
            or type_ != LIMIT
            or not 1 <= price <= self._max_price
            or not self._min_qty <= qty <= self._max_qty
        ):
            author = account.author
            reason = self._refuse_now(author, type_, tif, flags, 0, void) or self._refuse_place(account, c)
            if reason is not None:
                self._reject(author, client_id, PLACE, reason)
                return
            if expires_ms:
                terms = Terms(side, LIMIT, flags, self_trade, expires_ms, 0, 0)
            else:
                terms = SHARED[0 if side == BUY else 1][flags][self_trade]
        self.event_number = number
        if self._bounded:
            self.events.append((ACCEPTED, number, account.author, the_id, side, the_price, the_qty, self._op_seq))
        else:
            self.events.append((ACCEPTED, number, account.author, the_id, side, the_price, the_qty))
        self.order_number = entry = self.order_number + 1
        order = Order(account, the_id, price, qty, entry, terms)
        order.last_event = number
        if tif > GTD:
            self._take(order, tif == FOK)
            return
        book = self.book
        if side == BUY:
            ladder, key, opposite = book.bids, price, book.asks.keys
        else:
            ladder, key, opposite = book.asks, -price, book.bids.keys
        if opposite and opposite[-1] >= -key:
            self._enter(order, rests=True)
        else:
            account.orders[the_id] = order
            book.rest(order, ladder, key)

    def _take(self, order: Order, whole: bool) -> None:
        """Match what may not rest, whole or in part."""
        if whole:
            self._enter_if(order, order.open_lots, UNFILLED, rests=False)
        else:
            self._enter(order, rests=False)

    def _enter_if(self, order: Order, wanted: int, cause: int, *, rests: bool) -> None:
        """Enter an order that fills so much at once, or is cancelled for that cause and has met nobody."""
        found = self._look(order, wanted)
        if found == ENOUGH:
            if not self._bounded:
                self._enter(order, rests=rests)
                return
            mark, lots, accepted = self._mark(), order.open_lots, order.last_event
            self._was_cut = False
            self._enter(order, rests=rests)
            if order.filled_lots >= wanted:
                return
            tried = self.event_number - mark.numbers[0]
            self._return_to(mark)
            order.open_lots, order.filled_lots, order.last_event = lots, 0, accepted
            self._looked(tried)
            found = TOO_MUCH_WORK if self._was_cut else TOO_LITTLE
        self._cancel_rest(order, cause if found == TOO_LITTLE else WORK_LIMIT)

    def _refuse_now(
        self, author: bytes, type_: int, tif: int, flags: int, min_lots: int, void: bool
    ) -> RejectReason | None:
        """What forbids a place at this time, whatever its numbers."""
        if void:
            return R.OP_EXPIRED
        if self.event_number >= self._op_end:
            return R.WORK_LIMIT
        if self._max_rate and self._over_rate(author):
            return R.RATE_LIMITED
        state = self.pair_state
        if state == HALTED:
            return R.PAIR_HALTED
        if state == CANCELLING:
            return R.PAIR_CANCEL_ONLY
        if state == POSTING and not flags & POST_ONLY:
            return R.PAIR_POST_ONLY
        if state == AUCTION and (flags & POST_ONLY or min_lots or tif > GTD or type_ == MARKET):
            return R.PAIR_IN_AUCTION
        return None

    def _refuse_place(self, account: Account, c: Place) -> RejectReason | None:
        """What is wrong with a place's numbers, or with them in this book."""
        immediate = c.tif > GTD
        if (c.type == MARKET and not immediate) or (c.flags and (immediate or c.type == MARKET)):
            return R.INVALID_COMBINATION
        if (c.tif == GTD) != (c.expires_ms > 0):
            return R.INVALID_COMBINATION
        if c.tif == GTD and self._time_ms > c.expires_ms:
            return R.ALREADY_EXPIRED
        if not 1 <= c.price_ticks <= self._max_price:
            return R.PRICE_OUT_OF_RANGE
        if not self._min_qty <= c.qty_lots <= self._max_qty:
            return R.QUANTITY_OUT_OF_RANGE
        if self._outside_band(c.side, c.price_ticks):
            return R.PRICE_BAND
        if immediate:
            return None
        return self._refuse_resting(account) or (
            R.POST_ONLY_WOULD_CROSS if c.flags and self._crosses(c.side, c.price_ticks) else None
        )

    def _refuse_resting(self, account: Account) -> RejectReason | None:
        """Whether there is room for one order more."""
        if len(account.orders) >= self._max_own_orders:
            return R.TOO_MANY_OPEN_ORDERS
        return R.BOOK_FULL if self.book.open_count >= self._max_orders else None

    def _place_special(self, account: Account, c: SpecialPlace, void: bool) -> None:
        book, author = self.book, account.author
        if c.client_id <= account.last_id:
            self._reject(author, c.client_id, KINDS[type(c)], R.ID_REUSED)
            return
        account.last_id = c.client_id
        reason = self._refuse_now(author, c.type, c.tif, c.flags, c.min_lots, void) or self._refuse_special(account, c)
        price = c.price_ticks
        if reason is None and c.flags & POST_ONLY and self._crosses(c.side, price):
            price = self._slid(c.side) if c.flags & SLIDE else 0
            reason = None if price else R.POST_ONLY_WOULD_CROSS
        if reason is not None:
            self._reject(author, c.client_id, KINDS[type(c)], reason)
            return
        terms = Terms(c.side, c.type, c.flags, c.self_trade, c.expires_ms, c.display_lots, c.stop_ticks)
        self.order_number += 1
        order = Order(account, c.client_id, price, c.qty_lots, self.order_number, terms)
        if c.stop_ticks:
            about = (author, c.client_id, c.side, c.stop_ticks, price, c.qty_lots)
            self._event((STOP_ACCEPTED, self._number(), *about, *self._answered()))
            order.last_event = self.event_number
            book.wait(order)
            return
        self._event((ACCEPTED, self._number(), author, c.client_id, c.side, price, c.qty_lots, *self._answered()))
        order.last_event = self.event_number
        if c.min_lots:
            self._enter_if(order, c.min_lots, int(CancelCause.BELOW_MINIMUM), rests=c.tif <= GTD)
        elif c.tif > GTD:
            self._take(order, c.tif == FOK)
        else:
            self._enter(order, rests=True)

    def _refuse_special(self, account: Account, c: SpecialPlace) -> RejectReason | None:
        """As :meth:`_refuse_place`, but for post-only orders that would cross."""
        immediate = c.tif > GTD
        post_only = c.flags & POST_ONLY
        stop = c.type >= STOP
        if (
            (c.type == MARKET and not immediate)
            or (post_only and (immediate or c.type == MARKET))
            or (c.tif == GTD) != (c.expires_ms > 0)
            or (c.flags & SLIDE and not post_only)
            or stop != (c.stop_ticks != 0)
            or (stop and (immediate or post_only or c.min_lots))
            or (c.display_lots and (c.type in (MARKET, STOP) or immediate or c.display_lots >= c.qty_lots))
            or (c.min_lots and (c.tif == FOK or post_only or c.min_lots > c.qty_lots))
        ):
            return R.INVALID_COMBINATION
        if c.tif == GTD and self._time_ms > c.expires_ms:
            return R.ALREADY_EXPIRED
        if not 1 <= c.price_ticks <= self._max_price or (stop and not 1 <= c.stop_ticks <= self._max_price):
            return R.PRICE_OUT_OF_RANGE
        if not self._min_qty <= c.qty_lots <= self._max_qty or 0 < c.display_lots < self._min_qty:
            return R.QUANTITY_OUT_OF_RANGE
        if c.display_lots and c.qty_lots > c.display_lots * SLICES_CAP:
            return R.TOO_MANY_SLICES
        if not stop and self._outside_band(c.side, c.price_ticks):
            return R.PRICE_BAND
        if stop and self._has_reached(c.side, c.stop_ticks):
            return R.STOP_WOULD_TRIGGER
        return None if immediate else self._refuse_resting(account)

    def _has_reached(self, side: int, stop_ticks: int) -> bool:
        """Whether a trade that still counts was at a stop price or beyond."""
        if self._bounded:
            return self.high_ticks >= stop_ticks if side == BUY else self.low_ticks <= stop_ticks
        last = self.last_trade_ticks
        return last > 0 and (last >= stop_ticks if side == BUY else last <= stop_ticks)

    def _cancel(self, account: Account, client_id: Boxed) -> None:
        if self._holds_all:
            reason = R.PAIR_HALTED if self.pair_state == HALTED else R.WORK_LIMIT
            self._reject(account.author, client_id, CANCEL, reason)
            return
        order = account.orders.pop(client_id, None)
        if order is None:
            self._reject(account.author, client_id, CANCEL, self._not_open(account, client_id))
            return
        self.event_number = number = self.event_number + 1
        lots = order.open_lots + order.hidden_lots
        if self._bounded:
            filled, total, previous = order.filled_lots, order.total_lots, order.last_event
            self.events.append(
                (CANCELLED, number, account.author, client_id, lots, 0, REQUESTED, filled, total, previous)
            )
        else:
            self.events.append((CANCELLED, number, account.author, client_id, lots, 0, REQUESTED))
        if order.place == RESTING:
            self.book.unlink(order)
        else:
            account.orders[client_id] = order
            self.book.take_out(order)
