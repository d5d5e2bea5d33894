"""A pair's resting orders by price, then time of entry. Structure only: the rules are in :mod:`rules`."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side

OrderKey: TypeAlias = tuple[PublicKey, int]


@dataclass(slots=True, eq=False)
class Order:
    """One order. ``entered`` counts entries, which is time priority; ``rests`` is False for immediate ones."""

    author: PublicKey
    client_id: int
    side: int
    price: int
    total: int
    open: int
    entered: int
    tif: int
    post_only: bool
    self_trade: int
    expires_ms: int
    rests: bool

    @property
    def key(self) -> OrderKey:
        return self.author, self.client_id

    def allows(self, price: int) -> bool:
        return price <= self.price if self.side == Side.BUY else price >= self.price


class Ladder:
    """One side: levels, each in order of entry."""

    def __init__(self, side: int) -> None:
        self._sign = -1 if side == Side.BUY else 1  # The best price has the lowest key.
        self._keys: list[int] = []
        self._levels: dict[int, dict[OrderKey, Order]] = {}

    def add(self, order: Order) -> None:
        key = self._sign * order.price
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = {}
            insort(self._keys, key)
        level[order.key] = order

    def remove(self, order: Order) -> None:
        key = self._sign * order.price
        level = self._levels[key]
        del level[order.key]
        if not level:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]

    def best(self) -> list[Order]:
        """The orders at the best price, first come first; none if the side is empty."""
        return list(self._levels[self._keys[0]].values()) if self._keys else []

    def levels(self) -> Iterator[list[Order]]:
        """All levels, best first."""
        for key in self._keys:
            yield list(self._levels[key].values())

    def front(self) -> Order | None:
        """The first order of all."""
        return next(iter(self._levels[self._keys[0]].values())) if self._keys else None


class Book:
    """Both sides, and all orders by name."""

    def __init__(self) -> None:
        self.sides = {Side.BUY: Ladder(Side.BUY), Side.SELL: Ladder(Side.SELL)}
        self._orders: dict[PublicKey, dict[int, Order]] = {}
        self._dated: dict[OrderKey, Order] = {}
        self.count = 0

    def find(self, author: PublicKey, client_id: int) -> Order | None:
        return self._orders.get(author, {}).get(client_id)

    def of(self, author: PublicKey) -> list[Order]:
        """An author's orders in order of entry."""
        return sorted(self._orders.get(author, {}).values(), key=lambda order: order.entered)

    def open_of(self, author: PublicKey) -> int:
        return len(self._orders.get(author, {}))

    def opposite(self, order: Order) -> Ladder:
        return self.sides[Side.SELL if order.side == Side.BUY else Side.BUY]

    def add(self, order: Order) -> None:
        self.sides[Side(order.side)].add(order)
        self._orders.setdefault(order.author, {})[order.client_id] = order
        if order.expires_ms:
            self._dated[order.key] = order
        self.count += 1

    def remove(self, order: Order) -> None:
        self.sides[Side(order.side)].remove(order)
        own = self._orders[order.author]
        del own[order.client_id]
        if not own:
            del self._orders[order.author]
        self._dated.pop(order.key, None)
        self.count -= 1

    def lapsing(self, time_ms: int) -> list[Order]:
        """GTD orders whose time is over, in the order in which they lapse."""
        late = [order for order in self._dated.values() if order.expires_ms < time_ms]
        return sorted(late, key=lambda order: (order.expires_ms, order.entered))
