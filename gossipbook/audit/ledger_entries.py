"""What the ledger keeps of one order, and of who may not trade with whom."""

from dataclasses import dataclass

BUY = 1
JOINED, MEMBER = 1, 3  # of a grouped event's consent

OrderKey = tuple[bytes, int]  # author, client order id


@dataclass(slots=True)
class OrderLots:
    """What became of one order's lots. ``shown`` is what others may trade with; the rest of what is open is hidden."""

    side: int
    price_ticks: int
    total: int
    open: int
    shown: int
    stop_ticks: int = 0
    waits: bool = False  # a stop order outside the book, until it is triggered
    filled: int = 0
    gone: int = 0  # cancelled or expired
    last_event: int = 0  # the number of the last event about it

    def balanced(self) -> bool:
        return 0 <= self.shown <= self.open and self.total == self.filled + self.open + self.gone

    def allows(self, price_ticks: int) -> bool:
        return price_ticks <= self.price_ticks if self.side == BUY else price_ticks >= self.price_ticks

    def reached(self, price_ticks: int) -> bool:
        """Whether a trade at a price is at the stop price or beyond."""
        return price_ticks >= self.stop_ticks if self.side == BUY else price_ticks <= self.stop_ticks

    def take(self, lots: int) -> None:
        """Take lots out of what is open, what is shown first."""
        self.open -= lots
        self.shown = max(0, self.shown - lots)

    def amend(self, price_ticks: int, total: int, open_lots: int) -> None:
        """What is hidden stays so if the price stays and no more is open than before; else the order enters anew."""
        reduction = price_ticks == self.price_ticks and open_lots <= self.open
        self.shown = min(self.shown, open_lots) if reduction else open_lots
        self.price_ticks, self.total, self.open = price_ticks, total, open_lots


class Memberships:
    """Whose group each author is in, by the events alone."""

    def __init__(self) -> None:
        self._owners: dict[bytes, bytes] = {}

    def of(self, author: bytes) -> bytes:
        """The owner of the author's group; the author, if in nobody else's."""
        return self._owners.get(author, author)

    def take(self, member: bytes, owner: bytes, consent: int) -> str:
        """Book what a member and an owner say of each other; what is wrong with it."""
        if consent > MEMBER or (consent and owner in (b"", member)):
            return f"{member.hex()[:8]} and {owner.hex()[:8]} cannot be grouped so"
        if consent == MEMBER:
            self._owners[member] = owner
        elif consent & JOINED or not owner:
            self._owners.pop(member, None)  # Wants to be elsewhere, or nowhere.
        elif self._owners.get(member) == owner:
            return f"{member.hex()[:8]} is in the group of {owner.hex()[:8]} and is said not to want it"
        if consent == MEMBER and (owner in self._owners or member in self._owners.values()):
            return f"the group of {member.hex()[:8]} comes to be inside that of {owner.hex()[:8]}"
        return ""
