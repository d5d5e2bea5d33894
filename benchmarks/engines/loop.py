"""The yardstick: a ladder with limit, cancel and fill, and nothing else.

No identities, validation, events, self-trade check or journal. The structure is the one that the engine was
designed with: a dict of levels, a sorted list of keys with the best price at the end, a queue per level in which a
cancelled order stays as a tombstone. The engine's own queues are of linked orders by now; `linked_loop.py` has
those. Standard library only and typed: the benchmark compiles a copy of this file with mypyc.
"""

from bisect import bisect_left
from collections import deque
from typing import Final

PLACE: Final = 1
CANCEL: Final = 2
BUY: Final = 1
TOMBSTONE_SLACK: Final = 32


class Order:
    __slots__ = ("level", "number", "open_lots")

    def __init__(self, number: int, level: "Level", open_lots: int) -> None:
        self.number = number
        self.level = level
        self.open_lots = open_lots


class Level:
    __slots__ = ("key", "ladder", "live", "queue")

    def __init__(self, key: int, ladder: "Ladder") -> None:
        self.key = key
        self.ladder = ladder
        self.queue: deque[Order] = deque()
        self.live = 0


class Ladder:
    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def level(self, key: int) -> Level:
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(key, self)
            keys = self.keys
            if not keys or key > keys[-1]:
                keys.append(key)
            else:
                keys.insert(bisect_left(keys, key), key)
        return level

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
                self.cancel(number)
            else:
                self.orders[number].open_lots = lots

    def place(self, number: int, side: int, price: int, lots: int, last: int) -> None:
        own, opposite = (self.bids, self.asks) if side == BUY else (self.asks, self.bids)
        keys = opposite.keys
        limit = price * opposite.sign
        while lots and keys and keys[-1] >= limit:
            lots = self.fill(opposite, keys[-1], lots)
        if lots and not last:
            level = own.level(price * own.sign)
            order = Order(number, level, lots)
            level.queue.append(order)
            level.live += 1
            self.orders[number] = order

    def fill(self, ladder: Ladder, key: int, lots: int) -> int:
        """Take from the front of one level's queue; returns what is left of ``lots``."""
        level = ladder.levels[key]
        queue = level.queue
        while lots:
            maker = queue[0]
            open_lots = maker.open_lots
            if not open_lots:
                queue.popleft()
                continue
            filled = min(lots, open_lots)
            self.traded_lots += filled
            self.notional += filled * key * ladder.sign
            lots -= filled
            if filled < open_lots:
                maker.open_lots = open_lots - filled
                break
            queue.popleft()
            maker.open_lots = 0
            del self.orders[maker.number]
            level.live -= 1
            if not level.live:
                ladder.remove(key)
                break
        return lots

    def cancel(self, number: int) -> None:
        order = self.orders.pop(number)
        order.open_lots = 0
        level = order.level
        level.live -= 1
        if not level.live:
            level.ladder.remove(level.key)
        elif len(level.queue) > 2 * level.live + TOMBSTONE_SLACK:
            level.queue = deque([other for other in level.queue if other.open_lots])
