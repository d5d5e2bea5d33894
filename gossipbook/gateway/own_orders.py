"""What blocks do to one author's orders in one pair, told event by event. Pure.

It is the bookkeeping of peers' archives, over the author's own events alone, from where an archive was asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gossipbook.accounts.bookkeeping import Bookkeeper
from gossipbook.accounts.order_state import OrderKey, OrderState, is_closed
from gossipbook.accounts.rows import Candle, FillRow, OrderRow, Sums
from gossipbook.crdt.op import Op
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import AnyPlace, OrderType, PlaceFlags, SelfTrade, Side, TimeInForce
from gossipbook.matching.events import Event, Fill, RawEvent, raw_event


@dataclass(frozen=True, slots=True)
class Report:
    """One event of one order: the order after it, and the fill if it was one. ``event`` is its class's name."""

    event: str
    number: int
    order: OrderRow
    fill: FillRow | None = None


class _Memory:
    """What is known of an author: open orders, and sums."""

    def __init__(self, author: PublicKey, sums: Sums, orders: Iterable[OrderRow]) -> None:
        self._author = author
        self._sums = sums
        self.orders = {order.client_id: order for order in orders}

    def order(self, pair: str, author: PublicKey, client_id: int) -> OrderRow | None:
        return self.orders.get(client_id) if author == self._author else None

    def sums(self, pair: str, author: PublicKey) -> Sums | None:
        return self._sums if author == self._author else None

    def candle(self, pair: str, width_ms: int, start_ms: int) -> Candle | None:
        return None


class OwnOrders(Bookkeeper):
    """Follows an author's orders in a pair. ``orders`` are those that are open now."""

    def __init__(self, pair: str, author: PublicKey, sums: Sums = Sums(), orders: Iterable[OrderRow] = ()) -> None:  # noqa: B008
        self._memory = _Memory(author, sums, orders)
        super().__init__(self._memory)
        self._symbol = pair
        self.author = author
        self.sums = sums
        self._reports: list[Report] = []
        self._named: dict[int, str] = {}

    @property
    def open(self) -> list[OrderRow]:
        """The orders that may still change, by order of entry."""
        return list(self._memory.orders.values())

    def report(self, height: int, time_ms: int, events: Sequence[Event], ops: Sequence[Op] = ()) -> list[Report]:
        """What a block did to the author's orders. ``ops``: the author's in it, as far as they are known."""
        named = [event for event in events if names(event, self.author)]
        if not named:
            return []
        own: list[RawEvent] = [raw_event(event) for event in named]
        self._named = {event.number: type(event).__name__ for event in named}
        self.take(self._symbol, height, time_ms, own, ops)
        changes = self.drain()
        for (_, author, _), row in changes.orders.items():
            if author == self.author:
                self._memory.orders.pop(row.client_id, None)
                if not is_closed(row):
                    self._memory.orders[row.client_id] = row
        self.sums = changes.sums.get((self._symbol, self.author), self.sums)
        reports, self._reports = self._reports, []
        return reports

    def enter(self, order: OrderKey, event: Any, begun: OrderState, place: AnyPlace | None) -> None:
        super().enter(order, event, begun, place)
        self._tell(order, event.number)

    def changed(self, order: OrderKey, number: int, state: OrderRow) -> None:
        super().changed(order, number, state)
        if self._named.get(number) != Fill.__name__:
            self._tell(order, number)

    def traded(self, fill: Fill) -> None:
        super().traded(fill)
        for row in self._changes.fills[-2:]:
            if row.author == self.author:
                order = self._changes.newest.get((self._symbol, row.author, row.client_id))
                if order is not None:
                    named = row._replace(text_id=order.text_id)
                    self._reports.append(Report(Fill.__name__, fill.number, replace(order), named))

    def _tell(self, order: OrderKey, number: int) -> None:
        row = self._changes.newest[self._symbol, *order]
        self._reports.append(Report(self._named[number], number, replace(row)))


def names(event: Event, author: PublicKey) -> bool:
    """Whether an event is about an order of an author."""
    if isinstance(event, Fill):
        return author in (event.maker, event.taker)
    return getattr(event, "author", None) == author and hasattr(event, "client_id")


def read_order(pair: str, author: PublicKey, row: dict[str, Any]) -> OrderRow:
    """An order as peers tell it, read back."""

    def number(words: Any, word: str) -> int:
        return int(words[word.upper().replace("-", "_")]) if word else 0

    flags = PlaceFlags.POST_ONLY * bool(row["post_only"]) | PlaceFlags.SLIDE * bool(row["slide"])
    same = ("price_ticks", "qty_lots", "open_lots", "filled_lots", "cancelled_lots", "status", "reason", "stop_ticks")
    also = ("triggered", "quote", "text_id", "client_id", "number", "height", "time_ms", "changed_number")
    last = ("changed_height", "changed_ms", "display_lots", "expires_ms")
    return OrderRow(
        side=number(Side, row["side"]),
        pair=pair,
        author=author,
        type=number(OrderType, row["kind"]),
        tif=number(TimeInForce, row["tif"]),
        self_trade=number(SelfTrade, row["self_trade"]),
        flags=int(flags),
        **{name: row[name] for name in (*same, *also, *last)},
    )
