"""One pair's book at work: how orders match, rest, leave and are renewed. What may be asked of it is in the engine."""

from typing import Final

from gossipbook.matching.constants import (
    ALLOW,
    AUCTION,
    BUY,
    CANCEL_BOTH,
    CANCEL_MAKER,
    CANCEL_TAKER,
    SELF_TRADE,
    STOP,
    UNFILLED,
    WORK_LIMIT,
)
from gossipbook.matching.counters import Counters
from gossipbook.matching.events import (
    CANCELLED,
    FILL,
    SLICED,
    TRIGGERED,
    CancelCause,
)
from gossipbook.matching.ladder import OUT, RESTING, Order

ENOUGH: Final = 0
TOO_LITTLE: Final = 1
TOO_MUCH_WORK: Final = 2
"""What a look at the book found: so much can be filled, it cannot, or it would take too long to tell."""


class Market(Counters):
    """A book in which orders meet."""

    __slots__ = ()

    # -- matching -----------------------------------------------------------------------------------

    def _enter(self, order: Order, *, rests: bool) -> None:
        """Match an order that is not in the book; then rest or cancel what is left."""
        if self.pair_state != AUCTION:
            self._match(order)
        elif self._bounded:
            self._meet_own(order)
        if rests and order.open_lots:
            self._rest(order)
        else:
            self._cancel_rest(order)

    def _rest(self, order: Order) -> None:
        """Join the book, an iceberg with no more than it shows."""
        display = order.terms.display_lots
        if not display or order.open_lots <= display:
            self._queue_up(order)
        else:
            self._slice(order)

    def _queue_up(self, order: Order) -> None:
        order.account.orders[order.client_id] = order
        ladder = self._ladder(order.side)
        self.book.rest(order, ladder, order.price_ticks * ladder.sign)

    def _slice(self, order: Order) -> None:
        """Rest with what an iceberg shows of what is open, the rest behind it."""
        shown = min(order.open_lots, order.terms.display_lots)
        hidden = order.open_lots - shown
        order.open_lots = shown
        self._event((SLICED, self._number(), order.author, order.client_id, shown, hidden, *self._past(order)))
        order.last_event = self.event_number
        self._queue_up(order)
        if hidden:
            self.book.set_hidden(order, hidden)

    def _cancel_rest(self, order: Order, cause: int = UNFILLED) -> None:
        """Cancel what is left of an order on its way in."""
        if order.open_lots:
            about = (order.author, order.client_id, order.open_lots, 0, cause)
            self._event((CANCELLED, self._number(), *about, *self._past(order)))
            order.open_lots = 0

    def _cut(self, taker: Order) -> None:
        """End the matching of an order whose op has done all that it may."""
        self._was_cut = True
        self._cancel_rest(taker, WORK_LIMIT)

    def _match(self, taker: Order) -> None:
        book = self.book
        ladder = book.asks if taker.side == BUY else book.bids
        sign = ladder.sign
        limit_key = taker.price_ticks * sign
        keys, levels = ladder.keys, ladder.levels
        groups = self.groups.members
        account = taker.account
        prevents = taker.terms.self_trade != ALLOW
        op_end = self._op_end
        while taker.open_lots and keys and keys[-1] >= limit_key:
            if self.event_number >= op_end:
                self._cut(taker)
                return
            key = keys[-1]
            maker = levels[key].first
            if prevents and (maker.account is account or (groups and self._grouped(maker.author, taker.author))):
                self._self_trade(taker, maker)
                continue
            shown = maker.open_lots
            lots = shown if shown < taker.open_lots else taker.open_lots
            self._fill(maker, taker, key * sign, lots)
            taker.open_lots -= lots
            if lots < shown:
                book.lower(maker, lots)
            else:
                del maker.account.orders[maker.client_id]
                book.unlink(maker)
                if maker.hidden_lots:
                    self._show_more(maker, maker.hidden_lots)

    def _fill(self, maker: Order, taker: Order, price: int, lots: int) -> None:
        """Trade, before either order has fewer lots for it."""
        self.event_number = number = self.event_number + 1
        self.last_trade_ticks = price
        author, taking = maker.account.author, taker.account.author
        if self._bounded:
            made, took = maker.filled_lots + lots, taker.filled_lots + lots
            left, open_lots = maker.open_lots + maker.hidden_lots - lots, taker.open_lots + taker.hidden_lots - lots
            maker_total, maker_previous = maker.total_lots, maker.last_event
            taker_total, taker_previous = taker.total_lots, taker.last_event
            # fmt: off
            self.events.append((
                FILL, number, price, lots, author, maker.client_id, taking, taker.client_id, taker.terms.side,
                made, left, maker_total, maker_previous, took, open_lots, taker_total, taker_previous,
            ))
            # fmt: on
            if left:
                self.book.tell(maker, made, number)
            if taker.place == OUT:  # As :meth:`Book.tell` does, where there is nothing to undo.
                taker.filled_lots, taker.last_event = took, number
            else:
                self.book.tell(taker, took, number)
            if price < self.low_ticks:
                self.low_ticks = price
            if price > self.high_ticks:
                self.high_ticks = price
            return
        self.events.append((FILL, number, price, lots, author, maker.client_id, taking, taker.client_id, taker.side))
        if self.book.waiting:
            self.book.trigger(price)

    def _take_filled(self, order: Order, lots: int) -> None:
        """Take ``lots`` out of what a resting order shows; the next slice of an iceberg that has no more to show."""
        if lots < order.open_lots:
            self.book.lower(order, lots)
            return
        self.book.take_out(order)
        if order.hidden_lots:
            self._show_more(order, order.hidden_lots)

    def _show_more(self, order: Order, hidden: int) -> None:
        """The next slice of an iceberg that has just left the book with what it showed used up."""
        self._slice(self._renewed(order, order.price_ticks, order.total_lots, hidden))

    def _self_trade(self, taker: Order, maker: Order) -> None:
        """What the taker's mode makes of meeting an own order. The taker may rest too, in an auction."""
        mode = taker.terms.self_trade
        if mode in (CANCEL_MAKER, CANCEL_BOTH):
            self._take_out(maker, CancelCause.SELF_TRADE)
        if mode in (CANCEL_TAKER, CANCEL_BOTH):
            self._take_from(taker, taker.open_lots, whole=True)
        if mode in (CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH):
            return
        lots = min(taker.open_lots, maker.open_lots)
        self._take_from(maker, lots)
        self._take_from(taker, lots)

    def _take_from(self, order: Order, lots: int, *, whole: bool = False) -> None:
        """Self-trade prevention takes so much of what an order shows, or all of it; it rests or is on its way in."""
        left = 0 if whole else order.open_lots + order.hidden_lots - lots
        taken = order.open_lots + order.hidden_lots if whole else lots
        about = (order.author, order.client_id, taken, left, SELF_TRADE)
        self._event((CANCELLED, self._number(), *about, *self._past(order)))
        if left and self._bounded:
            self.book.tell(order, order.filled_lots, self.event_number)
        if order.place != RESTING:
            order.open_lots -= lots
        elif lots < order.open_lots:
            self.book.lower(order, lots)
        else:
            self.book.take_out(order)
            if left:
                self._show_more(order, left)

    def _look(self, taker: Order, wanted: int) -> int:
        """Whether an order can fill so much at once.

        Where work is bounded, that is only known once it was tried: here too little is found, or it may be enough.
        """
        ladder = self.book.asks if taker.side == BUY else self.book.bids
        limit_key = taker.price_ticks * ladder.sign
        prevents = taker.terms.self_trade != ALLOW
        alone = self._bounded or not prevents or (not taker.account.orders and not self.groups.members)
        found, levels = TOO_LITTLE, 0
        for key in ladder.keys_best_first():
            if key < limit_key:
                break
            if self.event_number + levels >= self._op_end:
                found = TOO_MUCH_WORK
                break
            levels += 1
            level = ladder.levels[key]
            if alone:
                wanted -= level.open_lots + level.hidden_lots
            else:
                hidden = 0  # comes to the front after all that is shown
                for maker in level.orders():
                    if not self._grouped(maker.author, taker.author):
                        wanted -= maker.open_lots
                        hidden += maker.hidden_lots
                    elif taker.terms.self_trade != CANCEL_MAKER:
                        return TOO_LITTLE
                    if wanted <= 0:
                        return ENOUGH
                wanted -= hidden
            if wanted <= 0:
                found = ENOUGH
                break
        self._looked(levels)
        return found

    def _meet_own(self, taker: Order) -> None:
        """In an auction, where nothing trades yet: prevent self-trades at once, best first."""
        if taker.terms.self_trade == ALLOW or not self._crosses(taker.side, taker.price_ticks):
            return
        found = [self.book.accounts.get(author) for author in self.groups.together(taker.author)]
        accounts = [account for account in found if account is not None]
        number = sum([len(account.orders) for account in accounts])
        if self.event_number + number > self._op_end:  # It is not even listed: that would be work of no account.
            self._cut(taker)
            return
        own = [order for account in accounts for order in account.orders.values()]
        self._looked(number)
        sign, limit = self._ladder(taker.side).sign, taker.price_ticks * self._ladder(taker.side).sign
        makers = [
            order
            for order in own
            if order.place == RESTING and order.side != taker.side and order.price_ticks * sign <= limit
        ]
        makers.sort(key=lambda order: (order.price_ticks * sign, order.number))
        while makers and taker.open_lots:
            if self.event_number >= self._op_end:
                self._cut(taker)
                return
            maker = makers[0]
            self._self_trade(taker, maker)
            if maker.place != RESTING:
                del makers[0]
                renewed = self.book.find(maker.author, maker.client_id)
                if renewed is not None:  # Its next slice is the last at its price.
                    makers.insert(sum(1 for order in makers if order.price_ticks == maker.price_ticks), renewed)

    def _run_line(self) -> None:
        """Run triggered orders: so many as the rules allow in a block."""
        book = self.book
        if not self._bounded:
            for _ in range(self._max_triggers):
                order = book.next_in_line()
                if order is None:
                    return
                self._run_triggered(order)
            return
        while self.event_number < self._block_end:
            order = book.stops.next_reached(self.low_ticks, self.high_ticks)
            if order is None:
                return
            book.stop_waiting(order)
            self._op_end = self.event_number + self._op_work
            self._run_triggered(order)

    def _run_triggered(self, order: Order) -> None:
        about = (order.author, order.client_id, order.price_ticks, order.open_lots)
        self._event((TRIGGERED, self._number(), *about, *self._past(order)))
        entering = self._renewed(order, order.price_ticks, order.total_lots, order.open_lots)
        entering.last_event = self.event_number
        if self._outside_band(order.side, order.price_ticks):
            self._cancel_rest(entering, int(CancelCause.PRICE_BAND))
        else:
            self._enter(entering, rests=order.terms.type != STOP)

    # -- leaving --------------------------------------------------------------------------------------

    def _cancel_all(self, author: bytes, side: int, cause: CancelCause) -> None:
        for order in self.book.own_orders(author):
            if side in (0, order.side):
                self._take_out(order, cause)

    def _take_out(self, order: Order, cause: CancelCause) -> None:
        self._event(
            (
                CANCELLED,
                self._number(),
                order.author,
                order.client_id,
                order.open_lots + order.hidden_lots,
                0,
                int(cause),
                *self._past(order),
            )
        )
        self.book.take_out(order)

    def _renewed(self, order: Order, price: int, total: int, open_lots: int) -> Order:
        """An order that enters anew, under the next order number."""
        self.order_number += 1
        renewed = Order(order.account, order.client_id, price, total, self.order_number, order.terms)
        renewed.open_lots = open_lots
        renewed.filled_lots, renewed.last_event = order.filled_lots, order.last_event
        return renewed
