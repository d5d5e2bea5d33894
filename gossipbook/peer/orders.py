"""What became of each order, by following a pair's events: for those who ask about one order."""

from typing import Any

from gossipbook.accounts.order_state import OrderFollower, OrderKey, OrderState, is_closed
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import AnyPlace
from gossipbook.ordered import BoundedDict

CLOSED_CAP = 4_096
"""Orders that trade no more and are remembered. Those of before are in the archive of events."""


class OrderLog(OrderFollower[OrderState]):
    """A pair's orders by (author, client order id): all that are open, and the latest that are not."""

    def __init__(self) -> None:
        self._open: dict[OrderKey, OrderState] = {}  # as many as the book has
        self._closed: BoundedDict[OrderKey, OrderState] = BoundedDict(CLOSED_CAP)

    def find(self, author: PublicKey, client_id: int) -> OrderState | None:
        """An order; the last of its name, if its author had several lives."""
        key = author, client_id
        return self._open.get(key) or self._closed.get(key)

    def find_open(self, author: PublicKey, client_id: int) -> OrderState | None:
        return self._open.get((author, client_id))

    def enter(self, order: OrderKey, event: Any, begun: OrderState, place: AnyPlace | None) -> None:
        if is_closed(begun):
            self._closed[order] = begun
        else:
            self._open[order] = begun

    def changed(self, order: OrderKey, number: int, state: OrderState) -> None:
        if is_closed(state):
            self._closed[order] = self._open.pop(order)
