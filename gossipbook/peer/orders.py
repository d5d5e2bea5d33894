"""What became of each order, by following a pair's events: for those who ask about one order."""

from dataclasses import dataclass
from typing import Any

from gossipbook.ids import PublicKey
from gossipbook.matching import events as e
from gossipbook.matching.events import RawEvent
from gossipbook.ordered import BoundedDict

ORDERS_CAP = 200_000


@dataclass(slots=True)
class OrderState:
    """One order's life so far, in ticks and lots. ``status``: open, filled, cancelled, expired or rejected."""

    side: int
    price_ticks: int
    qty_lots: int
    open_lots: int
    filled_lots: int = 0
    cancelled_lots: int = 0
    status: str = "open"
    reason: str = ""


class OrderLog:
    """The latest orders of a pair, by (author, client order id)."""

    def __init__(self) -> None:
        self._orders: BoundedDict[tuple[PublicKey, int], OrderState] = BoundedDict(ORDERS_CAP)

    def find(self, author: PublicKey, client_id: int) -> OrderState | None:
        return self._orders.get((author, client_id))

    def follow(self, events: tuple[RawEvent, ...]) -> None:
        """Take a finalized block's events."""
        for raw in events:
            event: Any = e.name_event(raw)
            match event:
                case e.Accepted():
                    state = OrderState(event.side, event.price_ticks, event.qty_lots, event.qty_lots)
                    self._orders[event.author, event.client_id] = state
                case e.Rejected():
                    self._rejected(event)
                case e.Fill():
                    self._fill(event.maker, event.maker_client_id, event.qty_lots)
                    self._fill(event.taker, event.taker_client_id, event.qty_lots)
                case e.Cancelled() | e.Expired():
                    self._reduced(event)
                case e.Amended():
                    self._amended(event)
                case e.Frozen():
                    pass  # The cancellations that it brings follow as events of their own.

    def _rejected(self, event: e.Rejected) -> None:
        key = (event.author, event.client_id)
        if event.command == 1 and key not in self._orders:
            reason = e.RejectReason(event.reason).word
            self._orders[key] = OrderState(0, 0, 0, 0, status="rejected", reason=reason)

    def _fill(self, author: PublicKey, client_id: int, lots: int) -> None:
        state = self._orders.get((author, client_id))
        if state is not None:
            state.open_lots -= lots
            state.filled_lots += lots
            if not state.open_lots:
                state.status = "filled"

    def _reduced(self, event: e.Cancelled | e.Expired) -> None:
        state = self._orders.get((event.author, event.client_id))
        if state is None:
            return
        state.open_lots -= event.qty_lots
        state.cancelled_lots += event.qty_lots
        if not state.open_lots:
            cancelled = isinstance(event, e.Cancelled)
            state.status = "cancelled" if cancelled else "expired"
            state.reason = e.CancelCause(event.cause).word if isinstance(event, e.Cancelled) else "gtd"

    def _amended(self, event: e.Amended) -> None:
        state = self._orders.get((event.author, event.client_id))
        if state is not None:
            state.price_ticks, state.qty_lots, state.open_lots = event.price_ticks, event.qty_lots, event.open_lots
