"""One side's price levels: a dict of levels, a sorted list of keys with the best price at the *end*, a queue per level.

Measured against sorted containers on recorded order flow this is more than twice as fast: most inserts and
removals happen near the best price, where a list is cheap. A level's queue is a list of orders that know their
neighbours: most levels hold one order, for which anything larger is too much, and an order leaves from the middle as
cheaply as from the front. One that has left still knows its last neighbours, so that leaving can be undone.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

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

    __slots__ = ("display_lots", "expires_ms", "flags", "self_trade", "stop_ticks", "type")

    def __init__(
        self, type_: int, flags: int, self_trade: int, expires_ms: int, display_lots: int, stop_ticks: int
    ) -> None:
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
        "side",
        "terms",
        "total_lots",
    )

    level: "Level"  # where it rests or rested; not there before, as its neighbours in the queue
    before: "Order | None"
    behind: "Order | None"

    def __init__(
        self, account: Account, client_id: Boxed, side: int, price_ticks: int, lots: int, number: int, terms: Terms
    ) -> None:
        self.account = account
        self.client_id = client_id
        self.side = side
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


NOBODY: Final = Order(Account(b""), 0, 0, 0, 0, 0, Terms(0, 0, 0, 0, 0, 0))
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


class Ladder:
    """All levels of one side. Keys sort so that the best price is the last: bids as they are, offers negated."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.keys: list[int] = []

    def insert(self, level: Level) -> None:
        """Put a level (back) in its place."""
        key = level.key
        keys = self.keys
        if not keys or key > keys[-1]:
            keys.append(key)
        else:
            insort(keys, key)
        self.levels[key] = level

    def remove(self, key: int) -> None:
        """Take an empty level out."""
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        del self.levels[key]

    def front(self) -> Order:
        """The order that trades next. There must be one."""
        return self.levels[self.keys[-1]].first

    def best_first(self) -> list[Level]:
        return [self.levels[key] for key in reversed(self.keys)]
