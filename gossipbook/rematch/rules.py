"""A book that runs certified commands, and the three rules by which orders meet in it."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gossipbook.errors import VerifyError
from gossipbook.ids import PublicKey
from gossipbook.manifest import Limits, Pair
from gossipbook.matching.commands import (
    Amend,
    AmendFlags,
    Cancel,
    CancelAll,
    OrderType,
    Place,
    PlaceFlags,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.rematch.auction import uniform_price
from gossipbook.rematch.book import Book, Ladder, Order

_RESTING = (TimeInForce.GTC, TimeInForce.GTD)


class Trade(NamedTuple):
    """A fill. ``maker`` and ``taker`` are authors, each with a client order id; an auction has the later one take."""

    price: int
    lots: int
    maker: PublicKey
    maker_id: int
    taker: PublicKey
    taker_id: int
    taker_side: int


class UnknownCommand(VerifyError):
    """The chain has a command that this package has no rules for."""


class RuleBook:
    """One pair's book under the network's own rule, ``price-time``; other rules override how orders meet."""

    rule = "price-time"

    def __init__(self, pair: Pair, limits: Limits) -> None:
        self._pair = pair
        self._limits = limits
        self.book = Book()
        self.trades: list[Trade] = []  # of the block being executed
        self.refused = 0
        self.last_price = 0
        self._reference = 0
        self._last_ids: dict[PublicKey, int] = {}
        self._entries = 0
        self._time_ms = 0

    # -- blocks -------------------------------------------------------------------------------------

    def begin_block(self, time_ms: int) -> None:
        self._time_ms = time_ms
        self.trades = []
        for order in self.book.lapsing(time_ms):
            self._take_out(order)

    def end_block(self) -> list[Trade]:
        """The block's trades."""
        if self.trades:
            self._reference = self.last_price = self.trades[-1].price
        return self.trades

    def run(self, author: PublicKey, commands: Sequence[Any], void: bool) -> None:
        """An op's commands. ``void``: it has expired.

        Raises:
            UnknownCommand: one of them is of a kind that is not known here.
        """
        for command in commands:
            match command:
                case Place():
                    done = self._place(author, _known(command), void)
                case Cancel(client_id):
                    done = self._cancel(author, client_id)
                case Amend():
                    done = self._amend(author, command, void)
                case CancelAll(side):
                    done = True
                    for order in self.book.of(author):
                        if side in (0, order.side):
                            self._take_out(order)
                case _:
                    raise UnknownCommand(f"no rules here for a command of kind {type(command).__name__}")
            self.refused += not done

    def freeze(self, author: PublicKey) -> None:
        for order in self.book.of(author):
            self._take_out(order)

    # -- commands: whether they were taken ----------------------------------------------------------

    def _place(self, author: PublicKey, c: Place, void: bool) -> bool:
        if c.client_id <= self._last_ids.get(author, 0):
            return False
        self._last_ids[author] = c.client_id
        rests, post_only = c.tif in _RESTING, bool(c.flags & PlaceFlags.POST_ONLY)
        market, dated = c.type == OrderType.MARKET, c.tif == TimeInForce.GTD
        if void or (market and rests) or (post_only and (market or not rests)) or dated != (c.expires_ms != 0):
            return False
        if dated and self._time_ms > c.expires_ms:
            return False
        if not self._in_range(c.price_ticks, c.qty_lots) or self._beyond_band(c.side, c.price_ticks):
            return False
        if rests and self.book.open_of(author) >= self._limits.max_open_orders_per_author:
            return False
        if rests and self.book.count >= self._limits.max_open_orders_per_pair:
            return False
        order = Order(author, c.client_id, c.side, c.price_ticks, c.qty_lots, c.qty_lots, 0, c.tif, post_only,
                      c.self_trade, c.expires_ms, rests)  # fmt: skip
        if post_only and self._would_cross(order):
            return False
        self._enter(order)
        return True

    def _cancel(self, author: PublicKey, client_id: int) -> bool:
        order = self.book.find(author, client_id)
        if order is not None:
            self._take_out(order)
        return order is not None

    def _amend(self, author: PublicKey, c: Amend, void: bool) -> bool:
        order = self.book.find(author, c.client_id)
        if order is None:
            return False
        price, total = c.price_ticks or order.price, c.qty_lots or order.total
        left = total - (order.total - order.open)
        reduces = price == order.price and left <= order.open
        if not reduces and (void or c.flags & AmendFlags.REDUCE_ONLY):
            return False
        if left <= 0:
            self._take_out(order)
            return True
        if not self._pair.min_qty_lots <= total <= self._pair.max_qty_lots:
            return False
        if reduces:
            order.total, order.open = total, left
            return True
        moved = copy.copy(order)
        moved.price, moved.total, moved.open = price, total, left
        if not self._in_range(price, total) or (price != order.price and self._beyond_band(order.side, price)):
            return False
        if order.post_only and self._would_cross(moved):
            return False
        self._take_out(order)
        self._enter(moved)
        return True

    def _in_range(self, price: int, lots: int) -> bool:
        pair = self._pair
        return 1 <= price <= pair.max_price_ticks and pair.min_qty_lots <= lots <= pair.max_qty_lots

    def _beyond_band(self, side: int, price: int) -> bool:
        band = self._pair.price_band_bps
        if not self._reference or not band:
            return False
        if side == Side.BUY:
            return price * 10_000 > self._reference * (10_000 + band)
        return price * 10_000 < self._reference * (10_000 - band)

    def _would_cross(self, order: Order) -> bool:
        best = self.book.opposite(order).front()
        return best is not None and order.allows(best.price)

    def _take_out(self, order: Order) -> None:
        self.book.remove(order)

    # -- meeting: what other rules do otherwise -----------------------------------------------------

    def _enter(self, order: Order) -> None:
        """An order that is taken meets the other side, and what is left rests or is gone."""
        self._entries += 1
        order.entered = self._entries
        if order.tif != TimeInForce.FOK or self._fills_whole(order):
            self._meet(order)
        if order.open and order.rests:
            self.book.add(order)

    def _meet(self, taker: Order) -> None:
        makers = self.book.opposite(taker)
        while taker.open and (maker := makers.front()) is not None and taker.allows(maker.price):
            if maker.author == taker.author:
                self._prevent(maker, taker)
            else:
                self._trade(maker, taker, min(maker.open, taker.open), maker.price)

    def _fills_whole(self, taker: Order) -> bool:
        found = 0
        for level in self.book.opposite(taker).levels():
            if not taker.allows(level[0].price):
                break
            for maker in level:
                if maker.author != taker.author:
                    found += maker.open
                elif taker.self_trade != SelfTrade.CANCEL_MAKER:
                    return False
                if found >= taker.open:
                    return True
        return False

    def _trade(self, maker: Order, taker: Order, lots: int, price: int) -> None:
        self.trades.append(Trade(price, lots, *maker.key, *taker.key, taker.side))
        for order in (maker, taker):
            self._lower(order, lots)

    def _prevent(self, maker: Order, taker: Order) -> None:
        """Two orders of one author meet: the taker's mode decides."""
        lots = min(maker.open, taker.open)
        match taker.self_trade:
            case SelfTrade.CANCEL_TAKER:
                self._lower(taker, taker.open)
            case SelfTrade.CANCEL_MAKER:
                self._lower(maker, maker.open)
            case SelfTrade.CANCEL_BOTH:
                self._lower(maker, maker.open)
                self._lower(taker, taker.open)
            case _:
                self._lower(maker, lots)
                self._lower(taker, lots)

    def _lower(self, order: Order, lots: int) -> None:
        order.open -= lots
        if not order.open and self.book.find(*order.key) is order:
            self._take_out(order)


