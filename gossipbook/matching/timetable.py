"""What block time brings about: orders that lapse, and leases that run out."""

from sortedcontainers import SortedList

from gossipbook.matching.sorted_orders import BY_EXPIRY, SortedOrders


class Timetable:
    """Orders by when they lapse, and authors by when their lease ends."""

    __slots__ = ("expiries", "leases", "leases_by_end")

    def __init__(self) -> None:
        self.expiries = SortedOrders(BY_EXPIRY)
        self.leases: dict[bytes, int] = {}
        self.leases_by_end: SortedList[tuple[int, bytes]] = SortedList()

    def next_expiry_ms(self) -> int:
        """When the next order may not be open any more; 0 if none lapses."""
        first = self.expiries.first()
        return 0 if first is None else first.terms.expires_ms

    def next_lease_ms(self) -> int:
        """Until when the next lease holds; 0 if there is none."""
        return self.leases_by_end[0][0] if self.leases_by_end else 0
