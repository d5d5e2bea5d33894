"""Stop orders that wait for a trade to reach their stop price. Wide and rarely touched: sorted containers serve."""

from typing import Any

from sortedcontainers import SortedKeyList

from gossipbook.matching.constants import BUY
from gossipbook.matching.ladder import Order


def _rising(order: Order) -> tuple[int, int]:
    return order.terms.stop_ticks, order.number


def _falling(order: Order) -> tuple[int, int]:
    return -order.terms.stop_ticks, order.number


def _number(order: Order) -> int:
    return order.number


class Stops:
    """Waiting orders of both sides, those first that a moving price reaches first."""

    __slots__ = ("buys", "sells")

    def __init__(self) -> None:
        self.buys: SortedKeyList[Order, tuple[int, int]] = SortedKeyList(key=_rising)
        self.sells: SortedKeyList[Order, tuple[int, int]] = SortedKeyList(key=_falling)

    def __len__(self) -> int:
        return len(self.buys) + len(self.sells)

    def side(self, order: Order) -> Any:
        """The sorted list that an order waits in."""
        return self.buys if order.side == BUY else self.sells

    def reached(self, price_ticks: int) -> list[Order]:
        """The orders that a trade at a price triggers, by order number."""
        found = []
        for order in self.buys:
            if order.terms.stop_ticks > price_ticks:
                break
            found.append(order)
        for order in self.sells:
            if order.terms.stop_ticks < price_ticks:
                break
            found.append(order)
        return sorted(found, key=_number)

    def next_reached(self, low_ticks: int, high_ticks: int) -> Order | None:
        """Of the buy with the lowest stop price and the sell with the highest, if reached, the earlier entered."""
        buy = self.buys[0] if self.buys and self.buys[0].terms.stop_ticks <= high_ticks else None
        sell = self.sells[0] if self.sells and self.sells[0].terms.stop_ticks >= low_ticks else None
        if buy is None or sell is None:
            return buy or sell
        return buy if buy.number < sell.number else sell

    def waiting(self) -> list[Order]:
        """All, by order number."""
        return sorted([*self.buys, *self.sells], key=_number)
