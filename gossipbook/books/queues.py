"""One side of a book: the queues at its prices, and the orders in them. The structure, without the events."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import TypeAlias

from gossipbook.books.levels import Level
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side

OrderKey: TypeAlias = tuple[PublicKey, int]
"""Author and client id."""


class RestingOrder:
    """One order in the book. ``hidden_lots``: what an iceberg does not show."""

    __slots__ = ("author", "client_id", "hidden_lots", "key", "level", "open_lots")

    def __init__(self, author: PublicKey, client_id: int, open_lots: int, hidden_lots: int, level: "Queue") -> None:
        self.author = author
        self.client_id = client_id
        self.key: OrderKey = (author, client_id)
        self.open_lots = open_lots
        self.hidden_lots = hidden_lots
        self.level = level

    @property
    def whole_lots(self) -> int:
        return self.open_lots + self.hidden_lots

    def allows(self, price_ticks: int) -> bool:
        """Whether the order may trade at a price."""
        limit_ticks = self.level.price_ticks
        return price_ticks <= limit_ticks if self.level.side == Side.BUY else price_ticks >= limit_ticks


class Queue:
    """The orders at one price. A dict keeps them as they came, and lets go of any of them at once."""

    __slots__ = ("lots", "orders", "price_ticks", "side")

    def __init__(self, side: int, price_ticks: int) -> None:
        self.side = side
        self.price_ticks = price_ticks
        self.lots = 0  # shown
        self.orders: dict[OrderKey, RestingOrder] = {}

    def view(self) -> Level:
        return Level(self.price_ticks, self.lots, len(self.orders))


class BookSide:
    """One side's levels; ``keys`` are sorted with the best at the end: bids as they are, asks negated."""

    __slots__ = ("keys", "levels", "side", "sign")

    def __init__(self, side: int) -> None:
        self.side = side
        self.sign = 1 if side == Side.BUY else -1
        self.levels: dict[int, Queue] = {}
        self.keys: list[int] = []

    def level(self, price_ticks: int) -> Queue:
        """The level at a price, made if there is none."""
        found = self.levels.get(price_ticks)
        if found is None:
            found = self.levels[price_ticks] = Queue(self.side, price_ticks)
            key = price_ticks * self.sign
            self.keys.insert(bisect_left(self.keys, key), key)
        return found

    def drop(self, price_ticks: int) -> None:
        del self.levels[price_ticks]
        del self.keys[bisect_left(self.keys, price_ticks * self.sign)]

    def best_first(self, depth: int | None = None) -> Iterator[Queue]:
        last = 0 if depth is None else max(len(self.keys) - depth, 0)
        for at in range(len(self.keys) - 1, last - 1, -1):
            yield self.levels[self.keys[at] * self.sign]
