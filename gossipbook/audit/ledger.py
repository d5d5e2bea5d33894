"""A book-keeper's view of the events: per order, total = filled + open + cancelled + expired.

No fill may go beyond what is open. The ledger never matches anything and knows no rule of priority; so it cannot
share a mistake with an engine.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gossipbook.audit.export import Event

ACCEPTED, REJECTED, FILL, CANCELLED, EXPIRED, AMENDED, FROZEN = 1, 2, 3, 4, 5, 6, 7
BUY = 1

OrderKey = tuple[bytes, int]  # author, client order id


@dataclass(slots=True)
class Account:
    """What became of one order's lots."""

    side: int
    price_ticks: int
    total: int
    open: int
    filled: int = 0
    gone: int = 0  # cancelled or expired

    def balanced(self) -> bool:
        return self.open >= 0 and self.total == self.filled + self.open + self.gone

    def allows(self, price_ticks: int) -> bool:
        return price_ticks <= self.price_ticks if self.side == BUY else price_ticks >= self.price_ticks


class Ledger:
    """The accounts of one pair's open orders, and of those that the present block closed."""

    def __init__(self) -> None:
        self.open: dict[OrderKey, Account] = {}
        self.closed: dict[OrderKey, Account] = {}
        self.last_ids: dict[bytes, int] = {}
        self.last_number = 0
        self.fills = 0
        self.overfilled: dict[OrderKey, None] = {}  # orders filled beyond their quantity

    def take(self, events: Iterable[Event]) -> list[str]:
        """Book one block's events; what is wrong with them."""
        self.closed = {}
        wrong: list[str] = []
        for event in events:
            if event[1] != self.last_number + 1:
                wrong.append(f"event {event[1]} follows event {self.last_number}")
            self.last_number = event[1]
            fault = self._book(event)
            if fault:
                wrong.append(f"event {event[1]}: {fault}")
        return wrong

    def take_rival(self, events: Iterable[Event]) -> None:
        """Count what a second block at the present height fills on top of the first."""
        filled: dict[OrderKey, int] = {}
        accepted: dict[OrderKey, None] = {}
        for event in events:
            if event[0] == ACCEPTED:
                accepted[event[2], event[3]] = None
            elif event[0] == FILL:
                for key in ((event[4], event[5]), (event[6], event[7])):
                    filled[key] = filled.get(key, 0) + event[3]
        for key, lots in filled.items():
            account = self.open.get(key) or self.closed.get(key)
            if account is not None:
                if account.filled + lots > account.total:
                    self.overfilled[key] = None
            elif key not in accepted:
                self.overfilled[key] = None  # Closed before this height.

    def resting(self) -> dict[OrderKey, tuple[int, int, int]]:
        """(side, price, open lots) of each open order."""
        return {key: (account.side, account.price_ticks, account.open) for key, account in self.open.items()}

    def _book(self, event: Event) -> str:
        match event:
            case (1, _, author, client_id, side, price, lots):
                return self._accept((author, client_id), side, price, lots)
            case (2, _, author, client_id, command, _):
                if command == 1:
                    self.last_ids[author] = max(client_id, self.last_ids.get(author, 0))
                return ""
            case (3, _, price, lots, maker, maker_id, taker, taker_id, taker_side):
                return self._fill(price, lots, (maker, maker_id), (taker, taker_id), taker_side)
            case (4, _, author, client_id, lots, left, _):
                return self._take_out((author, client_id), lots, left)
            case (5, _, author, client_id, lots):
                return self._take_out((author, client_id), lots, 0)
            case (6, _, author, client_id, price, total, left):
                return self._amend((author, client_id), price, total, left)
        return ""

    def _accept(self, key: OrderKey, side: int, price: int, lots: int) -> str:
        author, client_id = key
        if client_id <= self.last_ids.get(author, 0):
            return f"order {_name(key)} is accepted again"
        if side not in (1, 2) or lots < 1:
            return f"order {_name(key)} has no side or no quantity"
        self.last_ids[author] = client_id
        self.open[key] = Account(side, price, lots, lots)
        return ""

    def _fill(self, price: int, lots: int, maker: OrderKey, taker: OrderKey, taker_side: int) -> str:
        self.fills += 1
        accounts = [self.open.get(key) for key in (maker, taker)]
        for key, account in zip((maker, taker), accounts, strict=True):
            if account is None or account.open < lots or lots < 1:
                self.overfilled[key] = None
                left = 0 if account is None else account.open
                return f"order {_name(key)} fills {lots} lots, but has {left} open: filled twice or too much"
        made, took = accounts
        assert made is not None
        assert took is not None
        if maker[0] == taker[0]:
            return f"orders {_name(maker)} and {_name(taker)} of one author trade"
        if took.side != taker_side or made.side == taker_side:
            return f"orders {_name(maker)} and {_name(taker)} are not on the sides that trade"
        for key, account in ((maker, made), (taker, took)):
            if not account.allows(price):
                return f"order {_name(key)} fills at {price}, beyond its limit {account.price_ticks}"
            account.open -= lots
            account.filled += lots
            self._settle(key, account)
        return ""

    def _take_out(self, key: OrderKey, lots: int, left: int) -> str:
        account = self.open.get(key)
        if account is None or account.open - lots != left:
            had = 0 if account is None else account.open
            return f"order {_name(key)} loses {lots} of {had} open lots and is said to keep {left}"
        account.open -= lots
        account.gone += lots
        self._settle(key, account)
        return ""

    def _amend(self, key: OrderKey, price: int, total: int, left: int) -> str:
        account = self.open.get(key)
        if account is None:
            return f"order {_name(key)} is amended, but not open"
        if not left or total != account.filled + left + account.gone:
            return f"order {_name(key)} does not add up after its amend"
        account.price_ticks, account.total, account.open = price, total, left
        return ""

    def _settle(self, key: OrderKey, account: Account) -> None:
        assert account.balanced()
        if not account.open:
            self.closed[key] = self.open.pop(key)


def _name(key: OrderKey) -> str:
    return f"{key[0].hex()[:8]}/{key[1]}"
