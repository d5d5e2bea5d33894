"""Orders sorted by a number of theirs. Wide and rarely touched: a sorted container of integers serves."""

from collections.abc import Iterator
from typing import Final

from sortedcontainers import SortedList

from gossipbook.matching.ladder import Order

BY_EXPIRY: Final = 0
BY_RISING_STOP: Final = 1
BY_FALLING_STOP: Final = 2
"""Which number it is, and which way."""

_ENTRIES: Final = 64
"""Bits for the order number, which tells those apart that have the same."""


class SortedOrders:
    """The one with the lowest number comes first, and of those with the same the one entered first.

    Sorted are integers, made of both: that takes a fifth of the time of sorting the orders by a key.
    """

    __slots__ = ("_by", "_keys", "_orders")

    def __init__(self, by: int) -> None:
        self._by = by
        self._keys: SortedList[int] = SortedList()
        self._orders: dict[int, Order] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        orders = self._orders
        return iter([orders[key] for key in self._keys])

    def add(self, order: Order) -> None:
        key = self._key(order)
        self._orders[key] = order
        self._keys.add(key)

    def remove(self, order: Order) -> None:
        """Take out an order that is there. Its number must be what it was."""
        key = self._key(order)
        del self._orders[key]
        self._keys.remove(key)

    def first(self) -> Order | None:
        return self._orders[self._keys[0]] if self._orders else None

    def up_to(self, number: int) -> list[Order]:
        """Those that come no later than a number would."""
        end = (number + 1) << _ENTRIES
        orders = self._orders
        return [orders[key] for key in self._keys.irange(None, end, (True, False))]

    def _key(self, order: Order) -> int:
        terms = order.terms
        if self._by == BY_EXPIRY:
            number = terms.expires_ms
        else:
            number = terms.stop_ticks if self._by == BY_RISING_STOP else -terms.stop_ticks
        return (number << _ENTRIES) + order.number
