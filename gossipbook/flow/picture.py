"""A flow's own picture of the book: just enough to place orders sensibly and to tell what became of them.

It knows nothing of self-trade prevention, bands or caps: the flows here never need them.
"""

from bisect import bisect_left
from typing import Generic, TypeVar

from gossipbook.matching.commands import Side

BUY = int(Side.BUY)


class Quote:
    """One open order as a flow sees it."""

    __slots__ = ("author", "client_id", "open_lots", "placed_us", "price_ticks", "side", "total_lots")

    def __init__(self, author: int, client_id: int, side: int, price_ticks: int, lots: int, placed_us: int) -> None:
        self.author = author
        self.client_id = client_id
        self.side = side
        self.price_ticks = price_ticks
        self.open_lots = self.total_lots = lots
        self.placed_us = placed_us


Q = TypeVar("Q", bound=Quote)


class QuoteSide(Generic[Q]):
    """One side: a queue per price (a dict keeps its order), and the prices sorted so that the best is the last."""

    __slots__ = ("keys", "queues", "sign")

    def __init__(self, side: int) -> None:
        self.sign = 1 if side == BUY else -1
        self.keys: list[int] = []
        self.queues: dict[int, dict[Q, None]] = {}

    def rest(self, quote: Q) -> None:
        key = quote.price_ticks * self.sign
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = {}
            keys = self.keys
            if not keys or key > keys[-1]:
                keys.append(key)
            else:
                keys.insert(bisect_left(keys, key), key)
        queue[quote] = None

    def remove(self, quote: Q) -> None:
        key = quote.price_ticks * self.sign
        queue = self.queues[key]
        del queue[quote]
        if not queue:
            del self.queues[key]
            del self.keys[bisect_left(self.keys, key)]

    def best_ticks(self) -> int | None:
        return self.keys[-1] * self.sign if self.keys else None

    def front(self, quotes: int) -> list[Q]:
        """The first ``quotes`` in line, best price first."""
        line: list[Q] = []
        for key in reversed(self.keys):
            for quote in self.queues[key]:
                line.append(quote)
                if len(line) == quotes:
                    return line
        return line

    def take(self, limit_ticks: int, lots: int) -> list[tuple[Q, int]]:
        """What an aggressor with this limit gets, from whom; those filled whole leave."""
        fills: list[tuple[Q, int]] = []
        limit_key = limit_ticks * self.sign
        while lots and self.keys and self.keys[-1] >= limit_key:
            quote = next(iter(self.queues[self.keys[-1]]))
            part = min(lots, quote.open_lots)
            lots -= part
            quote.open_lots -= part
            fills.append((quote, part))
            if not quote.open_lots:
                self.remove(quote)
        return fills
