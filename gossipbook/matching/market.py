"""One pair's book at work: how orders match, rest, leave and are renewed. What may be asked of it is in the engine."""

from collections.abc import Iterator
from typing import Any, Final

from gossipbook import cbor
from gossipbook.ids import Digest, digest
from gossipbook.manifest import Limits, Pair
from gossipbook.matching.book import Book
from gossipbook.matching.constants import (
    AUCTION,
    BUY,
    CANCEL_BOTH,
    CANCEL_MAKER,
    CANCEL_TAKER,
    OPEN,
    SELF_TRADE,
    STOP,
    UNFILLED,
)
from gossipbook.matching.events import (
    CANCELLED,
    FILL,
    REJECTED,
    SLICED,
    TRIGGERED,
    CancelCause,
    RawEvent,
    RejectReason,
)
from gossipbook.matching.groups import Groups
from gossipbook.matching.ladder import RESTING, Ladder, Order

BPS: Final = 10_000


class Market:
    """A book, its events and its counters."""

    def __init__(self, pair: Pair, limits: Limits) -> None:
        self.pair = pair
        self.book = Book()
        self.groups = Groups()
        self.events: list[RawEvent] = []
        self.event_number = 0  # the last event's
        self.order_number = 0  # the last entry's
        self.reference_ticks = 0  # last trade's price at the end of the previous block; 0: none yet
        self.last_trade_ticks = 0
        self.pair_state = OPEN
        self._calm = False
        self._max_price = pair.max_price_ticks
        self._min_qty = pair.min_qty_lots
        self._max_qty = pair.max_qty_lots
        self._band = pair.price_band_bps
        self._max_own_orders = limits.max_open_orders_per_author
        self._max_orders = limits.max_open_orders_per_pair
        self._max_rate = limits.max_commands_per_author_per_s
        self._max_triggers = limits.max_triggers_per_block
        self._time_ms = 0
        self._rates: dict[bytes, int] = {}  # commands by author in the second of block time that is under way
        self._rates_second = 0
        self._rates_before: tuple[int, dict[bytes, int]] = (0, {})
        self._before = ((0, 0), 0, 0, OPEN)
        self._in_block = False
        self._mind_state()

    def _mind_state(self) -> None:
        """Whether an order can be forbidden only by its own numbers and for want of room."""
        self._calm = self.pair_state == OPEN and not self._band and not self._max_rate

    # -- matching -----------------------------------------------------------------------------------

    def _enter(self, order: Order, *, rests: bool) -> None:
        """Match an order that is not in the book; then rest or cancel what is left."""
        if self.pair_state != AUCTION:
            self._match(order)
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
        self._event((SLICED, self._number(), order.author, order.client_id, shown, hidden))
        self._queue_up(order)
        if hidden:
            self.book.set_hidden(order, hidden)

    def _cancel_rest(self, order: Order) -> None:
        if order.open_lots:
            self._event((CANCELLED, self._number(), order.author, order.client_id, order.open_lots, 0, UNFILLED))
            order.open_lots = 0

    def _match(self, taker: Order) -> None:
        book = self.book
        ladder = book.asks if taker.side == BUY else book.bids
        sign = ladder.sign
        limit_key = taker.price_ticks * sign
        keys, levels = ladder.keys, ladder.levels
        groups = self.groups.members
        account = taker.account
        while taker.open_lots and keys and keys[-1] >= limit_key:
            key = keys[-1]
            maker = levels[key].first
            if maker.account is account or (groups and self._grouped(maker.author, taker.author)):
                self._self_trade(taker, maker)
                continue
            shown = maker.open_lots
            lots = shown if shown < taker.open_lots else taker.open_lots
            taker.open_lots -= lots
            self._fill(maker, taker, key * sign, lots)
            if lots < shown:
                book.lower(maker, lots)
            else:
                del maker.account.orders[maker.client_id]
                book.unlink(maker)
                if maker.hidden_lots:
                    self._show_more(maker, maker.hidden_lots)

    def _fill(self, maker: Order, taker: Order, price: int, lots: int) -> None:
        self.event_number = number = self.event_number + 1
        self.events.append(
            (
                FILL,
                number,
                price,
                lots,
                maker.account.author,
                maker.client_id,
                taker.account.author,
                taker.client_id,
                taker.side,
            )
        )
        self.last_trade_ticks = price
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
        self._event((CANCELLED, self._number(), order.author, order.client_id, taken, left, SELF_TRADE))
        if order.place != RESTING:
            order.open_lots -= lots
        elif lots < order.open_lots:
            self.book.lower(order, lots)
        else:
            self.book.take_out(order)
            if left:
                self._show_more(order, left)

    def _can_fill(self, taker: Order, wanted: int) -> bool:
        """Whether an order can fill so much against others before it meets what stops it."""
        ladder = self.book.asks if taker.side == BUY else self.book.bids
        limit_key = taker.price_ticks * ladder.sign
        alone = not taker.account.orders and not self.groups.members
        for key in reversed(ladder.keys):
            if key < limit_key:
                return False
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
                        return False
                    if wanted <= 0:
                        return True
                wanted -= hidden
            if wanted <= 0:
                return True
        return False

    def _run_line(self) -> None:
        for _ in range(self._max_triggers):
            order = self.book.next_in_line()
            if order is None:
                return
            self._event((TRIGGERED, self._number(), order.author, order.client_id, order.price_ticks, order.open_lots))
            entering = self._renewed(order, order.price_ticks, order.total_lots, order.open_lots)
            if self._outside_band(order.side, order.price_ticks):
                band = int(CancelCause.PRICE_BAND)
                self._event((CANCELLED, self._number(), order.author, order.client_id, order.open_lots, 0, band))
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
            )
        )
        self.book.take_out(order)

    def _renewed(self, order: Order, price: int, total: int, open_lots: int) -> Order:
        """An order that enters anew, under the next order number."""
        self.order_number += 1
        renewed = Order(order.account, order.client_id, order.side, price, total, self.order_number, order.terms)
        renewed.open_lots = open_lots
        return renewed

    # -- questions ----------------------------------------------------------------------------------

    def depth(self, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best ``levels`` of a side, best first: (price_ticks, open_lots, live orders)."""
        ladder = self._ladder(side)
        best = [ladder.levels[key] for key in ladder.keys[: -levels - 1 : -1]] if levels else []
        return [(level.price_ticks, level.open_lots, sum(1 for _ in level.orders())) for level in best]

    def open_orders(self, side: int) -> Iterator[tuple[bytes, int, int, int, int, int]]:
        """A side's resting orders by priority: (author, client_id, price_ticks, shown lots, number, hidden lots)."""
        for order in self.book.live_orders(self._ladder(side)):
            shown, hidden = order.open_lots, order.hidden_lots
            yield order.author, order.client_id, order.price_ticks, shown, order.number, hidden

    def waiting_orders(self) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Stop orders that wait, by number: (author, client_id, side, stop_ticks, price_ticks, open_lots, number)."""
        return [_stop_fields(order) for order in self.book.stops.waiting()]

    def line(self) -> list[tuple[bytes, int, int, int, int, int, int]]:
        """Triggered stop orders that were not run yet, the next first; fields as of :meth:`waiting_orders`."""
        return [_stop_fields(order) for order in self.book.lined_up()]

    def leases(self) -> list[tuple[bytes, int]]:
        """(author, until ms) of each lease, by author."""
        leases = self.book.timetable.leases
        return [(author, leases[author]) for author in sorted(leases)]

    def state(self) -> list[Any]:
        """Everything that decides what later commands do, in one canonical form, queue order included."""
        book, groups = self.book, self.groups
        stops = (book.stops.waiting(), book.lined_up())
        sides = (list(book.live_orders(book.bids)), list(book.live_orders(book.asks)), *stops)
        return [
            *[[_fields(order) for order in orders] for orders in sides],
            [list(last) for last in book.last_ids()],
            [list(lease) for lease in self.leases()],
            [[author, groups.joined[author]] for author in sorted(groups.joined)],
            [[owner, list(groups.admitted[owner])] for owner in sorted(groups.admitted)],
            [self._rates_second, [[author, self._rates[author]] for author in sorted(self._rates)]],
            self.event_number,
            self.order_number,
            self.reference_ticks,
            self.last_trade_ticks,
            self.pair_state,
        ]

    def digest(self) -> Digest:
        """SHA-256 of :meth:`state`."""
        return digest(b"engine", cbor.encode(self.state()))

    # -- small parts --------------------------------------------------------------------------------

    def _ladder(self, side: int) -> Ladder:
        return self.book.bids if side == BUY else self.book.asks

    def _crosses(self, side: int, price_ticks: int) -> bool:
        if side == BUY:
            keys = self.book.asks.keys
            return bool(keys) and -keys[-1] <= price_ticks
        keys = self.book.bids.keys
        return bool(keys) and keys[-1] >= price_ticks

    def _outside_band(self, side: int, price_ticks: int) -> bool:
        reference, band = self.reference_ticks, self._band
        if not reference or not band:
            return False
        if side == BUY:
            return price_ticks * BPS > reference * (BPS + band)
        return price_ticks * BPS < reference * (BPS - band)

    def _grouped(self, one: bytes, other: bytes) -> bool:
        return one == other or self.groups.of(one) == self.groups.of(other)

    def _reject(self, author: bytes, client_id: int, command: int, reason: RejectReason) -> None:
        self._event((REJECTED, self._number(), author, client_id, command, int(reason)))

    def _number(self) -> int:
        self.event_number += 1
        return self.event_number

    def _event(self, event: RawEvent) -> None:
        self.events.append(event)


def _stop_fields(order: Order) -> tuple[bytes, int, int, int, int, int, int]:
    stop_ticks = order.terms.stop_ticks
    return order.author, order.client_id, order.side, stop_ticks, order.price_ticks, order.open_lots, order.number


def _fields(order: Order) -> list[Any]:
    """An order's part of the state."""
    terms = order.terms
    return [
        *(order.author, order.client_id, order.price_ticks, order.total_lots, order.open_lots, order.hidden_lots),
        *(order.number, terms.type, terms.flags, terms.self_trade, terms.expires_ms),
        *(terms.display_lots, terms.stop_ticks),
    ]
