"""What block time brings about: orders that lapse, and leases that run out."""

from sortedcontainers import SortedKeyList, SortedList

from gossipbook.matching.ladder import Order


def _lapse_order(order: Order) -> tuple[int, int]:
    return order.terms.expires_ms, order.number


class Timetable:
    """Orders by when they lapse, and authors by when their lease ends."""

    __slots__ = ("expiries", "leases", "leases_by_end")

    def __init__(self) -> None:
        self.expiries: SortedKeyList[Order, tuple[int, int]] = SortedKeyList(key=_lapse_order)
        self.leases: dict[bytes, int] = {}
        self.leases_by_end: SortedList[tuple[int, bytes]] = SortedList()

    def next_expiry_ms(self) -> int:
        """When the next order may not be open any more; 0 if none lapses."""
        return self.expiries[0].terms.expires_ms if self.expiries else 0

    def next_lease_ms(self) -> int:
        """Until when the next lease holds; 0 if there is none."""
        return self.leases_by_end[0][0] if self.leases_by_end else 0
