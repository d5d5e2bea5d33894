"""Where the oracle's orders meet: the lists that they are in, matching, the line of triggered orders, auctions.

It knows no command and refuses nothing; that is :class:`~gossipbook.audit.oracle.OracleBook`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, TypeAlias

from gossipbook.audit.oracle_auction import auction_price
from gossipbook.audit.oracle_codes import (
    AUCTION,
    BUY,
    CANCEL_BOTH,
    CANCEL_MAKER,
    CANCEL_TAKER,
    CANCELLED,
    DECREMENT,
    FILL,
    OPEN,
    SELL,
    SLICED,
    STOP,
    UNCROSSED,
    Cause,
)
from gossipbook.audit.oracle_groups import OracleGroups
from gossipbook.audit.oracle_order import OracleOrder

RawEvent: TypeAlias = tuple[Any, ...]


class OracleMarket:
    """The open orders of a pair, and what they do to each other."""

    def __init__(self) -> None:
        self.buys: list[OracleOrder] = []  # both sides sorted by rank
        self.sells: list[OracleOrder] = []
        self.stops: list[OracleOrder] = []  # waiting to be triggered, in no order
        self.triggered: list[OracleOrder] = []  # the line
        self.open_orders: dict[tuple[bytes, int], OracleOrder] = {}  # what these four hold

        self.pair_state = OPEN
        self.groups = OracleGroups()
        self.last_trade = 0  # its price; 0: none yet
        self.entries = self.event_number = 0
        self.events: list[RawEvent] = []

    # What it holds now.

    def resting(self, side: int) -> list[tuple[bytes, int, int, int]]:
        """A side in priority order, as it shows: (author, client_id, price_ticks, shown_lots)."""
        return [(order.author, order.client_id, order.price, order.shown) for order in self._side(side)]

    def resting_whole(self, side: int) -> list[tuple[bytes, int, int, int, int]]:
        """A side in priority order: (author, client_id, price_ticks, shown_lots, hidden_lots)."""
        return [(o.author, o.client_id, o.price, o.shown, o.hidden) for o in self._side(side)]

    def waiting(self) -> list[tuple[bytes, int, int, int, int, int]]:
        """Stop orders not triggered yet, by number: (author, client_id, side, stop_ticks, price_ticks, open_lots)."""
        return [_stop_row(order) for order in sorted(self.stops, key=_entered)]

    def line(self) -> list[tuple[bytes, int, int, int, int, int]]:
        """Triggered orders that have not run yet, the next one first; rows as of :meth:`waiting`."""
        return [_stop_row(order) for order in self.triggered]

    # Matching.

    def _enter(self, taker: OracleOrder) -> None:
        """Match an order with the book unless there is an auction; then it rests, or its remainder is cancelled."""
        if self.pair_state != AUCTION:
            self._match(taker)
        if taker.open and taker.rests and taker.type != STOP:
            self._rest(taker)
        elif taker.open:
            self._emit(CANCELLED, taker.author, taker.client_id, taker.open, 0, int(Cause.UNFILLED))

    def _match(self, taker: OracleOrder) -> None:
        makers = self._other_side(taker)
        while taker.open and makers and taker.allows(makers[0].price):
            maker = makers[0]
            if self._group(maker) == self._group(taker):
                self._prevent_self_trade(maker, taker)
            else:
                self._trade(maker, taker, maker.price, min(maker.shown, taker.open))

    def _trade(self, maker: OracleOrder, taker: OracleOrder, price: int, lots: int) -> None:
        who = (maker.author, maker.client_id, taker.author, taker.client_id)
        self._emit(FILL, price, lots, *who, taker.side)
        for order in (maker, taker):
            order.take(lots)
            self._tidy(order)
        self.last_trade = price
        self._trigger(price)

    def _prevent_self_trade(self, maker: OracleOrder, taker: OracleOrder) -> None:
        lots = min(maker.shown, taker.shown)  # an arriving taker shows all it has
        if taker.self_trade in (CANCEL_MAKER, CANCEL_BOTH):
            self._take_out(maker, maker.open)
        if taker.self_trade in (CANCEL_TAKER, CANCEL_BOTH):
            self._take_out(taker, taker.open)
        if taker.self_trade == DECREMENT:
            self._take_out(maker, lots)
            self._take_out(taker, lots)

    def _take_out(self, order: OracleOrder, lots: int) -> None:
        order.take(lots)
        self._emit(CANCELLED, order.author, order.client_id, lots, order.open, int(Cause.SELF_TRADE))
        self._tidy(order)

    def _tidy(self, order: OracleOrder) -> None:
        """After lots were taken from an order: if it shows nothing any more it leaves the book or shows a new slice."""
        if order.where is None or order.shown:
            return
        self._leave(order)
        if order.open:
            order.entered = self._next_entry()
            self._rest(order, was_hiding=True)

    def _can_fill(self, taker: OracleOrder, lots: int) -> bool:
        """Whether so much would fill at once, before an own order is met that the taker would not just cancel.

        At each price what is hidden comes last, as slices join the back of the queue.
        """
        found = 0
        others = self._other_side(taker)
        for price in dict.fromkeys(order.price for order in others if taker.allows(order.price)):
            level = [order for order in others if order.price == price]
            for maker in level:
                if self._group(maker) != self._group(taker):
                    found += maker.shown
                elif found < lots and taker.self_trade != CANCEL_MAKER:
                    return False
            found += sum(maker.hidden for maker in level if self._group(maker) != self._group(taker))
            if found >= lots:
                return True
        return False

    def _trigger(self, price: int) -> None:
        for order in sorted(self.stops, key=_entered):
            if order.triggered_by(price):
                self._leave(order)
                self._keep(order, self.triggered)

    # An auction's end.

    def _uncross(self) -> None:
        if not self._is_crossed(self.buys, self.sells):
            return
        for group in sorted({self._group(order) for order in self.buys + self.sells}):
            self._uncross_group(group)
        if not self._is_crossed(self.buys, self.sells):
            return
        price, volume = auction_price(self.buys, self.sells, self.last_trade)
        self._emit(UNCROSSED, price, volume)
        while volume:
            maker, taker = sorted([self.buys[0], self.sells[0]], key=_entered)
            lots = min(maker.shown, taker.shown, volume)
            self._trade(maker, taker, price, lots)
            volume -= lots

    def _uncross_group(self, group: bytes) -> None:
        while True:
            bids = [order for order in self.buys if self._group(order) == group]
            offers = [order for order in self.sells if self._group(order) == group]
            if not self._is_crossed(bids, offers):
                return
            maker, taker = sorted([bids[0], offers[0]], key=_entered)
            self._prevent_self_trade(maker, taker)

    def _is_crossed(self, bids: Sequence[OracleOrder], offers: Sequence[OracleOrder]) -> bool:
        return bool(bids) and bool(offers) and bids[0].price >= offers[0].price

    # The lists.

    def _side(self, side: int) -> list[OracleOrder]:
        return self.buys if side == BUY else self.sells

    def _other_side(self, order: OracleOrder) -> list[OracleOrder]:
        return self._side(SELL if order.side == BUY else BUY)

    def _rest(self, order: OracleOrder, was_hiding: bool = False) -> None:
        """Join the back of a level's queue, with no more on show than the order wants."""
        order.shown = min(order.display or order.open, order.open)
        side = self._side(order.side)
        self._keep(order, side, bisect_right(side, order.rank(), key=OracleOrder.rank))
        if order.hidden or was_hiding:
            self._emit(SLICED, order.author, order.client_id, order.shown, order.hidden)

    def _keep(self, order: OracleOrder, where: list[OracleOrder], at: int | None = None) -> None:
        order.where = where
        where.insert(len(where) if at is None else at, order)
        self.open_orders[order.author, order.client_id] = order

    def _leave(self, order: OracleOrder) -> None:
        assert order.where is not None
        order.where.remove(order)
        order.where = None
        del self.open_orders[order.author, order.client_id]

    def _own(self, author: bytes) -> list[OracleOrder]:
        """In order of entry."""
        return sorted((order for order in self.open_orders.values() if order.author == author), key=_entered)

    def _cancel_order(self, order: OracleOrder, cause: Cause) -> None:
        self._leave(order)
        self._emit(CANCELLED, order.author, order.client_id, order.open, 0, int(cause))

    def _cancel_own(self, author: bytes, side: int, cause: Cause) -> None:
        for order in self._own(author):
            if side in (0, order.side):
                self._cancel_order(order, cause)

    def _group(self, order: OracleOrder) -> bytes:
        return self.groups.of(order.author)

    def _next_entry(self) -> int:
        self.entries += 1
        return self.entries

    def _emit(self, kind: int, *fields: bytes | int) -> None:
        self.event_number += 1
        self.events.append((kind, self.event_number, *fields))


def _entered(order: OracleOrder) -> int:
    return order.entered


def _stop_row(order: OracleOrder) -> tuple[bytes, int, int, int, int, int]:
    return order.author, order.client_id, order.side, order.stop, order.price, order.open