class ProRataBook(RuleBook):
    """Within a price, in proportion to what each order has open."""

    rule = "pro-rata"

    def _meet(self, taker: Order) -> None:
        makers = self.book.opposite(taker)
        while taker.open and (level := makers.best()) and taker.allows(level[0].price):
            others = [maker for maker in level if maker.author != taker.author]
            for maker, lots in zip(others, shares([o.open for o in others], taker.open), strict=True):
                if lots:
                    self._trade(maker, taker, lots, maker.price)
            for own in level:
                if own.author == taker.author and taker.open:
                    self._prevent(own, taker)

    def _fills_whole(self, taker: Order) -> bool:
        found = 0
        for level in self.book.opposite(taker).levels():
            if not taker.allows(level[0].price):
                break
            found += sum(maker.open for maker in level if maker.author != taker.author)
            if found >= taker.open:
                return True
            if taker.self_trade != SelfTrade.CANCEL_MAKER and any(m.author == taker.author for m in level):
                return False
        return False


def shares(open_lots: Sequence[int], wanted: int) -> list[int]:
    """How ``wanted`` lots are taken from orders in order of entry: in proportion, rounded down, the rest by time."""
    total = sum(open_lots)
    if wanted >= total:
        return list(open_lots)
    given = [wanted * lots // total for lots in open_lots]
    left = wanted - sum(given)
    for at, lots in enumerate(open_lots):
        more = min(left, lots - given[at])
        given[at] += more
        left -= more
    return given


class BatchAuctionBook(RuleBook):
    """Each block is one call auction at a uniform price."""

    rule = "batch-auction"

    def _enter(self, order: Order) -> None:
        self._entries += 1
        order.entered = self._entries
        self.book.add(order)

    def end_block(self) -> list[Trade]:
        while (killed := self._killed()) is not None:
            self._take_out(killed)
        self._hold(self._pair_off)
        buys, sells = (self.book.sides[side] for side in (Side.BUY, Side.SELL))
        for order in [o for side in (buys, sells) for level in side.levels() for o in level if not o.rests]:
            self._take_out(order)
        return super().end_block()

    def _hold(self, pair_off: Callable[[list[Order], list[Order], int], None]) -> None:
        """Find the price, and pair off those who trade at it."""
        buys, sells = (self._crossing(side) for side in (Side.BUY, Side.SELL))
        price = uniform_price([(o.price, o.open) for o in buys], [(o.price, o.open) for o in sells], self.last_price)
        if price is not None:
            pair_off([o for o in buys if o.allows(price)], [o for o in sells if o.allows(price)], price)

    def _crossing(self, side: Side) -> list[Order]:
        """The orders of a side that the other side's best would meet, in priority."""
        ladder: Ladder = self.book.sides[side]
        best = self.book.sides[Side.SELL if side == Side.BUY else Side.BUY].front()
        found: list[Order] = []
        for level in ladder.levels():
            if best is None or not level[0].allows(best.price):
                break
            found += level
        return found

    def _killed(self) -> Order | None:
        """The last fill-or-kill order to enter that an auction would not fill whole."""
        kills = [o for side in self.book.sides.values() for lv in side.levels() for o in lv if o.tif == TimeInForce.FOK]
        if not kills:
            return None
        left = {order.key: order.open for order in kills}

        def dry(buys: list[Order], sells: list[Order], price: int) -> None:
            for maker, taker, lots in _pairs(list(map(copy.copy, buys)), list(map(copy.copy, sells))):
                for order in (maker, taker):
                    if order.key in left:
                        left[order.key] -= lots

        self._hold(dry)
        partly = [order for order in kills if left[order.key]]
        return max(partly, key=lambda order: order.entered, default=None)

    def _pair_off(self, buys: list[Order], sells: list[Order], price: int) -> None:
        for maker, taker, lots in _pairs(buys, sells):
            self.trades.append(Trade(price, lots, *maker.key, *taker.key, taker.side))
        for order in [*buys, *sells]:
            if not order.open:
                self._take_out(order)


def _pairs(buys: list[Order], sells: list[Order]) -> list[tuple[Order, Order, int]]:
    """Pair two sides by priority, lowering what is open: (earlier, later, lots). Own orders do not trade."""
    found: list[tuple[Order, Order, int]] = []
    waiting = [list(reversed(buys)), list(reversed(sells))]
    while all(waiting):
        maker, taker = sorted((waiting[0][-1], waiting[1][-1]), key=lambda order: order.entered)
        lots = min(maker.open, taker.open)
        if maker.author != taker.author:
            maker.open, taker.open = maker.open - lots, taker.open - lots
            found.append((maker, taker, lots))
        else:
            mode = taker.self_trade
            if mode in (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH):
                maker.open = 0
            if mode in (SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH):
                taker.open = 0
            if mode == SelfTrade.DECREMENT:
                maker.open, taker.open = maker.open - lots, taker.open - lots
        for side in waiting:
            if not side[-1].open:
                side.pop()
    return found


def _known(c: Place) -> Place:
    """The place, if all of it means what it meant when these rules were written."""
    sound = c.type in tuple(OrderType) and c.tif in tuple(TimeInForce) and c.flags in (0, PlaceFlags.POST_ONLY)
    if not sound or c.type > 2 or c.tif > 4 or any(c[9:]):
        raise UnknownCommand("no rules here for an order of this type")
    return c


RULES: dict[str, type[RuleBook]] = {book.rule: book for book in (RuleBook, ProRataBook, BatchAuctionBook)}
