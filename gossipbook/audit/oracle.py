"""A deliberately dumb matching engine that judges the real one.

It follows the rule book in the docstring of :mod:`gossipbook.matching` sentence by sentence and shares nothing
with that package, not even its constants: a mistake in one is not a mistake in the other. Both sides are plain
sorted lists, every question is a scan, and undoing a block means keeping a :meth:`OracleBook.copy` from before it.

Commands are tuples ``(kind, *fields)`` in the field order of ``matching.commands``; events are the raw tuples
of ``matching.events``.
"""

import copy
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, TypeAlias

Command: TypeAlias = tuple[int, ...]
RawEvent: TypeAlias = tuple[Any, ...]

PLACE, CANCEL, AMEND, CANCEL_ALL = 1, 2, 3, 4
BUY = 1
MARKET = 2
GTC, GTD, IOC, FOK = 1, 2, 3, 4
POST_ONLY = REDUCE_ONLY = 1
CANCEL_TAKER, CANCEL_MAKER, CANCEL_BOTH, DECREMENT = 1, 2, 3, 4

ACCEPTED, REJECTED, FILL, CANCELLED, EXPIRED, AMENDED, FROZEN = 1, 2, 3, 4, 5, 6, 7

ID_REUSED, OP_EXPIRED, INVALID_COMBINATION, ALREADY_EXPIRED, PRICE_OUT_OF_RANGE, QUANTITY_OUT_OF_RANGE = (
    1,
    2,
    3,
    4,
    5,
    6,
)
PRICE_BAND, TOO_MANY_OPEN_ORDERS, BOOK_FULL, POST_ONLY_WOULD_CROSS = 7, 8, 9, 10
UNKNOWN_ORDER, ORDER_CLOSED, NOT_A_REDUCTION = 11, 12, 13

REQUESTED, BY_CANCEL_ALL, UNFILLED, SELF_TRADE, AMENDED_AWAY, AUTHOR_FROZEN = 1, 2, 3, 4, 5, 6


class OracleOrder:
    """What one order is now. ``entered`` counts entries: time priority within a price."""

    def __init__(self, author: bytes, place: Command, entered: int) -> None:
        self.author = author
        self.client_id, self.side, self.type, self.price, self.total, self.tif, flags, self.self_trade, self.expires = (
            place
        )
        self.post_only = bool(flags & POST_ONLY)
        self.open = self.total
        self.entered = entered

    def allows(self, price: int) -> bool:
        return price <= self.price if self.side == BUY else price >= self.price

    def rank(self) -> tuple[int, int]:
        """Sorts a side by price, then time."""
        return (-self.price if self.side == BUY else self.price), self.entered


