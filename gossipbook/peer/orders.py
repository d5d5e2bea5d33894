"""What became of each order, by following a pair's events: for those who ask about one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gossipbook.ids import PublicKey
from gossipbook.matching import events as e
from gossipbook.matching.commands import PLACE, PLACE_SPECIAL
from gossipbook.matching.events import RawEvent
from gossipbook.ordered import BoundedDict

CLOSED_CAP = 4_096
"""Orders that trade no more and are remembered. Those of before are in the archive of events."""


@dataclass(slots=True)
class OrderState:
    """One order's life so far, in ticks and lots.

    ``status``: pending (its op is not certified yet), waiting (a stop order), open, filled, cancelled, expired or
    rejected. ``stop_ticks``: a stop order's;
    ``triggered``: it is one no more. ``hidden_lots``: how much of what is open an iceberg does not show.
    """

    side: int
    price_ticks: int
    qty_lots: int
    open_lots: int
    filled_lots: int = 0
    cancelled_lots: int = 0
    status: str = "open"
    reason: str = ""
    stop_ticks: int = 0
    triggered: bool = False
    hidden_lots: int = 0


OrderKey = tuple[PublicKey, int]


class OrderLog:
    """A pair's orders by (author, client order id): all that are open, and the latest that are not."""

    def __init__(self) -> None:
        self._open: dict[OrderKey, OrderState] = {}  # as many as the book has
        self._closed: BoundedDict[OrderKey, OrderState] = BoundedDict(CLOSED_CAP)

    def find(self, author: PublicKey, client_id: int) -> OrderState | None:
        key = author, client_id
        return self._open.get(key) or self._closed.get(key)

    def follow(self, events: Sequence[RawEvent]) -> None:
        """Take a finalized block's events."""
        for raw in events:
            event: Any = e.name_event(raw)
            match event:
                case e.Accepted():
                    state = OrderState(event.side, event.price_ticks, event.qty_lots, event.qty_lots)
                    self._open[event.author, event.client_id] = state
                case e.StopAccepted():
                    lots = event.qty_lots
                    state = OrderState(event.side, event.price_ticks, lots, lots, status="waiting")
                    state.stop_ticks = event.stop_ticks
                    self._open[event.author, event.client_id] = state
                case e.Triggered():
                    self._triggered(event)
                case e.Rejected():
                    self._rejected(event)
                case e.Fill():
                    self._fill(event.maker, event.maker_client_id, event.qty_lots)
                    self._fill(event.taker, event.taker_client_id, event.qty_lots)
                case e.Cancelled() | e.Expired():
                    self._reduced(event)
                case e.Amended():
                    self._amended(event)
                case e.Sliced():
                    self._sliced(event)
                case _:
                    pass  # Of no order: what it brings to orders follows as events of their own.

    def _triggered(self, event: e.Triggered) -> None:
        state = self._open.get((event.author, event.client_id))
        if state is not None:
            state.status, state.triggered = "open", True

    def _sliced(self, event: e.Sliced) -> None:
        state = self._open.get((event.author, event.client_id))
        if state is not None:
            state.hidden_lots = event.hidden_lots

    def _rejected(self, event: e.Rejected) -> None:
        """An order that was rejected, unless its id was used: then there was another one, whatever is known of it."""
        if event.reason == e.RejectReason.ID_REUSED:
            return
        if event.command in (PLACE, PLACE_SPECIAL):  # If there was one, it was in a life of its author's that is over.
            reason = e.RejectReason(event.reason).word
            self._closed[event.author, event.client_id] = OrderState(0, 0, 0, 0, status="rejected", reason=reason)

    def _fill(self, author: PublicKey, client_id: int, lots: int) -> None:
        state = self._open.get((author, client_id))
        if state is not None:
            state.open_lots -= lots
            state.filled_lots += lots
            if not state.open_lots:
                self._close(author, client_id, "filled")

    def _reduced(self, event: e.Cancelled | e.Expired) -> None:
        state = self._open.get((event.author, event.client_id))
        if state is None:
            return
        state.open_lots -= event.qty_lots
        state.cancelled_lots += event.qty_lots
        if not state.open_lots:
            state.hidden_lots = 0
            state.reason = e.CancelCause(event.cause).word if isinstance(event, e.Cancelled) else "gtd"
            self._close(event.author, event.client_id, "cancelled" if isinstance(event, e.Cancelled) else "expired")

    def _close(self, author: PublicKey, client_id: int, status: str) -> None:
        state = self._closed[author, client_id] = self._open.pop((author, client_id))
        state.status = status

    def _amended(self, event: e.Amended) -> None:
        state = self._open.get((event.author, event.client_id))
        if state is not None:
            # A reduction takes from what is hidden first; any other amend enters anew, and is sliced again if it rests.
            less = state.open_lots - event.open_lots
            reduced = event.price_ticks == state.price_ticks and less >= 0
            state.hidden_lots = max(state.hidden_lots - less, 0) if reduced else 0
            state.price_ticks, state.qty_lots, state.open_lots = event.price_ticks, event.qty_lots, event.open_lots
