"""Stop orders, which are open and yet not in the book: those that wait for a trade, and the line of triggered ones."""

from collections.abc import Iterator
from typing import TypeAlias

from sortedcontainers import SortedKeyList

from gossipbook.books.queues import OrderKey
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side

StopFields: TypeAlias = tuple[PublicKey, int, int, int, int, int]
"""Author, client id, side, stop price and limit (or protection) price in ticks, open lots."""


class StopOrder:
    """One stop order. ``entry`` is larger than that of all which entered before it."""

    __slots__ = ("author", "client_id", "entry", "open_lots", "price_ticks", "side", "stop_ticks")

    def __init__(self, fields: StopFields, entry: int) -> None:
        self.author, self.client_id, self.side, self.stop_ticks, self.price_ticks, self.open_lots = fields
        self.entry = entry

    @property
    def key(self) -> OrderKey:
        return self.author, self.client_id

    @property
    def fields(self) -> StopFields:
        return self.author, self.client_id, self.side, self.stop_ticks, self.price_ticks, self.open_lots


class StopOrders:
    """Both kinds of them, by order of entry and by their place in line."""

    def __init__(self) -> None:
        self._waiting: dict[OrderKey, StopOrder] = {}  # by order of entry
        self._buys: SortedKeyList[StopOrder, tuple[int, int]] = SortedKeyList(key=_rising)
        self._sells: SortedKeyList[StopOrder, tuple[int, int]] = SortedKeyList(key=_falling)
        self._line: dict[OrderKey, StopOrder] = {}
        self._entries = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._line)

    def waiting(self) -> list[StopFields]:
        return [order.fields for order in self._waiting.values()]

    def line(self) -> list[StopFields]:
        return [order.fields for order in self._line.values()]

    def find(self, key: OrderKey) -> StopOrder | None:
        return self._waiting.get(key) or self._line.get(key)

    def next_in_line(self) -> StopOrder | None:
        return next(iter(self._line.values()), None)

    def wait(self, fields: StopFields) -> None:
        """Let an order wait, behind all others of its stop price."""
        self._wait(StopOrder(fields, 0))

    def line_up(self, fields: StopFields) -> None:
        """Put a triggered order at the end of the line."""
        order = StopOrder(fields, 0)
        self._line[order.key] = order

    def remove(self, order: StopOrder) -> None:
        if self._line.pop(order.key, None) is None:
            del self._waiting[order.key]
            self._side(order).remove(order)

    def amend(self, order: StopOrder, price_ticks: int, open_lots: int) -> None:
        """Change an order. It keeps its place in line; among waiting orders it does so only if it is reduced."""
        reduction = price_ticks == order.price_ticks and open_lots <= order.open_lots
        order.price_ticks, order.open_lots = price_ticks, open_lots
        if not reduction and order.key in self._waiting:
            self.remove(order)
            self._wait(order)

    def trigger(self, price_ticks: int) -> None:
        """Take a trade at a price: every waiting order that it reaches joins the line, by order of entry."""
        if not self._waiting:
            return
        reached = [*_until(self._buys, price_ticks, 1), *_until(self._sells, price_ticks, -1)]
        for order in sorted(reached, key=_entry):
            self.remove(order)
            self._line[order.key] = order

    def _wait(self, order: StopOrder) -> None:
        self._entries += 1
        order.entry = self._entries
        self._waiting[order.key] = order
        self._side(order).add(order)

    def _side(self, order: StopOrder) -> "SortedKeyList[StopOrder, tuple[int, int]]":
        return self._buys if order.side == Side.BUY else self._sells


def _until(orders: "SortedKeyList[StopOrder, tuple[int, int]]", price_ticks: int, sign: int) -> Iterator[StopOrder]:
    for order in orders:
        if order.stop_ticks * sign > price_ticks * sign:
            return
        yield order


def _rising(order: StopOrder) -> tuple[int, int]:
    return order.stop_ticks, order.entry


def _falling(order: StopOrder) -> tuple[int, int]:
    return -order.stop_ticks, order.entry


def _entry(order: StopOrder) -> int:
    return order.entry
