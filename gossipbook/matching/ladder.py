"""One side's price levels: a dict of levels, a sorted list of keys with the best price at the *end*, a queue per level.

Measured against sorted containers on recorded order flow this is more than twice as fast: most inserts and
removals happen near the best price, where a list is cheap. Only what is far from it is in a sorted container. A
level's queue is a list of orders that know their neighbours: most levels hold one order, for which anything larger is
too much, and an order leaves from the middle as cheaply as from the front. One that has left still knows its last
neighbours, so that leaving can be undone.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, TypeAlias

from sortedcontainers import SortedList

Boxed: TypeAlias = Any
"""An integer that stays the object it is when compiled: making new ones for an event costs more than the event."""

OUT: Final = 0
RESTING: Final = 1
WAITING: Final = 2
IN_LINE: Final = 3
"""Where an order is: on its way in or gone, in its level's queue, waiting for a trigger, or triggered."""

NOT_MET: Final = -1


class Terms:
    """What an order was placed with and keeps for life; one object for all that were placed alike, but for times."""

    __slots__ = ("display_lots", "expires_ms", "flags", "self_trade", "side", "stop_ticks", "type")

    def __init__(
        self, side: int, type_: int, flags: int, self_trade: int, expires_ms: int, display_lots: int, stop_ticks: int
    ) -> None:
        self.side = side
        self.type = type_
        self.flags = flags
        self.self_trade = self_trade
        self.expires_ms = expires_ms
        self.display_lots = display_lots
        self.stop_ticks = stop_ticks


class Account:
    """One author in a book: their open orders by client id, and the highest client id that they used; 0 for none."""

    __slots__ = ("author", "before", "last_id", "orders")

    def __init__(self, author: bytes) -> None:
        self.author = author
        self.orders: dict[int, Order] = {}
        self.last_id = 0
        self.before = NOT_MET  # the last id as it was before the block, if the block has commands of theirs


class Order:
    """One open order. ``total_lots - open_lots - hidden_lots`` is what was filled or decremented.

    ``open_lots`` is what the order shows, ``hidden_lots`` what an iceberg has behind it. ``filled_lots`` and
    ``last_event``, the number of the last event about it, are kept where events tell them.
    """

    __slots__ = (
        "account",
        "before",
        "behind",
        "client_id",
        "filled_lots",
        "hidden_lots",
        "last_event",
        "level",
        "number",
        "open_lots",
        "place",
        "price_ticks",
        "terms",
        "total_lots",
    )

    level: "Level"  # where it rests or rested; not there before, as its neighbours in the queue
    before: "Order | None"
    behind: "Order | None"

    def __init__(
        self, account: Account, client_id: Boxed, price_ticks: int, lots: int, number: int, terms: Terms
    ) -> None:
        self.account = account
        self.client_id = client_id
        self.price_ticks = price_ticks
        self.total_lots = lots
        self.open_lots = lots
        self.hidden_lots = 0
        self.number = number  # order of entry within the pair; gives time priority a name
        self.terms = terms
        self.place = OUT
        self.filled_lots = 0
        self.last_event = 0

    @property
    def author(self) -> bytes:
        return self.account.author

    @property
    def side(self) -> int:
        return self.terms.side


NOBODY: Final = Order(Account(b""), 0, 0, 0, 0, Terms(0, 0, 0, 0, 0, 0, 0))
"""Stands where no order is, so that a level need not be asked each time whether it has one."""


class Level:
    """The orders at one price, first come first served. ``open_lots`` is what they show.

    An empty one, whose first and last is ``NOBODY``, is out of the book: only an undo looks at it again.
    """

    __slots__ = ("first", "hidden_lots", "key", "ladder", "last", "open_lots")

    def __init__(self, key: int, ladder: "Ladder", order: Order) -> None:
        self.key = key
        self.ladder = ladder
        self.first = order
        self.last = order
        self.open_lots = order.open_lots
        self.hidden_lots = 0

    @property
    def price_ticks(self) -> int:
        return self.key * self.ladder.sign

    def orders(self) -> Iterator[Order]:
        """In the order in which they trade."""
        order: Order | None = self.first
        while order is not None:
            yield order
            order = order.behind


NEAR_CAP: Final = 4_096
"""Keys of a side that are in one plain list: the best ones, and at most so many."""
NOTHING_FAR: Final = -(1 << 60)
"""Below every key."""


class Ladder:
    """All levels of one side. Keys sort so that the best price is the last: bids as they are, offers negated.

    ``keys`` are the best ones, and empty only if the side is. All others are in ``far``, where a list would have to
    move up to a million entries for one: who fills a book with levels must not make each new one dear.
    """

    __slots__ = ("far", "far_top", "keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.keys: list[int] = []
        self.far: SortedList[int] = SortedList()
        self.far_top = NOTHING_FAR  # its last key

    def insert(self, level: Level) -> None:
        """Put a level (back) in its place."""
        key = level.key
        keys = self.keys
        self.levels[key] = level
        if not keys or key > keys[-1]:
            keys.append(key)
        elif key < self.far_top:
            self.far.add(key)
            return
        else:
            insort(keys, key)
        if len(keys) > NEAR_CAP:
            self._spill()

    def remove(self, key: int) -> None:
        """Take an empty level out."""
        keys = self.keys
        del self.levels[key]
        if keys[-1] == key:
            keys.pop()
            if not keys and self.far_top != NOTHING_FAR:
                self._refill()
        elif key <= self.far_top:
            self.far.remove(key)
            self._find_far_top()
        else:
            del keys[bisect_left(keys, key)]

    def front(self) -> Order:
        """The order that trades next. There must be one."""
        return self.levels[self.keys[-1]].first

    def keys_best_first(self) -> Iterator[int]:
        near = reversed(self.keys)
        return near if self.far_top == NOTHING_FAR else chain(near, reversed(self.far))

    def best_first(self) -> list[Level]:
        return [self.levels[key] for key in self.keys_best_first()]

    def place_of(self, key: int) -> int:
        """How many keys are worse than one that is there."""
        if key <= self.far_top:
            return int(self.far.bisect_left(key))
        return len(self.far) + bisect_left(self.keys, key)

    def key_at(self, place: int) -> int:
        """The key than which so many are worse."""
        far = len(self.far)
        return self.keys[place - far] if place >= far else int(self.far[place])

    def _spill(self) -> None:
        """Make half of what is near far."""
        keys = self.keys
        half = NEAR_CAP // 2
        self.far.update(keys[:half])
        self.far_top = keys[half - 1]
        del keys[:half]

    def _refill(self) -> None:
        """Make the best of what is far near."""
        far = self.far
        best = [far.pop() for _ in range(min(len(far), NEAR_CAP // 2))]
        self.keys.extend(reversed(best))
        self._find_far_top()

    def _find_far_top(self) -> None:
        self.far_top = int(self.far[-1]) if self.far else NOTHING_FAR
