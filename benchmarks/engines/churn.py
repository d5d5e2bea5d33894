"""A book of a given size that keeps its size and shape while commands go on: what a command costs in a deep book.

Fifty orders a level, levels two ticks apart on both sides. Of the pairs of commands that follow, three in five cancel a
random order and enter one anew at its price, one in five takes the front of a best level and enters one anew there, one
in five opens a level of its own, inside the spread or up to 500 levels from the best, and cancels it.

*Near*, 19 of 20 cancelled orders are among the thousand nearest to the best prices, which is how books are used (of
AAPL's cancelled orders 95 % lived less than 19 seconds, 250 submissions). *Anywhere*, each order is as likely: in a
book that outgrows the processor's caches every command then waits for memory, which is the worst case.

A book is filled from afar: the further an order is from the best prices, the older it is, by and large; the near ones
come and go.

A queue in use holds tombstones. Before measuring, each level gets as many replacements as bring it to a random point
between two compactions; else a large book would be measured fresh and a small one worn.
"""

import random
from array import array
from collections.abc import Iterator

PLACE, CANCEL = 1, 2
BUY, SELL = 1, 2
PER_LEVEL = 50
WEAR = 82  # Replacements in a level between two compactions: its tombstones may be its orders and 32 more.
MIDDLE = 1_000_000
FARTHEST = 500
NEAR = 1_000
NEAR_SHARE = 0.95
MAKERS, TAKERS = 64, 2
LOTS = 100

Step = tuple[int, int, int, int, int, int, int]


class Churn:
    def __init__(self, size: int, seed: int = 1) -> None:
        assert size >= NEAR, "near means something"
        assert size % (2 * PER_LEVEL) == 0, "as many levels on one side as on the other"
        self.size = size
        self._random = random.Random(seed)
        self._orders = array("q", bytes(8 * size))  # the order that is in each slot
        # Makers have books of different sizes, or all their indexes would grow at the same moment.
        self._authors = bytes(int(MAKERS * self._random.random() ** 2) for _ in range(size))
        self._entered = 0

    def build(self) -> Iterator[Step]:
        draw = self._random.random
        for slot in sorted(range(self.size), key=lambda slot: -slot * (0.5 + draw())):
            yield self._enter(slot)

    def wear(self) -> Iterator[Step]:
        for first in range(self.size - PER_LEVEL, -1, -PER_LEVEL):
            for _ in range(int(self._random.random() * WEAR)):
                yield from self._replace(first + int(self._random.random() * PER_LEVEL))

    def commands(self, count: int, *, near: bool) -> Iterator[Step]:
        draw = self._random.random
        for _ in range(count // 2):
            dice = draw()
            if dice < 0.6:
                slots = NEAR if near and draw() < NEAR_SHARE else self.size
                yield from self._replace(int(draw() * slots))
            elif dice < 0.8:
                yield from self._take(int(draw() * 2))
            else:
                yield from self._visit()

    def _place(self, slot: int) -> tuple[int, int]:
        level = slot // PER_LEVEL
        behind = 4 + 2 * (level // 2)
        return (SELL, MIDDLE + behind) if level % 2 else (BUY, MIDDLE - behind)

    def _enter(self, slot: int) -> Step:
        side, price = self._place(slot)
        self._entered += 1
        self._orders[slot] = self._entered
        return PLACE, self._entered, self._authors[slot], side, price, LOTS, 0

    def _replace(self, slot: int) -> Iterator[Step]:
        side, price = self._place(slot)
        yield CANCEL, self._orders[slot], self._authors[slot], side, price, 0, 0
        yield self._enter(slot)

    def _take(self, level: int) -> Iterator[Step]:
        slots = range(level * PER_LEVEL, (level + 1) * PER_LEVEL)
        front = min(slots, key=self._orders.__getitem__)
        side, price = self._place(front)
        self._entered += 1
        taker = MAKERS + self._entered % TAKERS
        yield PLACE, self._entered, taker, BUY if side == SELL else SELL, price, LOTS, 1
        yield self._enter(front)

    def _visit(self) -> Iterator[Step]:
        draw = self._random.random
        if draw() < 0.5:
            behind = 1 + 2 * int(draw() * 2)  # Inside the spread.
        else:
            levels = self.size // PER_LEVEL // 2
            behind = 5 + 2 * int(min(levels, FARTHEST) ** draw())
        side, price = (BUY, MIDDLE - behind) if draw() < 0.5 else (SELL, MIDDLE + behind)
        self._entered += 1
        author = int(draw() * MAKERS)
        yield PLACE, self._entered, author, side, price, LOTS, 0
        yield CANCEL, self._entered, author, side, price, 0, 0
