"""The other yardstick: the engine's present ladder with limit, cancel and fill, and nothing else.

No identities, validation, events, self-trade check or journal. The structure is that of `gossipbook.matching.ladder`: a
dict of levels, a sorted list of keys with the best price at the end, and at each level a queue of orders that know
their neighbours. Standard library only and typed: the benchmark compiles a copy of this file with mypyc.
"""

from bisect import bisect_left, insort
from typing import Final

PLACE: Final = 1
CANCEL: Final = 2
BUY: Final = 1


class Order:
    __slots__ = ("before", "behind", "level", "number", "open_lots")

    level: "Level"
    before: "Order | None"
    behind: "Order | None"

    def __init__(self, number: int, open_lots: int) -> None:
        self.number = number
        self.open_lots = open_lots


class Level:
    __slots__ = ("first", "key", "ladder", "last")

    def __init__(self, key: int, ladder: "Ladder", order: Order) -> None:
        self.key = key
        self.ladder = ladder
        self.first: Order | None = order
        self.last: Order | None = order


class Ladder:
    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def insert(self, level: Level) -> None:
        key, keys = level.key, self.keys
        if not keys or key > keys[-1]:
            keys.append(key)
        else:
            insort(keys, key)
        self.levels[key] = level

    def remove(self, key: int) -> None:
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        del self.levels[key]


class Loop:
    __slots__ = ("asks", "bids", "notional", "orders", "traded_lots")

    def __init__(self) -> None:
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.orders: dict[int, Order] = {}
        self.traded_lots = 0
        self.notional = 0

    def run(self, steps: list[tuple[int, int, int, int, int, int]]) -> None:
        """Steps are (kind, order, side, price, lots, last); see `steps.py`."""
        for kind, number, side, price, lots, last in steps:
            if kind == PLACE:
                self.place(number, side, price, lots, last)
            elif kind == CANCEL:
                self.unlink(self.orders.pop(number))
            else:
                self.orders[number].open_lots = lots

    def place(self, number: int, side: int, price: int, lots: int, last: int) -> None:
        own, opposite = (self.bids, self.asks) if side == BUY else (self.asks, self.bids)
        keys = opposite.keys
        limit = price * opposite.sign
        while lots and keys and keys[-1] >= limit:
            lots = self.fill(opposite, keys[-1], lots)
        if lots and not last:
            order = self.orders[number] = Order(number, lots)
            self.rest(order, own, price * own.sign)

    def rest(self, order: Order, ladder: Ladder, key: int) -> None:
        level = ladder.levels.get(key)
        if level is None:
            level = Level(key, ladder, order)
            ladder.insert(level)
            order.before = None
        else:
            last = level.last
            assert last is not None
            last.behind = order
            order.before = last
            level.last = order
        order.behind = None
        order.level = level

    def fill(self, ladder: Ladder, key: int, lots: int) -> int:
        """Take from the order at the front of one level's queue; returns what is left of ``lots``."""
        maker = ladder.levels[key].first
        assert maker is not None
        filled = min(lots, maker.open_lots)
        self.traded_lots += filled
        self.notional += filled * key * ladder.sign
        if filled < maker.open_lots:
            maker.open_lots -= filled
        else:
            del self.orders[maker.number]
            self.unlink(maker)
        return lots - filled

    def unlink(self, order: Order) -> None:
        level, before, behind = order.level, order.before, order.behind
        if before is None and behind is None:
            level.ladder.remove(level.key)
            level.first = level.last = None
            return
        if before is None:
            level.first = behind
        else:
            before.behind = behind
        if behind is None:
            level.last = before
        else:
            behind.before = before
