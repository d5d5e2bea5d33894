"""Stop orders that wait for a trade to reach their stop price."""

from gossipbook.matching.constants import BUY
from gossipbook.matching.ladder import Order
from gossipbook.matching.sorted_orders import BY_FALLING_STOP, BY_RISING_STOP, SortedOrders


def _number(order: Order) -> int:
    return order.number


class Stops:
    """Waiting orders of both sides, those first that a moving price reaches first."""

    __slots__ = ("buys", "sells")

    def __init__(self) -> None:
        self.buys = SortedOrders(BY_RISING_STOP)
        self.sells = SortedOrders(BY_FALLING_STOP)

    def __len__(self) -> int:
        return len(self.buys) + len(self.sells)

    def side(self, order: Order) -> SortedOrders:
        """Those among whom an order waits."""
        return self.buys if order.side == BUY else self.sells

    def reached(self, price_ticks: int) -> list[Order]:
        """The orders that a trade at a price triggers, by order number."""
        return sorted([*self.buys.up_to(price_ticks), *self.sells.up_to(-price_ticks)], key=_number)

    def next_reached(self, low_ticks: int, high_ticks: int) -> Order | None:
        """Of the buy with the lowest stop price and the sell with the highest, if reached, the earlier entered."""
        buy, sell = self.buys.first(), self.sells.first()
        buy = buy if buy is not None and buy.terms.stop_ticks <= high_ticks else None
        sell = sell if sell is not None and sell.terms.stop_ticks >= low_ticks else None
        if buy is None or sell is None:
            return buy or sell
        return buy if buy.number < sell.number else sell

    def waiting(self) -> list[Order]:
        """All, by order number."""
        return sorted([*self.buys, *self.sells], key=_number)