class OracleBook:
    """One pair's book. ``begin_block``, ``run`` and ``freeze``, ``end_block``."""

    def __init__(
        self,
        min_qty_lots: int,
        max_qty_lots: int,
        max_price_ticks: int,
        price_band_bps: int,
        max_open_orders_per_author: int,
        max_open_orders_per_pair: int,
    ) -> None:
        self.min_qty, self.max_qty, self.max_price = min_qty_lots, max_qty_lots, max_price_ticks
        self.band_bps, self.max_own, self.max_all = price_band_bps, max_open_orders_per_author, max_open_orders_per_pair
        self.buys: list[OracleOrder] = []
        self.sells: list[OracleOrder] = []
        self.last_ids: dict[bytes, int] = {}
        self.entries = self.event_number = 0
        self.reference = 0
        self.time_ms = 0
        self.events: list[RawEvent] = []

    def copy(self) -> "OracleBook":
        return copy.deepcopy(self)

    def resting(self, side: int) -> list[tuple[bytes, int, int, int]]:
        """A side in priority order: (author, client_id, price_ticks, open_lots)."""
        return [(order.author, order.client_id, order.price, order.open) for order in self._side(side)]

    def begin_block(self, time_ms: int) -> None:
        self.time_ms = time_ms
        self.events = []
        late = [o for o in self.buys + self.sells if o.expires and time_ms > o.expires]
        for order in sorted(late, key=lambda o: (o.expires, o.entered)):
            self._side(order.side).remove(order)
            self._emit(EXPIRED, order.author, order.client_id, order.open)

    def end_block(self) -> list[RawEvent]:
        prices: list[int] = [event[2] for event in self.events if event[0] == FILL]
        self.reference = prices[-1] if prices else self.reference
        return self.events

    def run(self, author: bytes, commands: Sequence[Command], void: bool = False) -> None:
        for kind, *fields in commands:
            if kind == CANCEL_ALL:
                self._cancel_all(author, fields[0], BY_CANCEL_ALL)
                continue
            if kind == PLACE:
                reason = self._place(author, tuple(fields), void)
            elif kind == CANCEL:
                reason = self._cancel(author, fields[0])
            else:
                reason = self._amend(author, tuple(fields), void)
            if reason:
                self._emit(REJECTED, author, fields[0], kind, reason)

    def freeze(self, author: bytes) -> None:
        self._emit(FROZEN, author)
        self._cancel_all(author, 0, AUTHOR_FROZEN)

    # Each command returns its reason of refusal, or 0.

    def _place(self, author: bytes, place: Command, void: bool) -> int:
        client_id = place[0]
        if client_id <= self.last_ids.get(author, 0):
            return ID_REUSED
        self.last_ids[author] = client_id
        if void:
            return OP_EXPIRED
        order = OracleOrder(author, place, self._next_entry())
        rests = order.tif in (GTC, GTD)
        if order.type == MARKET and rests:
            return INVALID_COMBINATION
        if order.post_only and (order.type == MARKET or not rests):
            return INVALID_COMBINATION
        if (order.tif == GTD) != (order.expires != 0):
            return INVALID_COMBINATION
        if order.tif == GTD and self.time_ms > order.expires:
            return ALREADY_EXPIRED
        if not 1 <= order.price <= self.max_price:
            return PRICE_OUT_OF_RANGE
        if not self.min_qty <= order.total <= self.max_qty:
            return QUANTITY_OUT_OF_RANGE
        if self._beyond_band(order.side, order.price):
            return PRICE_BAND
        if rests and sum(o.author == author for o in self.buys + self.sells) >= self.max_own:
            return TOO_MANY_OPEN_ORDERS
        if rests and len(self.buys) + len(self.sells) >= self.max_all:
            return BOOK_FULL
        if order.post_only and self._would_cross(order):
            return POST_ONLY_WOULD_CROSS
        self._emit(ACCEPTED, author, client_id, order.side, order.price, order.total)
        if order.tif != FOK or self._can_fill_whole(order):
            self._match(order)
        if order.open and rests:
            self._rest(order)
        elif order.open:
            self._emit(CANCELLED, author, client_id, order.open, 0, UNFILLED)
        return 0

    def _cancel(self, author: bytes, client_id: int) -> int:
        order = self._find(author, client_id)
        if order is None:
            return self._why_not_open(author, client_id)
        self._remove(order, REQUESTED)
        return 0

    def _amend(self, author: bytes, amend: Command, void: bool) -> int:
        client_id, price, total, flags = amend
        order = self._find(author, client_id)
        if order is None:
            return self._why_not_open(author, client_id)
        price, total = price or order.price, total or order.total
        new_open = total - (order.total - order.open)
        reduction = price == order.price and new_open <= order.open
        if flags & REDUCE_ONLY and not reduction:
            return NOT_A_REDUCTION
        if void and not reduction:
            return OP_EXPIRED
        if new_open <= 0:
            self._remove(order, AMENDED_AWAY)
            return 0
        if not self.min_qty <= total <= self.max_qty:
            return QUANTITY_OUT_OF_RANGE
        if reduction:
            order.total, order.open = total, new_open
            self._emit(AMENDED, author, client_id, price, total, new_open)
            return 0
        moved = copy.copy(order)
        moved.price, moved.total, moved.open = price, total, new_open
        if not 1 <= price <= self.max_price:
            return PRICE_OUT_OF_RANGE
        if price != order.price and self._beyond_band(order.side, price):
            return PRICE_BAND
        if order.post_only and self._would_cross(moved):
            return POST_ONLY_WOULD_CROSS
        self._side(order.side).remove(order)
        moved.entered = self._next_entry()
        self._emit(AMENDED, author, client_id, price, total, new_open)
        self._match(moved)
        if moved.open:
            self._rest(moved)
        return 0

    def _cancel_all(self, author: bytes, side: int, cause: int) -> None:
        own = [o for o in self.buys + self.sells if o.author == author and side in (0, o.side)]
        for order in sorted(own, key=lambda o: o.entered):
            self._remove(order, cause)

    def _match(self, taker: OracleOrder) -> None:
        makers = self._other_side(taker.side)
        while taker.open and makers and taker.allows(makers[0].price):
            maker = makers[0]
            lots = min(taker.open, maker.open)
            if maker.author != taker.author:
                taker.open -= lots
                maker.open -= lots
                who = (maker.author, maker.client_id, taker.author, taker.client_id)
                self._emit(FILL, maker.price, lots, *who, taker.side)
                if not maker.open:
                    makers.remove(maker)
                continue
            if taker.self_trade in (CANCEL_MAKER, CANCEL_BOTH):
                self._take_lots(maker, maker.open)
            if taker.self_trade in (CANCEL_TAKER, CANCEL_BOTH):
                self._take_lots(taker, taker.open)
            if taker.self_trade == DECREMENT:
                self._take_lots(maker, lots)
                self._take_lots(taker, lots)

    def _take_lots(self, order: OracleOrder, lots: int) -> None:
        """Self-trade prevention takes ``lots`` out of an order, which may be the taker or in the book."""
        order.open -= lots
        self._emit(CANCELLED, order.author, order.client_id, lots, order.open, SELF_TRADE)
        side = self._side(order.side)
        if not order.open and order in side:
            side.remove(order)

    def _can_fill_whole(self, taker: OracleOrder) -> bool:
        found = 0
        for maker in self._other_side(taker.side):
            if found >= taker.open or not taker.allows(maker.price):
                break
            if maker.author != taker.author:
                found += maker.open
            elif taker.self_trade != CANCEL_MAKER:
                break
        return found >= taker.open

    def _side(self, side: int) -> list[OracleOrder]:
        return self.buys if side == BUY else self.sells

    def _other_side(self, side: int) -> list[OracleOrder]:
        return self._side(3 - side)

    def _find(self, author: bytes, client_id: int) -> OracleOrder | None:
        for order in self.buys + self.sells:
            if order.client_id == client_id and order.author == author:
                return order
        return None

    def _rest(self, order: OracleOrder) -> None:
        side = self._side(order.side)
        side.insert(bisect_right(side, order.rank(), key=OracleOrder.rank), order)

    def _remove(self, order: OracleOrder, cause: int) -> None:
        self._side(order.side).remove(order)
        self._emit(CANCELLED, order.author, order.client_id, order.open, 0, cause)

    def _would_cross(self, order: OracleOrder) -> bool:
        others = self._other_side(order.side)
        return bool(others) and order.allows(others[0].price)

    def _beyond_band(self, side: int, price: int) -> bool:
        if self.reference == 0 or self.band_bps == 0:
            return False
        if side == BUY:
            return price * 10_000 > self.reference * (10_000 + self.band_bps)
        return price * 10_000 < self.reference * (10_000 - self.band_bps)

    def _why_not_open(self, author: bytes, client_id: int) -> int:
        return ORDER_CLOSED if client_id <= self.last_ids.get(author, 0) else UNKNOWN_ORDER

    def _next_entry(self) -> int:
        self.entries += 1
        return self.entries

    def _emit(self, kind: int, *fields: bytes | int) -> None:
        self.event_number += 1
        self.events.append((kind, self.event_number, *fields))
