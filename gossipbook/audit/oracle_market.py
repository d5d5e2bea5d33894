"""Where the oracle's orders meet: the lists that they are in, matching, the line of triggered orders, auctions.

It knows no command and refuses nothing; that is :class:`~gossipbook.audit.oracle.OracleBook`.
"""

import copy
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, TypeAlias

from gossipbook.audit.oracle_auction import auction_price
from gossipbook.audit.oracle_codes import (
    ALLOW,
    AMENDED,
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


class OracleAuction:
    """How far an auction has come."""

    def __init__(self) -> None:
        self.meetings = 0  # of a bid level and an offer level
        self.price = 0
        self.left: int | None = None  # lots; None while the price is not found


def count_meetings(buys: Sequence[OracleOrder], sells: Sequence[OracleOrder]) -> int:
    """How often a bid level meets an offer level when the best of each trade until one is used up, and so on."""
    levels = [
        [[price, sum(order.open for order in side if order.price == price)] for price in _prices(side)]
        for side in (buys, sells)
    ]
    bids, offers = levels
    meetings = 0
    while bids and offers and bids[0][0] >= offers[0][0]:
        meetings += 1
        lots = min(bids[0][1], offers[0][1])
        for side_levels in levels:
            side_levels[0][1] -= lots
            if not side_levels[0][1]:
                side_levels.pop(0)
    return meetings


def _prices(side: Sequence[OracleOrder]) -> list[int]:
    return list(dict.fromkeys(order.price for order in side))


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
        self.trades: list[int] = []  # prices of trades whose stops have not all run, and of the last one before them
        self.auction: OracleAuction | None = None  # one that is not done
        self.is_bounded = False  # whether work is
        self.max_op_work = self.max_block_work = 0
        self.op_work = self.block_work = 0
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
        elif self.is_bounded:
            self._match_own(taker)
        if taker.open and taker.rests and taker.type != STOP:
            self._rest(taker)
        elif taker.open:
            self._tell(CANCELLED, taker, taker.open, 0, int(Cause.UNFILLED))

    def _match(self, taker: OracleOrder) -> None:
        makers = self._other_side(taker)
        while taker.open and makers and taker.allows(makers[0].price):
            maker = makers[0]
            if self._op_is_spent():
                self._drop(taker, Cause.WORK_LIMIT)
            elif taker.self_trade != ALLOW and self._group(maker) == self._group(taker):
                self._prevent_self_trade(maker, taker)
            else:
                self._trade(maker, taker, maker.price, min(maker.shown, taker.open))

    def _trade(self, maker: OracleOrder, taker: OracleOrder, price: int, lots: int) -> None:
        fields: list[bytes | int] = [maker.author, maker.client_id, taker.author, taker.client_id, taker.side]
        for order in (maker, taker):
            order.take(lots)
            order.filled += lots
            if self.is_bounded:
                fields += [order.filled, order.open, order.total, order.last_event]
        self._emit(FILL, price, lots, *fields)
        maker.last_event = taker.last_event = self.event_number
        for order in (maker, taker):
            self._tidy(order)
        self.last_trade = price
        if self.is_bounded:
            self.trades.append(price)
        else:
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
        self._tell(CANCELLED, order, lots, order.open, int(Cause.SELF_TRADE))
        self._tidy(order)

    def _tidy(self, order: OracleOrder) -> None:
        """After lots were taken from an order: if it shows nothing any more it leaves the book or shows a new slice."""
        if order.where is None or order.shown:
            return
        self._leave(order)
        if order.open:
            order.entered = self._next_entry()
            self._rest(order, was_hiding=True)

    def _match_own(self, taker: OracleOrder) -> None:
        """An order that comes into an auction meets its own group's as it would if there were no others."""
        others = self._other_side(taker)
        if taker.self_trade == ALLOW or not others or not taker.allows(others[0].price):
            return
        own = sum(self._group(order) == self._group(taker) for order in self.open_orders.values())
        if own > self.max_op_work - self.op_work:
            self._drop(taker, Cause.WORK_LIMIT)
            return
        self._look(own)
        while taker.open:
            across = [order for order in self._own_across(taker) if taker.allows(order.price)]
            if not across:
                return
            if self._op_is_spent():
                self._drop(taker, Cause.WORK_LIMIT)
            else:
                self._prevent_self_trade(across[0], taker)

    def _drop(self, taker: OracleOrder, cause: Cause) -> None:
        """What is left of an order on its way in goes."""
        lots = taker.open
        taker.take(lots)
        self._tell(CANCELLED, taker, lots, 0, int(cause))

    def _can_fill(self, taker: OracleOrder, lots: int) -> bool | None:
        """Whether so much would fill at once, before an own order is met that the taker would not just cancel.

        At each price what is hidden comes last, as slices join the back of the queue. Where work is bounded only the
        levels are added up, and what was enough is tried. None: it takes too much work to tell.
        """
        found = 0
        others = self._other_side(taker)
        for price in dict.fromkeys(order.price for order in others if taker.allows(order.price)):
            if self._op_is_spent():
                return None
            self._look(1)
            level = [order for order in others if order.price == price]
            for maker in level:
                if self._group(maker) != self._group(taker) or self.is_bounded:
                    found += maker.shown
                elif found < lots and taker.self_trade != CANCEL_MAKER:
                    return False
            hiding = [m for m in level if self._group(m) != self._group(taker) or self.is_bounded]
            found += sum(maker.hidden for maker in hiding)
            if found >= lots:
                return True
        return False

    def _try_out(self, order: OracleOrder, wanted: int, short: Cause) -> Cause | None:
        """Why an order would not fill so many lots at once: tried out on a copy of all, if there is any doubt."""
        makers = [maker for maker in self._other_side(order) if order.allows(maker.price)]
        at_most = sum(4 * (1 + maker.hidden) for maker in makers)
        sure = self.op_work + at_most < self.max_op_work and not self._own_across(order)
        if not wanted or not self.is_bounded or sure:
            return None
        trial, taker = copy.deepcopy((self, order))
        trial.events = []
        trial._enter(taker)
        if sum(event[3] for event in trial.events if event[0] == FILL) >= wanted:
            return None
        self._look(trial.op_work - self.op_work)
        last = trial.events[-1]
        return Cause.WORK_LIMIT if last[0] == CANCELLED and last[6] == Cause.WORK_LIMIT else short

    def _own_across(self, taker: OracleOrder) -> list[OracleOrder]:
        """What rests of the taker's group on the other side, best first."""
        return [order for order in self._other_side(taker) if self._group(order) == self._group(taker)]

    def _trigger(self, price: int) -> None:
        for order in sorted(self.stops, key=_entered):
            if order.triggered_by(price):
                self._leave(order)
                self._keep(order, self.triggered)

    def _reached(self) -> list[OracleOrder]:
        """The stop orders that a trade has reached and that have not run, the next one first."""
        reached = [order for order in self.stops if any(order.triggered_by(price) for price in self.trades)]
        buys = sorted((order for order in reached if order.side == BUY), key=lambda o: (o.stop, o.entered))
        sells = sorted((order for order in reached if order.side == SELL), key=lambda o: (-o.stop, o.entered))
        return sorted(buys[:1] + sells[:1], key=_entered)

    # Work.

    def _look(self, times: int) -> None:
        self.op_work += times
        self.block_work += times

    def _op_is_spent(self) -> bool:
        return self.is_bounded and self.op_work >= self.max_op_work

    def is_full(self) -> bool:
        """Whether nothing more may begin in this block."""
        return self.is_bounded and (self.block_work >= self.max_block_work or self.auction is not None)

    # An auction's end.

    def _uncross(self) -> None:
        if not self._is_crossed(self.buys, self.sells):
            return
        if self.is_bounded:
            self.auction = OracleAuction()
            self._go_on_uncrossing()
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

    def _go_on_uncrossing(self) -> None:
        """Go on with an auction until it is done, or the block's work is."""
        auction = self.auction
        assert auction is not None
        while auction.left is None:
            if self.block_work >= self.max_block_work:
                return
            if auction.meetings < count_meetings(self.buys, self.sells):
                auction.meetings += 1
                self._look(1)
            else:
                auction.price, auction.left = auction_price(self.buys, self.sells, self.last_trade)
                self._emit(UNCROSSED, auction.price, auction.left)
        while auction.left:
            if self.block_work >= self.max_block_work:
                return
            maker, taker = sorted([self.buys[0], self.sells[0]], key=_entered)
            lots = min(maker.shown, taker.shown, auction.left)
            self._trade(maker, taker, auction.price, lots)
            auction.left -= lots
        self.auction = None

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
            self._tell(SLICED, order, order.shown, order.hidden)

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
        self._tell(CANCELLED, order, order.open, 0, int(cause))

    def _cancel_own(self, author: bytes, side: int, cause: Cause) -> None:
        for order in self._own(author):
            if side in (0, order.side):
                self._cancel_order(order, cause)

    def _group(self, order: OracleOrder) -> bytes:
        return self.groups.of(order.author)

    def _next_entry(self) -> int:
        self.entries += 1
        return self.entries

    def _tell(self, kind: int, order: OracleOrder, *fields: int) -> None:
        """An event about one order, with what came before it."""
        total = () if kind == AMENDED else (order.total,)  # An amend says it anyhow.
        past = (order.filled, *total, order.last_event) if self.is_bounded else ()
        self._emit(kind, order.author, order.client_id, *fields, *past)
        order.last_event = self.event_number

    def _emit(self, kind: int, *fields: bytes | int) -> None:
        self.event_number += 1
        self.op_work += 1
        self.block_work += 1
        self.events.append((kind, self.event_number, *fields))


def _entered(order: OracleOrder) -> int:
    return order.entered


def _stop_row(order: OracleOrder) -> tuple[bytes, int, int, int, int, int]:
    return order.author, order.client_id, order.side, order.stop, order.price, order.open
