"""What events do to an order, for whoever follows orders: in a peer's memory, in its archive, in tests."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Op
from gossipbook.ids import PublicKey
from gossipbook.matching import events as e
from gossipbook.matching.commands import PLACE_KINDS, AnyPlace, PlaceNamed
from gossipbook.matching.events import RawEvent


@dataclass(slots=True)
class OrderState:
    """One order's life so far, in ticks and lots.

    ``status``: pending (its op is not certified yet), waiting (a stop order), open, filled, cancelled, expired or
    rejected. ``stop_ticks``: a stop order's; ``triggered``: it is one no more. ``hidden_lots``: how much of what is
    open an iceberg does not show. ``quote``: the sum of price times lots of its fills. ``text_id``: its author's own
    name for it.
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
    quote: int = 0
    text_id: str = ""


OrderKey = tuple[PublicKey, int]
State = TypeVar("State", bound=OrderState)


class OrderFollower(ABC, Generic[State]):
    """Follows the orders of one pair through the events of its finalized blocks."""

    @abstractmethod
    def find_open(self, author: PublicKey, client_id: int) -> State | None:
        """An order that may still change; None if it cannot, or is not known."""

    @abstractmethod
    def enter(self, order: OrderKey, event: Any, begun: OrderState, place: AnyPlace | None) -> None:
        """An order is in the pair from this event on; or it is refused, and then it is closed at once.

        ``place`` is the command that entered it, where the op was given.
        """

    @abstractmethod
    def changed(self, order: OrderKey, number: int, state: State) -> None:
        """An event with this number changed an order; one whose status says so is closed with it."""

    def traded(self, fill: e.Fill) -> None:
        """Two orders traded; both have been told."""

    def follow(self, events: Sequence[RawEvent], items: Iterable[Item] = ()) -> None:
        """Take a finalized block's events, and the ops that they answer."""
        self._places = _placed_by(items)
        for raw in events:
            event: Any = e.name_event(raw)
            match event:
                case e.Accepted():
                    lots = event.qty_lots
                    self._begin(event, OrderState(event.side, event.price_ticks, lots, lots))
                case e.StopAccepted():
                    lots = event.qty_lots
                    begun = OrderState(event.side, event.price_ticks, lots, lots, status="waiting")
                    begun.stop_ticks = event.stop_ticks
                    self._begin(event, begun)
                case e.Rejected():
                    self._rejected(event)
                case e.Fill():
                    self._fill(event, (event.maker, event.maker_client_id))
                    self._fill(event, (event.taker, event.taker_client_id))
                    self.traded(event)
                case e.Triggered() | e.Sliced() | e.Amended() | e.Cancelled() | e.Expired():
                    state = self.find_open(event.author, event.client_id)
                    if state is not None:
                        _change(state, event)
                        self.changed(_key(event), event.number, state)
                case _:
                    pass  # Of no order: what it brings to orders follows as events of their own.

    def _rejected(self, event: e.Rejected) -> None:
        """An order that was rejected, unless its id was used: then there was another one, whatever is known of it."""
        if event.reason != e.RejectReason.ID_REUSED and event.command in PLACE_KINDS:
            reason = e.RejectReason(event.reason).word
            self._begin(event, OrderState(0, 0, 0, 0, status="rejected", reason=reason))

    def _begin(self, event: Any, begun: OrderState) -> None:
        place = _place_of(event, self._places)
        if isinstance(place, PlaceNamed):
            begun.text_id = place.text_id
        self.enter(_key(event), event, begun, place)

    def _fill(self, fill: e.Fill, order: OrderKey) -> None:
        state = self.find_open(*order)
        if state is None:
            return
        state.open_lots -= fill.qty_lots
        state.filled_lots += fill.qty_lots
        state.quote += fill.qty_lots * fill.price_ticks
        if not state.open_lots:
            state.status = "filled"
        self.changed(order, fill.number, state)


_Places = dict[OrderKey, list[tuple[int, AnyPlace]]]


def _placed_by(items: Iterable[Item]) -> _Places:
    """The orders that ops enter, with the ops' sequence numbers; an author may use an id twice, once in vain."""
    places: _Places = {}
    for op in items:
        if not isinstance(op, Op):
            continue
        for command in op.commands:
            if isinstance(command, AnyPlace):
                places.setdefault((op.author, command.client_id), []).append((op.seq, command))
    return places


def _place_of(event: Any, places: _Places) -> AnyPlace | None:
    """The command that an event answers: of the op that it names, if events tell; else the first."""
    found = places.get(_key(event), ())
    return next((place for seq, place in found if event.seq in (None, seq)), None)


def is_closed(state: OrderState) -> bool:
    """Whether nothing can change an order any more."""
    return state.status in ("filled", "cancelled", "expired", "rejected")


def _key(event: Any) -> OrderKey:
    return event.author, event.client_id


def _change(state: OrderState, event: Any) -> None:
    match event:
        case e.Triggered():
            state.status, state.triggered = "open", True
        case e.Sliced():
            state.hidden_lots = event.hidden_lots
        case e.Amended():
            # A reduction takes from what is hidden first; any other amend enters anew, and is sliced again if it rests.
            less = state.open_lots - event.open_lots
            reduced = event.price_ticks == state.price_ticks and less >= 0
            state.hidden_lots = max(state.hidden_lots - less, 0) if reduced else 0
            state.price_ticks, state.qty_lots, state.open_lots = event.price_ticks, event.qty_lots, event.open_lots
        case e.Cancelled() | e.Expired():
            state.open_lots -= event.qty_lots
            state.cancelled_lots += event.qty_lots
            if not state.open_lots:
                state.hidden_lots = 0
                state.reason = e.CancelCause(event.cause).word if isinstance(event, e.Cancelled) else "gtd"
                state.status = "cancelled" if isinstance(event, e.Cancelled) else "expired"
