"""Both sides' queues followed through the events of one command, by a list per side: the law of price and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gossipbook.matching.commands import Side
from gossipbook.matching.events import Accepted, Amended, Cancelled, Expired, Fill, Sliced, Triggered, Uncrossed


@dataclass
class Queued:
    author: bytes
    client_id: int
    side: int
    price: int
    shown: int
    hidden: int = 0


class Queues:
    """Starts from the resting rows of a book: (author, client_id, price, shown, number, hidden), by priority."""

    def __init__(self, bids: Sequence[Any], asks: Sequence[Any]) -> None:
        self.sides = {
            side: [Queued(row[0], row[1], side, row[2], row[3], row[5]) for row in rows]
            for side, rows in ((Side.BUY, bids), (Side.SELL, asks))
        }
        self.entering: Queued | None = None
        self.auction = False

    def take(self, event: Any) -> None:
        match event:
            case Accepted(_, author, client_id, side, price, lots):
                self.entering = Queued(author, client_id, side, price, lots)
            case Uncrossed():
                self.auction = True
            case Fill():
                self._fill(event)
            case Amended():
                self._amend(event)
            case Cancelled() | Expired():
                order = self._find(event.author, event.client_id)
                if order is not None:
                    rest = event.open_lots if isinstance(event, Cancelled) else 0
                    self._lower(order, event.qty_lots if rest else order.shown)

    def trigger(self, event: Triggered, side: int) -> None:
        """The order that entered before this one has come to rest by now."""
        self._settle()
        self.entering = Queued(event.author, event.client_id, side, event.price_ticks, event.qty_lots)

    def slice(self, event: Sliced, side: int, price: int) -> None:
        if self.entering is not None and self._is(self.entering, event):
            self.entering = None
        self._join(Queued(event.author, event.client_id, side, price, event.shown_lots, event.hidden_lots))

    def check(self, bids: Sequence[Any], asks: Sequence[Any]) -> None:
        """The queues must have come to this."""
        self._settle()
        for side, rows in ((Side.BUY, bids), (Side.SELL, asks)):
            expected = [(o.author, o.client_id, o.price, o.shown, o.hidden) for o in self.sides[side]]
            assert [(*row[:4], row[5]) for row in rows] == expected

    def _fill(self, fill: Fill) -> None:
        maker_side = Side.SELL if fill.taker_side == Side.BUY else Side.BUY
        front = self.sides[maker_side][0]
        assert (front.author, front.client_id) == (fill.maker, fill.maker_client_id), "not with the front of the queue"
        taker = self._find(fill.taker, fill.taker_client_id)
        assert taker is not None
        if self.auction:
            assert taker is self.sides[fill.taker_side][0], "not with the front of the queue"
        else:
            assert taker is self.entering
            assert fill.price_ticks == front.price
        self._lower(front, fill.qty_lots)
        self._lower(taker, fill.qty_lots)

    def _amend(self, event: Amended) -> None:
        order = self._find(event.author, event.client_id)
        if order is None:
            return  # A stop order that waits.
        whole = order.shown + order.hidden
        if event.price_ticks == order.price and event.open_lots <= whole:
            order.hidden = max(0, event.open_lots - order.shown)
            order.shown = event.open_lots - order.hidden
        else:
            self.sides[order.side].remove(order)
            self.entering = Queued(event.author, event.client_id, order.side, event.price_ticks, event.open_lots)

    def _lower(self, order: Queued, lots: int) -> None:
        """Of what it shows; with that used up it leaves, and an iceberg's next slice is an event of its own."""
        order.shown -= lots
        assert order.shown >= 0
        if order.shown == 0:
            if order is self.entering:
                self.entering = None
            else:
                self.sides[order.side].remove(order)

    def _settle(self) -> None:
        if self.entering is not None:
            self._join(self.entering)
            self.entering = None

    def _join(self, order: Queued) -> None:
        queue = self.sides[order.side]
        sign = 1 if order.side == Side.BUY else -1
        place = sum(1 for other in queue if other.price * sign >= order.price * sign)
        queue.insert(place, order)

    def _find(self, author: bytes, client_id: int) -> Queued | None:
        entering = [] if self.entering is None else [self.entering]
        found = (*entering, *self.sides[Side.BUY], *self.sides[Side.SELL])
        return next((order for order in found if (order.author, order.client_id) == (author, client_id)), None)

    @staticmethod
    def _is(order: Queued, event: Sliced) -> bool:
        return (order.author, order.client_id) == (event.author, event.client_id)
